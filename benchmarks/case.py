"""A case: a predictor at a batch size, warmed up, and how many rounds it gets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.gate.pairs import Compared
from benchmarks.label_check import Predict, check, check_near_ties
from benchmarks.record import CaseId, GateRecord
from benchmarks.timing import MAX_ROUNDS, rest, timed
from benchmarks.workload import Data

Array = NDArray[Any]

CHECKED = 64  # examples, at least, whose labels are compared with the formula's before timing
CALLS = 5  # before timing, at least, unless they take more than a second


@dataclass
class Case:
    """A predictor at a batch size.

    Parameters
    ----------
    id : CaseId
        Which it is.
    data : Data
        What it labels, batch after batch.
    predictor : callable or Compared
        What labels them: in this process, or in those of the gate.
    gate : GateRecord, optional
        What the gate found.
    """

    id: CaseId
    data: Data
    predictor: Predict | Compared
    gate: GateRecord | None = None

    @property
    def starts(self) -> range:
        """Where the batches begin among the examples."""
        return range(0, len(self.data.x) - self.id.batch_size + 1, self.id.batch_size)

    def check_unchanged(self) -> None:
        """Raise `ChangedDataError` if weights or examples are no longer what they were."""
        self.data.check_unchanged(self.starts, self.starts.step)

    @property
    def batches(self) -> Iterator[Array]:
        """The batches, one after the other, again and again."""
        return cycle([self.data.x[i : i + self.starts.step] for i in self.starts])


def warm_up(predict: Predict, data: Data, starts: range) -> float:
    """Label some batches, and return the seconds of the fastest call.

    Raises
    ------
    WrongLabelsError
        If one of the labels is wrong.
    ChangedDataError
        If weights or examples are no longer what they were.
    """
    rest()
    fastest, total = float("inf"), 0.0
    n_checked = min(len(starts), max(2, -(-CHECKED // starts.step)))  # one may be remembered
    checked = [starts[k] for k in np.linspace(0, len(starts) - 1, n_checked, dtype=int)]

    def call(start: int) -> None:
        nonlocal fastest, total
        rows = slice(start, start + starts.step)
        seconds, labels = timed(predict, data.x[rows])
        fastest, total = min(fastest, seconds), total + seconds
        check(data.coef, data.x[rows], labels, data.labels[rows], start)

    try:
        call(starts[0])
        check_near_ties(predict, data.coef, starts.step)
        fastest, total = float("inf"), 0.0
        for start in checked:
            call(start)
    finally:  # a change explains what is wrong or raised
        data.check_unchanged(checked, starts.step)
    # The number of rounds rests on these calls, and one alone may be disturbed. A call that takes a
    # second gets the least number of rounds in any case. The last one follows what read the data.
    for n_calls in range(n_checked, max(CALLS, n_checked + 1)):
        if total <= 1:
            call(checked[n_calls % n_checked])
    return fastest


def n_rounds(seconds: float, max_time: float, at_least: int) -> int:
    """Return how many rounds of so many seconds to time."""
    return max(at_least, min(int(max_time / seconds), MAX_ROUNDS))
