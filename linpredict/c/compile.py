"""Compile a C file for this CPU, once: it is kept in the user's cache folder, if that is safe."""

from __future__ import annotations

import ctypes
import hashlib
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
# Of the compilers for other CPUs than x86, some know -mcpu=native alone.
NATIVE = "-march=native" if platform.machine() in ("x86_64", "i686") else "-mcpu=native"
PATIENCE = 60.0  # seconds for the compiler; gcc takes less than 1, the first run of zig 9


class NoCompilerError(Exception):
    """Why nothing can be compiled here, by the nature of the machine or by the user's wish."""


class CompilerError(Exception):
    """What went wrong with the compiler that there is, or with what it made."""


def library(source: Path, *flags: str) -> ctypes.CDLL:
    """Return the library compiled from a C file; raise `NoCompilerError` or `CompilerError`."""
    if sys.platform != "linux":
        raise NoCompilerError(f"the kernel is for Linux, this is {platform.system()}")
    try:
        compilers = find_compilers()
        name = f"{source.stem}-{key(source, compilers, flags)}.so"
        folder = cache_folder()
        if folder and is_whole(folder / name):
            return ctypes.CDLL(str(folder / name))
        with tempfile.TemporaryDirectory(prefix="linpredict-") as scratch:
            made = Path(scratch, name)
            build(compilers, flags, source, made)
            return ctypes.CDLL(str(keep(made, folder) if folder else made))
    except (OSError, subprocess.TimeoutExpired) as error:  # it names the file or the command
        raise CompilerError(str(error)) from error


def find_compilers() -> list[list[str]]:
    """Return the commands of the C compilers to try in turn, ``CC`` alone if it is set."""
    cc, zig = words("CC"), importlib.util.find_spec("ziglang")
    commands = [cc] if cc else [["cc"], ["gcc"], ["clang"]]
    if not cc and zig and zig.origin:
        commands.append([str(Path(zig.origin).with_name("zig")), "cc"])
    found = [[os.path.abspath(p), *more] for name, *more in commands if (p := shutil.which(name))]
    if cc and not found:
        raise CompilerError(f"CC is {cc[0]!r}, which is not there: unset it or install it")
    if not found:
        raise NoCompilerError("no C compiler: install gcc, clang or linpredict[compiler]")
    return found


def words(variable: str) -> list[str]:
    """Return the words of an environment variable, as a shell splits them."""
    try:
        return shlex.split(os.environ.get(variable, ""))
    except ValueError as error:  # a quotation that does not end
        raise CompilerError(f"{variable} cannot be read ({error}): mend or unset it") from error


def key(source: Path, compilers: list[list[str]], flags: tuple[str, ...]) -> str:
    """Return a digest of all that a compiled file depends on."""
    folders = [source.parent, *(Path(flag[2:]) for flag in flags if flag.startswith("-I"))]
    sources = [file.read_bytes() for f in folders for file in sorted(f.glob("*.[ch]"))]
    first_core = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
    cpu = re.findall("^(?:model name|flags|Features|CPU|isa).*", first_core, re.MULTILINE)
    parts = [sources, platform.machine(), cpu, compilers, FLAGS, NATIVE, flags]
    # Its version would take a process to ask for; a compiler that was updated has another file.
    files = [shutil.which(word) for command in compilers for word in command]
    parts += [(os.path.getsize(file), os.path.getmtime(file)) for file in files if file]
    if any(re.match("[^-/]|-[ILB][^/]", word) for word in (*words("CC")[1:], *flags)):
        parts.append(os.getcwd())  # they may name a file or folder in this one
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def is_whole(path: Path) -> bool:
    """Tell whether a kept file is ours and complete: to load a part would end the process."""
    content = path.read_bytes() if path.is_file() and is_ours(path.stat()) else b""
    return hashlib.sha256(content[:-32]).digest() == content[-32:]


def keep(made: Path, folder: Path) -> Path:
    """Put a library and its digest into the cache folder at once; return where to load it from."""
    try:
        content = made.read_bytes()
        with tempfile.TemporaryDirectory(prefix=".", dir=folder) as scratch:
            file = Path(scratch, made.name)
            file.write_bytes(content + hashlib.sha256(content).digest())
            file.chmod(0o600)
            return file.replace(folder / made.name)
    except OSError:  # a full disk, say: it is for this process alone
        return made


def build(compilers: list[list[str]], flags: tuple[str, ...], source: Path, made: Path) -> None:
    """Compile a file by the first compiler that can, for this CPU or else for any."""
    failures = {}
    for compiler in compilers:
        for native in ([NATIVE], []):
            try:
                run([*compiler, *FLAGS, *native, *flags, str(source), "-o", str(made)], made.parent)
                return
            except CompilerError as error:
                failures[compiler[0]] = str(error)
    raise CompilerError("; ".join(failures.values()))


def run(command: list[str], scratch: Path) -> None:
    """Run a compiler, in the current folder; it ends with all that it started after `PATIENCE`."""
    said = scratch / "said"
    with said.open("wb") as file:  # not a pipe: what the compiler started may keep that open
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
            env=os.environ | {"ZIG_GLOBAL_CACHE_DIR": str(scratch / "zig")},  # there may be no home
        )  # fmt: skip
    try:
        status = process.wait(PATIENCE)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if status:
        lines = said.read_text(errors="replace").split("\n")
        line = next((line for line in lines if "error" in line.lower()), lines[0]).strip()
        raise CompilerError(f"{command[0]} failed with status {status}: {line or 'no message'}")
