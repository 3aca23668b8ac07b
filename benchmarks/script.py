"""Start and end of a script as users of a terminal expect them: never by a traceback.

Imported before matplotlib, whose import ends where the user's file cannot be decoded, or names a
backend that it does not know. No window is opened, and figures have a style of their own.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

os.environ["MATPLOTLIBRC"] = os.devnull
os.environ["MPLBACKEND"] = "agg"


stopped_by: list[int] = []  # signals


def stop(number: int, frame: object = None) -> None:
    """End the script as a signal asks, and tidy up."""
    stopped_by.append(number)
    sys.exit(128 + number)


def heed_signals() -> None:
    """End the script if a signal came: what that raised is lost where C calls Python (fonts)."""
    if stopped_by:
        sys.exit(128 + stopped_by[0])


def run(main: Callable[[], int]) -> NoReturn:
    """Run a script's `main`, and end with the status that it returns, or that of a signal."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # an ASCII terminal has no µ
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    sys.exit(main())
