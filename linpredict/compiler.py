"""Compile a C file for the machine at hand, once, and load it.

The compiled library is kept in the user's cache folder. Its name is a digest of all that it
depends on: the source, the flags, the compiler and the CPU. Each process writes to a file of its
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
import importlib.util
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import platformdirs

# No -O3: it unrolls the loops that prefetch, for nothing. x86 knows -march=native; of the compilers
# for other CPUs, some know -mcpu=native alone.
X86 = platform.machine().lower() in ("x86_64", "amd64", "i686", "i386")
FLAGS = (
    "-O2",
    "-march=native" if X86 else "-mcpu=native",
    "-ffp-contract=fast",
    "-fPIC",
    "-shared",
    "-pthread",
)
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
        The C file.
    *flags : str
        For the compiler, after `FLAGS`.

    Raises
    ------
    NoCompilerError
        If there is no compiler, or the system is not Linux.
    CompilerError
        If the compiler fails, takes more than `PATIENCE`, or makes what cannot be loaded.
    """
    if sys.platform != "linux":
        raise NoCompilerError(f"the kernel is for Linux, this is {platform.system()}")
    compiler = find_compiler()
    command = [*compiler, *FLAGS, *flags]
    try:
        name = f"{source.stem}-{key(source, command)}.so"
        folder = cache_folder()
        if folder is not None and is_whole(kept := folder / name):
            return ctypes.CDLL(str(kept))
        with tempfile.TemporaryDirectory(prefix="linpredict-") as scratch:
            made = Path(scratch, name)
            run([*command, str(source), "-o", str(made)], Path(scratch))
            content = made.read_bytes()
            with contextlib.suppress(OSError):  # a full disk, say: then for this process alone
                if folder is not None:
                    keep(content, folder / name)
                    made = folder / name
            return ctypes.CDLL(str(made))
    except OSError as error:
        raise CompilerError(f"{shlex.join(compiler)} cannot be used: {error}") from error


def find_compiler() -> list[str]:
    """Return the command of a C compiler: ``CC``, or else the first there is."""
    if command := words("CC"):
        if not shutil.which(command[0]):
            raise CompilerError(f"CC is {command[0]!r}, which is not there: unset it or install it")
        return command
    for name in ("cc", "gcc", "clang"):
        if path := shutil.which(name):
            return [path]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    raise NoCompilerError(
        "no C compiler: install gcc or clang, or pip install 'linpredict[compiler]'"
    )


def words(variable: str) -> list[str]:
    """Return the words of an environment variable, as a shell splits them."""
    try:
        return shlex.split(os.environ.get(variable, ""))
    except ValueError as error:  # a quotation that does not end
        raise CompilerError(f"{variable} cannot be read ({error}): mend or unset it") from error


def key(source: Path, command: list[str]) -> str:
    """Return a digest of all that a compiled file depends on."""
    sources = [path.read_bytes() for path in sorted(source.parent.glob("*.[ch]"))]
    parts = [*sources, *map(os.fsencode, command), cpu()]
    # Its version would take a process to ask for; a compiler that was updated has another file.
    for word in command:
        if path := shutil.which(word):
            status = Path(path).resolve().stat()
            parts.append(f"{status.st_size} {status.st_mtime_ns}".encode())
    if "ziglang" in command:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # that of another Python
            parts.append(importlib.metadata.version("ziglang").encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]


def cpu() -> bytes:
    """Describe the first core: its model, and the instructions that the system lets it run."""
    lines = Path("/proc/cpuinfo").read_bytes().partition(b"\n\n")[0].splitlines()
    names = (b"model name", b"flags", b"Features", b"CPU part", b"CPU implementer", b"isa")
    return platform.machine().encode() + b"".join(x for x in lines if x.startswith(names))


def cache_folder() -> Path | None:
    """Return the folder that keeps what was compiled, or None where it cannot be trusted or made.

    Whoever can write to it can have their code run in this process.
    """
    folder = platformdirs.user_cache_path("linpredict")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if is_ours(folder.stat()) and os.access(folder, os.R_OK | os.X_OK) else None
    except OSError:
        return None


def is_ours(status: os.stat_result) -> bool:
    """Tell whether nobody else, but the system's administrator, can write to a file or folder."""
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


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


def run(command: list[str], scratch: Path) -> None:
    """Run a compiler; it and all that it starts end with the time it may take."""
    # zig keeps what it builds for itself in the user's cache folder, which may be missing.
    local = {"ZIG_LOCAL_CACHE_DIR": str(scratch / "zig")}
    if cache_folder() is None:
        local["ZIG_GLOBAL_CACHE_DIR"] = str(scratch / "zig")
    said = scratch / "said"
    with said.open("wb") as file:  # not a pipe: what the compiler started may keep that open
        process = subprocess.Popen(
            command, cwd=scratch, env=os.environ | local, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=file, stderr=file,
        )  # fmt: skip
        try:
            status = process.wait(PATIENCE)
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise CompilerError(f"{command[0]} took more than {PATIENCE:g} s") from None
    if status:
        lines = said.read_text(errors="replace").split("\n")
        line = next((line for line in lines if "error" in line.lower()), lines[0]).strip()
        raise CompilerError(
            f"{command[0]} failed with status {status}: {line or 'it said nothing'}"
        )
