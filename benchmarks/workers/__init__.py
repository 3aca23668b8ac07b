"""Processes that make a predictor and time its calls."""
