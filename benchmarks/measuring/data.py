"""The values of a workload: weights and examples, random or one's own, and the formula's labels."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import linpredict
from benchmarks.array_types import Array, Predict
from benchmarks.errors import ChangedDataError
from benchmarks.measuring.labels import check, check_near_ties
from benchmarks.measuring.workload import Workload
from benchmarks.own.loading import NOTHING, Own
from linpredict.cores import usable_cores

SEED = 0
PER_STREAM = 2**20  # values drawn from one random stream; what is drawn depends on it


def weights(workload: Workload, out: Array | None = None, own: Own = NOTHING) -> Array:
    """Return standard normal weights, the same in every run, or one's own, in a given array."""
    shape = workload.n_classes, workload.n_features
    out = np.empty(shape, workload.dtype) if out is None else out
    return fill(out, (SEED, 0), own.coef)


def examples(workload: Workload, out: Array | None = None, own: Own = NOTHING) -> Array:
    """Return standard normal examples, the same in every run, or one's own, in a given array."""
    shape = workload.n_samples, workload.n_features
    out = np.empty(shape, workload.dtype) if out is None else out
    return fill(out, (SEED, 1), own.examples)


class Data:
    """Weights (n_classes, n_features) and examples, which all predictors share, and their labels.

    The examples (n_samples, n_features) are of the weights' dtype, the labels the formula's.
    """

    n_checked = 64  # examples, at least, whose labels are compared before timing

    def __init__(self, coef: Array, x: Array, labels: Array, own: Own = NOTHING) -> None:
        self.coef, self.x, self.labels, self.intercept = coef, x, labels, own.intercept
        self._own = own
        self._factors = np.random.default_rng(SEED).random(coef.shape[1:]).astype(x.dtype)
        self._of_coef, self._of_x = self._checksums(coef), self._checksums(x)

    @classmethod
    def of(
        cls,
        workload: Workload,
        own: Own = NOTHING,
        coef: Array | None = None,
        x: Array | None = None,
    ) -> Data:
        """Make a workload's data, in arrays that may be given."""
        coef, x = weights(workload, coef, own), examples(workload, x, own)
        return cls(coef, x, linpredict.predict(coef, x, own.intercept), own)

    @property
    def weights(self) -> list[Array]:
        """What predictors are made from: the weights, and the intercept if there is one.

        They are views: their shapes are each predictor's own.
        """
        return [self.coef[:]] + ([] if self.intercept is None else [self.intercept[:]])

    def restore(self) -> None:
        """Undo what was changed."""
        fill(self.coef, (SEED, 0), self._own.coef)
        fill(self.x, (SEED, 1), self._own.examples)

    def batch(self, start: int, stop: int) -> Array:
        return self.x[start:stop]

    def checks_for(self, predict: Predict) -> Data:
        """Return what a predictor's answers are checked by: the formula is there for all alike."""
        return self

    def check(self, labels: Array, start: int, stop: int) -> None:
        """Compare the labels of a batch with the formula's: see `benchmarks.measuring.labels`."""
        rows, coef = slice(start, stop), self.coef
        check(coef, self.x[rows], labels, self.labels[rows], start, self.intercept)

    def check_near_ties(self, predict: Predict, batch_size: int) -> None:
        check_near_ties(predict, self.coef, batch_size, self.intercept)

    def conclude(self) -> float | None:
        """Return the share of labels that differ by batch: none, as each is checked by itself."""
        return None

    def _checksums(self, rows: Iterable[Array]) -> Array:
        """Return an inner product of each row with fixed values, always summed in the same order.

        2 GiB take 0.25 s on 2 cores, 0.37 s on one.
        """
        with ThreadPoolExecutor(usable_cores()) as threads:
            sums = threads.map(lambda row: np.einsum("j,j", row, self._factors), rows)
            return np.array(list(sums))

    def check_unchanged(self, starts: Iterable[int] = (), batch_size: int = 0) -> None:
        """Look for changes of the weights, and of the batches that start at some examples.

        Raises
        ------
        ChangedDataError
            If there is one.
        """
        # A row that holds NaN, as one's own may, and did before, counts as unchanged.
        if not np.array_equal(self._checksums(self.coef), self._of_coef, equal_nan=True):
            raise ChangedDataError("changed the weights that it was given, in place")
        rows = [row for start in starts for row in range(start, start + batch_size)]
        found = self._checksums(self.x[row] for row in rows)
        if not np.array_equal(found, self._of_x[rows], equal_nan=True):
            raise ChangedDataError("changed the examples that it was given, in place")


def fill(values: Array, seed: tuple[int, ...], own: Array | None = None) -> Array:
    """Fill an array with standard normal values, or one's own, and return it.

    They are drawn by all usable cores. Each `PER_STREAM` values have a random stream of their own,
    so it does not matter which thread draws it. 2 GiB of float64 took 3 to 5 s on 2 cores, half of
    it to get the memory.
    """
    if own is not None:
        values[:] = own
        return values
    blocks = [values.reshape(-1)[i : i + PER_STREAM] for i in range(0, values.size, PER_STREAM)]
    streams = np.random.SeedSequence(seed).spawn(len(blocks))

    def draw(block: Array, stream: np.random.SeedSequence) -> None:
        np.random.default_rng(stream).standard_normal(out=block, dtype=block.dtype.type)

    with ThreadPoolExecutor(usable_cores()) as threads:
        list(threads.map(draw, blocks, streams))
    return values
