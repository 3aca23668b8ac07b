"""Source code at a commit: what git has of it, and what it has not."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_benchmark import utils

from benchmarks.errors import BaselineError
from benchmarks.evidence.gate_error_rates import make_repository
from benchmarks.gate.baseline import Baseline
from benchmarks.gate.checkout import (
    Checkout,
    CheckoutError,
    current_commit,
    redirections,
    resolve,
    undirected,
)
from benchmarks.gate.sources import own_folders, project_to_build
from benchmarks.own.importing import SUITE
from tests.helpers.repository import git


def commit(folder: Path, message: str) -> str:
    git(folder, "add", ".")
    git(folder, "commit", "-qm", message, "--allow-empty")
    return git(folder, "rev-parse", "HEAD").strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a package."""
    folder = tmp_path / "own"
    (folder / "pkg").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "pkg" / "__init__.py").write_text("def serve(coef): ...\n")
    (folder / os.fsdecode(b"\xff")).touch()  # a name that is not UTF-8
    (folder / ".gitignore").write_text("_*.*\n!__init__.py\n__pycache__\n")
    commit(folder, "first")
    return folder


@pytest.fixture
def baseline(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Baseline]:
    """The package's last commit as the other side."""
    monkeypatch.setitem(
        sys.modules, "pkg", SimpleNamespace(__file__=str(repository / "pkg" / "__init__.py"))
    )
    made = Baseline(["pkg:serve"], "HEAD", variables={"GLIBC_TUNABLES": ""})
    yield made
    made.close()


def facts(sources: dict[str, str], extensions: dict[str, str] | None = None) -> dict[str, Any]:
    """Return what a worker says that imported such modules."""
    return {"sources": sources, "extensions": extensions or {}, "origins": {}, "loaded": {}}


def unexpected(sentence: str) -> None:
    raise AssertionError(sentence)


@pytest.mark.parametrize(
    ("revision", "message"),
    [
        ("nothing", "git knows no commit 'nothing'"),
        ("HEAD:pkg", "git knows no commit 'HEAD:pkg'"),
        ("--all", "'--all' is not a revision"),
        ("", "'' is not a revision"),
    ],
)
def test_revision_that_is_none(repository: Path, revision: str, message: str) -> None:
    with pytest.raises(CheckoutError, match=message):
        resolve(repository, revision)


