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
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from benchmarks.wording.quantities import binary
from benchmarks.workers.processes import FOREIGN
from linpredict.cache import cache_folder

STARTING = 60.0  # seconds for an interpreter to start and import NumPy
UNUSED = 30 * 86400.0  # seconds after which an environment is removed when another one is made
OLDEST = (3, 9)
PREFIX = "linpredict: "  # of a probe's answers: whatever runs at start-up may print as well
WHOLE = "requirements.txt"  # written last
FILES = "files.txt"  # what it holds: sizes and paths
# What tells pip to install somewhere else, something else, or to say less than why it fails.
DISTURBING = (
    *("DRY_RUN", "EDITABLE", "FORCE_REINSTALL", "IGNORE_INSTALLED", "NO_DEPENDENCIES", "NO_DEPS"),
    *("PREFIX", "PYTHON", "QUIET", "REQUIREMENT", "ROOT", "TARGET", "UPGRADE", "USER", "VERBOSE"),
)

# Python 2 and 3.6 parse it, too. Not from the current folder, which "" stands for.
PROBE = f"""
import sys
sys.path = [folder for folder in sys.path if folder]
import json, platform
def answer(what):
    sys.stdout.write("\\n{PREFIX}" + json.dumps(what) + "\\n")
    sys.stdout.flush()
answer([platform.python_implementation(), sys.version_info[:2]])
if sys.version_info >= {OLDEST}:
    try:
        import numpy
        answer(numpy.__version__ and "")
    except BaseException as error:
        missing = isinstance(error, ImportError) and error.name == "numpy"
        reason = str(error).split("Original error was:")[-1].strip().split("\\n")[0]
        answer(None if missing else type(error).__name__ + ": " + reason)
"""
DESCRIPTION = f"""
import sys
sys.path = [folder for folder in sys.path if folder]
import importlib.util, json, os, platform, site
known = [*map(os.path.abspath, site.getsitepackages()), site.getusersitepackages()]
folders = [folder for folder in sys.path if folder in known]
held = [name for folder in filter(os.path.isdir, sys.path) for name in os.listdir(folder)]
held = [name for name in held if name.endswith("-info")]
print("\\n{PREFIX}" + json.dumps({{
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


class UnusableEnvironmentError(ValueError):
    """Why an interpreter or an environment cannot be measured."""


def check_interpreter(python: str) -> str:
    """Return the absolute path of an interpreter that has NumPy, in whatever environment.

    Given is a path or a command. Links are not followed: that of a virtual environment is one.

    Raises
    ------
    UnusableEnvironmentError
        If it is not CPython 3.9 or newer that runs, within `STARTING`, and imports NumPy.
    """
    path = os.path.abspath(shutil.which(python) or os.path.expanduser(python))
    if os.path.isdir(path):
        raise UnusableEnvironmentError(f"{path} is a folder, expected an interpreter: bin/python")
    if not os.path.exists(path):
        raise UnusableEnvironmentError(f"there is no file or command {python!r}")
    if not os.access(path, os.X_OK):
        raise UnusableEnvironmentError(f"{path} cannot be run: it is not executable")
    try:
        done = run([path, "-c", PROBE], STARTING)
    except subprocess.TimeoutExpired:
        raise UnusableEnvironmentError(
            f"{path} took more than {STARTING:g} s to start and import NumPy"
        ) from None
    except OSError as error:
        raise UnusableEnvironmentError(f"{path} cannot be run: {error.strerror}") from error
    (implementation, version), *rest = answers(path, done)
    found = f"{implementation} {version[0]}.{version[1]}"
    if implementation != "CPython" or tuple(version) < OLDEST:
        oldest = f"{OLDEST[0]}.{OLDEST[1]}"
        raise UnusableEnvironmentError(f"{path} is {found}, expected CPython {oldest} or newer")
    if not rest:
        raise UnusableEnvironmentError(f"{path} ends when it imports NumPy: {last_words(done)}")
    if rest[0] is None:
        target = Path(path).parent / os.readlink(path) if os.path.islink(path) else Path(path)
        if target.parent != Path(path).parent and (target.parents[1] / "pyvenv.cfg").exists():
            raise UnusableEnvironmentError(
                f"{path} is a link to {target}, whose environment Python does not find from there: "
                f"give {target}"
            )
        install = shlex.join([path, "-m", "pip", "install", "numpy"])
        raise UnusableEnvironmentError(
            f"{path} has no NumPy: install it there with {install}, or, where a system manages it, "
            "in a virtual environment made from it, and give the environment's interpreter"
        )
    if rest[0]:
        raise UnusableEnvironmentError(f"{path} cannot import NumPy: {rest[0]}")
    return path


def with_requirements(
    requirements: Sequence[str],
    python: str = sys.executable,
    say: Callable[[str], None] = print,
) -> str:
    """Return the interpreter of an environment that differs from another by some packages.

    It is made by pip, with the settings of pip's configuration, and kept for later runs: what the
    requirements leave open (``numpy<2.3``, a branch) stays as it was when it was made. Where there
    is no cache folder to be trusted, it is for this run alone.

    Requirements are ``numpy==2.2.6``, a folder, a wheel, ``package @ git+https://…``. A folder or
    file whose contents have changed makes another environment; order, repetitions and white space
    do not matter. Everything else is that of `python`. `say` is told what takes seconds.

    Raises
    ------
    UnusableEnvironmentError
        If a requirement is none, pip fails, or what it made cannot be measured.
    """
    asked = {normal(requirement): requirement.strip() for requirement in requirements}
    wanted = [asked[key] for key in sorted(asked)]
    try:
        base = answers(python, run([python, "-c", DESCRIPTION]))[0]
        contents = [digest(path) for path in map(local, wanted) if path]
        settings = {name: value for name, value in environment().items() if name[:4] == "PIP_"}
        contents += map(digest, settings_files(settings))
        parts = json.dumps([base, sorted(asked), contents, settings, LAYER], sort_keys=True)
        root = kept_in()
        folder = root / hashlib.sha256(parts.encode()).hexdigest()[:16]
        if not is_whole(folder):
            with locked(root, say) as lock:
                if not is_whole(folder):  # nor has another made it meanwhile
                    for left in root.iterdir():
                        if left.is_dir() and (left == folder or is_left_over(left)):
                            shutil.rmtree(left)
                    kept = f", beside {kept_bytes(root)} of others" if any(root.glob("*/")) else ""
                    say(f"making an environment with {', '.join(wanted)} in {folder}{kept}")
                    try:
                        make(folder, wanted, python, base, lock)
                    except BaseException:
                        shutil.rmtree(folder, ignore_errors=True)
                        raise
        os.utime(folder / WHOLE)
    except OSError as error:
        raise UnusableEnvironmentError(f"no environment can be made: {error}") from error
    return str(folder / "bin" / "python")


def make(
    folder: Path, wanted: list[str], python: str, base: dict[str, Any], lock: IO[bytes]
) -> None:
    """Make an environment over another, and mark it as whole."""

    def do(*command: str) -> None:
        # The lock is held by what is run as well: should this be killed, that goes on for a while.
        # PIP_PYTHON: pip's configuration may name another one, the environment below.
        variables = environment() | {"PIP_PYTHON": str(folder / "bin" / "python")}
        if (done := run(list(command), None, [lock.fileno()], variables)).returncode:
            raise UnusableEnvironmentError(pip_error(done))

    do(python, "-I", "-m", "venv", "--without-pip", str(folder))
    made = str(folder / "bin" / "python")
    (packages,) = folder.glob("lib/python*/site-packages")
    layer = f"_over_{folder.name}"  # of its own for each: one may lie over another
    (packages / f"{layer}.py").write_text(LAYER.format(folders=base["folders"]))
    (packages / f"{layer}.pth").write_text(f"import {layer}; {layer}.add()\n")
    if not base["pip"]:
        try:
            do(made, "-I", "-m", "ensurepip")
        except UnusableEnvironmentError as error:
            raise UnusableEnvironmentError(f"{python} has no pip: install it there") from error
    # The one below. -I: not what lies in the current folder.
    pip = [made, "-I", "-m", "pip", "install", "--no-input", "--no-color", "--no-user"]
    # A version that the environment below has is not installed again, whatever the file holds.
    if files := [name for name in wanted if "://" in name or name.endswith(".whl")]:
        do(*pip, "--force-reinstall", "--no-deps", *files)
    do(*pip, *wanted)
    prove(pip, [name for name in wanted if not local(name) and "://" not in name], packages)
    try:
        check_interpreter(made)
    except UnusableEnvironmentError as error:
        raise UnusableEnvironmentError(f"with {', '.join(wanted)}: {error}") from error
    (folder / FILES).write_text("".join(f"{file.stat().st_size} {file}\n" for file in held(folder)))
    (folder / WHOLE).write_text("\n".join([f"# over {python}", *wanted, ""]))


def prove(pip: list[str], names: list[str], packages: Path) -> None:
    """Refuse an environment that pip's configuration kept from holding what was asked for."""
    plain = {name: value for name, value in environment().items() if name[:4] != "PIP_"}
    plain["PIP_CONFIG_FILE"] = os.devnull
    without_index = [*pip, "--no-index", "--no-deps", *names]
    lacks_some = bool(names) and run(without_index, variables=plain).returncode
    if lacks_some or not (names or any(packages.glob("*.dist-info"))):
        raise UnusableEnvironmentError(
            "pip installed nothing, or somewhere else: look for target, prefix, root and dry-run "
            "in what `pip config list` says, and remove them"
        )


