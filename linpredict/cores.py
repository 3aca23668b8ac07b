"""Cores, quotas and threads that this process may use."""

from __future__ import annotations

import contextlib
import math
import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from . import thread_limits


def usable_cores() -> int:
    """Return how many cores the calling thread may use, by its affinity and its container's quota.

    A quota of 1.5 cores counts as 2: its threads are paused for a part of the time, and one thread
    could not use all of it.
    """
    return min(affinity(), quota())


def affinity() -> int:
    """Return the number of cores that the calling thread may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows
        return os.cpu_count() or 1


def quota() -> int:
    """Return how many cores the container's quota amounts to, at least one."""
    cores = thread_limits.ALL
    for folder in control_groups("cpu"):
        # Versions 2 and 1; for no quota they say max and -1.
        for names in (["cpu.max"], ["cpu.cfs_quota_us", "cpu.cfs_period_us"]):
            with contextlib.suppress(OSError):
                time, period = " ".join((folder / name).read_text() for name in names).split()
                if time not in ("max", "-1"):
                    cores = min(cores, math.ceil(int(time) / int(period)))
    return cores


def control_groups(controller: str) -> Iterator[Path]:
    """Yield the folders of this process's control groups, inner to outer; the limits of all hold.

    Inside a container the inner folders may not be visible: reading from them fails, and the
    outermost one yielded holds the container's limits.
    """
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2: one hierarchy for all controllers
            mount = Path("/sys/fs/cgroup")
        elif controller in controllers.split(","):
            mount = Path("/sys/fs/cgroup", controller)
        else:
            continue
        folder = mount / path.lstrip("/")
        yield from (group for group in (folder, *folder.parents) if group.is_relative_to(mount))


def threads_asked_for() -> int | None:
    """Return how many threads the environment asks OpenBLAS for, as OpenBLAS reads it.

    The first variable with a positive number counts, and of each what C's ``atoi`` makes of it.
    """
    for variable in ("OPENBLAS", "OPENBLAS_DEFAULT", "GOTO", "OMP"):
        value = os.environ.get(f"{variable}_NUM_THREADS", "")
        number = re.match(r"\s*\+?([0-9]{1,9})", value, re.ASCII)
        if number and int(number[1]) > 0:
            return int(number[1])
    return None


# Read when OpenBLAS reads them. Dask sets them to 1 when it starts workers, here as well as there.
ASKED_FOR = threads_asked_for() or thread_limits.ALL

# Reading it takes 0.1 ms; the affinity, which each thread may change at any time, 1 µs.
known_quota = cache(quota)


def n_threads() -> int:
    """Return how many threads may compute at once: the usable cores, or fewer if asked for."""
    return thread_limits.limited(min(affinity(), known_quota(), ASKED_FOR))


if "threadpoolctl" in sys.modules:
    n_threads()  # so that a limit set before the first call of a predictor holds for it
