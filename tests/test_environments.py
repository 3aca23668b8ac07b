"""Interpreters, real and pretended; environments of stub packages, without a network."""

import hashlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import pytest

pytest.importorskip("fcntl")
from benchmarks.evidence import stubs
from benchmarks.gate import environments, interpreters
from benchmarks.gate.checkout import Checkout
from benchmarks.gate.environments import added, with_project, with_requirements
from benchmarks.gate.interpreters import UnusableEnvironmentError, check_interpreter
from benchmarks.gate.requirements import read
from tests.helpers.processes import executable, heed_interrupts
from tests.helpers.wheels import wheel

ROOT = Path(__file__).parents[1]
# Of a package in a folder: it needs nothing, tells where it is, and waits while there is ".wait".
BACKEND = f"""
import importlib.util, pathlib, sys, time
sys.path.append({str(ROOT)!r})
from tests.helpers.wheels import wheel
here = pathlib.Path(__file__).parent
def build_wheel(folder, config_settings=None, metadata_directory=None):
    (here / ".started").touch()
    while (here / ".wait").exists():
        time.sleep(0.02)
    if (here / ".fail").exists():
        raise LookupError("no such stub")
    (here / "build").mkdir(exist_ok=True)
    seen = importlib.util.find_spec("other")  # which the environment below has
    (here / "build" / "log").write_text(folder + " sees " + str(seen))
    return wheel(pathlib.Path(folder), "stub", "3", (here / "text").read_text()).name
"""


def packages_of(environment: Path) -> Path:
    (packages,) = environment.glob("lib/python*/site-packages")
    return packages


def environment(folder: Path, *wheels: Path) -> str:
    """Make an environment of wheels, without pip."""
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", folder], check=True)
    for path in wheels:
        shutil.unpack_archive(path, packages_of(folder), "zip")
    return str(folder / "bin" / "python")


@pytest.fixture(autouse=True)
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that pip takes wheels from, and keep environments in the test's."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "PYTHON"))]:
        monkeypatch.delenv(name)
    folder = tmp_path / "links"
    folder.mkdir()
    settings = {"NO_INDEX": "1", "FIND_LINKS": str(folder), "CONFIG_FILE": os.devnull}
    for name, value in settings.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for version in ("1", "2"):
        wheel(folder, "stub", version)
    return folder


@pytest.fixture
def base(tmp_path: Path, links: Path) -> str:
    """Return an interpreter that has pip, stub 1, other 1, and a NumPy that is none."""
    found = importlib.util.find_spec("pip")
    if not (found and found.origin):
        pytest.skip("no pip")
    wheels = [wheel(tmp_path, name, "1") for name in ("other", "numpy")]
    python = environment(tmp_path / "base", links / "stub-1-py3-none-any.whl", *wheels)
    packages_of(tmp_path / "base").joinpath("pip").symlink_to(Path(found.origin).parent)
    return python


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that holds the package stub, version 3."""
    made = tmp_path / "a folder"
    made.mkdir()
    (made / "backend.py").write_text(BACKEND)
    (made / "text").write_text("3")
    (made / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "stub"\nversion = "3"\n'
    )
    return made


def tell(python: str, expression: str) -> str:
    command = [python, "-I", "-c", f"import numpy, other, stub; print(({expression}))"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def files(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def made() -> list[Path]:
    return [path for path in environments.kept_in().iterdir() if path.is_dir()]


def unexpected(sentence: str) -> None:
    raise AssertionError(sentence)


def test_configuration_of_pip_that_sends_it_elsewhere(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tell(with_requirements(["stub==1"], base), "stub.version") == "1"  # as it is below
    (tmp_path / "pip.conf").write_text(f"[install]\ntarget = {tmp_path}/astray\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    with pytest.raises(UnusableEnvironmentError, match="pip installed nothing, or somewhere else"):
        with_requirements(["stub==2"], base)
    assert len(made()) == 1


@pytest.mark.parametrize(
    ("what", "error", "reason"),
    [
        (
            "fcntl.flock",
            OSError(37, "No locks available"),
            r"cannot be locked \(No .*XDG_CACHE_HOME",
        ),
        (
            "benchmarks.gate.environments.make",
            OSError(28, "No space left on device", "file"),
            "can be made: .*No space",
        ),
    ],
    ids=["no locks", "full"],
)
def test_a_cache_folder_that_cannot_be_used(
    base: str, monkeypatch: pytest.MonkeyPatch, what: str, error: OSError, reason: str
) -> None:
    monkeypatch.setattr(what, Mock(side_effect=error))
    with pytest.raises(UnusableEnvironmentError, match=reason):
        with_requirements(["stub==2"], base)


@pytest.fixture
def without_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make environments that hold a file, and the interpreter below."""

    def make(made: environments.Environment, python: str, base: object, fill: object) -> None:
        made.folder.mkdir()
        interpreter = executable(made.folder / "bin" / "python", f'exec {python} "$@"')
        held = {path: os.path.getsize(path) for path in (interpreter, made.write("stub.py", []))}
        made.write(environments.FILES, [json.dumps(held)])

    monkeypatch.setattr(environments, "make", make)