def held(folder: Path) -> list[Path]:
    """Return the files of an environment, but for those that running it makes."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return sorted(file for file in files if "__pycache__" not in file.parts)


def is_whole(folder: Path) -> bool:
    """Tell whether an environment was made to its end, has all that it had then, and starts."""
    if not (folder / WHOLE).exists():
        return False
    try:
        expected = [line.split(" ", 1) for line in (folder / FILES).read_text().splitlines()]
        if any(os.stat(file).st_size != int(size) for size, file in expected):
            return False
        return bool(check_interpreter(str(folder / "bin" / "python")))
    except (OSError, ValueError):  # an environment that cannot be used is a ValueError, too
        return False


def kept_bytes(root: Path) -> str:
    """Return the size of the environments that are kept."""
    lines = [line for file in root.glob(f"*/{FILES}") for line in file.read_text().splitlines()]
    return binary(sum(int(line.split(" ", 1)[0]) for line in lines))


def is_left_over(folder: Path) -> bool:
    """Tell whether an environment was cut short, or not used for a month."""
    try:
        return time.time() - (folder / WHOLE).stat().st_mtime > UNUSED
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
    """Return what pip says went wrong, in a sentence."""
    errors = re.findall(r"^ *(?:fatal|\w*error): (.+)$", done.stderr, re.MULTILINE | re.IGNORECASE)
    empty = re.compile("[a-z]+(-[a-z]+)+$|.*for help visit")  # a name for it, or an address
    errors = [error for error in errors if not empty.match(error)] or [last_words(done)]
    said = f"pip: {errors[-1]}"
    if "Retrying (" in done.stderr:
        said += " (the package index cannot be reached)"
    if "(constraint)" in done.stdout:
        said += " (by a constraint: see PIP_CONSTRAINT and `pip config list`)"
    return said


def run(
    command: list[str],
    patience: float | None = None,
    pass_fds: Sequence[int] = (),
    variables: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; it and all that it starts end with the time it may take."""
    with subprocess.Popen(
        command, env=variables or environment(), start_new_session=True, pass_fds=pass_fds,
        text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            said = process.communicate(timeout=patience)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, *said)


