"""Compilers that fail, and folders that are not there: a C file of one line is compiled."""

import os
import pwd
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from linpredict.c import compile as compiler
from linpredict.c.compile import CompilerError, library
from linpredict.cache import cache_folder

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel is for Linux")


@pytest.fixture(autouse=True)
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a C file, in the working folder."""
    for variable in ("CC", "LINPREDICT_CFLAGS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "answer.c"
    file.write_text("int answer(void) { return ANSWER; }")
    return file


def answers(source: Path, *flags: str) -> bool:
    return bool(library(source, *(flags or ("-DANSWER=42",))).answer() == 42)


def script(path: Path, text: str) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def real_compiler() -> str:
    return str(shutil.which("gcc") or shutil.which("clang"))


@pytest.mark.parametrize(
    "text", ["exit 1", "exec /no/compiler", "kill -SEGV $$", "sleep 100"], ids=str.split
)
def test_the_next_compiler_is_tried(
    source: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "PATIENCE", 1)
    script(source.parent / "bin" / "cc", text)
    monkeypatch.setenv("PATH", f"{source.parent}/bin:{os.environ['PATH']}")
    assert answers(source)
    monkeypatch.setattr(compiler, "run", None)
    assert answers(source)  # what was kept, without another try


def test_each_compiler_says_what_went_wrong(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ziglang", None)
    script(source.parent / "bin" / "cc", "echo error: no headers; exit 1")
    script(source.parent / "bin" / "gcc", "echo error: no licence; exit 2")
    monkeypatch.setenv("PATH", f"{source.parent}/bin")
    with pytest.raises(CompilerError) as caught:
        library(source)
    assert str(caught.value) == (
        f"{source.parent}/bin/cc failed with status 1: error: no headers; "
        f"{source.parent}/bin/gcc failed with status 2: error: no licence"
    )


def test_a_compiler_that_cannot_be_run(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", script(source.parent / "cc", ""))
    (source.parent / "cc").write_text("#!/no/such/shell\n")
    with pytest.raises(CompilerError, match=r"cc cannot be run: .*No such file"):
        library(source)


def test_a_compiler_that_does_not_know_this_cpu(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f'case "$*" in *=native*) exit 1;; esac; exec {real_compiler()} "$@"'
    monkeypatch.setenv("CC", script(source.parent / "cc", text))
    assert answers(source)


def test_relative_paths(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(source.parent / "bin" / "my", f'exec {real_compiler()} "$@"')
    (source.parent / "include").mkdir()
    (source.parent / "include" / "answer.h").write_text("#define ANSWER 42")
    flags = ("-Iinclude", "-include", "answer.h")
    for path, command in ((None, "bin/my"), (None, "./bin/my"), ("bin", "my")):
        monkeypatch.setenv("CC", command)
        if path:
            monkeypatch.setenv("PATH", f"{path}:{os.environ['PATH']}")
        assert answers(source, *flags)
    # Elsewhere, the same flags are other ones.
    (source.parent / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    with pytest.raises(CompilerError, match="CC is 'my', which is not there"):
        library(source, *flags)
    monkeypatch.setenv("CC", real_compiler())
    with pytest.raises(CompilerError, match=r"answer\.h"):
        library(source, *flags)


@pytest.mark.parametrize("home", [None, "", "home", "~"])
def test_without_a_home(source: Path, home: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> pwd.struct_passwd:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    if home is not None:
        monkeypatch.setenv("HOME", home)
    assert answers(source)
    assert cache_folder() is None
    assert os.listdir(source.parent) == ["answer.c"]


def test_without_a_temporary_folder(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(source.parent / "gone"))
    with pytest.raises(CompilerError, match=r"No such file or directory: .*gone"):
        library(source)


@pytest.mark.parametrize("noexec", ["cache", "cache tmp"])
def test_a_folder_from_which_nothing_can_be_run(source: Path, noexec: str) -> None:
    for folder in ("cache", "tmp"):
        (source.parent / folder).mkdir()
    code = f"""
import sys
from pathlib import Path
from linpredict.c import compile
for _ in range(2):
    try:
        print(compiler.library(Path({str(source)!r}), "-DANSWER=42").answer())
        compiler.run = None
    except compiler.CompilerError as error:
        print(error)
"""
    mounts = "".join(f"mount -t tmpfs -o noexec none {folder} && " for folder in noexec.split())
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", f'{mounts} exec "$@"', "sh",
         sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(source.parent / "tmp")},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(done.stderr)
    lines = done.stdout.splitlines()
    if noexec == "cache":
        assert lines == ["42", "42"]  # the second from what was kept
    else:
        assert len(lines) == 2
        assert f"nothing can be run in {source.parent}/cache/linpredict and " in lines[0]
        assert "(mounted noexec): set TMPDIR" in lines[0]


def test_imported_from_a_zip_file(source: Path) -> None:
    with zipfile.ZipFile("package.zip", "w") as archive:
        for file in (ROOT / "linpredict").iterdir():
            if file.is_file():
                archive.write(file, f"linpredict/{file.name}")
    code = """
import numpy as np
from linpredict.c import bindings
print(kernel.__file__, kernel.kernel())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
        env=os.environ | {"PYTHONPATH": "package.zip"}, check=True,
    )  # fmt: skip
    assert "package.zip/linpredict/kernel.py" in done.stdout
    assert "-bit vectors" in done.stdout
