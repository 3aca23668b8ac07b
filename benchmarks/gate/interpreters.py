"""Interpreters: whether one can be measured, and programs that are run to their end."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.workers.processes import FOREIGN

STARTING = 60.0  # seconds for an interpreter to start and import NumPy
NOW_AND_THEN = 20.0  # seconds between words on a program that runs
OLDEST = (3, 9)
PREFIX = "linpredict: "  # of a probe's answers: whatever runs at start-up may print as well
# What tells pip to install somewhere else, something else, or to say less than why it fails.
DISTURBING = (
    *("DRY_RUN", "EDITABLE", "FORCE_REINSTALL", "IGNORE_INSTALLED", "NO_DEPENDENCIES", "NO_DEPS"),
    *("PREFIX", "PYTHON", "QUIET", "REQUIREMENT", "ROOT", "TARGET", "UPGRADE", "USER", "VERBOSE"),
)

# Python 2 and 3.6 parse it, too. Not from the current folder, which "" stands for.
PROBE = f"""
import sys
sys.path = [folder for folder in sys.path if folder]
import json, platform
def answer(what):
    sys.stdout.write("\\n{PREFIX}" + json.dumps(what) + "\\n")
    sys.stdout.flush()
answer([platform.python_implementation(), sys.version_info[:2]])
if sys.version_info >= {OLDEST}:
    try:
        import numpy
        answer(numpy.__version__ and "")
    except BaseException as error:
        missing = isinstance(error, ImportError) and error.name == "numpy"
        reason = str(error).split("Original error was:")[-1].strip().split("\\n")[0]
        answer(None if missing else type(error).__name__ + ": " + reason)
"""


class UnusableEnvironmentError(ValueError):
    """Why an interpreter or an environment cannot be measured."""


def check_interpreter(python: str) -> str:
    """Return the absolute path of an interpreter that has NumPy, in whatever environment.

    Given is a path or a command. Links are not followed: that of a virtual environment is one.

    Raises
    ------
    UnusableEnvironmentError
        If it is not CPython 3.9 or newer that runs, within `STARTING`, and imports NumPy.
    """
    path = os.path.abspath(shutil.which(python) or os.path.expanduser(python))
    if os.path.isdir(path):
        raise UnusableEnvironmentError(f"{path} is a folder, expected an interpreter: bin/python")
    if not os.path.exists(path):
        raise UnusableEnvironmentError(f"there is no file or command {python!r}")
    try:
        done = run([path, "-c", PROBE], STARTING)
    except subprocess.TimeoutExpired:
        raise UnusableEnvironmentError(
            f"{path} took more than {STARTING:g} s to start and import NumPy"
        ) from None
    except OSError as error:
        raise UnusableEnvironmentError(f"{path} cannot be run: {error.strerror}") from error
    (implementation, version), *rest = answers(path, done)
    found = f"{implementation} {version[0]}.{version[1]}"
    if implementation != "CPython" or tuple(version) < OLDEST:
        oldest = f"{OLDEST[0]}.{OLDEST[1]}"
        raise UnusableEnvironmentError(f"{path} is {found}, expected CPython {oldest} or newer")
    if not rest:
        raise UnusableEnvironmentError(f"{path} ends when it imports NumPy: {last_words(done)}")
    if rest[0] is None:
        target = Path(path).parent / os.readlink(path) if os.path.islink(path) else Path(path)
        if target.parent != Path(path).parent and (target.parents[1] / "pyvenv.cfg").exists():
            raise UnusableEnvironmentError(
                f"{path} is a link to {target}, whose environment Python does not find from there: "
                f"give {target}"
            )
        install = shlex.join([path, "-m", "pip", "install", "numpy"])
        raise UnusableEnvironmentError(
            f"{path} has no NumPy: install it there with {install}, or, where a system manages it, "
            "in a virtual environment made from it, and give the environment's interpreter"
        )
    if rest[0]:
        raise UnusableEnvironmentError(f"{path} cannot import NumPy: {rest[0]}")
    return path


def run(
    command: list[str],
    patience: float | None = None,
    pass_fds: Sequence[int] = (),
    variables: dict[str, str] | None = None,
    waiting: Callable[[float], object] = lambda seconds: None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; it and all that it starts end with the time it may take.

    `waiting` is told now and then for how many seconds it has run.
    """
    begin = time.monotonic()
    with subprocess.Popen(
        command, env=variables or environment(), start_new_session=True, pass_fds=pass_fds,
        text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            while True:
                try:
                    said = process.communicate(timeout=patience or NOW_AND_THEN)
                    return subprocess.CompletedProcess(command, process.returncode, *said)
                except subprocess.TimeoutExpired:
                    if patience:
                        raise
                    waiting(time.monotonic() - begin)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise


def environment() -> dict[str, str]:
    """Return the environment variables for processes of another environment, pip among them."""
    dropped = {*FOREIGN, *(f"PIP_{name}" for name in DISTURBING)}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    # Without a network, pip would take minutes to say so.
    defaults = {"PIP_RETRIES": "1", "PIP_DEFAULT_TIMEOUT": "10"}
    return defaults | kept | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def answers(python: str, done: subprocess.CompletedProcess[str]) -> list[Any]:
    lines = [line for line in done.stdout.splitlines() if line.startswith(PREFIX)]
    if not lines:
        raise UnusableEnvironmentError(f"{python} does not run as Python does: {last_words(done)}")
    return [json.loads(line.removeprefix(PREFIX)) for line in lines]


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line of a program's errors, or else its status."""
    lines = done.stderr.strip().splitlines()
    return lines[-1].strip() if lines else f"it said nothing (status {done.returncode})"