def environment() -> dict[str, str]:
    """Return the environment variables for processes of another environment, pip among them."""
    dropped = {*FOREIGN, *(f"PIP_{name}" for name in DISTURBING)}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    # Without a network, pip would take minutes to say so.
    defaults = {"PIP_RETRIES": "1", "PIP_DEFAULT_TIMEOUT": "10"}
    return defaults | kept | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def answers(python: str, done: subprocess.CompletedProcess[str]) -> list[Any]:
    lines = [line for line in done.stdout.splitlines() if line.startswith(PREFIX)]
    if not lines:
        raise UnusableEnvironmentError(f"{python} does not run as Python does: {last_words(done)}")
    return [json.loads(line.removeprefix(PREFIX)) for line in lines]


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line of a program's errors, or else its status."""
    lines = done.stderr.strip().splitlines()
    return lines[-1].strip() if lines else f"it said nothing (status {done.returncode})"


def normal(requirement: str) -> str:
    """Return a requirement without white space, but for a path's; refuse an option, or nothing."""
    if not requirement.strip() or requirement.strip().startswith("-"):
        raise UnusableEnvironmentError(
            f"{requirement!r} is not a requirement: give numpy==2.2.6, say, a folder or a wheel"
        )
    return requirement.strip() if local(requirement) else re.sub(r"\s", "", requirement)


def local(requirement: str) -> Path | None:
    """Return the folder or file that a requirement is, as pip tells it from a name."""
    where = requirement.strip()
    where = re.sub(r"^[\w.-]+\s*(\[[^]]*\])?\s*@\s*", "", where)  # package @ file://…
    if where.startswith("file:"):
        where = unquote(urlsplit(where).path)
    path = Path(re.sub(r"(\[[^]]*\])?\s*(;.*)?$", "", where))  # extras and markers
    if path.is_file() or (path.is_dir() and (os.sep in where or where.startswith("."))):
        return path
    return None


def digest(path: Path) -> str:
    """Return a digest of a file, or of a folder but for what is hidden or made from the rest."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    found = []
    for place, folders, files in os.walk(path):
        here = Path(place)
        made = ("__pycache__", *(("build", "dist") if here == path else ()))
        folders[:] = [
            name for name in folders
            if not (name.startswith(".") or name.endswith(".egg-info") or name in made)
            and not (here / name / "pyvenv.cfg").exists()
        ]  # fmt: skip
        sources = (here / name for name in files if not name.startswith("."))
        found += [f"{x.relative_to(path)}\0{digest(x)}" for x in sources if x.is_file()]
    return hashlib.sha256("\n".join(sorted(found)).encode(errors="replace")).hexdigest()


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
