"""How long this process has to wait for cores that others take, as Linux tells."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

WAITED = 0.05  # of the time: waiting for cores of more than that disturbs; of calm calls, 0.01
OTHERS = 0.02  # of the time of all cores, which others must take for waiting to be of their making
TICK = 1 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.01
BUSY = 0.25  # of a core, taken by others
PAUSE = 0.1  # seconds between two looks, to see whether they do: ten ticks
PATIENCE = 3.0  # seconds to wait for a calm moment, for each case


class Watch:
    """Tells whether this process was disturbed since it was made."""

    def __init__(self) -> None:
        self._begin = time.perf_counter(), waiting(), busy_and_stolen()[1]

    def has_waited(self) -> bool:
        """Tell whether threads of this process waited for cores, or the cores for their host."""
        begin, waited, stolen = self._begin
        seconds = time.perf_counter() - begin
        stolen = busy_and_stolen()[1] - stolen - TICK  # one tick may be what adds up in a calm hour
        return max(waiting() - waited, stolen) > WAITED * seconds


class Others:
    """Tells what others took since it was made; it takes 5 ms each time."""

    def __init__(self) -> None:
        self._begin = time.perf_counter(), used(), busy_and_stolen()[0]

    def cores(self) -> float:
        """Return how many cores others took on average; ticks of 10 ms make it uncertain."""
        begin, own, busy = self._begin
        seconds = time.perf_counter() - begin
        return (busy_and_stolen()[0] - busy - (used() - own)) / seconds


class Patience:
    """Seconds that are left to wait, for whatever reason, and what shows that one waits."""

    def __init__(self, seconds: float, say: Callable[[str], None]) -> None:
        self.left, self.say = seconds, say

    def pause(self, reason: str) -> None:
        self.say(f"waiting {reason}")
        time.sleep(PAUSE)
        self.left -= PAUSE


def wait_for_calm(patience: Patience) -> None:
    """Wait until others take no core."""
    while patience.left > 0:
        others = Others()
        patience.pause("for a calm moment")
        if others.cores() < BUSY:
            break


def waiting() -> float:
    """Return the seconds that living threads of this process waited for a core, until now."""
    nanoseconds = 0
    with suppress(OSError):  # not Linux
        for thread in os.listdir("/proc/self/task"):
            with suppress(OSError), open(f"/proc/self/task/{thread}/schedstat", "rb") as file:
                nanoseconds += int(file.read().split()[1])
    return 1e-9 * nanoseconds


def used() -> float:
    """Return the seconds of cores that this process used, and those living that it started.

    A predictor may compute in processes of its own, as Dask's workers are.
    """
    seconds = time.process_time()
    with suppress(psutil.AccessDenied):  # other users' processes are visible by name alone
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it has ended
                times = child.cpu_times()
                seconds += times.user + times.system
    return seconds


def busy_and_stolen() -> tuple[float, float]:
    """Return the seconds of usable cores that anybody used, and those taken by the host of these.

    Both since the system started; see proc_stat(5).
    """
    busy = stolen = 0
    with suppress(OSError, AttributeError):  # not Linux
        cores = {f"cpu{core}" for core in os.sched_getaffinity(0)}
        with open("/proc/stat") as file:
            for line in file:
                name, *times = line.split()
                if name in cores:
                    user, nice, system, _, _, irq, softirq, steal = map(int, times[:8])
                    busy += user + nice + system + irq + softirq + steal
                    stolen += steal
    return TICK * busy, TICK * stolen
