"""The least possible latency on this machine, from ceilings measured in the session."""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.timing import timed
from linpredict.compiler import CompilerError, NoCompilerError, library
from linpredict.machine import usable_cores

Array = NDArray[Any]

LINE = 64  # bytes, as in ceilings.c
AT_ONCE = 0.01  # seconds of a measurement in C: starting its threads takes less than 1 % of it
GEMM_SIZE = 3072  # 2048 reached 95 % of the rate of 4096 on 2 cores, this 99 % in half the time


class Limit:
    """The least seconds in which batches can be labelled by all usable cores.

    The larger of the time to read weights and batch once, at the best rate of reading as many
    bytes, and the time of the multiplications and additions, at the best rate in registers (the
    roofline model of Williams, Waterman and Patterson, Communications of the ACM 52, 2009). Both
    rates move with what else a shared machine does, so they are measured next to each case, and
    the best of the session counts. What the fastest call of a case took is possible, too: no limit
    is above it, nor above that of a larger batch.

    Without a compiler the rates are those of NumPy's: reading by the inner product of values with
    themselves, its fastest read of those tried, and a large matrix product. Other libraries may
    exceed them, so `name` does not call them a limit.

    Parameters
    ----------
    coef : ndarray of shape (n_classes, n_features)
        Weights.
    x : ndarray of shape (n_samples, n_features), contiguous
        Examples, of the same dtype.

    Attributes
    ----------
    name : str
        ``"limit"`` or ``"NumPy's best"``.
    """

    def __init__(self, coef: Array, x: Array) -> None:
        self._n_classes: int
        self._n_features: int
        self._n_classes, self._n_features = coef.shape
        self._x = x.reshape(-1)
        self._reading: dict[int, float] = {}  # by batch size, the least seconds
        self._fastest: dict[int, float] = {}
        self._rate = 0.0  # multiplications and additions per second
        self._in_c: InC | None = None
        with suppress(CompilerError, NoCompilerError):
            self._in_c = InC(x.dtype)
        self.name = "limit" if self._in_c else "NumPy's best"

    def measure(self, batch_size: int) -> None:
        """Measure the ceilings for a batch size, in 0.1 s or the time of one large product."""
        n_values = (self._n_classes + batch_size) * self._n_features
        values = self._x[:n_values]
        # float32 values were read 25 % faster as half as many of float64.
        values = values.view(np.float64) if values.nbytes % 8 == 0 else values
        scale = n_values / len(self._x) if n_values > len(self._x) else 1
        reading = [least_seconds(lambda: values.dot(values), for_seconds=0.02)]
        if self._in_c:
            reading += [self._in_c.seconds_to_read(values) for _ in range(5)]
            self._rate = max(self._rate, *(self._in_c.multiply_add_rate() for _ in range(3)))
        elif not self._rate or self._seconds_to_compute(batch_size) > scale * min(reading):
            self._rate = max(self._rate, gemm_rate(self._x.dtype))
        self._reading[batch_size] = min(
            self._reading.get(batch_size, math.inf), scale * min(reading)
        )

    def is_measured(self, batch_size: int) -> bool:
        """Tell whether the ceilings for a batch size were measured."""
        return batch_size in self._reading

    def reached(self, batch_size: int, seconds: float) -> None:
        """Take into account what a call took."""
        self._fastest[batch_size] = min(self._fastest.get(batch_size, math.inf), seconds)

    def seconds(self, batch_size: int) -> float:
        """Return the least seconds to label a batch, by all that was measured until now."""
        bounds = [max(self._reading[batch_size], self._seconds_to_compute(batch_size))]
        if self._in_c:
            bounds += [t for size, t in self._fastest.items() if size >= batch_size]
        return min(bounds)

    def _seconds_to_compute(self, batch_size: int) -> float:
        n_operations: int = 2 * self._n_classes * batch_size * self._n_features
        return n_operations / self._rate


class InC:
    """The functions of ``ceilings.c``, on all usable cores.

    Raises
    ------
    CompilerError, NoCompilerError
        If the compiler failed, or there is none.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        real = {"float32": "float", "float64": "double"}[dtype.name]
        compiled = library(Path(__file__).with_name("ceilings.c"), f"-DREAL={real}")
        self._multiply_add, self._read = compiled.multiply_add, compiled.read_lines
        self._multiply_add.argtypes = [ctypes.c_int64]
        self._multiply_add.restype = ctypes.c_double
        self._read.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
        self._read.restype = ctypes.c_uint64
        self._operations: int = ctypes.c_int64.in_dll(compiled, "operations").value
        self._cores = usable_cores()
        self._threads = ThreadPoolExecutor(self._cores)
        self._iterations = 1
        self._repeats: dict[int, int] = {}  # by the number of lines

    def multiply_add_rate(self) -> float:
        """Return the multiplications and additions per second in registers."""

        def iterate(n: int) -> float:
            return self._seconds(lambda _: self._multiply_add(n))

        self._iterations, seconds = enough(iterate, self._iterations)
        return self._operations * self._iterations * self._cores / seconds

    def seconds_to_read(self, values: Array) -> float:
        """Return the seconds to read contiguous values once, each core an equal part of them."""
        n_lines = max(1, values.nbytes // LINE // self._cores)
        start = values.ctypes.data

        def read(repeats: int) -> float:
            return self._seconds(
                lambda core: self._read(start + core * n_lines * LINE, n_lines, repeats)
            )

        repeats, seconds = enough(read, self._repeats.get(n_lines, 1))
        self._repeats[n_lines] = repeats
        return seconds / repeats

    def _seconds(self, work: Callable[[int], object]) -> float:
        return timed(lambda: list(self._threads.map(work, range(self._cores))))[0]


def enough(seconds: Callable[[int], float], n: int) -> tuple[int, float]:
    """Double `n` until so many repeats take long enough; return it, and their seconds."""
    while (taken := seconds(n)) < AT_ONCE:
        n *= 2
    return n, taken


def gemm_rate(dtype: np.dtype[Any]) -> float:
    """Return the multiplications and additions per second of a large square matrix product."""
    a = np.ones((GEMM_SIZE, GEMM_SIZE), dtype)
    return 2.0 * GEMM_SIZE**3 / least_seconds(lambda: a @ a, for_seconds=1)


def least_seconds(work: Callable[[], object], for_seconds: float) -> float:
    """Return the seconds of the fastest of as many calls as take so long together."""
    least = math.inf
    end = time.perf_counter() + for_seconds
    while least == math.inf or time.perf_counter() < end:
        least = min(least, timed(work)[0])
    return least
