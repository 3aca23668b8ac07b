"""Timing of a call, and a clock that tells durations measured elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
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
        self._set: float | None = None

    def __call__(self) -> float:
        """Return the seconds that it was set to, or those of `time.perf_counter`."""
        return time.perf_counter() if self._set is None else self._set

    def tell(self, benchmark: Any, durations: Sequence[float]) -> None:
        """Have pytest-benchmark's fixture, whose timer it is, measure exactly these durations."""
        left = iter(durations)

        def start() -> None:
            self._set = 0.0

        def call() -> None:
            self._set = next(left)

        try:
            benchmark.pedantic(call, setup=start, rounds=len(durations))
        finally:
            self._set = None


CLOCK = Clock()
