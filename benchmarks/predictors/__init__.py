"""Predictors that can be measured: the package's, other libraries', and the user's own."""
