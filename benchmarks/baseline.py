"""The package as it is at another commit, imported beside the current one."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from benchmarks.labels import ChangedDataError, Predict, WrongLabelsError
from benchmarks.predictors import PACKAGE, of_package
from benchmarks.workload import Data

ROOT = Path(__file__).parents[1]
NAME = "linpredict_baseline"


class BaselineError(ValueError):
    """Why a baseline cannot be measured."""


class Baseline:
    """The package `linpredict` as it is at a commit.

    It is taken from git into a temporary folder, without touching work tree or index, and imported
    as ``linpredict_baseline``: its code runs, with the rights of whoever runs the benchmarks.

    Parameters
    ----------
    revision : str
        Anything that git resolves to a commit.

    Attributes
    ----------
    commit : str
        The full id of the commit.

    Raises
    ------
    BaselineError
        If git, the commit or the package in it is missing, or the import fails.
    """

    def __init__(self, revision: str) -> None:
        self.commit = resolve(revision)
        self._folder = tempfile.TemporaryDirectory(prefix="linpredict-baseline-")
        try:
            extract(self.commit, Path(self._folder.name))
            self._package = import_package(Path(self._folder.name))
        except BaseException:
            self.close()
            raise

    def __str__(self) -> str:
        """Name the commit as git does in short."""
        return self.commit[:7]

    def has(self, name: str) -> bool:
        """Tell whether the package has a predictor."""
        return name in PACKAGE and hasattr(self._package, PACKAGE[name][0])

    def make(self, name: str, data: Data) -> Predict:
        """Make a predictor of the package from weights; `BaselineError` where that fails."""
        try:
            predict = of_package(name, self._package, data.coef[:])
            data.check_unchanged()
            return predict
        except Exception as error:
            raise BaselineError(described(error)) from error

    def close(self) -> None:
        """Remove the folder and the modules."""
        forget()
        self._folder.cleanup()


def described(error: BaseException) -> str:
    """Describe an exception of a predictor's code in a line."""
    message = " ".join(str(error).split())
    if isinstance(error, (WrongLabelsError, ChangedDataError)):
        return message
    return f"{type(error).__name__}: {message or 'no message'}"


def resolve(revision: str) -> str:
    """Return the full id of the commit that a revision means."""
    if revision.startswith("-") or not revision.strip():
        raise BaselineError(f"{revision!r} is not a revision: give a branch, a tag or a commit")
    done = git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if done.returncode == 0:
        return done.stdout.decode().strip()
    if b"true" in git("rev-parse", "--is-shallow-repository").stdout:
        raise BaselineError(
            f"this clone is shallow and has no commit {revision!r}: fetch it with "
            "git fetch --unshallow, or in GitHub's actions/checkout with fetch-depth: 0"
        )
    if git("rev-parse", "--git-dir").returncode:
        reason = done.stderr.decode(errors="replace").strip() or "no git repository"
        first, *_, last = reason.splitlines() * 2
        if "safe.directory" in last:
            raise BaselineError(
                f"{ROOT} belongs to another user, so git does not read it: allow it with "
                f"{last.strip()}"
            )
        remedy = ": run from a clone" if "not a git repository" in reason else ""
        raise BaselineError(f"{ROOT} cannot be read by git ({first}){remedy}")
    raise BaselineError(
        f"git knows no commit {revision!r}: give a branch, a tag or a commit of this clone "
        "(git fetch brings those of the remote)"
    )


def extract(commit: str, folder: Path) -> None:
    """Write the package as it is at a commit into a folder, under the name of the baseline."""
    done = git("archive", "--format=zip", commit, "linpredict")
    if done.returncode:
        if git("cat-file", "-e", f"{commit}:./linpredict").returncode:
            raise BaselineError(f"{commit[:7]} has no package linpredict: choose a later commit")
        reason = done.stderr.decode(errors="replace").strip()
        raise BaselineError(f"git cannot read linpredict at {commit[:7]}: {reason}")
    with zipfile.ZipFile(io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder)
    (folder / "linpredict").rename(folder / NAME)


@cache
def redirections() -> frozenset[str]:
    """Return the variables that make git read another repository than that of its folder.

    Aliases, hooks and ``git rebase --exec`` set them. Those that configure git may stay: some allow
    it to read a repository of another user.
    """
    listed = subprocess.run(
        ["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True, check=False
    )
    return frozenset(name for name in listed.stdout.split() if not name.startswith("GIT_CONFIG"))


@contextmanager
def undirected() -> Iterator[None]:
    """Let git read the repository of the current folder, whatever the environment says."""
    try:
        dropped = {name: os.environ.pop(name) for name in redirections() & os.environ.keys()}
    except OSError:  # no git
        dropped = {}
    try:
        yield
    finally:
        os.environ.update(dropped)


def git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run git in the folder that holds the package."""
    try:
        with undirected():
            environment = os.environ | {"LC_ALL": "C"}  # what it says is looked into
            return subprocess.run(
                ["git", *arguments], cwd=ROOT, env=environment, capture_output=True, check=False
            )
    except OSError as error:
        raise BaselineError(f"git cannot be run ({error.strerror}): install git") from error


def import_package(folder: Path) -> ModuleType:
    """Import the baseline's package from a folder.

    Its sources are rewritten to say ``linpredict_baseline`` wherever they say ``linpredict``, so
    that no import of theirs can reach the current version. What they keep in the user's cache
    folder is kept under that name, too.
    """
    for source in (folder / NAME).rglob("*.py"):
        source.write_bytes(re.sub(rb"\blinpredict\b", NAME.encode(), source.read_bytes()))
    spec = spec_from_file_location(NAME, folder / NAME / "__init__.py")
    if spec is None or spec.loader is None:
        raise BaselineError("linpredict cannot be imported: it has no __init__.py")
    package = sys.modules[NAME] = module_from_spec(spec)
    try:
        spec.loader.exec_module(package)
    except Exception as error:  # importing runs any code, so anything can go wrong
        raise BaselineError(f"linpredict cannot be imported: {described(error)}") from error
    return package


def forget() -> None:
    """Forget the modules of a baseline."""
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]
