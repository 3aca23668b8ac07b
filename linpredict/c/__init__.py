"""The kernel in C: its source, its compilation and its functions."""
