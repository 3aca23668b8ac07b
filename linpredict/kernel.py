"""Weights packed for the compiled kernel, and their scores; ``kernel.c`` says how it works."""

from __future__ import annotations

import ctypes
import math
import os
import warnings
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from linpredict.compiler import CompilerError, NoCompilerError, library, words
from linpredict.machine import n_threads

Array = NDArray[Any]

LINE = 64  # bytes of a line of the caches, as in kernel.c
# Lines of a block. 256 KiB stay in the caches next to a core (512 KiB on Zen 3).
BLOCK = 4096
# Features of a block. At 64 classes, with half as many as 512, batches of 96 took 4 % longer, and
# with twice as many, batches of 8 in float32 8 %.
FEWEST, MOST = 64, 512
MAX_RANGES = 64  # of features, for as many cores
SCRATCH = 2**23  # bytes of sums at once; twice as much took 3 % longer at batch size 1024


class Model(ctypes.Structure):
    """``Model`` of ``kernel.c``."""

    _fields_ = [
        ("lines", ctypes.c_void_p),
        ("n_classes", ctypes.c_int64),
        ("n_features", ctypes.c_int64),
        ("n_panels", ctypes.c_int64),
        ("block", ctypes.c_int64),
        ("n_blocks", ctypes.c_int64),
        ("n_ranges", ctypes.c_int64),
    ]


class Kernel(NamedTuple):
    """The compiled kernel for a dtype, or why there is none.

    Attributes
    ----------
    scores, pack : callable, optional
        Those of ``kernel.c``.
    compiler : str
        Name and version of the compiler that made it.
    vector_bits : int
        How wide its vectors are.
    reason : str
        Why there is none.
    """

    scores: Any = None
    pack: Any = None
    compiler: str = ""
    vector_bits: int = 0
    reason: str = ""

    def __str__(self) -> str:
        """Describe it in a few words."""
        if self.scores is None:
            return f"none: {self.reason}"
        return f"{self.vector_bits}-bit vectors, {self.compiler}"


@cache
def kernel(dtype: np.dtype[Any]) -> Kernel:
    """Return the kernel for float32 or float64, compiled and checked when it is first asked for.

    Warns
    -----
    RuntimeWarning
        If there is a compiler and it failed, or the kernel's scores are wrong.
    """
    if os.environ.get("LINPREDICT_KERNEL", "").lower() == "off":
        return Kernel(reason="LINPREDICT_KERNEL=off is set")
    try:
        loaded = load(dtype)
        if not is_right(loaded, dtype):
            raise CompilerError(f"what {loaded.compiler} made computes wrong scores")
    except NoCompilerError as error:
        return Kernel(reason=str(error))
    except CompilerError as error:
        warnings.warn(f"linpredict uses BLAS in place of its kernel: {error}", RuntimeWarning, 4)
        return Kernel(reason=str(error))
    return loaded


def load(dtype: np.dtype[Any]) -> Kernel:
    """Compile or find the kernel, and load it."""
    real = {"float32": "float", "float64": "double"}[dtype.name]
    source = Path(__file__).with_name("kernel.c")
    compiled = library(source, f"-DREAL={real}", *words("LINPREDICT_CFLAGS"))
    try:
        scores, pack = compiled.scores, compiled.pack
        compiler = ctypes.c_char * 200
        name = compiler.in_dll(compiled, "compiler").value.decode()
        bits = ctypes.c_int64.in_dll(compiled, "vector_bits").value
    except (AttributeError, ValueError) as error:
        raise CompilerError(f"what was compiled lacks a part: {error}") from error
    pack.restype = None
    model, pointer, number = ctypes.POINTER(Model), ctypes.c_void_p, ctypes.c_int64
    pack.argtypes = [model, pointer, *[number] * 3]
    scores.argtypes = [model, pointer, *[number] * 3, pointer]
    return Kernel(scores, pack, name, bits)


def is_right(kernel: Kernel, dtype: np.dtype[Any]) -> bool:
    """Compare the scores of whole and ragged tiles, panels, steps and blocks with NumPy's."""
    values = np.random.default_rng(0).integers(-9, 10, (47 + 19, 2 * 64 + 13)).astype(dtype)
    w, x = values[:47], values[47:]
    packed = Packed(w, kernel, block=64)
    # Integers of this size are summed without rounding.
    return all((packed.scores(x[:n]) == x[:n] @ w.T).all() for n in (*range(1, 8), len(x)))


class Packed:
    """The weights of a model as the kernel reads them, and their scores.

    Parameters
    ----------
    coef : ndarray of shape (n_classes, n_features), float32 or float64
        Weights.
    kernel : Kernel
        One for their dtype.
    block : int, optional
        Features of a block.
    """

    def __init__(self, coef: Array, kernel: Kernel, block: int | None = None) -> None:
        self._kernel = kernel
        self._n_classes, self._n_features = coef.shape
        classes = LINE // coef.itemsize  # of a panel
        n_panels = -(-self._n_classes // classes)
        block = block or max(FEWEST, min(MOST, BLOCK // n_panels // 8 * 8))
        n_blocks = -(-self._n_features // block)
        n_ranges = max(1, min(MAX_RANGES, n_blocks))
        self._weights = w = empty_lines((n_blocks, n_panels, block, classes), coef.dtype)
        self._model = Model(w.ctypes.data, *coef.shape, n_panels, block, n_blocks, n_ranges)
        if any(step % coef.itemsize for step in coef.strides) or not coef.flags.aligned:
            coef = coef.copy()
        row, column = (step // coef.itemsize for step in coef.strides)
        kernel.pack(self._model, coef.ctypes.data, row, column, n_threads())
        self.max_samples = max(1, SCRATCH // (n_ranges * n_panels * LINE))

    def coef(self) -> Array:
        """Return the weights (n_classes, n_features)."""
        n_blocks, n_panels, block, classes = self._weights.shape
        w = self._weights.transpose(1, 3, 0, 2).reshape(n_panels * classes, n_blocks * block)
        return np.ascontiguousarray(w[: self._n_classes, : self._n_features])

    def reads(self, x: Array) -> bool:
        """Tell whether examples can be read where they are."""
        row, column = x.strides
        in_rows = column == x.itemsize and row % x.itemsize == 0 and x.flags.aligned
        return in_rows and x.dtype == self._weights.dtype

    def scores(self, x: Array) -> Array:
        """Return the scores (n_samples, n_classes) of `max_samples` examples or fewer."""
        w = self._weights
        if not self.reads(x):
            x = np.array(x, w.dtype, order="C")
        n_samples = len(x)
        scores = np.empty((n_samples, w.shape[1] * w.shape[3]), w.dtype)
        rows = x.ctypes.data, x.strides[0] // x.itemsize, n_samples
        if not self._kernel.scores(self._model, *rows, n_threads(), scores.ctypes.data):
            raise MemoryError(f"no memory for the sums of {n_samples} examples")
        return scores[:, : self._n_classes]


def empty_lines(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return an array that begins at a line of the caches.

    NumPy's begin 16 bytes past one: every vector would touch two lines, 15 to 25 % of the time.
    """
    size = math.prod(shape)
    values = np.empty(size + LINE // dtype.itemsize, dtype)
    start = -values.ctypes.data % LINE // dtype.itemsize
    return values[start : start + size].reshape(shape)
