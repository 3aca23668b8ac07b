"""Timing of a call, and a clock that tells durations measured elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

REST = 0.15  # seconds at most for the threads of what ran before to fall asleep
SLICE = 0.01  # of it, to see whether they compute


def timed(call: Callable[..., T], *arguments: object) -> tuple[float, T]:
    """Return the seconds that a call took, and what it returned."""
    start = time.perf_counter()
    result = call(*arguments)
    return time.perf_counter() - start, result


def rest() -> bool:
    """Wait until the process uses no core: OpenBLAS's threads spin for 0.11 s after a call.

    Return whether it came to that: others may spin for longer.
    """
    end = time.perf_counter() + REST
    while time.perf_counter() < end:
        used = time.process_time()
        time.sleep(SLICE)
        if time.process_time() - used < SLICE / 10:
            return True
    return False


class Clock:
    """pytest-benchmark's timer: it tells durations that the suite has measured itself."""

    def __init__(self) -> None:
        self._measure: Callable[[], Iterable[float]] | None = None  # until it was called
        self._durations: Iterator[float] | None = None
        self._is_running = False

    def __call__(self) -> float:
        """Return 0 when a round begins, and its seconds when it ends."""
        if self._measure is None and self._durations is None:
            return time.perf_counter()
        self._is_running = not self._is_running
        return 0.0 if self._is_running or self._durations is None else next(self._durations)

    def record(
        self,
        benchmark: Any,
        n: int,
        measure: Callable[[], Iterable[float]],
        call: Callable[[], object] = lambda: None,
    ) -> None:
        """Have pytest-benchmark's fixture, whose timer it is, take the seconds of `n` rounds.

        `measure` finds them within the first round, when tracers are paused, and garbage is not
        collected if that is asked for. Where no rounds are taken, as with --benchmark-disable, and
        for profiles, it is `call` that runs.
        """

        def target() -> None:
            if not self._is_running:
                call()
            elif self._measure:
                self._durations, self._measure = iter(self._measure()), None

        self._measure, self._durations, self._is_running = measure, None, False
        try:
            benchmark.pedantic(target, rounds=n)
        except BaseException:
            benchmark.has_error = True  # or the tables want statistics of what has none
            raise
        finally:
            self._measure = self._durations = None


CLOCK = Clock()
