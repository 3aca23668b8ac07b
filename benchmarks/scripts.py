"""How a script of this folder begins and ends, as users of a terminal expect: never by a traceback.

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


def run(main: Callable[[], int]) -> NoReturn:
    """Run a script's `main`, and end with the status that it returns, or that of a signal."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # an ASCII terminal has no µ
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # tidies up
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
