"""What makes a label right."""

import numpy as np

from benchmarks.array_types import Array


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
    b = np.zeros(len(w)) if intercept is None else intercept.astype("float64")
    wide_x, wide_w = x.astype("float64"), w.astype("float64")
    with np.errstate(invalid="ignore", over="ignore"):
        rough = wide_x @ wide_w.T + b
        size_x, size_w = (np.nan_to_num(abs(a), posinf=0) for a in (wide_x, wide_w))
        sizes = size_x @ size_w.T + abs(b)
    may_overflow = (sizes > largest / 2).any(axis=1)  # to infinity or NaN by the order of summation
    # BLAS may leave out what it finds to be multiplied by zero.
    (zero_x, wild_x), (zero_w, wild_w) = (
        ((a == 0).astype("float32"), (~np.isfinite(a)).astype("float32")) for a in (x, w)
    )
    may_be_left_out = (zero_x @ wild_w.T + wild_x @ zero_w.T > 0).any(axis=1)
    for i in np.flatnonzero(~(may_overflow | may_be_left_out)):
        tiny, most = 100 * np.finfo(dtype).tiny, 2 * (x.shape[1] + 2) * sizes[i].max()
        with np.errstate(invalid="ignore"):
            # What float64 shows not to be the best needs no more; beside NaN it shows nothing.
            close_to_best = rough[i].max() - most * np.finfo("float64").eps - tiny
            might_be_best = ~(rough[i] < close_to_best)
            might_be_best[labels[i]] = True
            wide = wide_w[might_be_best].astype("longdouble")
            scores = wide @ wide_x[i].astype("longdouble") + b[might_be_best]
        chosen = np.count_nonzero(might_be_best[: labels[i]])
        if np.isfinite(best := scores.max()):
            assert best - scores[chosen] <= most * u + tiny
        else:  # the first NaN, or else the first of what is infinite
            assert chosen == scores.argmax()
