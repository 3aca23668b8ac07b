"""Compare each case with the package at another commit, and judge whether it has become slower.

Both versions label the same batches in the same process, in turns, in the order A B B A. What the
machine does to one version it does to the other a moment later; what drifts steadily, and what a
call gains or loses by coming second (its batch is in cache), cancels out. Which version is A is
drawn anew for each A B B A: a disturbance that comes and goes in step with the calls, as a busy
neighbour's time slices may, then hits either version alike, which a fixed order does not ensure
(with one core kept busy, 16 of 16 pairs of equal versions once came out 2 times faster).

Each pair, A B or B A, gives the ratio of two durations, and only these ratios are judged. The test
is the sign test: if the true ratio were the limit, each pair would come out above it or below it as
a coin falls. It assumes that the pairs are independent and that drawing the order makes either side
as likely; how wild durations are does not matter, as only the side counts. Inverted, it gives an
interval for the median ratio (Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods",
2014, sections 3.4 and 3.6). Wilcoxon's signed-rank test, tried on the same 46,000
pairs of equal versions, needed about as many of them where the machine was idle, and up to ten
times as many where one of its two cores was busy.

Up to the first look at the pairs, pytest-benchmark times the current version, and its code runs
before those calls only: calls of 2 to 8 µs came out 1 to 3 % longer for that, others not.

A case is measured until it is decided, but no longer than its share of the time allows. Each look
on the way may use up `LOOK` of the chance of an error, the last one what is left. The chance of
calling a case slower is shared out to the cases not yet called slower (Holm, "A simple sequentially
rejective multiple test procedure", 1979): where a commit slows all, the last ones need less proof.
So in 99 of 100 runs at the least, no case is called slower that is not slower by more than the
limit; and of 100 cases that are slower by more, one at the most is called the same.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baseline import Baseline, BaselineError, described
from benchmarks.peers import Predict

Array = NDArray[Any]

FALSE_ALARM = 0.01  # for each run: some case called slower that is not, by more than the limit
MISS = 0.01  # for each case: called the same, though slower by more than the limit
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
TURN = 8  # pairs with the same build
SECONDS = 7.0  # for each case on average; what one leaves over is there for those after it


@dataclass(frozen=True)
class Comparison:
    """What the pairs of a case tell about the ratio of the durations, current over baseline.

    Parameters
    ----------
    ratio : float
        The median of the pairs' ratios.
    low, high : float
        Interval for it, as certain as that a case is slower must be.
    at_most : float
        Upper bound for it, as certain as that a case is the same must be.
    verdict : str
        ``"slower"`` where the interval is above the limit; ``"same"`` where `at_most` is below it,
        or ``"faster"`` where that is below even 1 / limit; otherwise ``"undecided"``.
    """

    ratio: float
    low: float
    high: float
    at_most: float
    verdict: str


def compare(
    current: list[float], baseline: list[float], limit: float, false_alarm: float, miss: float
) -> Comparison:
    """Judge pairs of durations against a limit.

    Parameters
    ----------
    current, baseline : list of float
        Durations of the pairs, in seconds.
    limit : float
        The ratio above which a case is slower, such as 1.05.
    false_alarm, miss : float
        Chance, at the most, of the verdict ``"slower"`` where the true ratio is below the limit,
        and of ``"same"`` or ``"faster"`` where it is above.
    """
    ratios = np.sort(np.divide(current, baseline))
    low, high = bounds(ratios, false_alarm)
    _, at_most = bounds(ratios, miss)
    if low > limit:
        verdict = "slower"
    elif at_most < limit:
        verdict = "faster" if at_most < 1 / limit else "same"
    else:
        verdict = "undecided"
    return Comparison(float(np.median(ratios)), low, high, at_most, verdict)


def bounds(ratios: Array, alpha: float) -> tuple[float, float]:
    """Return bounds below and above which the median is with a chance of `alpha` each.

    `ratios` are in ascending order. Where they are too few, the bounds are 0 and infinite.
    """
    k = few_heads(len(ratios), alpha)
    return (float(ratios[k]), float(ratios[-1 - k])) if k >= 0 else (0.0, math.inf)


@cache
def few_heads(n: int, alpha: float) -> int:
    """Return the largest k such that, of n coins, k or fewer show heads with a chance ≤ `alpha`.

    It is -1 where there is none.
    """
    k = 0
    ways = ways_up_to = 1  # of 2**n for the coins to fall: those with k heads, with k or fewer
    while ways_up_to <= Fraction(alpha) * 2**n:
        ways = ways * (n - k) // (k + 1)
        ways_up_to += ways
        k += 1
    return k - 1


def fastest(builds: list[Predict], x: Array) -> list[Predict]:
    """Return the `BUILDS` that label a batch of 1 and one of 32 in the least time."""
    batches = [x[:1], x[:32]]
    seconds = np.array(
        [[[duration(predict, batch) for batch in batches] for predict in builds] for _ in range(5)]
    )
    best = seconds.min(axis=0)  # (builds, batches)
    return [builds[k] for k in np.log(best).sum(axis=1).argsort()[:BUILDS]]


def duration(predict: Predict, x: Array) -> float:
    """Return the seconds of a call."""
    start = time.perf_counter()
    predict(x)
    return time.perf_counter() - start


class Timed:
    """Builds of a predictor that are called in turns, `TURN` calls each, and their durations."""

    def __init__(self, builds: list[Predict]) -> None:
        self.builds = builds
        self.seconds: list[float] = []

    def __call__(self, x: Array) -> Any:
        """Label a batch."""
        predict = self.builds[len(self.seconds) // TURN % len(self.builds)]
        start = time.perf_counter()
        labels = predict(x)
        self.seconds.append(time.perf_counter() - start)
        return labels


def each_build_slower(new: Timed, old: Timed, limit: float) -> bool:
    """Tell whether each build by itself came out slower by half the limit, on a log scale.

    One build that lies badly in memory must not speak for the others: before this was asked for, 1
    of 50 runs of equal versions at 64 × 16,384 failed.
    """
    ratios = np.log(new.seconds) - np.log(old.seconds)
    build = np.arange(len(ratios)) // TURN % len(new.builds)
    return all(np.median(ratios[build == k]) > math.log(limit) / 2 for k in np.unique(build))


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
    """

    def __init__(
        self,
        baseline: Baseline,
        max_slowdown: float,
        n_cases: int,
        fails: tuple[str, ...] = ("slower",),
    ) -> None:
        self.baseline = baseline
        self.max_slowdown = max_slowdown
        self.fails = fails
        self.results: list[dict[str, Any]] = []
        self._cases_not_slower = self._cases_left = n_cases
        self._seconds_left = SECONDS * n_cases

    def builds(
        self, name: str, build: Callable[[], Predict], coef: Array, x: Array
    ) -> tuple[list[Predict], list[Predict]]:
        """Build both versions of a predictor, and return the fastest `BUILDS` builds of either.

        Parameters
        ----------
        name : str
            One that the baseline has.
        build : callable
            Makes the current version.
        coef, x : ndarray
            Weights for the baseline's version, and examples to find the fastest with.

        Raises
        ------
        BaselineError
            If the baseline's version fails.
        """
        pairs = [(build(), self.baseline.make(name, coef)) for _ in range(BUILT)]
        current, baseline = (list(side) for side in zip(*pairs, strict=True))
        current = fastest(current, x)
        try:
            return current, fastest(baseline, x)
        except Exception as error:
            raise BaselineError(described(error)) from error

    def measure(
        self,
        benchmark: Any,
        current: list[Predict],
        baseline: list[Predict],
        batches: Iterator[Array],
        pair_seconds: float,
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

        Returns
        -------
        dict
            What is saved with the case: the baseline's ``commit``; ``pairs`` of durations (current,
            baseline) in seconds; ``ratio``, its ``interval``, the interval's ``confidence`` and
            ``at_most`` (a bound is None where there are too few pairs); ``max_slowdown``;
            ``verdict``.
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
        benchmark.pedantic(new, setup=before, teardown=after, rounds=n)
        del new.seconds[n:], old.seconds[n:]  # --benchmark-cprofile calls once more
        false_alarm = FALSE_ALARM / max(1, self._cases_not_slower)
        unspent = 1.0
        while True:
            in_time = n * seconds / (time.perf_counter() - start)
            more = even(min(1.5 * n, in_time, MOST))
            part = LOOK if more > 1.1 * n else unspent
            unspent -= part
            comparison = self._compare(new, old, part * false_alarm, part * MISS)
            if comparison.verdict != "undecided" or not unspent:
                break
            n = more
            while len(new.seconds) < n:
                (x,), _ = before()
                new(x)
                after(x)
        self._cases_not_slower -= comparison.verdict == "slower"
        self._cases_left -= 1
        self._seconds_left -= time.perf_counter() - start
        return {
            "commit": self.baseline.commit,
            "pairs": list(zip(new.seconds, old.seconds, strict=True)),
            "ratio": comparison.ratio,
            "interval": [comparison.low or None, finite(comparison.high)],
            "confidence": 1 - 2 * false_alarm,
            "at_most": finite(comparison.at_most),
            "max_slowdown": self.max_slowdown,
            "verdict": comparison.verdict,
        }

    def _compare(self, new: Timed, old: Timed, false_alarm: float, miss: float) -> Comparison:
        """Look at the pairs."""
        limit = 1 + self.max_slowdown
        found = compare(new.seconds, old.seconds, limit, false_alarm, miss)
        if found.verdict == "slower" and not each_build_slower(new, old, limit):
            return replace(found, verdict="undecided")
        return found


