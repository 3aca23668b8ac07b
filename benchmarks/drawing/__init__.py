"""The plots of saved runs."""
