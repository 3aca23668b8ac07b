"""What is measured: predictors by name, each made from the weights of a model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

from numpy.typing import NDArray

import linpredict
from benchmarks.dask_cluster import dask
from benchmarks.importing import import_module
from benchmarks.labels import Predict
from benchmarks.peers import PEERS, UnavailableError

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
    "dask": dask,
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
        factory = getattr(import_module(module_name), attribute)
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


def make(name: str, coef: Array) -> Predict:
    """Make a predictor from weights of shape (n_classes, n_features).

    Raises
    ------
    UnavailableError
        If it cannot run here, because its library is not installed, say.
    """
    try:
        return find(name)(coef)
    except ModuleNotFoundError as error:
        if name not in PREDICTORS:
            raise
        extra = "dask" if name == "dask" else "peers"
        raise UnavailableError(
            f"{error.name} is not installed: pip install -e '.[{extra}]'"
        ) from error
