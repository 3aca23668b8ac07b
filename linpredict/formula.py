"""The formula: ``argmax_i w_i·x``."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .validation import as_examples, as_intercept, as_weights

Labels = NDArray[np.intp]


def predict(w: ArrayLike, x: ArrayLike, intercept: ArrayLike | None = None) -> Labels:
    """Label each example with the class of the highest score, ``argmax_i w_i·x``.

    Parameters
    ----------
    w : array_like of shape (n_classes, n_features)
        Weights: float32, float64 or integers. One class at least.
    x : array_like of shape (n_samples, n_features)
        Examples: float32, float64 or integers. One example ``v`` is ``v.reshape(1, -1)``.
    intercept : array_like of shape (n_classes,), optional
        Added to the scores.

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
        If an array is not two-dimensional, the numbers of features differ, there is no class, or
        `intercept` has another shape than (n_classes,).

    Notes
    -----
    Scores are computed in the dtype to which NumPy promotes `w`, `x` and float32, so that integers
    do not wrap around. Where that is the dtype of both, nothing is copied. Scores that overflow,
    and those where infinity or NaN is multiplied by zero, are what BLAS makes of them: it may find
    infinity, NaN, or zero.
    """
    w = as_weights(w)
    x = as_examples(x, w.shape)
    dtype = np.result_type(w, x, np.float32)
    scores = w.astype(dtype, copy=False) @ x.astype(dtype, copy=False).T
    if intercept is not None:
        scores += as_intercept(intercept, w)[:, np.newaxis].astype(dtype, copy=False)
    labels: Labels = np.argmax(scores, axis=0)
    return labels
