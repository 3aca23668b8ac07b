"""The least possible latency on this machine, from ceilings measured with NumPy in the session."""

from __future__ import annotations

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
    of Williams, Waterman and Patterson, Communications of the ACM 52, 2009). Both ceilings are the
    best of several measurements, so they hold for a quiet machine.

    Parameters
    ----------
    coef : ndarray of shape (n_classes, n_features)
        Weights.
    x : ndarray of shape (n_samples, n_features), contiguous
        Examples, of the same dtype.
    """

    def __init__(self, coef: Array, x: Array) -> None:
        self._n_classes = len(coef)
        self._x = x
        self._gemm_rate = gemm_rate(x.dtype)

    def latency_floor(self, batch_size: int) -> float:
        """Return the least seconds to label a batch; the bandwidth is measured in each call."""
        n_features = self._x.shape[1]
        n_bytes = (self._n_classes + batch_size) * n_features * self._x.itemsize
        n_operations = 2 * self._n_classes * batch_size * n_features
        # The examples themselves, as many bytes as the case reads or as there are.
        buffer = self._x.reshape(-1)[: n_bytes // self._x.itemsize]
        reading: float = n_bytes / read_bandwidth(buffer)
        if n_operations / self._gemm_rate > reading:
            self._gemm_rate = max(self._gemm_rate, gemm_rate(self._x.dtype))
        computing: float = n_operations / self._gemm_rate
        return max(reading, computing)


def read_bandwidth(values: Array) -> float:
    """Return the bytes per second at which values are read; what fits in a cache comes from there.

    Their inner product with themselves was the fastest read of NumPy's that was tried (sum, max and
    matrix-vector products, also with a thread for each core) from 4 MiB up.
    """
    bandwidth: float = values.nbytes / best_time(lambda: values.dot(values), at_least=0.2)
    return bandwidth


def gemm_rate(dtype: np.dtype[Any]) -> float:
    """Return the multiplications and additions per second of a large square matrix product."""
    a = np.ones((GEMM_SIZE, GEMM_SIZE), dtype)
    rate: float = 2 * GEMM_SIZE**3 / best_time(lambda: a @ a, at_least=0)
    return rate


def best_time(work: Callable[[], object], at_least: float) -> float:
    """Return the seconds of the fastest of 2 runs or more, for so many seconds at least."""
    durations: list[float] = []
    end = time.perf_counter() + at_least
    while len(durations) < 2 or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        durations.append(time.perf_counter() - start)
    return min(durations)
