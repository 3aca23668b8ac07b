"""The other side of a comparison: another commit, environment, interpreter, or variables."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks.errors import BaselineError, LackingError, described
from benchmarks.gate import environments
from benchmarks.gate.checkout import Checkout, CheckoutError, current_commit
from benchmarks.gate.environments import with_project, with_requirements
from benchmarks.gate.interpreters import UnusableEnvironmentError, check_interpreter
from benchmarks.gate.requirements import distribution, read
from benchmarks.gate.sources import (
    folder_of,
    modules_of_tree,
    own_folders,
    project_to_build,
    root,
    source_folder,
)
from benchmarks.gate.what_differs import Facts
from benchmarks.predictors.by_name import OF_PACKAGE, is_of_other_library

PAGES = {"NUMPY_MADVISE_HUGEPAGE", "GLIBC_TUNABLES"}  # variables that choose pages of memory
# Where modules are looked for first, where at last, and in which work tree they are not.
Folders = tuple[list[str], list[str], str | None]


class Side(NamedTuple):
    """How processes of the baseline make a predictor, and what a user should know of it."""

    python: str
    variables: Mapping[str, str]
    folders: Folders
    said: list[str]


class Baseline:
    """What the current code is compared with.

    Its code runs, with the rights of whoever runs the benchmarks.

    `names` are the predictors of the run, whose own modules are already imported. `revision` is a
    commit of the repository that each one's source lies in, `requirements` what an environment of
    its own has instead, as pip takes it, and `files` hold more of them. `variables` are set beside
    those of this process, and `say` is told what takes more than seconds.

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
        files: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> None:
        self.revision, self.variables = revision, dict(variables or {})
        self._asked = [
            *requirements,
            *files,
            *([f"Python {python}"] if python else ()),
            *(f"{name}={value}" for name, value in self.variables.items()),
        ]
        self.python = sys.executable
        self._checkouts: dict[str, Checkout] = {}
        self._lines = list(options)
        option = ""
        try:
            if revision is not None:
                option = "--baseline"
                for name in names:
                    if not is_of_other_library(name):
                        self._check_out(name, revision)
            if python:
                option = "--baseline-python"
                self.python = check_interpreter(python)
            if files:
                option = "--baseline-requirements"
                self._lines += self._read(files, say)
            if requirements or files:
                option = "--baseline-with" if requirements else "--baseline-requirements"
                self.python = with_requirements(requirements, self.python, say, self._lines)
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

    @property
    def options(self) -> list[str]:
        """Lines of requirements files that say where distributions are found."""
        not_these = "-c", "--require-hashes"
        return [line for line in self._lines if line[0] == "-" and not line.startswith(not_these)]

    def _check_out(self, name: str, revision: str) -> None:
        """Take the source code of a predictor at a commit, of each repository once."""
        folder = source_folder(name)
        shared = next((of for of in self._checkouts.values() if folder in of), None)
        checkout = self._checkouts[name] = shared or Checkout(folder, revision)
        if name in OF_PACKAGE and not (checkout.counterpart(folder) / "__init__.py").exists():
            raise CheckoutError(
                f"{checkout.commit[:7]} has no package linpredict: choose a later commit"
            )

    def _read(self, files: Sequence[str], say: Callable[[str], None]) -> list[str]:
        """Return the lines of requirements files, and say what is left out."""
        lines = []
        version = environments.described(self.python)["version"]
        for file in files:
            kept, left_out = read(file, version)
            lines += kept
            for line in left_out:
                say(f"{file}: {line} is left out: --baseline chooses the code of a work tree")
        return lines

    def side(self, name: str, current: Facts, say: Callable[[str], None]) -> Side:
        """Return how this side makes a predictor, by what the current one has imported for it.

        What an environment has installed comes before the current side's work tree, and a commit's
        files before that. A project whose modules are compiled, or were installed from the work
        tree, is built at the commit, and comes first.

        Raises
        ------
        BaselineError
            If it cannot be built.
        """
        sources, checkout, project = current["sources"], self._checkouts.get(name), None
        said, python, first, last = self._not_named(current), self.python, list[str](), list[str]()
        try:
            if checkout and (project := project_to_build(checkout, current)):
                python = self._build(checkout, project, say)
                built = f"pip built {project.name} at {checkout.commit[:7]}"
                said.append(f"{built}; current was built before")
        except (CheckoutError, UnusableEnvironmentError) as error:
            raise BaselineError(f"--baseline: {error}") from error
        if checkout and not project:
            said += copy_ignored(checkout, sources)
        for folder in map(
            Path, [*own_folders(name), *(root(*source) for source in sources.items())]
        ):
            in_commit = checkout is not None and folder in checkout
            place = str(checkout.counterpart(folder) if checkout and in_commit else folder)
            comes_first = python == sys.executable or (in_commit and not project)
            (first if comes_first else last).append(place)
        if checkout and (parted := checkout.parted()):
            said.append(
                f"HEAD lacks commits of {checkout.commit[:7]}, which count as its changes: "
                f"--baseline {checkout.commit[:7]}...HEAD compares with {parted}, where it left"
            )
        if not PAGES.isdisjoint(self.variables):
            said.append("shared weights and examples have small pages on both sides, copies do not")
        work_tree = str(checkout.work_tree) if checkout else None
        folders = list(dict.fromkeys(first)), list(dict.fromkeys(last)), work_tree
        return Side(python, self.variables, folders, said)

    def _build(self, checkout: Checkout, project: Path, say: Callable[[str], None]) -> str:
        """Return an interpreter that has a project as it is at the commit."""
        checkout.add_history()
        folder, commit = checkout.counterpart(project), checkout.commit
        if not folder.is_dir():
            raise CheckoutError(f"{commit[:7]} has no folder {project.name}: choose a later commit")
        where = str(project.relative_to(checkout.work_tree))
        return with_project(folder, commit, where, self.python, say)

    def _not_named(self, current: Facts) -> list[str]:
        """Say what was imported that the requirements files do not name: both sides have it."""
        named = set(map(distribution, self._lines)) - {""}
        others = [
            name
            for name, modules in current["loaded"].items()
            if any(module[0] != "_" for module in modules)  # as setuptools is, at the start
            if named and name not in named and not folder_of(current["origins"].get(name, {}))
        ]
        if not others:
            return []
        return [f"not in the requirements, so on both sides as for current: {', '.join(others)}"]

    def check_sources(self, name: str, baseline: Facts) -> None:
        """Raise `BaselineError` if this side imported the work tree's code in place of a commit's.

        An editable install does so where the commit lacks what the work tree has.
        """
        checkout = self._checkouts.get(name)
        if not checkout:
            return
        for module, file in modules_of_tree(checkout, baseline).items():
            commit = checkout.commit[:7]
            if checkout.counterpart(file).exists():
                raise BaselineError(
                    f"an import hook, as of an editable install, takes {module} from {file} "
                    f"whatever the path says, and {commit} would not be measured: uninstall it, "
                    "and put the folder that the package lies in on PYTHONPATH"
                )
            raise BaselineError(
                f"{commit} has no module {module}, and {file} would be imported on both sides: "
                "choose a commit that has it"
            )

    def commits(self, name: str) -> tuple[str, str]:
        """Return the commits of the current side and of this; a ``+`` stands for changes since."""
        checkout = self._checkouts.get(name)
        if not checkout:
            return "", ""
        return current_commit(checkout.work_tree), checkout.commit[:7]

    def close(self) -> None:
        for checkout in self._checkouts.values():  # one may be there twice, and closed twice
            checkout.close()


def copy_ignored(checkout: Checkout, sources: Mapping[str, str]) -> list[str]:
    """Add modules that git ignores, as generated ones are, to a commit's files, and say so.

    Both sides have them then as they are in the work tree.
    """
    said = []
    files = {Path(file) for file in sources.values() if Path(file) in checkout}
    for file in checkout.ignored(sorted(files)):
        checkout.counterpart(file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, checkout.counterpart(file))
        where = file.relative_to(checkout.work_tree)
        said.append(f"git ignores {where}: both sides have that of the work tree")
    return said


@contextmanager
def blaming_baseline() -> Iterator[None]:
    """Raise what the other side fails with as a `BaselineError`, but that it lacks something."""
    try:
        yield
    except (BaselineError, LackingError, pytest.exit.Exception):  # the last: SIGTERM
        raise
    except Exception as error:
        raise BaselineError(described(error)) from error
