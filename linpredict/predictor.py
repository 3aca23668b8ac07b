"""The formula, and a predictor that is built once from a model and then used for many batches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
Labels = NDArray[np.intp]


def predict(w: ArrayLike, x: ArrayLike) -> Labels:
    """Label each example with the class of the highest score, ``argmax_i w_i·x``.

    Parameters
    ----------
    w : array_like of shape (n_classes, n_features)
        Weights: float32, float64 or integers. One class at least.
    x : array_like of shape (n_samples, n_features)
        Examples: float32, float64 or integers. One example ``v`` is ``v.reshape(1, -1)``.

    Returns
    -------
    ndarray of shape (n_samples,), dtype intp
        Index of the highest score of each example: the first of equal scores, and the first NaN
        where there is one (`numpy.argmax` ranks NaN above every number).

    Raises
    ------
    TypeError
        If an array is not of float32, float64 or an integer dtype.
    ValueError
        If an array is not two-dimensional, the numbers of features differ, or there is no class.

    Notes
    -----
    Scores are computed in the dtype to which NumPy promotes `w`, `x` and float32, so that integers
    do not wrap around. Where that is the dtype of both, nothing is copied.
    """
    w, x = as_operands(as_weights(w), x)
    labels: Labels = np.argmax(w @ x.T, axis=0)
    return labels


class LinearPredictor:
    """A linear classifier built once from its weights, for many calls of `predict`.

    Parameters
    ----------
    coef : array_like of shape (n_classes, n_features)
        Weights, such as ``coef_`` of a multiclass scikit-learn classifier: float32, float64 or
        integers. They are copied. A *binary* scikit-learn classifier keeps a single row; both
        its classes are ``numpy.vstack((-coef_, coef_))``, and its intercepts likewise.
    intercept : array_like of shape (n_classes,), optional
        Added to the scores, such as ``intercept_``.

    Raises
    ------
    TypeError, ValueError
        As `linpredict.predict`; also if `intercept` has another shape than (n_classes,).
    """

    def __init__(self, coef: ArrayLike, intercept: ArrayLike | None = None) -> None:
        self._coef = as_weights(coef).copy()
        self._intercept = None if intercept is None else as_intercept(intercept, self._coef).copy()

    def predict(self, x: ArrayLike) -> Labels:
        """Label each example with the class of the highest score.

        Parameters
        ----------
        x : array_like of shape (n_samples, n_features)
            Examples: float32, float64 or integers. One example ``v`` is ``v.reshape(1, -1)``.

        Returns
        -------
        ndarray of shape (n_samples,), dtype intp
            As `linpredict.predict`. Two classes whose scores differ by no more than rounding may
            change places, because the products are summed in another order.

        Raises
        ------
        TypeError, ValueError
            As `linpredict.predict`.
        """
        w, x = as_operands(self._coef, x)
        scores = x @ w.T
        if self._intercept is not None:
            scores = scores + self._intercept
        labels: Labels = np.argmax(scores, axis=1)
        return labels


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


def as_operands(w: Array, x: ArrayLike) -> tuple[Array, Array]:
    """Return weights and examples in the dtype of their scores, copied only to change dtype."""
    x = as_real("examples", x)
    if x.ndim == 1:
        raise ValueError(
            f"examples must have shape (n_samples, {w.shape[1]}) for weights of shape {w.shape}, "
            f"not {x.shape}: pass a single example as x.reshape(1, -1)"
        )
    if x.ndim != 2 or x.shape[1] != w.shape[1]:
        raise ValueError(
            f"examples must have shape (n_samples, {w.shape[1]}) for weights of shape {w.shape}, "
            f"not {x.shape}"
        )
    dtype = np.result_type(w, x, np.float32)
    return w.astype(dtype, copy=False), x.astype(dtype, copy=False)


def as_real(name: str, values: ArrayLike) -> Array:
    """Return `values` as an array, or say that its dtype is not one to compute scores in."""
    try:
        array = np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name} must be a rectangular array: {error}") from None
    if array.dtype.kind not in "iu" and array.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name} must be float32, float64 or integers, not {array.dtype}")
    return array
