"""Measurements of the suite itself, whose figures are in the README beside this folder."""
