"""What the machine lets this process use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path


def usable_cores() -> int:
    """Return the number of cores this process may use, by its affinity and its container's quota.

    A quota of 1.5 cores counts as 2: its threads are paused for a part of the time, and one thread
    could not use all of it.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows
        cores = os.cpu_count() or 1
    for folder in control_groups("cpu"):
        try:  # version 2
            quota, period = (folder / "cpu.max").read_text().split()
        except (OSError, ValueError):
            try:  # version 1
                quota = (folder / "cpu.cfs_quota_us").read_text()
                period = (folder / "cpu.cfs_period_us").read_text()
            except OSError:
                continue
        if quota != "max" and int(quota) > 0:  # version 1 says -1 for no quota
            cores = min(cores, math.ceil(int(quota) / int(period)))
    return max(1, cores)


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
    """Return what ``OPENBLAS_NUM_THREADS`` or ``OMP_NUM_THREADS`` says, as OpenBLAS does."""
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(variable, "").partition(",")[0].strip()
        if value.isdecimal() and int(value) > 0:
            return int(value)
    return None


# Read when OpenBLAS reads them. Dask sets them to 1 when it starts workers, here as well as there.
ASKED_FOR = threads_asked_for()


@cache
def n_threads() -> int:
    """Return how many threads may compute at once: the usable cores, or fewer if asked for."""
    return min(ASKED_FOR or usable_cores(), usable_cores())


if hasattr(os, "register_at_fork"):
    # A forked process may be given other cores.
    os.register_at_fork(after_in_child=n_threads.cache_clear)
