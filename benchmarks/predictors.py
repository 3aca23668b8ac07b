"""Predictors by name, each made from the weights of a model."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import benchmarks
import linpredict
from benchmarks import peers
from benchmarks.gate.worker import PACKAGE, of_factory
from benchmarks.label_check import Array, Predict
from benchmarks.peer_dask import dask
from benchmarks.peer_onemkl import mkl
from benchmarks.peers import UnavailableError
from linpredict.machine import usable_cores

PREDICTORS: dict[str, Callable[[Array], Predict]] = {
    **{
        name: partial(build, getattr(linpredict, attribute))
        for name, (attribute, build) in PACKAGE.items()
    },
    "sklearn": peers.sklearn,
    "torch": peers.torch,
    "torch-cuda": peers.torch_cuda,
    "onnxruntime": peers.onnxruntime,
    "openvino": peers.openvino,
    "jax": peers.jax,
    "mkl": mkl,
    "dask": dask,
}
# The extra of pyproject.toml that installs a predictor's library, where it is not "peers".
EXTRAS = {"openvino": "peers-more", "mkl": "peers-more", "dask": "dask"}


class Needs(NamedTuple):
    """What memory a predictor needs, at the most."""

    held: float = 1  # copies of the weights
    making: int = 0  # more of them, while it is made or first called
    batch: float = 0  # copies of a batch, during a call
    library: int = 0  # MiB


# By peaks of resident memory. A predictor of one's own is taken for one that copies the weights.
NEEDS = {
    "formula": Needs(0),
    "packed": Needs(1.5),
    "sklearn": Needs(0, library=60),
    "torch": Needs(1, library=270),
    "torch-cuda": Needs(1, library=270),
    "onnxruntime": Needs(2, making=3, library=20),
    "openvino": Needs(2),
    "mkl": Needs(1, making=1),
    "jax": Needs(2, batch=1.5, library=80),
    "dask": Needs(1 + usable_cores(), making=2, batch=2, library=100 * usable_cores()),
}


def is_of_other_library(name: str) -> bool:
    """Tell whether a predictor is neither the package's nor the user's own."""
    return name in PREDICTORS and name not in PACKAGE


SUITE = str(Path(__file__).parents[1])
PROCESS = 40  # MiB of a process with NumPy


def memory(names: Iterable[str], weights: int, batch: int, processes: Mapping[str, int]) -> int:
    """Return the bytes that predictors hold together, at the most.

    They are made one after the other, and stay. Given are the bytes of the weights and of the
    largest batch, and in how many processes of its own a predictor is made, if not in this one.
    """
    each = {name: (NEEDS.get(name, Needs()), processes.get(name, 0)) for name in names}
    copies = sum(needs.held * max(1, n) for needs, n in each.values())
    copies += max(needs.making for needs, _ in each.values())
    of_batch = max(needs.batch for needs, _ in each.values()) * batch
    libraries = sum(needs.library * max(1, n) + PROCESS * n for needs, n in each.values())
    return int(copies * weights + of_batch) + 2**20 * libraries


def find(name: str) -> Callable[[Array], Predict]:
    """Return the function that makes a predictor from weights of shape (n_classes, n_features).

    The name is a key of `PREDICTORS`, or ``package.module:factory``, where ``factory(coef)`` may
    return a callable or an object with a method ``predict``.

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
    return partial(of_factory, name, factory)


def import_module(name: str) -> ModuleType:
    """Import a module, from the current folder first, as ``python -m pytest`` does.

    A package there that is called ``tests`` comes before the suite's. One that is called
    ``benchmarks`` adds its modules to the suite's: its ``__init__.py`` is not run, and a module
    that is named as one of the suite's is not found.
    """
    here = os.getcwd()
    if sys.flags.safe_path or here == SUITE:
        return importlib.import_module(name)
    sys.path.insert(0, here)
    try:
        benchmarks.__path__ = pkgutil.extend_path(benchmarks.__path__, benchmarks.__name__)
        return importlib.import_module(name)
    finally:
        sys.path.remove(here)
        if here not in sys.path:  # for what is imported later; the suite comes first
            sys.path.insert(1, here)


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
        extra = EXTRAS.get(name, "peers")
        raise UnavailableError(
            f"{error.name} is not installed: pip install -e '.[{extra}]'"
        ) from error
