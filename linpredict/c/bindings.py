"""The functions of ``kernel.c``, by ctypes."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any, NamedTuple

from .compile import CompilerError, library, words


class Model(ctypes.Structure):
    """``Model`` of ``model.h``."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("coef", "pairs", "scales")),
        *((name, ctypes.c_void_p) for name in ("error", "norm", "offset", "rounding")),
        *((name, ctypes.c_int64) for name in ("is_wide", "n_classes", "n_features", "n_panels")),
        *((name, ctypes.c_int64) for name in ("block", "n_blocks", "n_ranges")),
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
    pack.argtypes = [model, pointer, *[number] * 2, *[pointer] * 3, number]
    label.restype = number
    label.argtypes = [model, pointer, *[number] * 5, pointer, pointer]
    decide.argtypes = [model, pointer, *[number] * 3, *[pointer] * 2, number, pointer]
    return Kernel(label, decide, pack, name, bits)
