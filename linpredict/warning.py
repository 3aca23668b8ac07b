"""Warn of what is wrong, at the line of the program that called this package."""

from __future__ import annotations

import functools
import os
import sys
import warnings

# functools: its cached_property is written in Python up to 3.13 or so.
INSIDE = (os.path.join(os.path.dirname(__file__), ""), functools.__file__)


def warn(message: str) -> None:
    """Issue a `RuntimeWarning`; ``skip_file_prefixes`` would do this from Python 3.12 on."""
    frame, level = sys._getframe(), 1
    while frame.f_back and frame.f_code.co_filename.startswith(INSIDE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, RuntimeWarning, level)
