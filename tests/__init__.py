import contextlib
import io
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

# The tests may run under pytest-xdist, and on GitHub; what they start does not. Nor does it load
# these plugins, whose import takes half of the time that pytest takes to start (1.4 of 2.7 s).
ENVIRONMENT = {
    k: v for k, v in os.environ.items() if "XDIST" not in k and "GITHUB" not in k and k != "CI"
}
ENVIRONMENT["PYTEST_ADDOPTS"] = "-p no:hypothesispytest -p no:zarr"


def heed_interrupts() -> None:
    """Undo what a shell does to its background jobs, in a process before it begins."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def in_process(main: Callable[[], Any], folder: Path) -> subprocess.CompletedProcess[str]:
    """Call a program's main function in a folder; return its status and what it said."""
    out, errors = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        try:
            status = main()
        except SystemExit as end:  # argparse refuses an option
            status = end.code
    return subprocess.CompletedProcess((), int(status), out.getvalue(), errors.getvalue())
