"""The rounds of a case: single calls, timed, and again where others disturbed them."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.array_types import Array, Predict
from benchmarks.measuring.disturbance import OTHERS, Others, Patience, Watch, wait_for_calm
from linpredict.cores import usable_cores

STRETCH = 0.05  # seconds of rounds that are calm or disturbed together
LONGER = 1.5  # times as many rounds, at the most, where some are disturbed
DRIFT = 1.5  # between the medians of two quarters
FEWEST = 4  # rounds of a quarter
DRAWN = 100  # rounds at the least, where the time allows: load.py draws from them
PILOT = 64  # rounds at the most, by whose spread it is known how many are needed
MAX_ROUNDS = 10_000  # of a case: enough for p99; more would only swell the saved file


class Rounds:
    """Calls of a predictor that label one batch after the other.

    A case that stays disturbed has the share `disturbed` of its rounds.
    """

    disturbed = 0.0

    def __init__(self, predict: Predict, batches: Iterator[Array], patience: Patience) -> None:
        self._predict, self._batches, self._patience = predict, batches, patience

    def call(self) -> object:
        return self._predict(next(self._batches))

    def measure(self, n: int) -> list[float]:
        """Time `n` rounds, and return the seconds of each, in order.

        A stretch in which others took cores is measured again, and after two in a row a calm moment
        is waited for, as long as the patience lasts. Where the median of a quarter of the rounds is
        greater than that of another, they count as disturbed, whatever the reason.
        """
        rounds: list[tuple[float, bool]] = []  # seconds, and whether it was calm
        others, was_calm = Others(), True
        while (lacking := n - sum(is_calm for _, is_calm in rounds)) and len(rounds) < LONGER * n:
            watch = Watch()
            stretch = self.stretch(lacking)
            is_calm = not watch.has_waited()
            rounds += [(seconds, is_calm) for seconds in stretch]
            if not (is_calm or was_calm):
                wait_for_calm(self._patience)
            was_calm = is_calm
        disturbed = [i for i, (_, is_calm) in enumerate(rounds) if not is_calm]
        if others.cores() < OTHERS * usable_cores():  # its own threads waited for one another
            disturbed = []
        surplus = set(disturbed[: len(rounds) - n])
        kept = [seconds for i, (seconds, _) in enumerate(rounds) if i not in surplus][:n]
        self.disturbed = max((len(disturbed) - len(surplus)) / n, drifted(kept))
        return kept

    def stretch(self, most: int = PILOT) -> list[float]:
        """Time calls for `STRETCH` seconds, or so many of them."""
        predict, clock = self._predict, time.perf_counter
        found: list[float] = []
        end = clock() + STRETCH
        for batch in self._batches:
            start = clock()
            predict(batch)
            stop = clock()
            found.append(stop - start)
            if stop > end or len(found) == most:
                break
        return found


def awaited(predict: Predict, x: Array) -> Predict:
    """Return what ends when its labels are an array: what is returned may be a promise of them."""
    if isinstance(predict(x), np.ndarray):
        return predict
    return lambda batch: np.asarray(predict(batch))


def drifted(seconds: Sequence[float]) -> float:
    """Return the share of the rounds, in quarters, that were slower than another quarter."""
    size = len(seconds) // 4
    if size < FEWEST:
        return 0.0
    medians = [statistics.median(seconds[i * size : (i + 1) * size]) for i in range(4)]
    return sum(median > DRIFT * min(medians) for median in medians) / 4


def needed(pilot: Sequence[float], precision: float, confidence: float) -> int:
    """Return how many rounds make the median so precise, by how much those of a pilot spread.

    `precision` is half of the interval over the median. The standard error of a median is 1.2533
    times that of a mean where durations are normal (Kenney and Keeping, "Mathematics of
    Statistics", 1962, section 13.13); slow ones, which are not, hardly touch their quartiles.
    """
    low, median, high = map(float, np.percentile(pilot, (25, 50, 75)))
    deviation = (high - low) / 1.349
    z = statistics.NormalDist().inv_cdf(0.5 + confidence / 2)
    return math.ceil((z * 1.2533 * deviation / (precision * median)) ** 2)
