"""Where the code of a predictor comes from: folders on the path, work trees, installations."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import linpredict
from benchmarks.gate.checkout import Checkout, CheckoutError
from benchmarks.gate.what_differs import Facts
from benchmarks.own.importing import SUITE
from benchmarks.predictors.by_name import OF_PACKAGE, PREDICTORS
from benchmarks.workers.worker import distributions, is_installed


def source_folder(name: str) -> Path:
    """Return the folder of the source code that a predictor is made from."""
    module = linpredict if name in OF_PACKAGE else sys.modules[name.partition(":")[0]]
    if not module.__file__:
        raise CheckoutError(f"{name} has no source file: name a module that has one")
    folder = Path(os.path.realpath(module.__file__)).parent
    if not is_installed(str(folder)):
        return folder
    _, origins, loaded = distributions()
    for distribution, modules in loaded.items():
        source = folder_of(origins.get(distribution, {}))
        if source and module.__name__.partition(".")[0] in modules:
            return source
    raise CheckoutError(
        f"{name} is installed in {folder}, and not from a git work tree: install it with "
        "pip install -e, or compare versions with --baseline-with"
    )


def own_folders(name: str) -> list[str]:
    """Return the folders in which a predictor's modules are looked for before installed ones.

    They are those of this process; the suite's is the last for a predictor of one's own, whose
    modules may have the same names as the suite's, such as ``tests``. What PYTHONPATH names counts
    as such, whatever it is called: module systems put packages there.
    """
    folders = (os.path.realpath(folder or ".") for folder in sys.path)
    named = set(map(os.path.realpath, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    own = [folder for folder in folders if folder in named or not is_installed(folder)]
    return sorted(own, key=lambda folder: folder == SUITE and name not in PREDICTORS)


def root(module: str, file: str) -> str:
    """Return the folder that a module was found in, by its name."""
    path = Path(file)
    levels = module.count(".") + path.name.startswith("__init__.")
    return str(path.parents[levels])


def folder_of(origin: dict[str, Any]) -> Path | None:
    """Return the folder that a distribution was installed from, by its ``direct_url.json``."""
    if "dir_info" not in origin:
        return None
    return Path(os.path.realpath(unquote(urlsplit(origin["url"]).path)))


def modules_of_tree(checkout: Checkout, facts: Facts) -> dict[str, Path]:
    """Return the modules that a side imported from the work tree, compiled ones among them."""
    compiled = {
        name: file
        for name, file in facts["extensions"].items()
        if name != file and not is_installed(file)  # as in an environment that lies in the tree
    }
    found = {name: Path(file) for name, file in (facts["sources"] | compiled).items()}
    return {name: file for name, file in found.items() if file in checkout}


def project_to_build(checkout: Checkout, current: Facts) -> Path | None:
    """Return the folder of the work tree whose project must be built to be imported at a commit.

    None if the commit's files can be imported as they are. They cannot where the current side
    imported compiled modules that the commit lacks, beside the work tree's modules or among them,
    or modules that were installed from the work tree.

    Raises
    ------
    CheckoutError
        If compiled modules belong to no project.
    """
    tree = modules_of_tree(checkout, current)
    packages = {name.partition(".")[0]: file for name, file in sorted(tree.items(), reverse=True)}
    for name, origin in current["origins"].items():
        folder, modules = folder_of(origin), current["loaded"].get(name, ())
        if origin.get("dir_info", {}).get("editable"):  # what installs hooks is no module of it
            modules = [module for module in modules if not module.startswith("_")]
        if folder and folder in checkout and not packages.keys() >= {*modules}:
            return folder
    folders = {file.parent for file in tree.values() if file.name == "__init__.py"}
    for name, file in current["extensions"].items():
        path = Path(file)
        if name == file and folders.isdisjoint(path.parents):
            continue  # a library that is no module, and not in a package: of a cache, say
        if path in checkout and not is_installed(file):
            if checkout.counterpart(path).exists():
                continue
        elif name.partition(".")[0] in packages:  # as scikit-build-core's editable ones
            path = packages[name.partition(".")[0]]
        else:
            continue
        for folder in path.parents:
            if folder in checkout and any(
                (folder / file).exists() for file in ("pyproject.toml", "setup.py")
            ):
                return folder
        raise CheckoutError(
            f"{checkout.commit[:7]} has no {path.relative_to(checkout.work_tree)}, which is "
            "compiled, and there is no pyproject.toml or setup.py above it to build it by: install "
            "that commit in an environment of its own, and name its interpreter as "
            "--baseline-python in place of --baseline"
        )
    return None
