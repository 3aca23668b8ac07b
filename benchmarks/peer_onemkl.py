"""oneMKL's matrix products, by ctypes."""

from __future__ import annotations

import ctypes
import sys
from functools import cache, lru_cache
from importlib import metadata
from typing import Any

import numpy as np

from benchmarks.label_check import Array, Predict
from benchmarks.peers import NOT_BESIDE_TORCH, UnavailableError, choose_fastest, environment
from linpredict.machine import n_threads

ROW_MAJOR, NO_TRANS, TRANS, PACKED, A_MATRIX = 101, 111, 112, 151, 161  # of mkl_cblas.h


def mkl(coef: Array) -> Predict:
    """Use oneMKL's ``gemm``, in both orders and with packed weights: what is fastest for a size.

    Weights packed as the second matrix were never faster, and took ten times their memory.

    It computes with Intel's OpenMP, which comes with it, beside GNU's in scikit-learn. The threads
    of both get along while the others sleep: Intel's spin for 0.2 s after a call, here for 0.1 s,
    which is less than the benchmark rests before each case.

    It does not run beside PyTorch, which has a oneMKL of its own: the names of the two collide, and
    one call in ten gave wrong scores.
    """
    library = load()
    n_classes, n_features = coef.shape
    gemm = function(library, coef.dtype, "", "eeeiiirpipirpi")
    pack_get_size = function(library, coef.dtype, "_pack_get_size", "eiii", "z")
    pack = function(library, coef.dtype, "_pack", "eeeiiirpip")
    compute = function(library, coef.dtype, "_compute", "eiiiiipipirpi")

    def scores(a: Array, b: Array) -> Array:
        found = np.empty((len(a), len(b)), coef.dtype)
        gemm(
            ROW_MAJOR, NO_TRANS, TRANS, len(a), len(b), n_features,
            1, a.ctypes.data, n_features, b.ctypes.data, n_features,
            0, found.ctypes.data, len(b),
        )  # fmt: skip
        return found

    def examples_first(x: Array) -> Array:
        return scores(np.ascontiguousarray(x, coef.dtype), coef).argmax(1)  # type: ignore[no-any-return]

    def weights_first(x: Array) -> Array:
        return scores(coef, np.ascontiguousarray(x, coef.dtype)).argmax(0)  # type: ignore[no-any-return]

    @lru_cache(maxsize=1)  # a copy of the weights; the benchmark goes from one size to the next
    def packed(n_samples: int) -> Array:
        n_bytes = pack_get_size(A_MATRIX, n_classes, n_samples, n_features)
        weights = np.empty(n_bytes + 64, np.uint8)
        weights = weights[-weights.ctypes.data % 64 :]
        pack(
            ROW_MAJOR, A_MATRIX, NO_TRANS, n_classes, n_samples, n_features,
            1, coef.ctypes.data, n_features, weights.ctypes.data,
        )  # fmt: skip
        return weights

    def packed_weights_first(x: Array) -> Array:
        x = np.ascontiguousarray(x, coef.dtype)
        scores = np.empty((n_classes, len(x)), coef.dtype)
        compute(
            ROW_MAJOR, PACKED, TRANS, n_classes, len(x), n_features,
            packed(len(x)).ctypes.data, n_features, x.ctypes.data, n_features,
            0, scores.ctypes.data, len(x),
        )  # fmt: skip
        return scores.argmax(0)  # type: ignore[no-any-return]

    return choose_fastest(examples_first, weights_first, packed_weights_first)


def function(
    library: ctypes.CDLL, dtype: np.dtype[Any], name: str, arguments: str, result: str = ""
) -> Any:
    """Return one of oneMKL's functions for matrices of a dtype, by a letter for each argument."""
    kinds: dict[str, Any] = {
        "e": ctypes.c_int, "i": ctypes.c_int64, "p": ctypes.c_void_p, "z": ctypes.c_size_t,
        "r": np.ctypeslib.as_ctypes_type(dtype),
    }  # fmt: skip
    letter = {"float32": "s", "float64": "d"}[dtype.name]
    # Those with integers of 64 bits, whatever MKL_INTERFACE_LAYER says.
    found = library[f"cblas_{letter}gemm{name}_64"]
    found.argtypes, found.restype = [kinds[kind] for kind in arguments], kinds.get(result)
    return found


@cache
def load() -> ctypes.CDLL:
    """Load oneMKL's library, and tell it how many threads to use.

    Raises
    ------
    ModuleNotFoundError
        If the package ``mkl`` is not installed.
    UnavailableError
        If its library cannot be loaded, or PyTorch's is.
    """
    if sys.modules.get("torch"):
        raise UnavailableError(NOT_BESIDE_TORCH)
    paths = [str(file.locate()) for file in metadata.files("mkl") or () if "mkl_rt" in file.name]
    try:
        library = ctypes.CDLL(paths[0])
    except (IndexError, OSError) as error:
        raise UnavailableError(
            f"oneMKL cannot be loaded ({error}): pip install --force-reinstall mkl"
        ) from error
    with environment(KMP_BLOCKTIME="100"):
        # Others that MKL_THREADING_LAYER may name are not installed with it, and would end Python.
        library.MKL_Set_Threading_Layer(0)
        library.MKL_Set_Num_Threads(min(library.MKL_Get_Max_Threads(), n_threads()))
    return library
