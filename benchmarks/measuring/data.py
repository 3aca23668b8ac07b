"""The values of a workload: random weights and examples, and the formula's labels."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import linpredict
from benchmarks.array_types import Array
from benchmarks.errors import ChangedDataError
from benchmarks.measuring.workload import Workload
from linpredict.cores import usable_cores

SEED = 0
PER_STREAM = 2**20  # values drawn from one random stream; what is drawn depends on it


def weights(workload: Workload, out: Array | None = None) -> Array:
    """Return standard normal weights, the same in every run, in an array that may be given."""
    shape = workload.n_classes, workload.n_features
    return fill(np.empty(shape, workload.dtype) if out is None else out, (SEED, 0))


def examples(workload: Workload, out: Array | None = None) -> Array:
    """Return standard normal examples, the same in every run, in an array that may be given."""
    shape = workload.n_samples, workload.n_features
    return fill(np.empty(shape, workload.dtype) if out is None else out, (SEED, 1))


class Data:
    """Weights (n_classes, n_features) and examples, which all predictors share, and their labels.

    The examples (n_samples, n_features) are of the weights' dtype, the labels the formula's.
    """

    def __init__(self, coef: Array, x: Array, labels: Array) -> None:
        self.coef, self.x, self.labels = coef, x, labels
        self._factors = np.random.default_rng(SEED).random(coef.shape[1:]).astype(x.dtype)
        self._of_coef, self._of_x = self._checksums(coef), self._checksums(x)

    @classmethod
    def of(cls, workload: Workload, coef: Array | None = None, x: Array | None = None) -> Data:
        """Make a workload's data, in arrays that may be given."""
        coef, x = weights(workload, coef), examples(workload, x)
        return cls(coef, x, linpredict.predict(coef, x))

    def restore(self) -> None:
        """Undo what was changed."""
        fill(self.coef, (SEED, 0))
        fill(self.x, (SEED, 1))

    def _checksums(self, values: Array) -> Array:
        """Return an inner product of each row with fixed values, always summed in the same order.

        18 GB/s with one thread: 2 GiB take 0.1 s.
        """
        return np.array([np.einsum("j,j", row, self._factors) for row in values])

    def check_unchanged(self, starts: Iterable[int] = (), batch_size: int = 0) -> None:
        """Look for changes of the weights, and of the batches that start at some examples.

        Raises
        ------
        ChangedDataError
            If there is one.
        """
        if (self._checksums(self.coef) != self._of_coef).any():
            raise ChangedDataError("changed the weights that it was given, in place")
        for start in starts:
            rows = slice(start, start + batch_size)
            if (self._checksums(self.x[rows]) != self._of_x[rows]).any():
                raise ChangedDataError("changed the examples that it was given, in place")


def fill(values: Array, seed: tuple[int, ...]) -> Array:
    """Fill an array with standard normal values, drawn by all usable cores, and return it.

    Each `PER_STREAM` values have a random stream of their own, so it does not matter which thread
    draws it. 2 GiB of float64 took 3 to 5 s on 2 cores, half of it to get the memory.
    """
    blocks = [values.reshape(-1)[i : i + PER_STREAM] for i in range(0, values.size, PER_STREAM)]
    streams = np.random.SeedSequence(seed).spawn(len(blocks))

    def draw(block: Array, stream: np.random.SeedSequence) -> None:
        np.random.default_rng(stream).standard_normal(out=block, dtype=block.dtype.type)

    with ThreadPoolExecutor(usable_cores()) as threads:
        list(threads.map(draw, blocks, streams))
    return values