@pytest.mark.usefixtures("without_pip")
def test_an_environment_that_lost_a_file_is_made_anew(base: str) -> None:
    python = with_requirements(["stub==2"], base)
    lost = Path(python).parents[1] / "stub.py"
    lost.unlink()
    assert with_requirements(["stub==2"], base) == python
    assert lost.exists()


@pytest.mark.usefixtures("without_pip")
def test_an_environment_that_is_no_longer_used_is_removed(base: str) -> None:
    said: list[str] = []
    old = Path(with_requirements(["stub==1.0"], base, said.append)).parents[1]
    with_requirements(["stub==2.0"], base, said.append)
    assert len(made()) == 2
    assert ["of others" in line for line in said] == [False, True]
    os.utime(old / environments.FILES, (0, 0))
    with_requirements(["stub==1.0"], base)  # used again
    with_requirements(["stub==2.0", "stub"], base)
    assert len(made()) == 3
    os.utime(old / environments.FILES, (0, 0))
    with_requirements(["stub"], base)
    assert old not in made()
    assert len(made()) == 3


@pytest.mark.usefixtures("without_pip")
def test_what_makes_another_environment(
    base: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, constraints = wheel(tmp_path, "stub", "1", "mine"), tmp_path / "constraints.txt"
    constraints.touch()
    monkeypatch.setenv("PIP_CONSTRAINT", str(constraints))

    def asked(*requirements: str) -> Callable[..., str]:
        return partial(with_requirements, requirements, base)

    for make, change in (
        (asked("stub==2"), (packages_of(tmp_path / "base") / "more-1.dist-info").mkdir),
        (asked("stub"), partial(constraints.write_text, "stub==2")),
        (asked(f"./{path.name}"), partial(wheel, tmp_path, "stub", "1", "another")),
        (asked(f"stub @ file://{path}"), partial(wheel, tmp_path, "stub", "1", "a third")),
        (asked("./a folder"), partial((folder / "text").write_text, "changed")),
        (
            partial(with_project, folder, "0123456", ".", base),
            partial(monkeypatch.setenv, "CFLAGS", "-O0"),
        ),
    ):
        python = make(say=print)
        assert make(say=unexpected) == python
        change()
        assert make(say=print) != python, change


def test_a_requirements_file(base: str, links: Path, tmp_path: Path) -> None:
    file, limits = tmp_path / "old.txt", tmp_path / "limits.txt"
    stub, more = links / "stub-2-py3-none-any.whl", wheel(links, "more", "1", requires="stub==2")
    of_stub, of_more = (hashlib.sha256(path.read_bytes()).hexdigest() for path in (stub, more))

    def lines(digest: str = of_stub, limit: str = "stub==2") -> list[str]:
        limits.write_text(limit)
        file.write_text(
            f"--no-index  # kept\n--find-links {links}\n-c limits.txt\n"
            f"stub==2 --hash=sha256:{digest}\nmore==1 --hash=sha256:{of_more}\n"
        )
        return read(str(file), (3, 11))[0]

    with pytest.raises(UnusableEnvironmentError, match=r"pip: .*DO NOT MATCH THE HASHES"):
        with_requirements([], base, print, lines("0" * 64))
    python = with_requirements([], base, print, lines())
    assert tell(python, "stub.version, other.version") == "('2', '1')"
    assert added(python) == ["more", "stub"]
    assert with_requirements([], base, unexpected, lines()) == python
    with pytest.raises(UnusableEnvironmentError, match=r"pip: these conflict: .*stub==1"):
        with_requirements([], base, print, lines(limit="stub==1"))


# Projects at a commit.


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository of a module in C, built where it lies."""
    if not (shutil.which("cc") and importlib.util.find_spec("setuptools")):
        pytest.skip("no compiler, or no setuptools")
    monkeypatch.setenv("CC", "cc")
    folder = tmp_path / "project"
    folder.mkdir()
    stubs.make_extension(folder, 0.1)
    return folder


def test_a_project_is_built_at_a_commit(project: Path) -> None:
    checkout, said = Checkout(project, "HEAD~1"), list[str]()
    python = with_project(checkout.folder, checkout.commit, ".", say=said.append)
    assert len(said) == 1
    assert f"making an environment with project at {checkout.commit[:7]} in" in said[0]
    where = "import _work, own; print(_work.__file__, own.__file__)"
    told = subprocess.run([python, "-I", "-c", where], capture_output=True, text=True, check=True)
    assert all(Path(path).is_relative_to(Path(python).parents[1]) for path in told.stdout.split())
    checkout.close()


def test_a_project_that_cannot_be_built(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = Checkout(project, "HEAD")
    with monkeypatch.context() as patched:
        patched.setenv("CFLAGS", "-include no_such.h")
        with pytest.raises(UnusableEnvironmentError, match=r"^pip: .*fatal .*no_such.h") as caught:
            with_project(checkout.folder, checkout.commit, ".", say=print)
    assert "\n" not in str(caught.value)
    text = (checkout.folder / "pyproject.toml").read_text()
    needed = text.replace('["setuptools"]', '["setuptools", "no-such-backend"]')
    (checkout.folder / "pyproject.toml").write_text(needed)
    said: list[str] = []
    with pytest.raises(UnusableEnvironmentError, match=r"^pip: .*Could not find a version"):
        with_project(checkout.folder, checkout.commit, ".", say=said.append)
    assert said[1].endswith("with what it asks for, apart from others")
    assert made() == []
    checkout.close()


# Interpreters.


def refusal(python: str) -> str:
    """Return why an interpreter cannot be measured."""
    with pytest.raises(UnusableEnvironmentError) as caught:
        check_interpreter(python)
    return str(caught.value)


def pretending(text: str) -> str:
    """Return what an interpreter does that runs a line before what it is given."""
    return f"exec {sys.executable} -I -c 'import sys; {text}; exec(sys.argv[1])' \"$2\""


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (pretending("import platform; platform.python_implementation = lambda: \"PyPy\""),
         f"is PyPy 3.{sys.version_info[1]}, expected CPython 3.9 or newer"),
        (pretending("sys.version_info = (3, 8, 9)"),
         "is CPython 3.8, expected CPython 3.9 or newer"),
        ("exit 0", "does not run as Python does: it said nothing (status 0)"),
        ("echo no licence >&2; exit 3", "does not run as Python does: no licence"),
    ],
    ids=["PyPy", "3.8", "nothing", "an error"],
)  # fmt: skip
def test_an_interpreter_that_cannot_be_measured(tmp_path: Path, script: str, reason: str) -> None:
    path = executable(tmp_path / "python", script)
    assert refusal(path) == f"{path} {reason}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            r"raise ImportError('\n\nIMPORTANT:\nOriginal error was: libx.so: no file\n\nmore')",
            " cannot import NumPy: ImportError: libx.so: no file",
        ),
        ("import absent", " cannot import NumPy: ModuleNotFoundError: No module named 'absent'"),
        ("import os; os._exit(7)", " ends when it imports NumPy: it said nothing (status 7)"),
        ("import sys; sys.exit('no')", " cannot import NumPy: SystemExit: no"),
        ("", " cannot import NumPy: AttributeError: "),
    ],
)
def test_numpy_that_cannot_be_imported(tmp_path: Path, text: str, reason: str) -> None:
    python = environment(tmp_path / "other")
    (packages_of(tmp_path / "other") / "numpy.py").write_text(text)
    said = refusal(python)
    assert said.startswith(python + reason)
    assert "\n" not in said


def test_an_interpreter_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreters, "STARTING", 0.2)
    path = executable(tmp_path / "python", "sleep 100; true")  # which holds what it prints to open
    before = time.monotonic()
    with pytest.raises(UnusableEnvironmentError, match=r"took more than 0\.2 s"):
        check_interpreter(path)
    assert time.monotonic() - before < 50


def test_a_path_that_cannot_be_run(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("")
    executable(tmp_path / "shell", "")
    (tmp_path / "shell").write_text("#!/no/such/shell\n")
    for path, reason in {
        "no/python": "there is no file or command 'no/python'",
        "no-python": "there is no file or command 'no-python'",
        str(tmp_path): f"{tmp_path} is a folder, expected an interpreter: bin/python",
        "text": f"{tmp_path}/text cannot be run: Permission denied",
        "./shell": f"{tmp_path}/shell cannot be run: No such file or directory",
    }.items():
        assert refusal(path) == reason


def test_an_interpreter_by_link_and_by_command(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check_interpreter("base/bin/python") == base  # itself a link
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"bin:{os.environ['PATH']}")
    # Python looks for its environment beside the link, here in vain; nor is NumPy below it.
    (tmp_path / "other" / "bin").mkdir(parents=True)
    (tmp_path / "other" / "pyvenv.cfg").touch()
    script = pretending("sys.modules.update(numpy=None)")
    python = executable(tmp_path / "other" / "bin" / "python", script)
    (tmp_path / "bin" / "python-of-other").symlink_to(python)
    with pytest.raises(UnusableEnvironmentError, match=f"is a link to {python}, .* give {python}"):
        check_interpreter("python-of-other")
    executable(tmp_path / "bin" / "python-of-base2", f'exec {base} "$@"')
    assert check_interpreter("python-of-base2") == f"{tmp_path}/bin/python-of-base2"


def test_packages_of_this_process_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = environment(tmp_path / "empty")
    (tmp_path / "numpy.py").write_text("__version__ = '1'")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert refusal(python) == (
        f"{python} has no NumPy: install it there with {python} -m pip install numpy, or, where a "
        "system manages it, in a virtual environment made from it, and give the environment's "
        "interpreter"
    )


@pytest.mark.parametrize("version", ["2.7", "3.6"])
def test_old_interpreters(version: str) -> None:
    paths = Path.home().glob(f".pyenv/versions/{version}.*/bin/python")
    path = next(map(str, paths), shutil.which(f"python{version}"))
    if path is None:
        pytest.skip(f"no Python {version}")
    assert f"is CPython {version}, expected CPython" in refusal(path)


# Environments.


def test_what_is_asked_for_comes_first_and_the_rest_stays(base: str, tmp_path: Path) -> None:
    packages = packages_of(tmp_path / "base")
    # An editable install, before all others as meson-python's are.
    editable = tmp_path / "editable"
    editable.mkdir()
    for name in ("stub", "added"):
        (editable / f"{name}.py").write_text("version = 'editable'")
    (packages / "_editable.py").write_text(
        "import sys\nfrom importlib.machinery import PathFinder\nclass Finder:\n"
        "    def find_spec(name, *_):\n"
        f"        return PathFinder.find_spec(name, [{str(editable)!r}])\n"
        "sys.meta_path.insert(0, Finder)\n"
    )
    (packages / "_editable.pth").write_text("import _editable\n")
    assert tell(base, "stub.version") == "editable"
    before, said = files(tmp_path / "base"), list[str]()
    python = with_requirements(["stub==2"], base, said.append)
    assert len(said) == 1
    assert "making an environment with stub==2" in said[0]
    assert tell(python, "stub.version, other.version, __import__('added').version") == (
        "('2', '1', 'editable')"
    )
    assert Path(tell(python, "other.__file__")).parent == packages
    assert not list(packages_of(Path(python).parents[1]).glob("other*"))
    assert files(tmp_path / "base") == before
    # It is kept.
    assert with_requirements(["stub==2"], base, unexpected) == python
    # One over the other.
    wheel(tmp_path / "links", "more", "1")
    upper = with_requirements(["more"], python, said.append)
    assert tell(upper, "stub.version, __import__('more').version") == "('2', '1')"


@pytest.mark.usefixtures("without_pip")
def test_requirements_in_other_words(base: str) -> None:
    python = with_requirements(["stub==2", "more"], base, print)
    same = with_requirements([" more", "stub == 2", "more", "stub==2 "], base, unexpected)
    assert same == python
    assert with_requirements(["stub==2"], base, print) != python


def test_wheels_of_the_same_version(base: str, tmp_path: Path) -> None:
    by_path, direct = (wheel(tmp_path, name, "1", "mine") for name in ("stub", "other"))
    python = with_requirements([f"./{by_path.name}"], base, print, [f"other @ file://{direct}"])
    assert tell(python, "stub.version, other.version") == "('mine', 'mine')"


def test_a_folder(base: str, folder: Path) -> None:
    python = with_requirements(["./a folder"], base, print)
    assert tell(python, "stub.version") == "3"
    # It is built apart from the environment below, as it would be anywhere.
    assert (folder / "build" / "log").read_text().endswith(" sees None")
    assert with_requirements(["./a folder"], base, unexpected) == python


def test_settings_that_would_lead_pip_astray(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    astray = tmp_path / "astray"
    for name in ("TARGET", "PREFIX", "ROOT"):
        monkeypatch.setenv(f"PIP_{name}", str(astray))
    for name in ("USER", "REQUIRE_VIRTUALENV", "DRY_RUN", "IGNORE_INSTALLED"):
        monkeypatch.setenv(f"PIP_{name}", "1")
    monkeypatch.setenv("PIP_PYTHON", "/no/python")
    monkeypatch.setenv("PIP_QUIET", "3")
    (tmp_path / "pip.conf").write_text(f"[global]\npython = {base}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    # Nor do a path's or the current folder's packages count as installed.
    for place in (tmp_path, tmp_path / "path"):
        place.mkdir(exist_ok=True)
        shutil.unpack_archive(tmp_path / "links" / "stub-2-py3-none-any.whl", place, "zip")
    monkeypatch.setenv("PYTHONPATH", "path")
    (tmp_path / "pip.py").write_text("raise SystemExit(1)")
    wheel(tmp_path / "links", "more", "1", requires="other")
    python = with_requirements(["stub==2", "more"], base, print)
    assert tell(python, "stub.version, other.version") == "('2', '1')"
    assert Path(tell(python, "stub.__file__")).is_relative_to(Path(python).parents[1])
    assert not astray.exists()
    assert tell(base, "stub.version") == "1"


@pytest.mark.parametrize("text", ["", " ", "-r file", "--no-deps x", "-e ."])
def test_what_is_no_requirement(text: str) -> None:
    with pytest.raises(UnusableEnvironmentError, match="is not a requirement: give numpy==2"):
        with_requirements(["stub", text], sys.executable, unexpected)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (["absent==1"], "pip: No matching distribution found for absent==1"),
        (
            ["stub==1", "stub==2"],
            "pip: these conflict: The user requested stub==1; The user requested stub==2",
        ),
        (["./nothing"], "pip: Invalid requirement: './nothing'"),
        (["./a folder"], "pip: LookupError: no such stub"),
        (["numpy==0"], "with numpy==0: "),
    ],
    ids=["absent", "conflict", "no folder", "no build", "no NumPy"],
)
def test_what_cannot_be_made_leaves_nothing(
    base: str, folder: Path, links: Path, asked: list[str], reason: str
) -> None:
    (folder / ".fail").touch()
    wheel(links, "numpy", "0")
    with zipfile.ZipFile(links / "numpy-0-py3-none-any.whl", "a") as archive:
        archive.writestr("numpy/__init__.py", "raise OSError")
    with pytest.raises(UnusableEnvironmentError) as caught:
        with_requirements(asked, base, print)
    assert str(caught.value).startswith(reason)
    assert "\n" not in str(caught.value)
    assert not made()


def test_without_a_network(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    with socket.socket() as closed:  # nobody answers at its port
        closed.bind(("localhost", 0))
        port = closed.getsockname()[1]
    monkeypatch.setenv("PIP_INDEX_URL", f"http://localhost:{port}")
    with pytest.raises(UnusableEnvironmentError, match=r"stub==9 \(the package index cannot be"):
        with_requirements(["stub==9"], base, print)
    assert not made()


def start(base: str, *requirements: str) -> subprocess.Popen[str]:
    """Ask for an environment in another process."""
    code = (
        "import sys; from benchmarks.gate.environments import with_requirements as w\n"
        "print(w(sys.argv[2:], sys.argv[1], lambda _: None))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, base, *requirements], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
        preexec_fn=heed_interrupts,
    )  # fmt: skip


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_same_at_the_same_time(base: str) -> None:
    runs = [start(base, "stub==2") for _ in range(3)]
    paths = {run.communicate()[0].strip() for run in runs}
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert len(paths) == len(made()) == 1
    assert tell(paths.pop(), "stub.version") == "2"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_was_cut_short_is_made_again(base: str, folder: Path, number: int) -> None:
    (folder / ".wait").touch()
    with start(base, "./a folder") as run:
        wait((folder / ".started").exists)
        run.send_signal(number)
    if number == signal.SIGINT:
        assert not made()
    else:  # pip goes on, and keeps others waiting
        (left,) = made()

    said: list[str] = []

    def say(sentence: str) -> None:
        said.append(sentence)
        (folder / ".wait").unlink(missing_ok=True)

    python = with_requirements(["stub==2"], base, say)
    waiting = "waiting for another run, which makes an environment"
    assert said[0].startswith("making" if number == signal.SIGINT else waiting)
    assert tell(python, "stub.version") == "2"
    assert made() == [Path(python).parents[1]]
    if number == signal.SIGKILL:
        assert not left.exists()


def test_without_a_cache_folder(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "")
    monkeypatch.setenv("TMPDIR", str(Path.cwd() / "temporary"))
    Path("temporary").mkdir()
    python = start(base, "stub==2").communicate()[0].strip()
    assert Path(python).is_relative_to(Path("temporary").absolute())
    assert not list(Path("temporary").iterdir())  # once the process has ended


def test_an_environment_without_pip(base: str, tmp_path: Path) -> None:
    if not importlib.util.find_spec("ensurepip"):
        pytest.skip("no ensurepip")
    (packages_of(tmp_path / "base") / "pip").unlink()
    python = with_requirements(["stub==2"], base, print)
    assert tell(python, "stub.version, other.version") == "('2', '1')"
    assert not list(packages_of(tmp_path / "base").glob("pip*"))
