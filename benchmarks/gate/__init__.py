"""The gate: compares predictions with a baseline, in processes of their own."""
