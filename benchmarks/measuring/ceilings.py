"""Measurement of two ceilings: how fast the usable cores read, and how fast they compute."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import linpredict.c
from benchmarks.array_types import Array
from benchmarks.measuring.timing import timed
from benchmarks.saving.limit import Limit, best
from linpredict.c.compile import library
from linpredict.cores import usable_cores

LINE = 64  # bytes, as in ceilings.c
IN_PLACE = 2**20  # bytes: so many weights are read where they are, fewer beside them
FLAGS = {
    "float64": ["-DREAL=double"],
    "float32": ["-DREAL=float"],
    "int16": ["-DPAIRS", f"-I{Path(linpredict.c.__file__).parent}"],
}
AT_ONCE = 0.01  # seconds of a measurement in C: starting its threads takes less than 1 % of it


class Ceilings:
    """The highest rates at which all usable cores read and compute, and the limit that they set.

    Reading is reading as many bytes as the weights have, again and again: a batch on top of them
    is not read faster. Computing is multiplying and adding in registers. Both move with what else
    a shared machine does, so they are measured next to each case, and the best of the session
    counts, whatever a case reaches. `limit` is by all that was measured until now.

    They are those of a predictor that reads its weights in a dtype, and computes in a precision.
    `coef` is contiguous, and of the dtype of the examples.

    Raises
    ------
    CompilerError, NoCompilerError
        If the compiler failed, or there is none.
    """

    def __init__(
        self, coef: Array, precision: np.dtype[Any], read_as: np.dtype[Any] | None = None
    ) -> None:
        self._in_c = InC(precision)
        self._memory = whole_lines(coef, coef.size * (read_as or precision).itemsize)
        n_classes, n_features = coef.shape
        self.limit = Limit(
            n_classes=n_classes, n_features=n_features, dtype=coef.dtype.name,
            precision=precision.name, read_as=None if read_as is None else read_as.name,
            bandwidth=0.0, flop_rate=0.0,
        )  # fmt: skip

    def measure(self, for_seconds: float = 0.0) -> None:
        """Measure both in turns for so long, and once at least.

        Threads of BLAS that still spin would halve them.
        """
        end = time.perf_counter() + for_seconds
        while True:
            bandwidth = self._memory.nbytes / self._in_c.seconds_to_read(self._memory)
            flop_rate = self._in_c.multiply_add_rate()
            found = msgspec.structs.replace(self.limit, bandwidth=bandwidth, flop_rate=flop_rate)
            self.limit = best([self.limit, found])
            if time.perf_counter() >= end:
                return


class InC:
    """The functions of ``ceilings.c``, on all usable cores."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        compiled = library(Path(__file__).with_name("ceilings.c"), *FLAGS[dtype.name])
        self._multiply_add, self._read = compiled.multiply_add, compiled.read_lines
        self._multiply_add.argtypes = [ctypes.c_int64]
        self._multiply_add.restype = ctypes.c_double
        self._read.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
        self._read.restype = ctypes.c_uint64
        self._operations: int = ctypes.c_int64.in_dll(compiled, "operations").value
        self._cores = usable_cores()
        self._threads = ThreadPoolExecutor(self._cores)
        self._n_operations = self._n_reads = 1  # that took long enough before

    def multiply_add_rate(self) -> float:
        """Return the multiplications and additions per second in registers."""
        self._n_operations, seconds = self._long_enough(
            lambda core, n: self._multiply_add(n), self._n_operations
        )
        return self._operations * self._n_operations * self._cores / seconds

    def seconds_to_read(self, values: Array) -> float:
        """Return the seconds to read contiguous values once, each core as many whole lines."""
        n_lines = values.nbytes // LINE // self._cores
        starts = [values.ctypes.data + core * n_lines * LINE for core in range(self._cores)]
        self._n_reads, seconds = self._long_enough(
            lambda core, n: self._read(starts[core], n_lines, n), self._n_reads
        )
        return seconds / self._n_reads

    def _long_enough(self, work: Callable[[int, int], object], n: int) -> tuple[int, float]:
        """Double `n` until each core's work takes long enough; return it, and the seconds."""
        while (seconds := timed(self._on_all_cores, work, n)[0]) < AT_ONCE:
            n *= 2
        return n, seconds

    def _on_all_cores(self, work: Callable[[int, int], object], n: int) -> None:
        # The caller's core, too: while it slept, two threads were woken on one core in one of five
        # cases, and took 1.4 to 1.6 times as long.
        others = [self._threads.submit(work, core, n) for core in range(1, self._cores)]
        work(0, n)
        for other in others:
            other.result()


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
