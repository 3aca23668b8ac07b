"""What is measured: predictors by name, made from the weights of a model."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

import linpredict
from benchmarks.peers import PEERS, Predict

Array = NDArray[Any]


# Predictors of the package: what they are called there, and how each is made from weights.
PACKAGE: dict[str, tuple[str, Callable[[Any, Array], Predict]]] = {
    "formula": ("predict", partial),
    "packed": ("LinearPredictor", lambda predictor, coef: predictor(coef).predict),
}


def of_package(name: str, package: ModuleType, coef: Array) -> Predict:
    """Make a predictor of `linpredict`, or of another version of it, from weights."""
    attribute, make = PACKAGE[name]
    return make(getattr(package, attribute), coef)


PREDICTORS: dict[str, Callable[[Array], Predict]] = {
    **{name: partial(of_package, name, linpredict) for name in PACKAGE},
    **PEERS,
}


def find(name: str) -> Callable[[Array], Predict]:
    """Return the function that makes a predictor from weights of shape (n_classes, n_features).

    Parameters
    ----------
    name : str
        A key of `PREDICTORS`, or ``package.module:factory``. ``factory(coef)`` may return a
        callable or an object with a method ``predict``.

    Raises
    ------
    ValueError
        If there is no such predictor.
    """
    if name in PREDICTORS:
        return PREDICTORS[name]
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise ValueError(
            f"{name!r} is not a predictor: choose from {', '.join(PREDICTORS)}, "
            "or name your own as package.module:factory"
        )
    try:
        factory = getattr(importlib.import_module(module_name), attribute)
    except Exception as error:  # importing runs any code, so anything can go wrong
        raise ValueError(f"{name!r} cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(factory):
        raise ValueError(f"{name!r} is a {type(factory).__name__}, expected factory(coef)")

    def make(coef: Array) -> Predict:
        made = factory(coef)
        predict = getattr(made, "predict", made)
        if not callable(predict):
            raise TypeError(
                f"{name} returned a {type(made).__name__}, expected a callable or an object "
                "with .predict"
            )
        return predict  # type: ignore[no-any-return]

    return make


class WrongLabelsError(ValueError):
    """Which label is wrong."""


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
        if not best_score - score <= bound:
            raise WrongLabelsError(
                f"example {start + i} has label {label} (score {score:.9g}), "
                f"the formula gives {best} (score {best_score:.9g})"
            )
