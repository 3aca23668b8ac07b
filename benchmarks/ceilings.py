"""Measurement of two ceilings: how fast the usable cores read, and how fast they compute."""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.label_check import Array, Predict
from benchmarks.roofline import ITEMSIZE, NUMPYS_BEST, Roofline
from benchmarks.timing import timed
from linpredict.compiler import CompilerError, NoCompilerError, library
from linpredict.machine import usable_cores

LINE = 64  # bytes, as in ceilings.c
IN_PLACE = 2**20  # bytes: so many weights are read where they are, fewer beside them
AT_ONCE = 0.01  # seconds of a measurement in C: starting its threads takes less than 1 % of it
GEMM_SIZE = 2048  # reached 98 to 100 % of the rate of 3072 on 2 cores of a Zen 4


class Ceilings:
    """The least seconds in which batches can be labelled by all usable cores.

    Reading is reading as many bytes as the weights have, again and again: a batch on top of them
    is not read faster. Computing is multiplying and adding in registers. Both move with what else
    a shared machine does, so they are measured next to each case, and the best of the session
    counts, whatever a case reaches.

    Without a compiler the rates are those of NumPy's: the inner product of values with themselves,
    its fastest read of those tried, and a large matrix product. Other libraries may exceed them.

    They are those of a predictor that reads its weights and computes in a precision. `coef` is
    contiguous, and of the dtype of the examples; `roofline` is by all that was measured until now.
    """

    def __init__(self, coef: Array, precision: np.dtype[Any]) -> None:
        self._precision = precision
        self._in_c: InC | None = None
        with suppress(CompilerError, NoCompilerError):
            self._in_c = InC(precision)
        self._memory = whole_lines(coef, coef.size * precision.itemsize)
        name = "limit" if self._in_c else NUMPYS_BEST
        n_classes, n_features = coef.shape
        self.roofline = Roofline(
            n_classes, n_features, coef.dtype.name, precision.name, name, bandwidth=0, flop_rate=0
        )

    def measure(self, for_seconds: float = 0.0) -> None:
        """Measure both ceilings in turns for so long, and once at least.

        Threads of BLAS that still spin would halve them.
        """
        end = time.perf_counter() + for_seconds
        while True:
            self.roofline = replace(
                self.roofline,
                bandwidth=max(self.roofline.bandwidth, self._bandwidth()),
                flop_rate=max(self.roofline.flop_rate, self._flop_rate()),
            )
            if time.perf_counter() >= end:
                return

    def _bandwidth(self) -> float:
        if self._in_c:
            return self._memory.nbytes / self._in_c.seconds_to_read(self._memory)
        values = self._memory.view(np.float64)  # read 25 % faster than twice as many of float32
        return values.nbytes / least_seconds(lambda: values.dot(values))

    def _flop_rate(self) -> float:
        if self._in_c:
            return self._in_c.multiply_add_rate()
        a = np.ones((GEMM_SIZE, GEMM_SIZE), self._precision)
        return 2.0 * GEMM_SIZE**3 / least_seconds(lambda: a @ a)


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
        self._iterations, seconds = repeat_enough(
            lambda n: self._seconds(lambda _: self._multiply_add(n)), self._iterations
        )
        return self._operations * self._iterations * self._cores / seconds

    def seconds_to_read(self, values: Array) -> float:
        """Return the seconds to read contiguous values once, each core as many whole lines."""
        n_lines = values.nbytes // LINE // self._cores
        starts = [values.ctypes.data + core * n_lines * LINE for core in range(self._cores)]
        repeats, seconds = repeat_enough(
            lambda n: self._seconds(lambda core: self._read(starts[core], n_lines, n)),
            self._repeats.get(n_lines, 1),
        )
        self._repeats[n_lines] = repeats
        return seconds / repeats

    def _seconds(self, work: Callable[[int], object]) -> float:
        return timed(lambda: list(self._threads.map(work, range(self._cores))))[0]


def stated_by(predict: Predict, attribute: str) -> Any:
    """Return what a predictor, or the object whose method it is, states of itself, or None."""
    return getattr(getattr(predict, "__self__", predict), attribute, None)


def precision_of(predict: Predict, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype in which a predictor reads its weights and computes.

    It is what its attribute `precision` says, or that of the object whose method it is; else the
    workload's `dtype`.

    Raises
    ------
    ValueError
        If it is neither float32 nor float64.
    """
    stated = stated_by(predict, "precision")
    if stated is None:
        return dtype
    with suppress(TypeError, ValueError):
        precision: np.dtype[Any] = np.dtype(stated)
        if precision.name in ITEMSIZE:
            return precision
    raise ValueError(
        f"its attribute precision is {stated!r}: expected {' or '.join(ITEMSIZE)}, in which it "
        "reads its weights and computes"
    )


def whole_lines(coef: Array, nbytes: int) -> Array:
    """Return about as many bytes that begin at a line of the caches, one for each core at least.

    They are the weights' own where these are many, and else others: what begins within a line would
    be read line by line twice.
    """
    at_once = LINE * usable_cores()
    memory = coef.reshape(-1).view(np.uint8)
    if min(nbytes, memory.nbytes) < IN_PLACE:
        nbytes = -(-nbytes // at_once) * at_once
        memory = np.ones(nbytes + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + min(nbytes, memory.nbytes - start) // at_once * at_once]


def repeat_enough(seconds: Callable[[int], float], n: int) -> tuple[int, float]:
    """Double `n` until so many repeats take long enough; return it, and their seconds."""
    while (taken := seconds(n)) < AT_ONCE:
        n *= 2
    return n, taken


def least_seconds(work: Callable[[], object]) -> float:
    """Return the seconds of the fastest of as many calls as take `AT_ONCE` together."""
    least, end = math.inf, time.perf_counter() + AT_ONCE
    while least == math.inf or time.perf_counter() < end:
        least = min(least, timed(work)[0])
    return least
