"""The formula, and a predictor that is built once from a model and then used for many batches.

The formula leaves most of the machine unused when a model has many features. OpenBLAS shares a
product among the cores by its rows and columns, never along the features, so a small batch keeps
few of them busy. And before it multiplies, it copies both operands into a layout of its own, which
costs as much as the product itself when each weight is used only a few times.

`LinearPredictor` therefore multiplies in tiles that need neither. The weights are stored once, as
they will be read: groups of neighbouring classes, contiguous along the features. A tile is a few
examples × ``FEATURES`` features × one group of classes, so small that OpenBLAS multiplies it on
the calling thread and straight from the operands. `numpy.matmul` runs over a stack of tiles in C
without the GIL. Ranges of features and blocks of examples are shared among the cores. The partial
scores are added in the order of the features, so that labels depend neither on the number of cores
nor on which of them was faster.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from linpredict.pool import in_parallel

Array = NDArray[Any]
Labels = NDArray[np.intp]

# OpenBLAS computes a product of up to 2**18 multiplications on the calling thread (its
# SMP_THRESHOLD_MIN × GEMM_MULTITHREAD_THRESHOLD), so that its threads and ours never compete.
PRODUCT = 2**18
MIN_FEATURES = 2**16  # of a model that is multiplied in tiles
FEATURES = 1024  # of a tile; with a width of 4096 batch size 1 took 40 % longer
GROUP_BYTES = 256  # classes of a tile, for one feature: 32 float64 or 64 float32
BLOCK = 128  # examples of one hand-over to a thread
PART = 16 * FEATURES  # features of one hand-over to a thread, at least
MAX_PARTS = 64  # ranges of features whose partial scores are kept
PARTIAL = 2**17  # bytes of scores from one call of matmul, so that their sum finds them in cache
SCRATCH = 2**25  # bytes of scores computed at once; longer batches are labelled in pieces


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
    """

    def __init__(self, coef: ArrayLike, intercept: ArrayLike | None = None) -> None:
        coef = as_weights(coef)
        self._shape: tuple[int, int] = coef.shape
        self._intercept = None if intercept is None else as_intercept(intercept, coef).copy()
        n_classes, n_features = coef.shape
        self._dtype = dtype = np.result_type(coef, np.float32)
        # Where tiles were faster than the better order of the formula's operands at most batch
        # sizes: enough classes to fill a tile, few enough for OpenBLAS to starve, weights too large
        # for the caches next to the cores. A single example gains nothing.
        self._tiled = 32 <= n_classes <= 256 and n_features >= MIN_FEATURES
        self._weights = packed(coef, dtype) if self._tiled else np.array(coef, dtype, order="C")
        scores_kept = n_classes * (n_parts(n_features) if self._tiled else 1)
        self._step = max(1, SCRATCH // (dtype.itemsize * scores_kept))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Unpickle, and align the weights: those that Dask sends may begin at any address.

        Each call would have copied them: at the default size that took 44 ms instead of 10 ms.
        """
        self.__dict__.update(state)
        self._weights = np.require(self._weights, requirements=["ALIGNED"])

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
        elif x.shape[1] != self._shape[1]:
            as_examples(x, self._shape)
        n_samples = len(x)
        if n_samples <= self._step and x.dtype is self._dtype and x.nbytes <= SCRATCH:
            return self._labels(x, n_samples)
        # Pieces, so that scores, and examples that must be copied, take little memory.
        step = self._step
        if not (self._tiled or fits_blas(x, self._dtype)):
            row_bytes = x.shape[1] * np.result_type(self._dtype, x).itemsize
            step = min(step, SCRATCH // max(1, row_bytes) + 1)
        pieces = [x[start : start + step] for start in range(0, max(1, n_samples), step)]
        return np.concatenate([self._labels(piece, len(piece)) for piece in pieces])

    def _labels(self, x: Array, n_samples: int) -> Labels:
        """Label examples that are few enough to be scored at once."""
        if self._tiled:
            scores = tiled_scores(self._weights, x)[:, : self._shape[0]]
        elif examples_first(n_samples, self._weights):
            scores = x.dot(self._weights.T)  # 0.7 µs less a call than matmul
        else:
            scores = self._weights.dot(x.T).T
        if self._intercept is not None:
            scores = scores + self._intercept
        labels: Labels = scores.argmax(1)
        return labels


def examples_first(n_samples: int, w: Array) -> bool:
    """Tell whether OpenBLAS multiplies examples by weights faster than weights by examples.

    Found by measuring models from 10 × 784 to 10,000 × 256; the wrong one took up to twice as long.
    """
    n_classes: int = w.shape[0]
    n_features: int = w.shape[1]
    if w.size * n_samples <= 2**16:
        return True
    if w.itemsize == 8:
        many = n_classes >= 256 and (n_classes > 1024 or w.size > 2**21)
        return many or n_samples >= 32 <= n_classes
    return n_samples >= min(n_classes, 512) or (n_classes > n_features and n_samples >= 64)


def n_parts(n_features: int) -> int:
    """Return into how many ranges of features the scores are split: a number of the model alone."""
    return min(MAX_PARTS, -(-n_features // PART))


def packed(coef: Array, dtype: np.dtype[Any]) -> Array:
    """Return the weights as (n_groups, n_features, group): groups of neighbouring classes.

    The last group is filled up with copies of the last class, whose scores are dropped.
    """
    n_classes, n_features = coef.shape
    n_groups = -(-n_classes * dtype.itemsize // GROUP_BYTES)
    group = -(-n_classes // n_groups)
    classes = np.minimum(np.arange(n_groups * group), n_classes - 1).reshape(n_groups, group)
    w = np.empty((n_groups, n_features, group), dtype)

    def copy(start: int) -> None:
        part = slice(start, start + FEATURES)
        w[:, part] = coef[:, part][classes].swapaxes(1, 2)

    in_parallel(copy, range(0, n_features, FEATURES))
    return w


def tiled_scores(w: Array, x: Array) -> Array:
    """Return the scores (n_samples, n_groups * group) by packed weights."""
    n_groups, n_features, group = w.shape
    dtype = np.result_type(w, x)
    width = -(-n_features // (n_parts(n_features) * FEATURES)) * FEATURES
    ranges = [slice(start, start + width) for start in range(0, n_features, width)]
    scores = np.empty((len(ranges), len(x), n_groups * group), dtype)

    def multiply(part: tuple[int, slice]) -> None:
        k, rows = part
        scores[k, rows] = partial_scores(w[:, ranges[k]], x[rows, ranges[k]], dtype)

    blocks = [slice(start, start + BLOCK) for start in range(0, len(x), BLOCK)]
    # All blocks of a range in a row: its weights are then read from memory once.
    in_parallel(multiply, [(k, rows) for k in range(len(ranges)) for rows in blocks])
    total: Array = scores.sum(axis=0)
    return total


def partial_scores(w: Array, x: Array, dtype: np.dtype[Any]) -> Array:
    """Return the scores (n_samples, n_groups * group) over a range of features."""
    n_samples, n_features = x.shape
    n_groups, _, group = w.shape
    width, height = FEATURES, PRODUCT // (FEATURES * group)
    if height < n_samples <= 2 * height:
        # One tile high, a batch multiplies the weights as they arrive from memory: 10 % faster.
        width, height = width // 2, 2 * height
    whole = n_samples - n_samples % height
    scores = np.zeros((n_samples, n_groups * group), dtype)
    depth = min(max(4, PARTIAL // max(1, scores.nbytes)), 16)
    for features, tile in stacks(n_features, width, depth):
        w_stack, x_stack = operand(w[:, features], dtype), operand(x[:, features], dtype)
        if whole:
            scores[:whole] += products(w_stack, x_stack[:whole], height, tile)
        if whole < n_samples:
            scores[whole:] += products(w_stack, x_stack[whole:], n_samples - whole, tile)
    return scores


def stacks(n_features: int, width: int, depth: int) -> Iterator[tuple[slice, int]]:
    """Yield ranges of `depth` tiles with the width of each; the last tile is what is left."""
    whole = n_features - n_features % width
    for start in range(0, whole, depth * width):
        yield slice(start, min(start + depth * width, whole)), width
    if whole < n_features:
        yield slice(whole, n_features), n_features - whole


def products(w: Array, x: Array, height: int, width: int) -> Array:
    """Return the scores (n_samples, n_groups * group) by tiles of examples × features."""
    if len(x) == 1:
        # For a single row NumPy calls gemv, which OpenBLAS shares among threads from 9216 weights
        # on; the product of two rows reads the weights no slower and stays on this thread.
        return products(w, np.repeat(x, 2, axis=0), 2, width)[:1]
    n_groups, n_features, group = w.shape
    n_stacked, n_tiles = n_features // width, len(x) // height
    x_tiles = x.reshape(n_tiles, height, n_stacked, 1, width).transpose(2, 0, 3, 1, 4)
    w_tiles = w.reshape(n_groups, n_stacked, 1, width, group).transpose(1, 2, 0, 3, 4)
    # OpenBLAS multiplies infinity by padding, too, and NumPy would warn of a NaN that is not there.
    with np.errstate(invalid="ignore"):
        tiles = np.matmul(x_tiles, w_tiles)  # (n_stacked, n_tiles, n_groups, height, group)
        total: Array = tiles.sum(axis=0)
    return total.swapaxes(1, 2).reshape(len(x), n_groups * group)


def operand(a: Array, dtype: np.dtype[Any]) -> Array:
    """Return `a` as BLAS can multiply it, copied only if it must be."""
    return a if fits_blas(a, dtype) else np.array(a, dtype, order="C")


def fits_blas(a: Array, dtype: np.dtype[Any]) -> bool:
    """Tell whether NumPy hands the last two axes of `a` to BLAS without a copy of its own."""
    row, column = a.strides[-2:]
    by_rows = column == a.itemsize and row >= a.shape[-1] * a.itemsize
    by_columns = row == a.itemsize and column >= a.shape[-2] * a.itemsize
    aligned = a.flags.aligned and row % a.itemsize == column % a.itemsize == 0
    return a.dtype == dtype and aligned and (by_rows or by_columns)


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
        raise TypeError(f"{name} must be float32, float64 or integers, not {array.dtype}")
    return array
