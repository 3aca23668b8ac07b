"""What the processes of a comparison read and write, and checks of what they answer."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.array_types import Array
from benchmarks.errors import WrongLabelsError
from benchmarks.measuring.data import Data
from benchmarks.measuring.labels import AT_MOST
from benchmarks.measuring.workload import Workload
from benchmarks.own import served
from benchmarks.own.answers import OwnExamples, checked_share
from benchmarks.own.loading import Own
from benchmarks.workers.processes import SharedArray, open_nameless

Label = Callable[[list[int], int], object]  # batches that begin somewhere, of a size


class SharedData:
    """Weights and examples, with room for near ties behind them, and labels, which all map."""

    def __init__(self, workload: Workload, own: Own) -> None:
        n_rows, n_features = workload.n_samples + AT_MOST, workload.n_features
        self.n_samples = workload.n_samples
        x = SharedArray((n_rows, n_features), workload.dtype)
        labels = SharedArray((n_rows,), np.int64)
        coef = SharedArray((workload.n_classes, n_features), workload.dtype)
        self._arrays = [x, labels, coef]
        if own.intercept is not None:
            intercept = SharedArray(own.intercept.shape, own.intercept.dtype)
            intercept.array[:] = own.intercept
            self._arrays.append(intercept)
        self.x, self.labels = x.array, labels.array
        self.data = Data.of(workload, own, coef.array, x.array[: self.n_samples])
        self.numbers: Sequence[int] = [array.number for array in self._arrays]
        arrays = [(array.number, array.dtype.str, array.shape) for array in self._arrays]
        self.question: Mapping[str, Any] = {"arrays": arrays}

    def check(self, answer: dict[str, Any], starts: list[int], batch_size: int) -> None:
        """Check the labels of some batches.

        Raises
        ------
        WrongLabelsError, ChangedDataError
            If one is wrong, or if the formula's is by now.
        """
        data = self.data
        if "seconds" not in answer:  # no labels, or too many, or too few
            start = answer["start"]
            given = np.broadcast_to(np.zeros((), answer["dtype"]), answer["shape"])
            data.check(given, start, start + batch_size)
        if starts[0] < self.n_samples:
            rows_of_all = np.add.outer(starts, np.arange(batch_size)).ravel()
            if (self.labels[rows_of_all] != data.labels[rows_of_all]).any():
                for start in starts:
                    stop = start + batch_size
                    data.check(self.labels[start:stop], start, stop)

    def check_near_ties(self, label: Label, batch_size: int) -> None:
        """Have a process label examples whose two best scores are close, and check the labels."""
        n = self.n_samples

        def predict(x: Array) -> Array:
            self.x[n : n + len(x)] = x
            label([n], len(x))
            return self.labels[n : n + len(x)].copy()

        self.data.check_near_ties(predict, batch_size)

    def check_unchanged(self, starts: Sequence[int], batch_size: int) -> None:
        self.data.check_unchanged(starts, batch_size)

    def answers(self) -> Array | None:
        """Return what was answered to all examples in one pass: nothing to be compared."""
        return None

    def conclude(self) -> float | None:
        return self.data.conclude()


class SharedExamples:
    """A model and examples of the user's own, which each process makes of its side's source."""

    def __init__(self, data: OwnExamples) -> None:
        self.data, self.n_samples = data, data.n_samples
        self._file = open_nameless(1)
        number = self._file.fileno()
        source = os.path.abspath(data.source) if data.source.endswith(".npy") else data.source
        self.numbers: Sequence[int] = [number]
        self.question: Mapping[str, Any] = {"examples": source, "answers": number}
        self._n_compared = self._n_differing = 0

    def check(self, answer: dict[str, Any], starts: list[int], batch_size: int) -> None:
        """Count the rows that the process found to have another answer than in one pass."""
        self._n_compared += len(starts) * batch_size
        self._n_differing += answer["differing"]

    def check_near_ties(self, label: Label, batch_size: int) -> None:
        """There is no formula for somebody's model."""

    def check_unchanged(self, starts: Sequence[int], batch_size: int) -> None:
        """Each process has its own."""

    def answers(self) -> Array | None:
        """Return what the process that was made last answered to all examples in one pass."""
        number = self._file.fileno()
        saved = os.pread(number, os.fstat(number).st_size, 0)
        return np.load(io.BytesIO(saved), allow_pickle=False)  # type: ignore[no-any-return]

    def conclude(self) -> float | None:
        """Return the share of rows with another answer; see `benchmarks.own.answers.Answers`."""
        n, of = self._n_differing, self._n_compared
        self._n_compared = self._n_differing = 0
        return checked_share(n, of, self.data.max_differing)


def compared(current: Array | None, baseline: Array | None) -> tuple[int, int]:
    """Return how many rows of how many the two sides answer otherwise to."""
    if current is None or baseline is None:
        return 0, 0
    if len(current) != len(baseline):
        raise WrongLabelsError(
            f"has {len(baseline):,} examples, and the current side {len(current):,}: give both the "
            "same"
        )
    differing = served.differing(current, baseline, served.scale(baseline))
    return int(differing.sum()), len(current)
