"""Compile a C file for the machine at hand, once, and load it.

The compiled library is kept in the user's cache folder. Its name is a digest of all that it
depends on: the sources, the flags, the compilers and the CPU. Each process writes to a file of its
own that then takes the place of the kept one, so those that compile at the same time do not
disturb each other. The file ends with a digest of its content: one that is cut off would end the
process that uses it (SIGBUS), and is compiled again. Where there is no such folder, or where others
may write to it, the library is compiled for this process alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib.metadata
import importlib.resources
import importlib.util
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from ..cache import cache_folder, is_ours

# No -O3: it unrolls the loops that prefetch, for nothing.
FLAGS = ("-O2", "-ffp-contract=fast", "-fPIC", "-shared", "-pthread")
# x86 knows -march=native; of the compilers for other CPUs, some know -mcpu=native alone.
X86 = platform.machine().lower() in ("x86_64", "amd64", "i686", "i386")
NATIVE = "-march=native" if X86 else "-mcpu=native"
PATIENCE = 60.0  # seconds for the compiler; gcc takes less than 1, the first run of zig 9
DIGEST = hashlib.sha256().digest_size


class NoCompilerError(Exception):
    """Why nothing can be compiled here, by the nature of the machine or by the user's wish."""


class CompilerError(Exception):
    """What went wrong with the compiler that there is, or with what it made."""


def library(source: Path, *flags: str) -> ctypes.CDLL:
    """Return the library compiled from a C file.

    Parameters
    ----------
    source : Path
        The C file. If this package is imported from a zip file, one of the package's.
    *flags : str
        For the compiler, after `FLAGS`.

    Raises
    ------
    NoCompilerError
        If there is no compiler, or the system is not Linux.
    CompilerError
        If each compiler fails or takes more than `PATIENCE`, or what one made cannot be loaded.
    """
    if sys.platform != "linux":
        raise NoCompilerError(f"the kernel is for Linux, this is {platform.system()}")
    try:
        compilers = find_compilers()
        sources = read_sources(source)
        name = f"{source.stem}-{key(sources, compilers, flags)}.so"
        kept = folder / name if (folder := cache_folder()) else None
        whole = kept if kept and is_whole(kept) else None
        if whole:
            with contextlib.suppress(OSError):
                return ctypes.CDLL(str(whole))
        with tempfile.TemporaryDirectory(prefix="linpredict-") as scratch:
            made = Path(scratch, name)
            if whole:  # it may lie where nothing can be run
                made.write_bytes(whole.read_bytes())
                with contextlib.suppress(OSError):
                    return ctypes.CDLL(str(made))
            if not source.is_file():
                for file, content in sources.items():
                    made.with_name(file).write_bytes(content)
                source = made.with_name(source.name)
            compiler = compile_by_any(compilers, flags, source, made)
            with contextlib.suppress(OSError):  # a full disk, say: then for this process alone
                if kept:
                    keep(made.read_bytes(), kept)
            return load(kept, made, compiler)
    except OSError as error:  # which says of what file
        raise CompilerError(str(error)) from error


def find_compilers() -> list[list[str]]:
    """Return the commands of the C compilers to try in turn: ``CC`` alone, or all there are."""
    if command := words("CC"):
        if not (path := shutil.which(command[0])):
            raise CompilerError(f"CC is {command[0]!r}, which is not there: unset it or install it")
        return [[os.path.abspath(path), *command[1:]]]
    paths: dict[tuple[str, str], str] = {}  # by folder and name: /bin is often /usr/bin
    for name in ("cc", "gcc", "clang"):
        for folder in os.get_exec_path():
            if path := shutil.which(name, path=folder):
                paths.setdefault((os.path.realpath(folder), name), os.path.abspath(path))
    commands = [[path] for path in paths.values()]
    if importlib.util.find_spec("ziglang"):
        # -P: not from the folder that the program runs in.
        commands.append([sys.executable, "-P", "-m", "ziglang", "cc"])
    if not commands:
        raise NoCompilerError(
            "no C compiler: install gcc or clang, or pip install 'linpredict[compiler]'"
        )
    return commands


def words(variable: str) -> list[str]:
    """Return the words of an environment variable, as a shell splits them."""
    try:
        return shlex.split(os.environ.get(variable, ""))
    except ValueError as error:  # a quotation that does not end
        raise CompilerError(f"{variable} cannot be read ({error}): mend or unset it") from error


def read_sources(source: Path) -> dict[str, bytes]:
    """Return the C files of a C file's folder: names and contents."""
    folder = source.parent if source.is_file() else importlib.resources.files(__package__)
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return {file.name: file.read_bytes() for file in files if file.name.endswith((".c", ".h"))}


