"""Environments of what tests start, runs in this process, and programs."""

import contextlib
import functools
import io
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cpuinfo  # type: ignore[import-untyped]

# What tests start need not compile modules in each process (0.2 s).
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Nor do OpenBLAS's threads spin for 0.11 s, from the import of NumPy on, on a core that another
# test uses: 2**4 cycles.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
# The tests may run under pytest-xdist, and on GitHub; what they start does not. Nor does it load
# these plugins, whose import takes half of the time that pytest takes to start.
ENVIRONMENT = {
    k: v for k, v in os.environ.items() if "XDIST" not in k and "GITHUB" not in k and k != "CI"
}
ENVIRONMENT["PYTEST_ADDOPTS"] = "-p no:hypothesispytest -p no:zarr -p no:codspeed"


def heed_interrupts() -> None:
    """Undo what a shell does to its background jobs, in a process before it begins."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


cached_cpu_info = functools.cache(cpuinfo.get_cpu_info)  # by a process of its own, 0.25 s


def cpu_info() -> dict[str, Any]:
    """Describe the CPU, whose clock rate differs each time."""
    info: dict[str, Any] = cached_cpu_info()
    return info | {"hz_actual": [time.monotonic_ns(), 0], "hz_actual_friendly": "?"}


def in_process(main: Callable[[], Any], folder: Path) -> subprocess.CompletedProcess[str]:
    """Call a program's main function in a folder; return its status and what it said."""
    out, errors = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
        patch("cpuinfo.get_cpu_info", cpu_info),
    ):
        try:
            status = main()
        except SystemExit as end:  # argparse refuses an option
            status = end.code
    return subprocess.CompletedProcess((), int(status), out.getvalue(), errors.getvalue())


@contextlib.contextmanager
def size_of_files(most: int) -> Iterator[None]:
    """Let files be opened and not be written, as a full disk does, beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def executable(path: Path, text: str) -> str:
    """Write a shell script, and return its path."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)
