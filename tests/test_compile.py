"""Compilers that fail, and folders that are not there: a C file of one line is compiled."""

import os
import pwd
import select
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from linpredict.c import compile as compiler
from linpredict.c.compile import CompilerError, NoCompilerError, library, words
from linpredict.cache import cache_folder
from tests.helpers.processes import executable

ROOT = Path(__file__).parents[1]
GCC = str(shutil.which("gcc") or shutil.which("clang"))
PROGRAM = (sys.executable, "-c", """
from linpredict.c.compile import *
try: print(library(Path("answer.c"), "-DANSWER=42").answer())
except CompilerError as error: print(error)
""")  # fmt: skip


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


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return a list to which each command of a compiler is added."""
    commands, run = [], compiler.run

    def noted(command: list[str], scratch: Path) -> None:
        commands.append(command)
        run(command, scratch)

    monkeypatch.setattr(compiler, "run", noted)
    return commands


def answers(source: Path, *flags: str) -> bool:
    return bool(library(source, *(flags or ("-DANSWER=42",))).answer() == 42)


def kept(source: Path) -> list[Path]:
    return list((source.parent / "cache" / "linpredict").iterdir())


def test_kept_for_each_compiler_flag_and_source(
    source: Path, commands: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answers(source)
    assert answers(source)
    assert len(commands) == len(kept(source)) == 1
    assert answers(source, "-DANSWER=42", "-O0")
    monkeypatch.setenv("CC", executable(source.parent / "cc", f'exec {GCC} "$@"'))
    assert answers(source)
    executable(source.parent / "cc", f'exec  {GCC} "$@"')  # another version of it
    assert answers(source)
    monkeypatch.setenv("CC", f"{source.parent}/cc -g")
    assert answers(source)
    source.with_name("answer.h").write_text("")
    assert answers(source)
    headers = source.parent / "headers"
    headers.mkdir()
    for text in ("#define ANSWER 42", "#define ANSWER 42 /* another version of it */"):
        (headers / "given.h").write_text(text)
        assert answers(source, f"-I{headers}", "-include", "given.h")
    assert len(commands) == len(kept(source)) == 8


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:5000]),
        lambda file: file.chmod(0o666),
    ],
    ids=["empty", "cut", "others may write to it"],
)
def test_a_spoilt_file_is_made_again(
    source: Path, commands: list[Any], spoil: Callable[[Path], None]
) -> None:
    assert answers(source)
    (file,) = kept(source)
    content = file.read_bytes()
    file.unlink()  # this process has it in memory
    file.write_bytes(content)
    spoil(file)
    assert answers(source)
    assert len(commands) == 2
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_bytes() == content


def test_a_folder_that_others_may_write_to_is_not_used(source: Path, commands: list[Any]) -> None:
    assert answers(source)
    (file,) = kept(source)
    file.parent.chmod(0o777)
    assert answers(source)
    assert len(commands) == 2


def test_without_a_cache_folder(source: Path) -> None:
    (source.parent / "cache").write_text("a file")
    assert answers(source)


def test_a_full_disk(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert answers(source)
    assert not kept(source)


def test_processes_that_compile_at_once(source: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen(PROGRAM, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(6)
    ]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["42\n"] * 6
    assert len(kept(source)) == 1


def test_the_next_compiler_is_tried(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable(source.parent / "bin" / "cc", "kill -SEGV $$")
    monkeypatch.setenv("PATH", f"{source.parent}/bin:{os.environ['PATH']}")
    assert answers(source)


def test_each_compiler_says_what_went_wrong(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ziglang", None)
    executable(source.parent / "bin" / "cc", "echo In file; echo error: no headers; exit 1")
    executable(source.parent / "bin" / "gcc", "exit 2")
    monkeypatch.setenv("PATH", f"{source.parent}/bin")
    with pytest.raises(CompilerError) as caught:
        library(source)
    assert str(caught.value) == (
        f"{source.parent}/bin/cc failed with status 1: error: no headers; "
        f"{source.parent}/bin/gcc failed with status 2: no message"
    )


def test_zig_or_no_compiler(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f'[ "$1" = cc ] && shift && PATH={os.environ["PATH"]} exec {GCC} "$@"'
    executable(source.parent / "ziglang" / "zig", text)
    (source.parent / "ziglang" / "__init__.py").touch()
    monkeypatch.syspath_prepend(source.parent)
    monkeypatch.delitem(sys.modules, "ziglang", raising=False)
    monkeypatch.setenv("PATH", "")
    assert answers(source)
    monkeypatch.setitem(sys.modules, "ziglang", None)
    with pytest.raises(NoCompilerError, match="no C compiler: install gcc"):
        library(source)


def test_a_compiler_that_hangs_ends_with_what_it_started(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo("fifo")
    fifo = os.open("fifo", os.O_RDONLY | os.O_NONBLOCK)
    text = "(echo started; sleep 100) > fifo & sleep 100"
    monkeypatch.setenv("CC", executable(source.parent / "cc", text))
    monkeypatch.setattr(compiler, "PATIENCE", 1)
    with pytest.raises(CompilerError, match=r"/cc'.* timed out after 1 seconds"):
        library(source)
    assert os.read(fifo, 100) == b"started\n"
    assert select.select([fifo], [], [], 10)[0]
    assert os.read(fifo, 100) == b""  # its end: nobody can write to it
    os.close(fifo)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#!/no/such/shell", "No such file or directory: .*/cc"),
        ("#!/bin/sh", r"\.so: cannot open shared object file"),
        ('#!/bin/sh\nfor last; do :; done; echo nothing > "$last"', r"\.so: file too short"),
    ],
)
def test_a_compiler_that_makes_nothing(
    source: Path, text: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", executable(source.parent / "cc", ""))
    (source.parent / "cc").write_text(text)
    with pytest.raises(CompilerError, match=message):
        library(source)


def test_a_compiler_that_does_not_know_this_cpu(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f'case "$*" in *=native*) exit 1;; esac; exec {GCC} "$@"'
    monkeypatch.setenv("CC", executable(source.parent / "cc", text))
    assert answers(source)


@pytest.mark.parametrize("variable", ["CC", "LINPREDICT_CFLAGS"])
def test_quotation_that_does_not_end(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "cc 'one")
    with pytest.raises(CompilerError, match=rf"{variable} cannot be read \(No closing quotation\)"):
        words(variable)


def test_relative_paths(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable(source.parent / "bin" / "my", f'exec {GCC} "$@"')
    (source.parent / "include").mkdir()
    (source.parent / "include" / "answer.h").write_text("#define ANSWER 42")
    flags = ["-Iinclude", "-include", "answer.h"]
    by_folder = [(GCC, flags), (shlex.join([GCC, *flags]), ["-O2"]), ("./bin/my", flags)]
    messages = [r"answer\.h", r"answer\.h", r"CC is '\./bin/my', which is not there"]
    for cc, more in by_folder:
        monkeypatch.setenv("CC", cc)
        assert answers(source, *more)
    (source.parent / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    for (cc, more), message in zip(by_folder, messages, strict=True):
        monkeypatch.setenv("CC", cc)
        with pytest.raises(CompilerError, match=message):
            library(source, *more)


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


@pytest.mark.parametrize("noexec", ["tmp", "cache tmp"])
def test_folders_from_which_nothing_can_be_run(source: Path, noexec: str) -> None:
    for folder in ("cache", "tmp"):
        (source.parent / folder).mkdir()
    mounts = "".join(f"mount -t tmpfs -o noexec none {folder} && " for folder in noexec.split())
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", f'{mounts} exec "$@"', "sh",
         *PROGRAM],
        env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(source.parent / "tmp")},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(done.stderr)
    if noexec == "tmp":
        assert done.stdout == "42\n"
    else:
        assert done.stdout.startswith(f"{source.parent}/cache/linpredict/answer-")
        assert "failed to map segment" in done.stdout
