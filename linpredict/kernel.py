"""The compiled kernel, ``kernel.c``: found, checked and described."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .compiler import CompilerError, NoCompilerError, library, words

# functools: its cached_property is written in Python up to 3.13 or so.
INSIDE = (os.path.join(os.path.dirname(__file__), ""), functools.__file__)


class Model(ctypes.Structure):
    """``Model`` of ``kernel.c``."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("lines", "coef", "offset", "error", "rounding")),
        *((name, ctypes.c_int64) for name in ("n_classes", "n_features", "n_panels", "block")),
        *((name, ctypes.c_int64) for name in ("n_blocks", "n_ranges")),
    ]


class Kernel(NamedTuple):
    """The compiled kernel, or why there is none."""

    label: Any = None  # this and the next two are functions of kernel.c
    decide: Any = None
    pack: Any = None
    compiler: str = ""  # its name and version
    vector_bits: int = 0
    reason: str = ""  # why there is none

    def __str__(self) -> str:
        """Describe it in a few words."""
        if self.label is None:
            return f"none: {self.reason}"
        return f"{self.vector_bits}-bit vectors, {self.compiler}"


@functools.cache
def kernel() -> Kernel:
    """Return the kernel, compiled and checked when it is first asked for.

    Warns
    -----
    RuntimeWarning
        If there is a compiler and it failed, or the kernel's scores are wrong.
    """
    if os.environ.get("LINPREDICT_KERNEL", "").lower() == "off":
        return Kernel(reason="LINPREDICT_KERNEL=off is set")
    try:
        loaded = load()
        if not is_right(loaded):
            raise CompilerError(f"what {loaded.compiler} made computes wrong scores")
    except NoCompilerError as error:
        return Kernel(reason=str(error))
    except CompilerError as error:
        warn(f"linpredict uses BLAS in place of its kernel: {error}")
        return Kernel(reason=str(error))
    return loaded


def load() -> Kernel:
    """Compile or find the kernel, and load it."""
    compiled = library(Path(__file__).with_name("kernel.c"), *words("LINPREDICT_CFLAGS"))
    try:
        label, decide, pack = compiled.label, compiled.decide_exactly, compiled.pack
        compiler = ctypes.c_char * 200
        name = compiler.in_dll(compiled, "compiler").value.decode()
        bits = ctypes.c_int64.in_dll(compiled, "vector_bits").value
    except (AttributeError, ValueError) as error:
        raise CompilerError(f"what was compiled lacks a part: {error}") from error
    model, pointer, number = ctypes.POINTER(Model), ctypes.c_void_p, ctypes.c_int64
    pack.restype = None
    pack.argtypes = [model, pointer, *[number] * 3, pointer, number]
    label.restype = number
    label.argtypes = [model, pointer, *[number] * 6, pointer, pointer]
    decide.argtypes = [model, pointer, *[number] * 3, pointer, number, pointer]
    return Kernel(label, decide, pack, name, bits)


def is_right(kernel: Kernel) -> bool:
    """Compare the scores of whole and ragged tiles, panels, steps and blocks with NumPy's."""
    from .packed import Packed

    values = np.random.default_rng(0).integers(-9, 10, (47 + 19, 2 * 64 + 13))
    w, x = values[:47], values[47:]
    expected = w @ x.T  # integers of this size are summed without rounding
    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        packed, samples = Packed(w.astype(dtype), None, kernel, block=64), x.astype(dtype)
        best, all_classes = expected.argmax(axis=0), np.ones((len(x), len(w)), np.bool_)
        if (packed.decide(samples, all_classes) != best).any():
            return False
        for n in (*range(1, 8), len(x)):
            labels, scores = packed.call(samples[:n], exact=dtype == np.float64, with_scores=True)
            right = np.array_equal(scores, expected[:, :n].T)  # type: ignore[arg-type]
            if not right or (labels != best[:n]).any():
                return False
    return True


def warn(message: str) -> None:
    """Warn at the line of the program that called this package.

    ``skip_file_prefixes`` would do this from Python 3.12 on.
    """
    frame, level = sys._getframe(), 1
    while frame.f_back and frame.f_code.co_filename.startswith(INSIDE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, RuntimeWarning, level)
