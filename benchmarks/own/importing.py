"""Import of what the command line names, from the current folder first."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from pathlib import Path
from typing import Any

import benchmarks
from benchmarks.own import served

SUITE = str(Path(__file__).parents[2])


def imported(name: str) -> Any:
    """Import what ``package.module:name`` is, from the current folder first.

    Raises
    ------
    ValueError
        If it cannot be imported.
    """
    module, _, attribute = name.partition(":")
    try:
        import_own(module)
        return served.find(module, attribute)
    except served.MissingError as error:
        raise ValueError(f"{name!r} cannot be imported: {error}") from error
    except Exception as error:  # importing runs any code, so anything can go wrong
        raise ValueError(f"{name!r} cannot be imported: {type(error).__name__}: {error}") from error


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
