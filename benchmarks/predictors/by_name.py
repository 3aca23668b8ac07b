"""Predictors by name, each made from the weights of a model."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys

import benchmarks
from benchmarks.array_types import Array, Predict
from benchmarks.errors import not_installed
from benchmarks.workers.worker import SUITE, Source
from benchmarks.workers.worker import make as make_from

LIBRARIES = "benchmarks.predictors.libraries"
PREDICTORS = {
    source.name: source
    for source in (
        Source("formula", "linpredict", "predict", is_factory=False),
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


def find(name: str) -> Source:
    """Return where a predictor comes from: a key of `PREDICTORS`, or ``package.module:factory``.

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
            "or name your own as package.module:factory"
        )
    return Source(name, module, attribute)


def is_of_other_library(name: str) -> bool:
    return bool(find(name).extra)


def check(name: str) -> None:
    """Import the module of a predictor of one's own, and look whether it has the factory.

    Raises
    ------
    ValueError
        If there is no such predictor.
    """
    source = find(name)
    if name in PREDICTORS:
        return
    try:
        import_own(source.module)
        factory = getattr(sys.modules[source.module], source.attribute)
    except Exception as error:  # importing runs any code, so anything can go wrong
        raise ValueError(f"{name!r} cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(factory):
        raise ValueError(f"{name!r} is a {type(factory).__name__}, expected factory(coef)")


def import_own(name: str) -> None:
    """Import a module, from the current folder first, as ``python -m pytest`` does.

    A package there that is called ``tests`` comes before the suite's. One that is called
    ``benchmarks`` adds its modules to the suite's: its ``__init__.py`` is not run, and a module
    that is named as one of the suite's is not found.
    """
    here = os.getcwd()
    if sys.flags.safe_path or here == SUITE:
        importlib.import_module(name)
        return
    sys.path.insert(0, here)
    try:
        benchmarks.__path__ = pkgutil.extend_path(benchmarks.__path__, benchmarks.__name__)
        importlib.import_module(name)
    finally:
        sys.path.remove(here)
        if here not in sys.path:  # for what is imported later; the suite comes first
            sys.path.insert(1, here)


def make(name: str, coef: Array) -> Predict:
    """Make a predictor in this process, from weights of shape (n_classes, n_features).

    Raises
    ------
    UnavailableError
        If it cannot run here, because its library is not installed, say.
    """
    source = find(name)
    try:
        return make_from(source, coef)
    except ModuleNotFoundError as error:
        if source.extra:
            raise not_installed(error.name, source.extra) from error
        raise
