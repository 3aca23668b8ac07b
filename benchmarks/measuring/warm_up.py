"""Calls before those that are timed: they warm the machine up, and their labels are checked."""

from __future__ import annotations

import numpy as np

from benchmarks.array_types import Predict
from benchmarks.measuring.data import Data
from benchmarks.measuring.timing import timed
from benchmarks.own.answers import Answers

LONGEST = 1.0  # seconds of checks, from which on it is enough to check `Data.n_checked` examples
CALLS = 5  # before timing, at least, unless they take longer than
ENOUGH = 0.3  # seconds
SLOW = 0.1  # seconds: that the first call was cold changes little of it, and it counts as well


def warm_up(predict: Predict, data: Data | Answers, starts: range) -> list[float]:
    """Label some batches, and return the seconds of each call.

    Raises
    ------
    WrongLabelsError, AnswerError
        If one of the labels is wrong, or if what is returned is none.
    ChangedDataError
        If it is wrong because weights or examples are no longer what they were.
    """
    seconds: list[float] = []
    n_checked = min(len(starts), max(2, -(-data.n_checked // starts.step)))  # one may be remembered
    first, *others = (starts[k] for k in np.linspace(0, len(starts) - 1, n_checked, dtype=int))
    np.random.default_rng(0).shuffle(others)  # where time is up, those checked are from everywhere
    checked = [first, *others]

    def call(start: int) -> None:
        stop = start + starts.step
        taken, labels = timed(predict, data.batch(start, stop))
        seconds.append(taken)
        data.check(labels, start, stop)

    try:
        call(first)
        data.check_near_ties(predict, starts.step)
        if seconds[0] < SLOW:
            seconds.clear()
        for start in checked[len(seconds) :]:
            if sum(seconds) > LONGEST and len(seconds) * starts.step >= Data.n_checked:
                break
            call(start)
    except Exception:  # a change explains it; where nothing is raised, the end of the case looks
        data.check_unchanged(checked, starts.step)
        raise
    # The number of rounds rests on these calls, and one alone may be disturbed. A call that takes
    # so long gets the least number of rounds in any case.
    while len(seconds) < CALLS and sum(seconds) <= ENOUGH:
        call(checked[len(seconds) % n_checked])
    return seconds
