"""Measure each case in turns with the package at another commit, until it is clear which is slower.

Both versions label the same batches in the same process, in turns, in the order A B B A. What the
machine does to one version it does to the other a moment later; what drifts steadily, and what a
call gains or loses by coming second (its batch is in cache), cancels out. Which version is A is
drawn anew for each A B B A: a disturbance that comes and goes in step with the calls, as a busy
neighbour's time slices may, then hits either version alike, which a fixed order does not ensure
(with one core kept busy, 16 of 16 pairs of equal versions once came out 2 times faster).

Each pair, A B or B A, gives the ratio of two durations; `benchmarks.sign_test` judges these ratios.

Up to the first look at the pairs, pytest-benchmark times the current version, and its code runs
before those calls only: calls of 2 to 8 µs came out 1 to 3 % longer for that, others not.

A case is measured until it is decided, but no longer than its share of the time allows. Each look
on the way may use up `LOOK` of the chance of an error, the last one what is left. The chance of
calling a case slower is shared out to the cases not yet called slower (Holm, "A simple sequentially
rejective multiple test procedure", 1979): where a commit slows all, the last ones need less proof.
So in 99 of 100 runs at the least, no case is called slower that is not slower by more than the
threshold; and of 100 cases that are slower by more, one at the most is called the same.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baseline import Baseline, BaselineError, described
from benchmarks.labels import Predict
from benchmarks.sign_test import TURN, judge
from benchmarks.timing import timed
from benchmarks.workload import Data

Array = NDArray[Any]

FALSE_ALARM = 0.01  # for each run: some case called slower that is not, by more than the threshold
MISS = 0.01  # for each case: called the same, though slower by more than the threshold
LOOK = 0.05  # of both, for each look at the pairs but the last; 16 looks at the most
FEWEST, MOST = 16, 4000  # pairs of a case
FIRST_LOOK = 0.25  # seconds until it, at least, where that does not take more than 500 pairs
# Where a predictor's weights come to lie in memory is a matter of luck that lasts, and what is
# allocated in a row shares it. At 64 × 16,384 it moved the ratio of equal versions by up to 7 % at
# small batches; in 2 of 41 runs, one version took 1.1 ms longer for every batch of 32 or more, up
# to twice the time. So both versions are built several times, in turns; what is slower than its
# equals is left out, the others take turns, and a slowdown must show with each.
BUILT = 5
BUILDS = 3
# For all cases together, and at least so much for each on average; what one leaves over is there
# for those after it.
SECONDS, SECONDS_EACH = 150.0, 7.0


def fastest(builds: list[Predict], data: Data) -> list[Predict]:
    """Return the `BUILDS` that label a batch of 1 and one of 32 in the least time."""
    batches = [data.x[:1], data.x[:32]]
    seconds = np.array(
        [[[timed(predict, batch)[0] for batch in batches] for predict in builds] for _ in range(5)]
    )
    data.check_unchanged([0], 32)
    best = seconds.min(axis=0)  # (builds, batches)
    return [builds[k] for k in np.log(best).sum(axis=1).argsort()[:BUILDS]]


class Timed:
    """Builds of a predictor that are called in turns, `TURN` calls each, and their durations."""

    def __init__(self, builds: list[Predict]) -> None:
        self.builds = builds
        self.seconds: list[float] = []

    def __call__(self, x: Array) -> Any:
        """Label a batch."""
        predict = self.builds[len(self.seconds) // TURN % len(self.builds)]
        seconds, labels = timed(predict, x)
        self.seconds.append(seconds)
        return labels


class Gate:
    """The cases of a run against a baseline, and the time and the error rate that they share.

    Parameters
    ----------
    baseline : Baseline
        What they are compared with.
    max_slowdown : float
        The least slowdown that fails a case, such as 0.05.
    n_cases : int
        How many cases there will be.
    fails : tuple of str
        The verdicts that fail a case.
    seconds : float, optional
        What they may take together.
    """

    def __init__(
        self,
        baseline: Baseline,
        max_slowdown: float,
        n_cases: int,
        fails: tuple[str, ...] = ("slower",),
        seconds: float | None = None,
    ) -> None:
        self.baseline = baseline
        self.fails = fails
        self.max_slowdown = max_slowdown
        self._cases_not_slower = self._cases_left = n_cases
        self._seconds_left = max(SECONDS, SECONDS_EACH * n_cases) if seconds is None else seconds

    def builds(
        self, name: str, build: Callable[[], Predict], data: Data
    ) -> tuple[list[Predict], list[Predict]]:
        """Build both versions of a predictor, and return the fastest `BUILDS` builds of either.

        Parameters
        ----------
        name : str
            One that the baseline has.
        build : callable
            Makes the current version.
        data : Data
            Weights for the baseline's version, and examples to find the fastest with.

        Raises
        ------
        BaselineError
            If the baseline's version fails, or changes the data.
        ChangedDataError
            If the current version does.
        """
        pairs = [(build(), self.baseline.make(name, data)) for _ in range(BUILT)]
        current, baseline = (list(side) for side in zip(*pairs, strict=True))
        current = fastest(current, data)
        try:
            return current, fastest(baseline, data)
        except Exception as error:
            raise BaselineError(described(error)) from error

    def measure(
        self,
        benchmark: Any,
        current: list[Predict],
        baseline: list[Predict],
        batches: Iterator[Array],
        pair_seconds: float,
        say: Callable[[str], None] = lambda text: None,
    ) -> dict[str, Any]:
        """Measure a case with pytest-benchmark until it is decided or its time is up.

        Parameters
        ----------
        benchmark : pytest_benchmark.fixture.BenchmarkFixture
            Times the current predictor up to the first look at the pairs.
        current, baseline : list of callable
            As many builds of either predictor.
        batches : iterator of ndarray
            The batches to label; each is labelled by both.
        pair_seconds : float
            About how long a call of each takes.
        say : callable
            Told now and then how many pairs there are, and how long all cases may still take.

        Returns
        -------
        dict
            What is saved with the case: the baseline's ``commit``; ``pairs`` of durations (current,
            baseline) in seconds; ``n_builds``, how many builds of both took turns;
            ``max_slowdown``; the ``confidence`` of the interval; and `Comparison.as_saved`.
        """
        new, old = Timed(current), Timed(baseline)
        coin = random.Random(0)
        current_first = False

        def before() -> tuple[tuple[Array], dict[str, Any]]:
            nonlocal current_first
            current_first = not current_first if len(new.seconds) % 2 else coin.random() < 0.5
            x = next(batches)
            if not current_first:
                old(x)
            return (x,), {}

        def after(x: Array) -> None:
            if len(old.seconds) < len(new.seconds):
                old(x)

        start = time.perf_counter()
        seconds = self._seconds_left / max(1, self._cases_left)
        n = even(max(FEWEST, min(500, FIRST_LOOK / pair_seconds)))
        say(f"0 pairs, at most {self._seconds_left:.0f} s left")
        benchmark.pedantic(new, setup=before, teardown=after, rounds=n)
        del new.seconds[n:], old.seconds[n:]  # --benchmark-cprofile calls once more
        false_alarm = FALSE_ALARM / max(1, self._cases_not_slower)
        unspent, threshold = 1.0, 1 + self.max_slowdown
        while True:
            in_time = n * seconds / (time.perf_counter() - start)
            more = even(min(1.5 * n, in_time, MOST))
            share = LOOK if more > 1.1 * n else unspent
            unspent -= share
            pairs = list(zip(new.seconds, old.seconds, strict=True))
            comparison = judge(pairs, len(current), threshold, share * false_alarm, share * MISS)
            if comparison.verdict != "undecided" or not unspent:
                break
            n = more
            left = self._seconds_left - (time.perf_counter() - start)
            say(f"{len(pairs)} pairs, at most {max(0, left):.0f} s left")
            while len(new.seconds) < n:
                (x,), _ = before()
                new(x)
                after(x)
        self._cases_not_slower -= comparison.verdict == "slower"
        self._cases_left -= 1
        self._seconds_left -= time.perf_counter() - start
        return {
            "commit": self.baseline.commit,
            "pairs": pairs,
            "n_builds": len(current),
            "max_slowdown": self.max_slowdown,
            "confidence": 1 - 2 * false_alarm,
            **comparison.as_saved(),
        }


def even(pairs: float) -> int:
    """Return a whole number of A B B A."""
    return int(pairs) // 2 * 2
