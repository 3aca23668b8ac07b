"""Other environments to measure in: interpreters given, and environments made with other packages.

An environment that is made lies over the one it is made from: what is asked for comes first, and
everything else is found where it was. So only what must differ is installed, and differs. Nothing
is ever changed in the environment below: pip leaves alone what lies outside its own.

It is kept in the user's cache folder under a digest of what it is made of, in which one process
makes an environment at a time, in place, and marks it once it is whole. What bears no mark when
nobody makes one was cut short, and is removed, as what was not used for a month. One that has lost
a file since is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from packaging.utils import canonicalize_name

from benchmarks.gate.interpreters import (
    PREFIX,
    UnusableEnvironmentError,
    answers,
    check_interpreter,
    environment,
    last_words,
    run,
)
from benchmarks.gate.requirements import bare, contents, digest, is_file, local, normal
from benchmarks.wording.quantities import binary
from linpredict.cache import cache_folder

UNUSED = 30 * 86400.0  # seconds after which an environment is removed when another one is made
FILES = "held.json"  # sizes of its files, by path; written last
# Of the pip of the environment below. -I: not what lies in the current folder.
PIP_INSTALL = "-I", "-m", "pip", "install", "--no-input", "--no-color", "--no-user"
BUILDING = (  # variables that compilers and build backends heed
    *("CC", "CXX", "FC", "LD", "AR", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "FFLAGS", "LDFLAGS"),
    *("CMAKE_ARGS", "CMAKE_GENERATOR", "RUSTFLAGS", "SKBUILD_CMAKE_ARGS", "MAKEFLAGS"),
)

DESCRIPTION = f"""
import sys
sys.path = [folder for folder in sys.path if folder]
import importlib.util, json, os, platform, site
known = [*map(os.path.abspath, site.getsitepackages()), site.getusersitepackages()]
folders = [folder for folder in sys.path if folder in known]
held = [name for folder in filter(os.path.isdir, sys.path) for name in os.listdir(folder)]
held = [name for name in held if name.endswith("-info")]
print("\\n{PREFIX}" + json.dumps({{
    "version": list(sys.version_info[:2]),
    "interpreter": [os.path.realpath(sys.executable), sys.version, platform.machine()],
    "folders": folders, "held": sorted(held), "pip": bool(importlib.util.find_spec("pip")),
}}))
"""
# Editable installs come before everything on the path (meson-python) or after it. Each call adds
# the folders: what isolates pip's builds calls it again, to see what it must take away.
LAYER = """\"\"\"The folders of the environment below, after this one's.\"\"\"
import site, sys
def add():
    path, finders = sys.path[:], sys.meta_path[:]
    for folder in {folders!a}:
        site.addsitedir(folder, set())
    sys.path.sort(key=lambda folder: folder not in path)
    sys.meta_path.sort(key=lambda finder: finder not in finders)
