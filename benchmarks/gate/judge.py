"""Judge from pairs of durations whether the current version is slower than the baseline.

Each pair gives the ratio of two durations, current over baseline, and only these ratios are judged.
The test is the sign test: if the true ratio were the threshold, each pair would come out above or
below it as a coin falls. It assumes that the pairs are independent and that drawing the order makes
either side as likely; how wild durations are does not matter, as only the side counts. Inverted, it
gives an interval for the median ratio (Hollander, Wolfe and Chicken, "Nonparametric Statistical
Methods", 2014, sections 3.4 and 3.6). Wilcoxon's signed-rank test, tried on the same 46,000 pairs
of equal versions, needed about as many of them where the machine was idle, and up to ten times as
many where one of its two cores was busy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from benchmarks.array_types import Array
from benchmarks.saving.record import Verdict

FALSE_ALARM = 0.01  # for each run: some case called slower that is not, by more than the threshold
MISS = 0.01  # for each case: called the same, though slower by more than the threshold

Pairs = Sequence[tuple[float, float]]  # durations in seconds: current, baseline


@dataclass(frozen=True)
class Comparison:
    """What the pairs of a case tell about the ratio of the durations, current over baseline.

    It is slower where the interval is above the threshold; the same where `at_most` is below it, or
    faster where that is below even 1 / threshold; undecided otherwise, and where `judge` or
    `heeding` find processes that contradict it.
    """

    ratio: float  # the median of the pairs' ratios
    low: float  # interval for it, as certain as that a case is slower must be
    high: float
    at_most: float  # upper bound for it, as certain as that a case is the same must be
    verdict: Verdict

    def as_saved(self) -> dict[str, Any]:
        """Return fields of a `GateRecord`, in which a bound is None where the pairs are too few."""
        high, at_most = (x if x < math.inf else None for x in (self.high, self.at_most))
        return {
            "ratio": self.ratio,
            "interval": (self.low or None, high),
            "at_most": at_most,
            "verdict": self.verdict,
        }


def judge(
    pairs: Pairs, turns: tuple[int, int], threshold: float, false_alarm: float, miss: float
) -> Comparison:
    """Judge pairs of durations against a threshold.

    Processes count, not calls: one that is slow must neither speak for the others nor be outvoted
    by them. What is slower, or faster, by all pairs must also be so by those of each pair of
    processes alone, by half the threshold on a log scale; and what is the same must not be slower
    by those of one pair of processes. Before the former was asked for, 1 of 50 runs of equal
    versions at 64 × 16,384 failed.

    `turns` are how many pairs of processes took turns, and how many pairs of durations each turn
    has; `threshold` is a ratio such as 1.05. `false_alarm` and `miss` are the chance, at the most,
    of ``"slower"`` where the true ratio is below it, and of ``"same"`` or ``"faster"`` above it.
    """
    current, baseline = np.array(pairs).T
    ratios = current / baseline
    n_processes, turn = turns
    of_process = np.arange(len(ratios)) // turn % n_processes
    each = [np.sort(ratios[of_process == k]) for k in np.unique(of_process)]
    medians = [float(np.median(of_one)) for of_one in each]
    found = compare(ratios, threshold, false_alarm, miss)
    if found.verdict == Verdict.SLOWER:
        if min(medians) <= math.sqrt(threshold):
            return replace(found, verdict=Verdict.UNDECIDED)
    elif any(bounds(of_one, miss)[0] > threshold for of_one in each):
        return replace(found, verdict=Verdict.UNDECIDED)
    elif found.verdict == Verdict.FASTER and max(medians) >= 1 / math.sqrt(threshold):
        return replace(found, verdict=Verdict.SAME)
    return found


def heeding(replaced: tuple[int, int], found: Comparison) -> Comparison:
    """Return what is found where so many processes of either side, current first, were replaced.

    They were slower than their equals. A version that makes some processes slow must not pass for
    that, nor the other one fail.
    """
    of_current, of_baseline = replaced
    favoured = of_baseline if found.verdict == Verdict.SLOWER else of_current
    if favoured > min(replaced):
        return replace(found, verdict=Verdict.UNDECIDED)
    return found


def compare(ratios: Array, threshold: float, false_alarm: float, miss: float) -> Comparison:
    """Judge the pairs' ratios, wherever they come from; the parameters are those of `judge`."""
    ratios = np.sort(ratios)
    low, high = bounds(ratios, false_alarm)
    _, at_most = bounds(ratios, miss)
    if low > threshold:
        verdict = Verdict.SLOWER
    elif at_most < threshold:
        verdict = Verdict.FASTER if at_most < 1 / threshold else Verdict.SAME
    else:
        verdict = Verdict.UNDECIDED
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
