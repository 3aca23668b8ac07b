"""Predictors by name, each made from the weights of a model."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from benchmarks.array_types import Array, Predict
from benchmarks.errors import not_installed
from benchmarks.own import served
from benchmarks.own.importing import imported
from benchmarks.workers.worker import Source
from benchmarks.workers.worker import make as make_from

LIBRARIES = "benchmarks.predictors.libraries"
PREDICTORS = {
    source.name: source
    for source in (
        Source("formula", "linpredict", "predict", kind="function"),
        Source("packed", "linpredict", "LinearPredictor"),
        Source("sklearn", LIBRARIES, "sklearn", extra="peers"),
        Source("torch", LIBRARIES, "torch", extra="peers"),
        Source("torch-cuda", LIBRARIES, "torch_cuda", extra="peers"),
        Source("onnxruntime", LIBRARIES, "onnxruntime", extra="peers"),
        Source("openvino", LIBRARIES, "openvino", extra="peers-more"),
        Source("jax", LIBRARIES, "jax", extra="peers"),
        Source("dask", "benchmarks.predictors.dask", "dask", extra="dask"),
    )
}
OF_PACKAGE = [name for name, source in PREDICTORS.items() if source.module == "linpredict"]


def find(name: str, has_weights: bool = True) -> Source:
    """Return where a predictor comes from: a key of `PREDICTORS`, or ``package.module:name``.

    The latter is a factory of weights, or, without weights, a model.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if name in PREDICTORS:
        return PREDICTORS[name]
    module, _, attribute = name.partition(":")
    if not (module and attribute):
        raise ValueError(
            f"{name!r} is not a predictor: choose from {', '.join(PREDICTORS)}, "
            "or name your own as package.module:name"
        )
    return Source(name, module, attribute, "factory" if has_weights else "model")


def is_of_other_library(name: str) -> bool:
    return bool(find(name).extra)


def check(name: str, weights: Sequence[str]) -> None:
    """Import a predictor of one's own, and look whether it can be one.

    `weights` names what a factory gets, such as coef and intercept; a model gets nothing.

    Raises
    ------
    ValueError
        If there is no such predictor, or if it has another use.
    """
    find(name)
    if name in PREDICTORS:
        if not weights:
            raise ValueError(
                f"{name} is made from weights: give --weights, or name what predicts as "
                "package.module:name"
            )
        return
    found = imported(name)
    if weights and not is_called_with(found, weights):
        raise ValueError(
            f"{name!r} is {served.kind(found)}, expected factory({', '.join(weights)}): to measure "
            "a model that has its own weights, give --examples, the rows that it predicts"
        )
    if not weights and not served.is_called_without_arguments(found):
        try:
            served.predictor_of(found, name)
        except TypeError as error:
            raise ValueError(str(error)) from error


def is_called_with(found: Any, arguments: Sequence[str]) -> bool:
    try:
        inspect.signature(found).bind(*arguments)
    except ValueError:  # it does not tell
        return callable(found)
    except TypeError:
        return False
    return True


def make(name: str, coef: Array | None = None, intercept: Array | None = None) -> Predict:
    """Make a predictor in this process, from weights (n_classes, n_features) if it is no model.

    Raises
    ------
    UnavailableError
        If it cannot run here, because its library is not installed, say.
    """
    source = find(name, coef is not None)
    try:
        return make_from(source, coef, intercept)
    except ModuleNotFoundError as error:
        if source.extra:
            raise not_installed(error.name, source.extra) from error
        raise
