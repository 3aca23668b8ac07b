"""Timing of a call, and a clock that tells durations measured elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, TypeVar

T = TypeVar("T")

REST = 0.15  # seconds at most for the threads of what ran before to fall asleep
SLICE = 0.01  # of it, to see whether they compute
MAX_ROUNDS = 10_000  # of a case: enough for p99; more would only swell the saved file


def timed(call: Callable[..., T], *arguments: object) -> tuple[float, T]:
    """Return the seconds that a call took, and what it returned."""
    start = time.perf_counter()
    result = call(*arguments)
    return time.perf_counter() - start, result


def rest() -> None:
    """Wait until the process uses no core: OpenBLAS's threads spin for 0.11 s after a call."""
    end = time.perf_counter() + REST
    while time.perf_counter() < end:
        used = time.process_time()
        time.sleep(SLICE)
        if time.process_time() - used < SLICE / 10:
            return


class Clock:
    """pytest-benchmark's timer for cases that other processes time: it tells what they measured."""

    def __init__(self) -> None:
        self._told: Iterator[float] = iter(())

    def __call__(self) -> float:
        """Return what it is to tell next, or else the seconds of `time.perf_counter`."""
        told = next(self._told, None)
        return time.perf_counter() if told is None else told

    def tell(self, benchmark: Any, durations: Sequence[float]) -> None:
        """Have pytest-benchmark's fixture, whose timer it is, measure exactly these durations."""
        self._told = chain.from_iterable((0.0, duration) for duration in durations)
        benchmark.pedantic(lambda: None, rounds=len(durations))


CLOCK = Clock()
