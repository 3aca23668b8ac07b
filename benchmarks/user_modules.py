"""Import users' modules from their folder, as ``python -m pytest`` does and ``pytest`` does not."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from pathlib import Path
from types import ModuleType

import benchmarks

SUITE = str(Path(__file__).parents[1])


def import_module(name: str) -> ModuleType:
    """Import a module, from the current folder first.

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
