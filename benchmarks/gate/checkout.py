"""Source code as it is at a commit, taken from git without touching work tree or index."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path


class CheckoutError(ValueError):
    """Why there is no source code of a commit."""


class Checkout:
    """The files of a folder's git work tree as they are at a commit, in a temporary folder.

    `revision` is anything that git resolves to a commit, ``A...B`` where B left A, and `commit` its
    full id. `folder` holds the files of `work_tree` as they were, and those of its submodules.

    Raises
    ------
    CheckoutError
        If git, the repository or the commit is missing.
    """

    def __init__(self, folder: Path, revision: str) -> None:
        self.commit = resolve(folder, revision)
        top = git(folder, "rev-parse", "--show-toplevel").stdout.strip()
        self.work_tree = Path(os.path.realpath(top or folder))
        self._temporary = tempfile.TemporaryDirectory(prefix="linpredict-baseline-")
        self.folder = Path(os.path.realpath(self._temporary.name)) / self.work_tree.name
        try:
            self._extract(self.work_tree, self.commit, self.folder)
            self._check_large_files()
        except BaseException:
            self.close()
            raise

    def _extract(self, repository: Path, commit: str, folder: Path) -> None:
        """Write a repository's files, by an index of their own, and those of its submodules.

        What a sparse or partial clone leaves out is not written; what it lacks comes by one fetch.
        """
        folder.mkdir(parents=True, exist_ok=True)
        index = {"GIT_INDEX_FILE": str(Path(self._temporary.name) / f"index-{commit}")}
        tree = index | {"GIT_WORK_TREE": str(folder)}
        done = git(repository, "read-tree", "-u", "--reset", commit, **tree)
        if done.returncode:
            reason = " ".join(done.stderr.split())
            raise CheckoutError(f"git cannot read {commit[:7]}: {reason}")
        for line in git(repository, "ls-files", "--stage", "-z", **index).stdout.split("\0"):
            about, _, path = line.partition("\t")
            submodule = repository / path
            if about.startswith("160000 ") and (submodule / ".git").exists():
                self._extract(submodule, about.split()[1], folder / path)

    def _check_large_files(self) -> None:
        """Refuse files that Git LFS keeps elsewhere, where the work tree has them."""
        paths = git(self.work_tree, "ls-files", "-z", "--", ":(attr:filter=lfs)").stdout
        for name in filter(None, paths.split("\0")):
            if is_pointer(self.folder / name) and not is_pointer(self.work_tree / name):
                raise CheckoutError(
                    f"{name} is kept by Git LFS, and {self.commit[:7]} would have a pointer in its "
                    "place: install git-lfs, run git lfs install, and unset GIT_LFS_SKIP_SMUDGE"
                )

    def ignored(self, files: Iterable[Path]) -> list[Path]:
        """Return which files of the work tree the commit lacks, as git ignores them."""
        lacking = [str(file) for file in files if not self.counterpart(file).exists()]
        if not lacking:
            return []
        which = "--others", "--ignored", "--exclude-standard", "-z"
        found = git(self.work_tree, "ls-files", *which, "--", *lacking).stdout.split("\0")
        return [self.work_tree / path for path in found if path]

    def add_history(self) -> None:
        """Make a repository of the files, with the tags by which builds tell their version."""
        if not (self.folder / ".git").exists():
            git(self.folder, "init", "--quiet")
            objects = git(self.work_tree, "rev-parse", "--git-path", "objects").stdout.strip()
            alternates = self.folder / ".git" / "objects" / "info" / "alternates"
            alternates.write_text(f"{(self.work_tree / objects).resolve()}\n")
            tags = str(self.work_tree), "refs/tags/*:refs/tags/*"
            git(self.folder, "fetch", "--quiet", "--no-recurse-submodules", *tags)
            git(self.folder, "update-ref", "--no-deref", "HEAD", self.commit)
            git(self.folder, "read-tree", "HEAD")
            git(self.folder, "update-index", "-q", "--refresh")

    def parted(self) -> str:
        """Return where HEAD left the commit, in short; "" where HEAD has all that it has."""
        parting = git(self.work_tree, "merge-base", self.commit, "HEAD").stdout.strip()
        return "" if parting == self.commit else parting[:7]

    def __contains__(self, path: Path) -> bool:
        return path.is_relative_to(self.work_tree)

    def counterpart(self, path: Path) -> Path:
        return self.folder / path.relative_to(self.work_tree)

    def close(self) -> None:
        self._temporary.cleanup()


def is_pointer(path: Path) -> bool:
    """Tell whether a file is what Git LFS leaves in place of one."""
    with suppress(OSError), path.open("rb") as file:
        return file.read(24) == b"version https://git-lfs."
    return False


def current_commit(folder: Path) -> str:
    """Return a work tree's commit in short; a ``+`` stands for files that are not those of it."""
    commit = git(folder, "rev-parse", "--verify", "--quiet", "HEAD").stdout[:7]
    changes = git(folder, "--no-optional-locks", "status", "--porcelain").stdout
    return f"{commit}+" if changes.strip() else commit


def resolve(folder: Path, revision: str) -> str:
    """Return the full id of the commit that a revision means in a repository."""
    if revision.startswith("-") or not revision.strip():
        raise CheckoutError(f"{revision!r} is not a revision: give a branch, a tag or a commit")
    if "..." in revision:
        sides = revision.split("...", 1)
        ends = [resolve(folder, side or "HEAD") for side in sides]
        parting = git(folder, "merge-base", *ends).stdout.strip()
        if not parting:
            raise CheckoutError(
                f"{' and '.join(side or 'HEAD' for side in sides)} have no commit in common here: "
                "fetch more of their history, in GitHub's actions/checkout with fetch-depth: 0"
            )
        return parting
    done = git(folder, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if done.returncode == 0:
        return done.stdout.strip()
    if "true" in git(folder, "rev-parse", "--is-shallow-repository").stdout:
        raise CheckoutError(
            f"this clone is shallow and has no commit {revision!r}: fetch it with "
            "git fetch --unshallow, or in GitHub's actions/checkout with fetch-depth: 0"
        )
    if git(folder, "rev-parse", "--git-dir").returncode:
        reason = done.stderr.strip() or "no git repository"
        first, last = reason.splitlines()[0], reason.splitlines()[-1]
        if "safe.directory" in last:
            raise CheckoutError(
                f"{folder} belongs to another user, so git does not read it: allow it with "
                f"{last.strip()}"
            )
        remedy = ": run from a clone" if "not a git repository" in reason else ""
        raise CheckoutError(f"{folder} cannot be read by git ({first}){remedy}")
    raise CheckoutError(
        f"git knows no commit {revision!r}: give a branch, a tag or a commit of this clone "
        "(git fetch brings those of the remote)"
    )


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


def git(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run git in a folder; what it says is decoded as Python does names of files."""
    try:
        with undirected():
            environment = os.environ | {"LC_ALL": "C"} | variables  # what it says is read
            return subprocess.run(
                ["git", *arguments], cwd=folder, env=environment, capture_output=True, check=False,
                encoding=sys.getfilesystemencoding(), errors="surrogateescape",
            )  # fmt: skip
    except OSError as error:
        raise CheckoutError(f"git cannot be run ({error.strerror}): install git") from error
