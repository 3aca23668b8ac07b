"""The formula, and a predictor that is built once from a model and then used for many batches.

The formula leaves most of the machine unused when a model has many features. OpenBLAS shares a
product among the cores by its rows and columns, never along the features, so a small batch keeps
few of them busy. And before it multiplies, it copies both operands into a layout of its own, which
costs as much as the product itself when each weight is used only a few times. `LinearPredictor`
hands such models to a kernel of its own (``kernel.c``), and others to BLAS in the better order of
operands.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from linpredict.arrays import as_examples, as_intercept, as_weights
from linpredict.kernel import Packed, kernel

Array = NDArray[Any]
Labels = NDArray[np.intp]

SCRATCH = 2**25  # bytes of scores, or of examples that must be copied, at once; longer batches are
# labelled in pieces


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
    do not wrap around. Where that is the dtype of both, nothing is copied. Scores that overflow,
    and those where infinity or NaN is multiplied by zero, are what BLAS makes of them: it may find
    infinity, NaN, or zero.
    """
    w = as_weights(w)
    x = as_examples(x, w.shape)
    dtype = np.result_type(w, x, np.float32)
    labels: Labels = np.argmax(w.astype(dtype, copy=False) @ x.astype(dtype, copy=False).T, axis=0)
    return labels


class LinearPredictor:
    """A linear classifier built once from its weights, for many calls of `predict`.

    Many threads may call it at once. It pickles, works in forked processes, and uses as many cores
    as the process may, or as ``OPENBLAS_NUM_THREADS`` or ``OMP_NUM_THREADS`` say.

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

    Warns
    -----
    RuntimeWarning
        If the kernel's compiler fails: BLAS computes in its place.
    """

    def __init__(self, coef: ArrayLike, intercept: ArrayLike | None = None) -> None:
        coef = as_weights(coef)
        self._shape: tuple[int, int] = coef.shape
        self._intercept = None if intercept is None else as_intercept(intercept, coef).copy()
        self._dtype = dtype = np.result_type(coef, np.float32)
        self._packed: Packed | None = None
        if suits_kernel(*self._shape, dtype) and (compiled := kernel(dtype)).scores:
            self._packed = Packed(coef.astype(dtype, copy=False), compiled)
            self._max_samples = self._packed.max_samples
        else:
            self._coef = np.array(coef, dtype, order="C")
            self._max_samples = max(1, SCRATCH // (dtype.itemsize * len(coef)))

    def __getstate__(self) -> dict[str, Any]:
        """Pickle what it was made from: another machine has another kernel, or none."""
        coef = self._packed.coef() if self._packed else self._coef
        return {"coef": coef, "intercept": self._intercept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Build it anew: those weights that Dask sends, for example, may begin at any address."""
        LinearPredictor.__init__(self, **state)

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
        # Checks that all pass are quick: the smallest models take 3 µs a call.
        if type(x) is not np.ndarray or x.dtype is not self._dtype or x.ndim != 2:
            x = as_examples(x, self._shape)
            if np.result_type(x, self._dtype) != self._dtype:
                return self._wider.predict(x)
        elif x.shape[1] != self._shape[1]:
            as_examples(x, self._shape)
        n_samples = len(x)
        if n_samples <= self._max_samples and x.nbytes <= SCRATCH:
            return self._labels(x, n_samples)
        # Pieces, so that scores, and examples that must be copied, take little memory.
        step = self._max_samples
        if not (self._packed.reads(x) if self._packed else fits_blas(x, self._dtype)):
            step = min(step, SCRATCH // max(1, x.shape[1] * self._dtype.itemsize) + 1)
        pieces = [x[start : start + step] for start in range(0, n_samples, step)]
        return np.concatenate([self._labels(piece, len(piece)) for piece in pieces])

    def _labels(self, x: Array, n_samples: int) -> Labels:
        """Label examples that are few enough to be scored at once."""
        if self._packed:
            scores = self._packed.scores(x)
        elif examples_first(n_samples, self._coef):
            scores = x.dot(self._coef.T)  # 0.7 µs less a call than matmul
        else:
            scores = self._coef.dot(x.T).T
        if self._intercept is not None:
            scores = scores + self._intercept
        labels: Labels = scores.argmax(1)
        return labels

    @cached_property
    def _wider(self) -> LinearPredictor:
        """The same model in float64, for examples that are not scored in float32."""
        state = self.__getstate__()
        return LinearPredictor(state["coef"].astype(np.float64), state["intercept"])


def suits_kernel(n_classes: int, n_features: int, dtype: np.dtype[Any]) -> bool:
    """Tell whether the kernel is faster than BLAS in the better order of operands.

    It is where BLAS starves: enough classes to fill the kernel's panels, few enough for a block of
    weights to stay near the core, and weights too large for the caches.
    """
    return 32 <= n_classes <= 128 and n_classes * n_features * dtype.itemsize >= 2**26


def examples_first(n_samples: int, w: Array) -> bool:
    """Tell whether OpenBLAS multiplies examples by weights faster than weights by examples.

    Found by measuring models from 10 × 784 to 10,000 × 256; the wrong one took up to twice as long.
    """
    n_classes: int = w.shape[0]
    n_features: int = w.shape[1]
    if w.size * n_samples <= 2**16:
        return True
    if w.itemsize == 8:
        many = n_classes >= 256 and (n_samples < 8 or n_classes > 1024 or w.size > 2**21)
        return many or n_samples >= 32 <= n_classes
    return n_samples >= min(n_classes, 512) or (n_classes > n_features and n_samples >= 64)


def fits_blas(a: Array, dtype: np.dtype[Any]) -> bool:
    """Tell whether NumPy hands the last two axes of `a` to BLAS without a copy of its own."""
    row, column = a.strides[-2:]
    by_rows = column == a.itemsize and row >= a.shape[-1] * a.itemsize
    by_columns = row == a.itemsize and column >= a.shape[-2] * a.itemsize
    aligned = a.flags.aligned and row % a.itemsize == column % a.itemsize == 0
    return a.dtype == dtype and aligned and (by_rows or by_columns)
