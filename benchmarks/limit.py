"""The least possible latency on this machine, from ceilings measured with NumPy in the session."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

GEMM_SIZE = 3072  # 2048 reached 95 % of the rate of 4096 on 2 cores, this 99 % in half the time


class Limit:
    """The least seconds in which batches can be labelled by all usable cores.

    The larger of the time to read weights and batch once, at the memory's bandwidth, and the time
    of the multiplications and additions, at the rate of a large matrix product (the roofline model
    of Williams, Waterman and Patterson, Communications of the ACM 52, 2009).

    The bandwidth of a shared machine moves with its neighbours, here between 30 and 70 GB/s within
    seconds. So reads are timed right before and right after each case, and their median counts, as
    the median of the case itself does. The rate of the matrix product moves by some 10 %: the best
    of the session counts.

    Parameters
    ----------
    coef : ndarray of shape (n_classes, n_features)
        Weights.
    x : ndarray of shape (n_samples, n_features), contiguous
        Examples, of the same dtype.
    """

    def __init__(self, coef: Array, x: Array) -> None:
        self._n_classes: int
        self._n_features: int
        self._n_classes, self._n_features = coef.shape
        self._x = x.reshape(-1)
        self._gemm_rate = 0.0

    def read_seconds(self, batch_size: int) -> list[float]:
        """Time reads of as many bytes as the weights and a batch have; caches may hold them.

        The values are examples, read by their inner product with themselves: the fastest read of
        NumPy's that was tried (sum, max and matrix-vector products, also with a thread for each
        core) from 4 MiB up. float32 values were read 25 % faster as half as many of float64.
        """
        n_values = (self._n_classes + batch_size) * self._n_features
        values = self._x[:n_values]
        if values.nbytes % 8 == 0:
            values = values.view(np.float64)
        scale = n_values / len(self._x) if n_values > len(self._x) else 1
        return [scale * t for t in durations(lambda: values.dot(values), at_least=0.1)]

    def latency_floor(self, batch_size: int, read_seconds: list[float]) -> float:
        """Return the least seconds to label a batch, by the reads around the case."""
        reading = statistics.median(read_seconds)
        n_operations: int = 2 * self._n_classes * batch_size * self._n_features
        if not self._gemm_rate or n_operations / self._gemm_rate > reading:
            self._gemm_rate = max(self._gemm_rate, gemm_rate(self._x.dtype))
        return max(reading, n_operations / self._gemm_rate)


def gemm_rate(dtype: np.dtype[Any]) -> float:
    """Return the multiplications and additions per second of a large square matrix product."""
    a = np.ones((GEMM_SIZE, GEMM_SIZE), dtype)
    return 2.0 * GEMM_SIZE**3 / min(durations(lambda: a @ a, at_least=1))


def durations(work: Callable[[], object], at_least: float) -> list[float]:
    """Return the seconds of each of as many calls as take so long together, one at the least."""
    seconds: list[float] = []
    end = time.perf_counter() + at_least
    while not seconds or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return seconds
