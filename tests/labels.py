"""What makes a label right."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def assert_right(w: Array, x: Array, labels: Array, intercept: Array | None = None) -> None:
    """Each label's score, in higher precision, is within the rounding bound of the best.

    The bound is that of an inner product of n terms, n·u·Σ|w_j x_j| to first order (Higham,
    "Accuracy and Stability of Numerical Algorithms", section 3.1), for the two scores compared,
    with roundings for the intercept. It says nothing of scores that may overflow.
    """
    assert labels.shape == (len(x),)
    assert labels.dtype == np.intp
    dtype = np.result_type(w, x)  # of the products, whatever the intercept's
    largest, u = np.finfo(np.result_type(dtype, np.float32)).max, np.finfo(dtype).eps / 2
    b = np.zeros(len(w), "longdouble") if intercept is None else intercept.astype("longdouble")
    for label, example in zip(labels, x.astype("longdouble"), strict=True):
        assert 0 <= label < len(w)
        with np.errstate(invalid="ignore"):
            products = w.astype("longdouble") * example
            scores = products.sum(axis=1) + b
        sizes = np.where(np.isfinite(products), abs(products), 0).sum(axis=1) + abs(b)
        if (sizes > largest / 2).any():
            continue  # may overflow, to infinity or to NaN by the order of summation
        if (~np.isfinite(w) & (example == 0) | ~np.isfinite(example) & (w == 0)).any():
            continue  # BLAS may leave out what it finds to be multiplied by zero
        if np.isnan(scores).any():
            assert label == np.isnan(scores).argmax()
        elif np.isinf(best := scores.max()):
            assert label == scores.argmax()
        else:
            tiny = 100 * np.finfo(dtype).tiny
            assert best - scores[label] <= 2 * (len(example) + 2) * u * sizes.max() + tiny