"""


def with_requirements(
    requirements: Sequence[str],
    python: str = sys.executable,
    say: Callable[[str], None] = print,
    lines: Sequence[str] = (),
) -> str:
    """Return the interpreter of an environment that differs from another by some packages.

    It is made by pip, with the settings of pip's configuration, and kept for later runs: what the
    requirements leave open (``numpy<2.3``, a branch) stays as it was when it was made. Where there
    is no cache folder to be trusted, it is for this run alone.

    Requirements are ``numpy==2.2.6``, a folder, a wheel, ``package @ git+https://…``; `lines` are
    more of them, from files. A folder or file whose contents have changed makes another
    environment; order, repetitions and white space of requirements do not matter. Everything else
    is that of `python`. `say` is told what takes seconds.

    Raises
    ------
    UnusableEnvironmentError
        If a requirement is none, pip fails, or what it made cannot be measured.
    """
    asked = [*sorted({normal(requirement) for requirement in requirements}), *lines]
    plain = [bare(line) for line in asked if line[0] != "-"]

    def fill(made: Environment) -> None:
        # A version that the environment below has is not installed again, whatever the file holds.
        if again := [line for line in asked if is_file(line)]:
            made.pip_install("--force-reinstall", "--no-deps", "-r", made.write("again.txt", again))
        made.pip_install("-r", made.write("requirements.txt", asked))
        made.prove([line for line in plain if not local(line) and "://" not in line])

    what = textwrap.shorten(", ".join(plain), 200, placeholder=" …")
    return kept([asked, contents(asked)], what, python, fill, say)


def with_project(
    folder: Path,
    commit: str,
    where: str,
    python: str = sys.executable,
    say: Callable[[str], None] = print,
) -> str:
    """Return the interpreter of an environment in which a commit's project is built and installed.

    `folder` holds its files at the `commit`, of a repository in which it is `where`. It is built
    without isolation where what that asks for is installed, and with isolation otherwise, and kept
    as `with_requirements` says.

    Raises
    ------
    UnusableEnvironmentError
        If it cannot be built, with pip's last words.
    """

    def fill(made: Environment) -> None:
        build = "--no-deps", "--force-reinstall", str(folder)
        try:
            made.pip_install("--no-build-isolation", "--check-build-dependencies", *build)
        except UnusableEnvironmentError as error:
            if "build dependencies" not in str(error):
                raise
            say(f"building {folder.name} at {commit[:7]} with what it asks for, apart from others")
            made.pip_install(*build)

    variables = {name: os.environ[name] for name in BUILDING if name in os.environ}
    parts = ["project", commit, where, variables]
    return kept(parts, f"{folder.name} at {commit[:7]}", python, fill, say)


def described(python: str) -> dict[str, Any]:
    """Describe an interpreter and what is installed for it."""
    found: dict[str, Any] = answers(python, run([python, "-c", DESCRIPTION]))[0]
    return found


def kept(
    parts: Sequence[object],
    what: str,
    python: str,
    fill: Callable[[Environment], None],
    say: Callable[[str], None],
) -> str:
    """Return the interpreter of the environment that is known by its `parts`, made if need be.

    It holds `what`, which `fill` installs, over that of `python`.
    """
    try:
        base = described(python)
        settings = {name: value for name, value in environment().items() if name[:4] == "PIP_"}
        of_files = [digest(path) for path in settings_files(settings)]
        key = json.dumps([base, *parts, of_files, settings, LAYER], sort_keys=True)
        root = kept_in()
        folder = root / hashlib.sha256(key.encode()).hexdigest()[:16]
        if not is_whole(folder):
            with locked(root, say) as lock:
                if not is_whole(folder):  # nor has another made it meanwhile
                    for left in root.iterdir():
                        if left.is_dir() and (left == folder or is_left_over(left)):
                            shutil.rmtree(left)
                    beside = kept_bytes(root)
                    say(f"making an environment with {what} in {folder}{beside}")
                    try:
                        make(Environment(folder, what, lock, say), python, base, fill)
                    finally:
                        if not (folder / FILES).exists():
                            shutil.rmtree(folder, ignore_errors=True)
        os.utime(folder / FILES)
    except OSError as error:
        raise UnusableEnvironmentError(f"no environment can be made: {error}") from error
    return str(folder / "bin" / "python")


@dataclass(frozen=True)
class Environment:
    """An environment that is being made.

    The lock is held by what is run as well: should this process be killed, that goes on a while.
    """

    folder: Path
    what: str  # it holds
    lock: IO[bytes]
    say: Callable[[str], None]

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    def write(self, name: str, lines: Sequence[str]) -> str:
        """Write a file into its folder, and return its path."""
        (self.folder / name).write_text("\n".join([*lines, ""]), encoding="utf-8")
        return str(self.folder / name)

    def do(self, *command: str) -> None:
        # PIP_PYTHON: pip's configuration may name another one, the environment below.
        variables = environment() | {"PIP_PYTHON": self.python}

        def waiting(seconds: float) -> None:
            self.say(f"still making the environment with {self.what}: {seconds:.0f} s")

        done = run(list(command), None, [self.lock.fileno()], variables, waiting)
        if done.returncode:
            raise UnusableEnvironmentError(pip_error(done))

    def pip_install(self, *arguments: str) -> None:
        self.do(self.python, *PIP_INSTALL, *arguments)

    def prove(self, names: Sequence[str]) -> None:
        """Refuse an environment that pip's configuration kept from holding what was asked for."""
        if set(added(self.python)) - {"pip"}:  # which may have come before
            return
        plain = {name: value for name, value in environment().items() if name[:4] != "PIP_"}
        plain["PIP_CONFIG_FILE"] = os.devnull
        is_below = [self.python, *PIP_INSTALL, "--no-index", "--no-deps", *names]
        if not names or run(is_below, variables=plain).returncode:
            raise UnusableEnvironmentError(
                "pip installed nothing, or somewhere else: look for target, prefix, root and "
                "dry-run in what `pip config list` says, and remove them"
            )


