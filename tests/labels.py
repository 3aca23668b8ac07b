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
    assert ((labels >= 0) & (labels < len(w))).all()
    dtype = np.result_type(w, x)  # of the products, whatever the intercept's
    largest, u = np.finfo(np.result_type(dtype, np.float32)).max, np.finfo(dtype).eps / 2
    b = np.zeros(len(w), "longdouble") if intercept is None else intercept.astype("longdouble")
    with np.errstate(invalid="ignore", over="ignore"):
        scores = x.astype("longdouble") @ w.astype("longdouble").T + b
        size_x, size_w = (np.nan_to_num(abs(a.astype("float64")), posinf=0) for a in (x, w))
        sizes = size_x @ size_w.T + abs(b)
    may_overflow = (sizes > largest / 2).any(axis=1)  # to infinity or NaN by the order of summation
    # BLAS may leave out what it finds to be multiplied by zero.
    (zero_x, wild_x), (zero_w, wild_w) = (
        ((a == 0).astype("float32"), (~np.isfinite(a)).astype("float32")) for a in (x, w)
    )
    may_be_left_out = (zero_x @ wild_w.T + wild_x @ zero_w.T > 0).any(axis=1)
    for i in np.flatnonzero(~(may_overflow | may_be_left_out)):
        if np.isnan(scores[i]).any():
            assert labels[i] == np.isnan(scores[i]).argmax()
        elif np.isinf(best := scores[i].max()):
            assert labels[i] == scores[i].argmax()
        else:
            tiny = 100 * np.finfo(dtype).tiny
            bound = 2 * (x.shape[1] + 2) * u * sizes[i].max() + tiny
            assert best - scores[i, labels[i]] <= bound
