"""Calls before those that are timed: they warm the machine up, and their labels are checked."""

from __future__ import annotations

import numpy as np

from benchmarks.array_types import Predict
from benchmarks.measuring.data import Data
from benchmarks.measuring.labels import check, check_near_ties
from benchmarks.measuring.timing import rest, timed

CHECKED = 64  # examples, at least, whose labels are compared with the formula's before timing
CALLS = 5  # before timing, at least, unless they take more than a second


def warm_up(predict: Predict, data: Data, starts: range) -> list[float]:
    """Label some batches, and return the seconds of each call.

    Raises
    ------
    WrongLabelsError
        If one of the labels is wrong.
    ChangedDataError
        If weights or examples are no longer what they were.
    """
    rest()
    seconds: list[float] = []
    n_checked = min(len(starts), max(2, -(-CHECKED // starts.step)))  # one may be remembered
    checked = [starts[k] for k in np.linspace(0, len(starts) - 1, n_checked, dtype=int)]

    def call(start: int) -> None:
        rows = slice(start, start + starts.step)
        taken, labels = timed(predict, data.x[rows])
        seconds.append(taken)
        check(data.coef, data.x[rows], labels, data.labels[rows], start)

    try:
        call(starts[0])
        check_near_ties(predict, data.coef, starts.step)
        seconds.clear()
        for start in checked:
            call(start)
    finally:  # a change explains what is wrong or raised
        data.check_unchanged(checked, starts.step)
    # The number of rounds rests on these calls, and one alone may be disturbed. A call that takes a
    # second gets the least number of rounds in any case. The last one follows what read the data.
    while len(seconds) < max(CALLS, n_checked + 1) and sum(seconds) <= 1:
        call(checked[len(seconds) % n_checked])
    return seconds