def make(
    made: Environment, python: str, base: dict[str, Any], fill: Callable[[Environment], None]
) -> None:
    """Make an environment over another, and mark it as whole."""
    made.do(python, "-I", "-m", "venv", "--without-pip", str(made.folder))
    layer = f"_over_{made.folder.name}"  # of its own for each: one may lie over another
    (packages,) = made.folder.glob("lib/python*/site-packages")
    (packages / f"{layer}.py").write_text(LAYER.format(folders=base["folders"]))
    (packages / f"{layer}.pth").write_text(f"import {layer}; {layer}.add()\n")
    if not base["pip"]:
        try:
            made.do(made.python, "-I", "-m", "ensurepip")
        except UnusableEnvironmentError as error:
            raise UnusableEnvironmentError(f"{python} has no pip: install it there") from error
    fill(made)
    try:
        check_interpreter(made.python)
    except UnusableEnvironmentError as error:
        raise UnusableEnvironmentError(f"with {made.what}: {error}") from error
    held = {  # but for what running it makes
        str(file): file.stat().st_size
        for file in made.folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    os.replace(made.write("unfinished.json", [json.dumps(held)]), made.folder / FILES)


def added(python: str) -> list[str]:
    """Return the names of the distributions that an environment has over the one below."""
    of_all = Path(python).parents[1].glob("lib/python*/site-packages/*.dist-info")
    return sorted(canonicalize_name(path.name.split("-")[0]) for path in of_all)


def is_whole(folder: Path) -> bool:
    """Tell whether an environment was made to its end, has all that it had then, and starts."""
    try:
        held = json.loads((folder / FILES).read_text())
        if any(os.stat(file).st_size != size for file, size in held.items()):
            return False
        return bool(check_interpreter(str(folder / "bin" / "python")))
    except (OSError, ValueError):  # an environment that cannot be used is a ValueError, too
        return False


def kept_bytes(root: Path) -> str:
    """Say how large the environments are that are kept; "" where there are none."""
    nbytes = sum(sum(json.loads(file.read_text()).values()) for file in root.glob(f"*/{FILES}"))
    return f", beside {binary(nbytes)} of others" if nbytes else ""


def is_left_over(folder: Path) -> bool:
    """Tell whether an environment was cut short, or not used for a month."""
    try:
        return time.time() - (folder / FILES).stat().st_mtime > UNUSED
    except FileNotFoundError:
        return True


def settings_files(settings: dict[str, str]) -> list[Path]:
    """Return pip's configuration files, and those that its variables name."""
    config = os.environ.get("XDG_CONFIG_HOME", os.path.expanduser("~/.config"))
    places = ["/etc/pip.conf", "~/.pip/pip.conf", f"{config}/pip/pip.conf"]
    places += [word for value in settings.values() for word in value.split()]
    return [
        path for path in (Path(os.path.expanduser(place)) for place in places) if path.is_file()
    ]


def pip_error(done: subprocess.CompletedProcess[str]) -> str:
    """Return what pip, or what it ran, says went wrong, in a sentence."""
    if ran := re.findall(r"lines of output\]\n(.*?)\[end of output\]", done.stderr, re.DOTALL):
        lines = [line.strip() for line in ran[0].splitlines() if line.strip()]
        is_error = re.compile(r"(?:.*: )?(?:fatal |cmake )?\w*error\b", re.IGNORECASE)
        k = next((k for k, line in enumerate(lines) if is_error.match(line)), len(lines) - 1)
        return "pip: " + " ".join(lines[k : k + 3 if lines[k].endswith(":") else k + 1])
    errors = re.findall(r"^ *(?:fatal|\w*error): (.+)$", done.stderr, re.MULTILINE | re.IGNORECASE)
    empty = re.compile("[a-z]+(-[a-z]+)+$|.*for help visit")  # a name for it, or an address
    errors = [error for error in errors if not empty.match(error)] or [last_words(done)]
    said = f"pip: {errors[-1]}"
    if conflict := re.search(r"conflict is caused by:\n((?: {4}.+\n)+)", done.stdout):
        lines = [line.strip() for line in conflict[1].splitlines()]
        said = f"pip: these conflict: {'; '.join(lines)}"
    if "Retrying (" in done.stderr:
        said += " (the package index cannot be reached)"
    if "(constraint)" in done.stdout:
        said += " (by a constraint: see PIP_CONSTRAINT and `pip config list`)"
    return said


def kept_in() -> Path:
    root = (cache_folder() or Path(for_this_run().name)) / "environments"
    root.mkdir(mode=0o700, exist_ok=True)
    return root


@cache
def for_this_run() -> tempfile.TemporaryDirectory[str]:
    """Make a folder that is removed at the end of the process."""
    return tempfile.TemporaryDirectory(prefix="linpredict-")


@contextlib.contextmanager
def locked(root: Path, say: Callable[[str], None]) -> Iterator[IO[bytes]]:
    """Wait until no other process makes an environment, and keep others waiting."""
    import fcntl  # which Windows lacks; and there is no gate there

    with (root / "lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another run, which makes an environment")
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            raise UnusableEnvironmentError(
                f"{root} cannot be locked ({error.strerror}): set XDG_CACHE_HOME to a folder of a "
                "local disk"
            ) from error
        yield lock