def key(sources: dict[str, bytes], compilers: list[list[str]], flags: tuple[str, ...]) -> str:
    """Return a digest of all that a compiled file depends on."""
    words = [word for command in compilers for word in command]
    parts = [*sources.values(), *map(os.fsencode, (*words, *FLAGS, NATIVE, *flags)), cpu()]
    # Its version would take a process to ask for; a compiler that was updated has another file.
    for word in words:
        if path := shutil.which(word):
            status = Path(path).resolve().stat()
            parts.append(f"{status.st_size} {status.st_mtime_ns}".encode())
    if "ziglang" in words:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # that of another Python
            parts.append(importlib.metadata.version("ziglang").encode())
    if any(re.match("(?!/)[^-]|-[ILB][^/]", flag) for flag in flags):  # a file from here
        parts.append(os.fsencode(os.getcwd()))
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]


def cpu() -> bytes:
    """Describe the first core: its model, and the instructions that the system lets it run."""
    lines = Path("/proc/cpuinfo").read_bytes().partition(b"\n\n")[0].splitlines()
    names = (b"model name", b"flags", b"Features", b"CPU part", b"CPU implementer", b"isa")
    return platform.machine().encode() + b"".join(x for x in lines if x.startswith(names))


def keep(content: bytes, path: Path) -> None:
    """Write what was compiled, and its digest, to the cache at once."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")
    try:
        with open(descriptor, "wb") as file:
            file.write(content + hashlib.sha256(content).digest())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def is_whole(path: Path) -> bool:
    """Tell whether a kept file is ours and as it was written."""
    try:
        with path.open("rb") as file:
            if not is_ours(os.fstat(file.fileno())):
                return False
            content = file.read()
    except OSError:
        return False
    return hashlib.sha256(content[:-DIGEST]).digest() == content[-DIGEST:]


def compile_by_any(
    compilers: list[list[str]], flags: tuple[str, ...], source: Path, made: Path
) -> list[str]:
    """Compile a file by the first compiler that can, for this CPU rather than for any."""
    failures, left = {}, compilers.copy()
    for native in ([NATIVE], []):
        for compiler in left.copy():
            name = shlex.join(compiler)
            try:
                run([*compiler, *FLAGS, *native, *flags, str(source), "-o", str(made)], made.parent)
                return compiler
            except subprocess.TimeoutExpired:
                failures[name] = f"{compiler[0]} took more than {PATIENCE:g} s"
                left.remove(compiler)
            except CompilerError as error:
                failures[name] = str(error)
    raise CompilerError("; ".join(failures.values()))


def run(command: list[str], scratch: Path) -> None:
    """Run a compiler where the program runs, as its words may name files from there.

    It and all that it starts end with the time it may take.
    """
    # zig keeps what it builds for itself in the user's cache folder, which may be missing.
    local = {"ZIG_LOCAL_CACHE_DIR": str(scratch / "zig")}
    if cache_folder() is None:
        local["ZIG_GLOBAL_CACHE_DIR"] = str(scratch / "zig")
    said = scratch / "said"
    with said.open("wb") as file:  # not a pipe: what the compiler started may keep that open
        try:
            process = subprocess.Popen(
                command, env=os.environ | local, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            )  # fmt: skip
        except OSError as error:
            raise CompilerError(f"{command[0]} cannot be run: {error}") from error
        try:
            status = process.wait(PATIENCE)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    if status:
        lines = said.read_text(errors="replace").split("\n")
        line = next((line for line in lines if "error" in line.lower()), lines[0]).strip()
        raise CompilerError(
            f"{command[0]} failed with status {status}: {line or 'it said nothing'}"
        )


def load(kept: Path | None, made: Path, compiler: list[str]) -> ctypes.CDLL:
    """Load what was compiled, from the cache or else from the temporary folder."""
    paths = [path for path in (kept, made) if path and path.exists()]
    reason = "it made no file"
    for path in paths:
        try:
            return ctypes.CDLL(str(path))
        except OSError as error:
            reason = str(error)
    folders = [str(path.parent) for path in paths]
    if paths and all(os.statvfs(folder).f_flag & os.ST_NOEXEC for folder in folders):
        raise CompilerError(
            f"nothing can be run in {' and '.join(folders)} (mounted noexec): "
            "set TMPDIR to a folder where it can"
        )
    if kept:
        kept.unlink(missing_ok=True)
    raise CompilerError(f"what {shlex.join(compiler)} made cannot be used: {reason}")