def test_commit_without_the_package(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = repository / "linpredict"
    folder.mkdir()
    monkeypatch.setattr("benchmarks.gate.baseline.source_folder", lambda _: folder)
    with pytest.raises(BaselineError, match=r"^--baseline: \w{7} has no package linpredict"):
        Baseline(["packed"], "HEAD")


def test_shallow_clone(repository: Path, tmp_path: Path) -> None:
    commit(repository, "second")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--depth=1", repository.as_uri(), clone], check=True)
    with pytest.raises(CheckoutError, match="is shallow and has no commit 'HEAD~1': fetch it with"):
        resolve(clone, "HEAD~1")


def test_not_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(CheckoutError, match=r"cannot be read by git \(.*: run from a clone"):
        resolve(tmp_path, "HEAD")


def test_git_is_missing(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    redirections.cache_clear()
    monkeypatch.setenv("PATH", str(repository))
    with pytest.raises(CheckoutError, match=r"git cannot be run \(No such file .*: install git"):
        resolve(repository, "HEAD")


def test_repository_of_another_user(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1"), ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", os.devnull), ("LC_ALL", "de_DE.UTF-8"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    remedy = "belongs to another user.*git config --global --add safe.directory"
    with pytest.raises(CheckoutError, match=f"{remedy} {repository}"):
        resolve(repository, "HEAD")
    # A variable, too, may allow it: those that configure git are left as they are.
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "*")
    assert resolve(repository, "HEAD")


def test_variables_do_not_direct_git_elsewhere(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, errors = tmp_path / "other", tmp_path / "errors"
    for folder in (other, errors):
        folder.mkdir()
    git(other, "init", "-q")
    commits = [git(repository, "rev-parse", "HEAD").strip(), commit(other, "elsewhere")]
    monkeypatch.chdir(repository)
    with monkeypatch.context() as variables:
        for name in ("GIT_DIR", "GIT_COMMON_DIR"):
            variables.setenv(name, str(other / ".git"))
        variables.setenv("GIT_WORK_TREE", str(other))
        variables.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
        variables.setenv("GIT_OBJECT_DIRECTORY", str(other / ".git" / "objects"))
        extracted = Checkout(repository, "HEAD")
        assert extracted.commit == commits[0]
        assert (extracted.folder / "pkg" / "__init__.py").exists()
        extracted.close()
        with undirected():
            assert utils.get_commit_info()["id"] == commits[0]  # as a run saves it
        make_repository(errors, 0)
    assert len(git(errors, "log", "--oneline").splitlines()) == 2
    assert commits == [git(folder, "rev-parse", "HEAD").strip() for folder in (repository, other)]


def test_a_plus_stands_for_changed_and_for_new_files(repository: Path) -> None:
    head = git(repository, "rev-parse", "--short=7", "HEAD").strip()
    assert current_commit(repository) == head
    (repository / "new.py").touch()
    assert current_commit(repository) == f"{head}+"
    (repository / "new.py").unlink()
    (repository / "pkg" / "__init__.py").write_text("changed")
    assert current_commit(repository) == f"{head}+"


def test_where_a_branch_left_another(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD").strip()
    git(repository, "switch", "-qc", "topic")
    topic = commit(repository, "topic")
    git(repository, "switch", "-q", "main")
    main = commit(repository, "main")
    git(repository, "switch", "-q", "topic")
    for revision, found, parted in (
        ("main...topic", first, ""),
        ("main...", first, ""),
        ("...main", first, ""),
        ("main", main, first[:7]),
        ("topic", topic, ""),
    ):
        of = Checkout(repository, revision)
        assert (of.commit, of.parted()) == (found, parted), revision
        of.close()
    git(repository, "switch", "-q", "--orphan", "other")
    commit(repository, "other")
    with pytest.raises(CheckoutError, match="main and HEAD have no commit in common"):
        Checkout(repository, "main...")


def test_submodules_are_those_of_the_commit(repository: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "core.py").write_text("old")
    commit(inner, "old")
    allowed = "-c", "protocol.file.allow=always"
    git(repository, *allowed, "submodule", "--quiet", "add", str(inner), "pkg/vendor")
    commit(repository, "vendor")
    (repository / "pkg" / "vendor" / "core.py").write_text("new")
    commit(repository / "pkg" / "vendor", "new")
    commit(repository, "newer vendor")
    for revision, text in (("HEAD", "new"), ("HEAD~1", "old")):
        of = Checkout(repository, revision)
        assert (of.folder / "pkg" / "vendor" / "core.py").read_text() == text
        of.close()
    assert git(repository, "status", "--porcelain") == ""


def test_large_files_that_are_kept_elsewhere(repository: Path) -> None:
    (repository / ".gitattributes").write_text("*.bin filter=lfs\n")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    (repository / "weights.bin").write_text(pointer)
    commit(repository, "weights")
    Checkout(repository, "HEAD").close()  # the same on both sides
    (repository / "weights.bin").write_text("its values")
    with pytest.raises(CheckoutError, match=r"weights.bin is kept by Git LFS, and .* lfs install"):
        Checkout(repository, "HEAD")


def test_what_git_ignores_is_the_same_on_both_sides(repository: Path, baseline: Baseline) -> None:
    sources = {"pkg": str(repository / "pkg" / "__init__.py")}
    for name in ("_version", "added"):  # the second is new, and no one ignores it
        sources[f"pkg.{name}"] = str(repository / "pkg" / f"{name}.py")
        Path(sources[f"pkg.{name}"]).write_text(name)
    side = baseline.side("pkg:serve", facts(sources), unexpected)
    said = side.said
    assert said[0] == "git ignores pkg/_version.py: both sides have that of the work tree"
    assert said[1:] == ["shared weights and examples have small pages on both sides, copies do not"]
    folder = side.folders[0][-1]
    assert sorted(path.name for path in (Path(folder) / "pkg").iterdir()) == [
        "__init__.py", "_version.py",
    ]  # fmt: skip


def test_compiled_parts_that_no_build_makes(repository: Path, baseline: Baseline) -> None:
    compiled = repository / "pkg" / f"_fast{EXTENSION_SUFFIXES[0]}"
    compiled.touch()
    of_current = facts({"pkg._fast": str(compiled)}, {"pkg._fast": str(compiled)})
    with pytest.raises(BaselineError, match=r"has no pkg/_fast.* is compiled, .*--baseline-python"):
        baseline.side("pkg:serve", of_current, unexpected)


def test_what_must_be_built_to_be_imported_at_a_commit(repository: Path, tmp_path: Path) -> None:
    checkout = Checkout(repository, "HEAD")
    for name in ("pyproject.toml", "pkg/setup.py", "pkg/_fast.so", "build/_fast.so"):
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).touch()
    tree = {"pkg": str(repository / "pkg" / "__init__.py")}
    library = f"{repository}/pkg/lib/_fast.so"  # of ctypes or cffi
    environment = f"{repository}/.venv/lib/python3/site-packages/numpy/_core.so"
    installed = str(tmp_path / "site-packages" / "pkg" / "_fast.so")
    origin = {"url": repository.as_uri(), "dir_info": {}}
    editable = {"url": repository.as_uri(), "dir_info": {"editable": True}}
    elsewhere = {"url": tmp_path.as_uri(), "dir_info": {}}
    for sources, extensions, origins, loaded, project in (
        (tree, {}, {}, {}, None),  # pure
        (tree, {"numpy._core": "/numpy/_core.so"}, {}, {}, None),
        (tree, {"pkg._fast": f"{repository}/pkg/_fast.so"}, {}, {}, repository / "pkg"),
        (tree, {"pkg._fast": f"{repository}/build/_fast.so"}, {}, {}, repository),  # meson-python
        (tree, {"pkg._fast": installed}, {}, {}, repository / "pkg"),  # scikit-build-core
        (tree, {library: library}, {}, {}, repository / "pkg"),
        (tree, {"/usr/lib/a.so": "/usr/lib/a.so"}, {}, {}, None),
        (tree, {f"{repository}/cache/a.so": f"{repository}/cache/a.so"}, {}, {}, None),
        (tree, {"numpy._core": environment, environment: environment}, {}, {}, None),
        (tree, {}, {"pkg": origin}, {"pkg": ["pkg"]}, None),  # installed, and imported from here
        ({}, {}, {"pkg": origin}, {"pkg": ["pkg"]}, repository),
        ({}, {}, {"pkg": elsewhere}, {"pkg": ["pkg"]}, None),
        ({}, {}, {"pkg": editable}, {"pkg": ["__editable___pkg_finder"]}, None),
        ({}, {}, {"pkg": editable}, {"pkg": ["pkg"]}, repository),  # maturin
    ):
        current = facts(sources, extensions) | {"origins": origins, "loaded": loaded}
        assert project_to_build(checkout, current) == project, (extensions, origins, loaded)
    checkout.close()


def test_a_build_can_ask_git_for_its_version(repository: Path) -> None:
    git(repository, "tag", "v3")
    commit(repository, "after it")
    commit(repository, "later")
    checkout = Checkout(repository, "HEAD~1")
    checkout.add_history()
    described = f"v3-1-g{checkout.commit[:7]}"
    assert git(checkout.folder, "describe", "--tags", "--dirty", "--abbrev=7").strip() == described
    checkout.close()


def test_an_import_hook_that_ignores_the_path(repository: Path, baseline: Baseline) -> None:
    module = {"pkg": str(repository / "pkg" / "__init__.py")}
    environment = f"{repository}/.venv/lib/python3/site-packages/numpy/_core.so"
    baseline.check_sources("pkg:serve", facts({}, {"numpy._core": environment}))
    for found in (facts(module), facts({}, module)):
        with pytest.raises(BaselineError, match=r"an import hook, .* takes pkg from .* PYTHONPATH"):
            baseline.check_sources("pkg:serve", found)


def test_packages_on_pythonpath_are_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    assert str(folder) not in own_folders("formula")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    assert str(folder) in own_folders("formula")
    # The suite's modules must not be taken for the user's, who may have tests, too.
    monkeypatch.syspath_prepend(SUITE)
    assert own_folders("formula")[0] == own_folders("tests.models:model")[-1] == SUITE
