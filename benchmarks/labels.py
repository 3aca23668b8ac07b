"""What a predictor is asked for, and whether the labels it gives are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Predict = Callable[[Array], Array]  # examples (n_samples, n_features) to labels (n_samples,)


class WrongLabelsError(ValueError):
    """Which label is wrong."""


class ChangedDataError(ValueError):
    """What a predictor changed that others use, too."""


def check(coef: Array, x: Array, labels: Array, expected: Array, start: int = 0) -> None:
    """Compare labels with the formula's.

    A label is right when its score is as high as the best one up to rounding: a predictor may sum
    in any order. The bound is that of Higham and Mary, "A new approach to probabilistic rounding
    error analysis" (SIAM J. Sci. Comput. 41, 2019), for inner products of n terms, with λ = 6:
    6·√n·u·Σ|w_j x_j| for each of the two scores compared.

    Parameters
    ----------
    coef : ndarray of shape (n_classes, n_features)
        Weights.
    x : ndarray of shape (n_samples, n_features)
        Examples, of the same dtype.
    labels : array_like
        What the predictor returned for them.
    expected : ndarray of shape (n_samples,)
        What the formula returned for them.
    start : int
        Number of the first example in the description.

    Raises
    ------
    WrongLabelsError
        If one is wrong: it names the first.
    ChangedDataError
        If the formula's is wrong by these weights and examples: they are no longer what they were.
    """
    labels = np.asarray(labels)
    if labels.shape != (len(x),) or labels.dtype.kind not in "iu":
        raise WrongLabelsError(
            f"expected integer labels of shape ({len(x)},), "
            f"not {labels.dtype} of shape {labels.shape}"
        )
    for i in np.flatnonzero(labels != expected):
        label, best = labels[i], expected[i]
        if not 0 <= label < len(coef):
            raise WrongLabelsError(
                f"example {start + i} has label {label}, expected 0 to {len(coef) - 1}"
            )
        products = coef[[label, best]].astype(np.float64) * x[i]
        score, best_score = products.sum(axis=1)
        u = np.finfo(coef.dtype).eps / 2
        bound = 6 * np.sqrt(x.shape[1]) * u * np.abs(products).sum()
        if score - best_score > bound:
            raise ChangedDataError(
                f"changed weights or examples in place: example {start + i} now has label {label} "
                f"(score {score:.9g}), and had {best} (score {best_score:.9g})"
            )
        if not best_score - score <= bound:
            raise WrongLabelsError(
                f"example {start + i} has label {label} (score {score:.9g}), "
                f"the formula gives {best} (score {best_score:.9g})"
            )
