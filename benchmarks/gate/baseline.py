"""The other side of a comparison: another commit, environment, interpreter, or variables."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import linpredict
from benchmarks.errors import BaselineError, LackingError, described
from benchmarks.gate.checkout import Checkout, CheckoutError, current_commit
from benchmarks.gate.environments import (
    UnusableEnvironmentError,
    check_interpreter,
    with_requirements,
)
from benchmarks.predictors.by_name import OF_PACKAGE, is_of_other_library
from benchmarks.workers.worker import is_installed

PAGES = {"NUMPY_MADVISE_HUGEPAGE", "GLIBC_TUNABLES"}  # variables that choose pages of memory
Folders = tuple[list[str], list[str], str | None]


class Baseline:
    """What the current code is compared with.

    Its code runs, with the rights of whoever runs the benchmarks.

    `names` are the predictors of the run, whose own modules are already imported. `revision` is a
    commit of the repository that each one's source lies in, `requirements` what an environment of
    its own has instead, as pip takes it. `variables` are set beside those of this process, and
    `say` is told what takes more than seconds.

    Raises
    ------
    BaselineError
        If git, the commit, the interpreter or what is required cannot be had; the sentence begins
        with the option.
    """

    def __init__(
        self,
        names: Sequence[str],
        revision: str | None = None,
        requirements: Sequence[str] = (),
        python: str | None = None,
        variables: Mapping[str, str] | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self.variables = dict(variables or {})
        self._asked = [
            *requirements,
            *([f"Python {python}"] if python else ()),
            *(f"{name}={value}" for name, value in self.variables.items()),
        ]
        self.python = sys.executable
        self._checkouts: dict[str, Checkout] = {}
        option = ""
        try:
            if revision is not None:
                option = "--baseline"
                own = [name for name in names if not is_of_other_library(name)]
                self._checkouts = checkouts(own, revision)
            if python:
                option = "--baseline-python"
                self.python = check_interpreter(python)
            if requirements:
                option = "--baseline-with"
                self.python = with_requirements(requirements, self.python, say)
        except (CheckoutError, UnusableEnvironmentError) as error:
            self.close()
            raise BaselineError(f"{option}: {error}") from error

    def __str__(self) -> str:
        """Name it in short."""
        commits = dict.fromkeys(of.commit[:7] for of in self._checkouts.values())
        return " with ".join(filter(None, ["/".join(commits), ", ".join(self._asked)]))

    @property
    def commit(self) -> str:
        """The full id of the commit, where nothing else differs; otherwise what it is called."""
        commits = {of.commit for of in self._checkouts.values()}
        return commits.pop() if len(commits) == 1 and not self._asked else str(self)

    def folders(self, name: str, sources: Mapping[str, str]) -> Folders:
        """Return where this side looks for modules first, where at last, and where it does not.

        What an environment has installed comes before the current side's work tree, and a commit's
        before that. `sources` are the modules that the current side imported from work trees, and
        their files.
        """
        roots = dict.fromkeys([*own_folders(), *(root(*source) for source in sources.items())])
        checkout = self._checkouts.get(name)
        first, last = [], []
        for folder in map(Path, roots):
            if checkout and folder in checkout:
                first.append(str(checkout.counterpart(folder)))
            elif self.python == sys.executable:
                first.append(str(folder))
            else:
                last.append(str(folder))
        return first, last, str(checkout.work_tree) if checkout else None

    def check_sources(self, name: str, sources: Mapping[str, str]) -> None:
        """Raise `BaselineError` if this side imported the work tree's code in place of a commit's.

        An editable install does so where the commit lacks what the work tree has.
        """
        checkout = self._checkouts.get(name)
        for module, file in sources.items():
            if checkout and Path(file) in checkout:
                commit = checkout.commit[:7]
                if checkout.counterpart(Path(file)).exists():
                    raise BaselineError(
                        f"an import hook, as of an editable install, takes {module} from {file} "
                        f"whatever the path says, and {commit} would not be measured: uninstall "
                        "it, and put the folder that the package lies in on PYTHONPATH"
                    )
                raise BaselineError(
                    f"{commit} has no module {module}, and {file} would be imported on both "
                    "sides: choose a commit that has it"
                )

    def complete(self, name: str, sources: Mapping[str, str]) -> list[str]:
        """Add generated modules to a commit, and say what else is not as one may think.

        `sources` are those of `folders`. A module that git ignores is the same on both sides then.

        Raises
        ------
        BaselineError
            If the commit lacks a compiled one, which has to be built for it.
        """
        said, checkout = [], self._checkouts.get(name)
        if checkout:
            files = {Path(file) for file in sources.values() if Path(file) in checkout}
            for file in checkout.ignored(sorted(files)):
                where = file.relative_to(checkout.work_tree)
                if file.name.endswith(tuple(EXTENSION_SUFFIXES)):
                    raise BaselineError(
                        f"{checkout.commit[:7]} has no {where}, which is compiled, and git ignores "
                        "it: install that commit in an environment of its own, and name its "
                        "interpreter as --baseline-python in place of --baseline"
                    )
                checkout.counterpart(file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, checkout.counterpart(file))
                said.append(f"git ignores {where}: both sides have that of the work tree")
            if parted := checkout.parted():
                said.append(
                    f"HEAD lacks commits of {checkout.commit[:7]}, which count as its changes: "
                    f"--baseline {checkout.commit[:7]}...HEAD compares with {parted}, where it left"
                )
        if not PAGES.isdisjoint(self.variables):
            said.append("shared weights and examples have small pages on both sides, copies do not")
        return said

    def commits(self, name: str) -> tuple[str, str]:
        """Return the commits of the current side and of this; a ``+`` stands for changes since."""
        checkout = self._checkouts.get(name)
        if not checkout:
            return "", ""
        return current_commit(checkout.work_tree), checkout.commit[:7]

    def close(self) -> None:
        for checkout in {id(of): of for of in self._checkouts.values()}.values():
            checkout.close()


def checkouts(names: Sequence[str], revision: str) -> dict[str, Checkout]:
    """Return the source code of predictors at a commit, of each repository once."""
    found: dict[str, Checkout] = {}
    try:
        for name in names:
            folder = source_folder(name)
            shared = next((of for of in found.values() if folder in of), None)
            found[name] = shared or Checkout(folder, revision)
            if (
                name in OF_PACKAGE
                and not (found[name].counterpart(folder) / "__init__.py").exists()
            ):
                raise CheckoutError(
                    f"{found[name].commit[:7]} has no package linpredict: choose a later commit"
                )
    except BaseException:
        for checkout in found.values():
            checkout.close()
        raise
    return found


def source_folder(name: str) -> Path:
    """Return the folder of the source code that a predictor is made from."""
    module = linpredict if name in OF_PACKAGE else sys.modules[name.partition(":")[0]]
    if not module.__file__:
        raise CheckoutError(f"{name} has no source file: name a module that has one")
    folder = Path(os.path.realpath(module.__file__)).parent
    if is_installed(str(folder)):
        raise CheckoutError(
            f"{name} is installed in {folder}, and not in a git work tree: install it with "
            "pip install -e, or compare versions with --baseline-with"
        )
    return folder


def own_folders() -> list[str]:
    """Return the folders in which this process looks for modules before those of installations.

    What PYTHONPATH names counts as such, whatever it is called: module systems put packages there.
    """
    folders = (os.path.realpath(folder or ".") for folder in sys.path)
    named = set(map(os.path.realpath, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    return [folder for folder in folders if folder in named or not is_installed(folder)]


def root(module: str, file: str) -> str:
    """Return the folder that a module was found in, by its name."""
    path = Path(file)
    levels = module.count(".") + path.name.startswith("__init__.")
    return str(path.parents[levels])


@contextmanager
def blaming_baseline() -> Iterator[None]:
    """Raise what the other side fails with as a `BaselineError`, but that it lacks something."""
    try:
        yield
    except (BaselineError, LackingError, pytest.exit.Exception):  # the last: SIGTERM
        raise
    except Exception as error:
        raise BaselineError(described(error)) from error
