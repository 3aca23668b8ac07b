"""Validation of weights and examples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]


def as_weights(w: ArrayLike) -> Array:
    """Return `w` as an array of shape (n_classes, n_features) that scores can be computed from."""
    w = as_real("weights", w)
    if w.ndim != 2:
        raise ValueError(f"weights must have shape (n_classes, n_features), not {w.shape}")
    if not len(w):
        raise ValueError(f"weights must have one class at least, not shape {w.shape}")
    return w


def as_intercept(intercept: ArrayLike, w: Array) -> Array:
    """Return `intercept` as an array of shape (n_classes,) that fits the weights `w`."""
    intercept = as_real("intercept", intercept)
    if intercept.shape != (len(w),):
        raise ValueError(
            f"intercept must have shape ({len(w)},) for weights of shape {w.shape}, "
            f"not {intercept.shape}"
        )
    return intercept


def as_examples(x: ArrayLike, weights_shape: tuple[int, ...]) -> Array:
    """Return `x` as an array of shape (n_samples, n_features) that fits the weights' shape."""
    x = as_real("examples", x)
    if x.ndim != 2 or x.shape[1] != weights_shape[1]:
        raise ValueError(
            f"examples must have shape (n_samples, {weights_shape[1]}) for weights of shape "
            f"{weights_shape}, not {x.shape}"
            + (": pass a single example as x.reshape(1, -1)" if x.ndim == 1 else "")
        )
    return x


def as_real(name: str, values: ArrayLike) -> Array:
    """Return `values` as an array, or say that its dtype is not one to compute scores in."""
    try:
        array = np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name} must be a rectangular array: {error}") from None
    native = array.dtype.newbyteorder("=")
    if native.kind not in "iu" and native not in (np.float32, np.float64):
        remedy = ""
        if hasattr(values, "toarray"):  # sparse
            remedy = f": pass {name}.toarray()"
        elif native.kind in "bO":
            remedy = f": pass {name}.astype(float)"
        raise TypeError(f"{name} must be float32, float64 or integers, not {array.dtype}{remedy}")
    return array
