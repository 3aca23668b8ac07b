"""Benchmarks of linear prediction against batch size, and the plots of their results."""