def even(pairs: float) -> int:
    """Return a whole number of A B B A."""
    return int(pairs) // 2 * 2


def finite(bound: float) -> float | None:
    """Return what JSON has for a bound."""
    return bound if bound < math.inf else None


def failure(case: str, result: dict[str, Any]) -> str:
    """Return the sentence that a case fails with."""
    low, high = (f"{bound:.2f}" if bound else "unknown" for bound in result["interval"])
    found = (
        f"{result['ratio']:.2f}x slower than"
        if result["verdict"] == "slower"
        else f"undecided, {result['ratio']:.2f}x the time of"
    )
    return (
        f"{case}: {found} {result['commit'][:7]} "
        f"({100 * result['confidence']:.3g} % interval {low} to {high}; "
        f"limit {1 + result['max_slowdown']:.4g})"
    )


def summary(gate: Gate) -> list[list[str]]:
    """Return a table of the cases, its heads first."""
    confidences = [case["gate"]["confidence"] for case in gate.results if "gate" in case]
    table = [
        [
            "predictor",
            "batch size",
            f"{gate.baseline} (ms)",
            "current (ms)",
            "ratio",
            f"{100 * min(confidences, default=1):.3g} % interval",
            f"{100 * (1 - MISS):.3g} % below",
            "pairs",
            "verdict",
        ]
    ]
    for case in gate.results:
        row = [case["predictor"], str(case["batch_size"])]
        if result := case.get("gate"):
            current, baseline = map(statistics.median, zip(*result["pairs"], strict=True))
            low, high = result["interval"]
            row += [
                f"{1e3 * baseline:.3f}",
                f"{1e3 * current:.3f}",
                f"{result['ratio']:.3f}",
                f"{low:.3f} to {high:.3f}" if low and high else "-",
                f"{result['at_most']:.3f}" if result["at_most"] else "-",
                str(len(result["pairs"])),
                result["verdict"],
            ]
        else:
            row += ["-", f"{1e3 * case['p50']:.3f}", "-", "-", "-", "-", "new"]
        table.append(row)
    return table


def verdict(gate: Gate) -> str:
    """Return the verdict of the whole gate in one line."""
    cases: dict[str, list[str]] = {}
    for case in gate.results:
        outcome = case["gate"]["verdict"] if "gate" in case else "new"
        cases.setdefault(outcome, []).append(f"{case['predictor']} {case['batch_size']}")
    named = [
        f"{len(cases[outcome])} {outcome}"
        + (f" ({', '.join(cases[outcome])})" if outcome in ("slower", "undecided") else "")
        for outcome in ("slower", "undecided", "same", "faster", "new")
        if outcome in cases
    ]
    return (
        f"gate {'failed' if cases.keys() & gate.fails else 'passed'} against {gate.baseline}, "
        f"limit {1 + gate.max_slowdown:.4g}: {', '.join(named) or 'no case measured'}"
    )
