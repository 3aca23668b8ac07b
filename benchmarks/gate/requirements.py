"""Requirements, files of them and lock files, as lines that pip takes."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.markers import default_environment
from packaging.pylock import Pylock, PylockSelectError, PylockValidationError
from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import canonicalize_name

from benchmarks.gate.interpreters import UnusableEnvironmentError

OTHER_FILE = re.compile(r"(?:-r|-c|--requirement|--constraint)[ =]*(.+)")
EDITABLE = "-e", "--editable"


def normal(requirement: str) -> str:
    """Return a requirement as `packaging` writes it, or else as given; refuse an option, or "".

    What `packaging` does not know, a path say, is for pip to understand, or to refuse.
    """
    given = requirement.strip()
    if not given or given.startswith("-"):
        file = given.removeprefix("-r").strip()
        raise UnusableEnvironmentError(
            f"{requirement!r} is not a requirement: give numpy==2.2.6, say, a folder or a wheel"
            + (f", or --baseline-requirements {file}" if os.path.isfile(file) else "")
        )
    try:
        return str(Requirement(given))
    except InvalidRequirement:
        return given


def read(file: str, version: Sequence[int]) -> tuple[list[str], list[str]]:
    """Return the lines of a requirements file or lock file, and those that are left out.

    Files that it names are read in its place, and a lock file's choice is that for a `version` of
    Python. Left out are work trees that would be installed in editable form: their code is chosen
    by ``--baseline``.

    Raises
    ------
    UnusableEnvironmentError
        If it cannot be read, or asks for nothing.
    """
    path, is_lock = Path(file), file.endswith(".toml")
    try:
        lines = list(of_lock(path, version) if is_lock else of_file(path))
    except OSError as error:
        where = error.filename or file
        raise UnusableEnvironmentError(f"{where} cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise UnusableEnvironmentError(f"{file} names itself") from error
    except (PylockValidationError, PylockSelectError, ValueError) as error:
        expected = "a pylock.toml" if is_lock else "a requirements file"
        raise UnusableEnvironmentError(f"{file} is not {expected}: {error}") from error
    kept = [line for line in lines if not line.startswith(EDITABLE)]
    if not any(line[0] != "-" for line in kept):
        raise UnusableEnvironmentError(
            f"{file} asks for nothing: expected requirements as pip takes them, what pip freeze "
            "says, or a pylock.toml"
        )
    return kept, [line for line in lines if line.startswith(EDITABLE)]


def of_file(path: Path) -> Iterator[str]:
    """Yield the lines of a requirements file, and of those that it names."""
    for continued in path.read_text(encoding="utf-8-sig").replace("\\\n", " ").splitlines():
        line = re.sub(r"(^|\s)#.*", "", continued).strip()
        if (other := OTHER_FILE.fullmatch(line)) and "://" not in line:
            named = path.parent / other[1].strip()
            if line.startswith(("-c", "--c")):
                yield f"-c {named.absolute()}"
            else:
                yield from of_file(named)
        elif line:
            yield line


def of_lock(path: Path, version: Sequence[int]) -> Iterator[str]:
    """Yield what a lock file asks for: https://packaging.python.org/specifications/pylock-toml."""
    python = ".".join(map(str, version[:2]))
    environment = default_environment()
    if environment["python_version"] != python:
        environment |= {"python_version": python, "python_full_version": f"{python}.0"}
    tags = [*cpython_tags(version[:2]), *compatible_tags(version[:2])]
    lock = Pylock.from_dict(tomllib.loads(path.read_text(encoding="utf-8")))
    for package, _ in lock.select(environment=environment, tags=tags):
        if package.directory:
            yield f"-e {package.directory.path}"
        elif source := package.vcs or package.archive:
            where = source.url or (path.parent / str(source.path)).absolute().as_uri()
            if package.vcs:
                where = f"{package.vcs.type}+{where}@{package.vcs.commit_id}"
            yield f"{package.name} @ {where}"
        else:
            yield f"{package.name}=={package.version}"


def distribution(line: str) -> str:
    """Return the name of the distribution that a line asks for; "" where it does not tell."""
    if line.startswith("-"):
        return ""
    if path := local(line):
        return canonicalize_name(path.name.split("-")[0])
    found = re.match(r"[A-Za-z0-9][\w.-]*", line)
    return canonicalize_name(found[0]) if found else ""


def bare(line: str) -> str:
    """Return a requirement without its hashes."""
    return re.sub(r"\s--.*", "", line).strip()


def is_file(line: str) -> bool:
    """Tell whether a line asks for a file, or an address, whatever version it has."""
    return line[0] != "-" and ("://" in line or ".whl" in line)


def contents(lines: Sequence[str]) -> list[str]:
    """Return digests of the folders and files that lines name."""
    named = [local(line.removeprefix("-c ")) for line in lines]
    return [digest(path) for path in named if path]


def local(requirement: str) -> Path | None:
    """Return the folder or file that a requirement is, as pip tells it from a name."""
    where = re.sub(r"^[\w.-]+\s*(\[[^]]*\])?\s*@\s*", "", bare(requirement))  # package @ file://…
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
