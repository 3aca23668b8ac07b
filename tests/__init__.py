"""Tests, a module for each room of the tree."""
