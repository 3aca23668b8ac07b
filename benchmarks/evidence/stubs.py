"""Packages that do nothing but take time, to measure whom the gate blames."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from benchmarks.gate.checkout import undirected
from benchmarks.gate.environments import with_requirements
from benchmarks.saving.record import GateRecord

LINKS = Path(tempfile.gettempdir()) / "linpredict-stubs"  # kept, as environments are
SLOW_BUMPS = {"bumps": 1, "two-bumps": 2}  # how many are slower, by kind
SIZE = ["--predictor=own:serve", "--classes=16", "--features=2000", "--samples=64"]
SIZE += ["--batch-sizes=8,64"]
STUBS = [f"stub_of_{name}" for name in ("arrays", "frames", "graphs", "models", "tables", "trees")]
WAITING = '''

def _slower(call, slowdown):
    """Wait after a call for a part of the time that it took."""
    from time import perf_counter

    def slower(*args):
        start = perf_counter()
        result = call(*args)
        end = start + (perf_counter() - start) * (1 + slowdown)
        while perf_counter() < end:
            pass
        return result

    return slower
'''
STUB = (
    WAITING
    + """

def passed_on(call):
    return _slower(call, {slowdown})
"""
)
OWN = """
import numpy as np
{imports}


def serve(coef):
    coef = np.array(coef)
    predict = lambda x: (x @ coef.T).argmax(axis=1)
    for module in ({modules}):
        predict = module.passed_on(predict)
    return predict
"""
EXTENSION = """
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *work(PyObject *self, PyObject *argument)
{{
    volatile double sum = 0;
    long n = PyLong_AsLong(argument);
    for (long i = 0; i < n * {parts}; i++)
        sum += i;
    return PyFloat_FromDouble(sum);
}}

static PyMethodDef methods[] = {{{{"work", work, METH_O, ""}}, {{0}}}};
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "_work", 0, -1, methods}};

PyMODINIT_FUNC PyInit__work(void)
{{
    return PyModule_Create(&module);
}}
"""
OF_EXTENSION = {
    "pyproject.toml": """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "stub-with-extension"
version = "1"
[tool.setuptools]
py-modules = ["own"]
""",
    "setup.py": """
from setuptools import Extension, setup

setup(ext_modules=[Extension("_work", ["_work.c"])])
""",
    "own.py": """
from _work import work


def serve(coef):
    coef = coef.copy()

    def predict(x):
        work(50_000 * len(x))
        return (x @ coef.T).argmax(axis=1)

    return predict
""",
    ".gitignore": "*.so\n/build/\n*.egg-info/\n",
}


def bump(folder: Path, kind: str, n: int, slowdown: float) -> tuple[str, list[str], list[str]]:
    """Write a package that six others slow down, or not, in the n-th run of a kind.

    Return the interpreter of the current side, which packages are slower there, and options.
    """
    slower = 2 + round(1000 * slowdown)  # a version that is, or that is not by 0
    for stub in STUBS:
        make_wheel(stub, 1)
        make_wheel(stub, 2)
        make_wheel(stub, slower, slowdown)
    first = n % len(STUBS)
    which = [STUBS[first], STUBS[(first + 1 + n // len(STUBS)) % len(STUBS)]][: SLOW_BUMPS[kind]]
    imports = "\n".join(f"import {stub}" for stub in STUBS)
    (folder / "own.py").write_text(OWN.format(imports=imports, modules=", ".join(STUBS)))
    found_in = ["--no-index", f"--find-links {LINKS}"]
    old = folder / "old.txt"
    old.write_text("\n".join([*found_in, *(f"{stub}==1" for stub in STUBS), ""]))
    now = [f"{stub}=={slower if stub in which else 2}" for stub in STUBS]
    python = with_requirements(now, lines=found_in)
    return python, which if slowdown else [], [f"--baseline-requirements={old}", "--blame"]


def make_wheel(name: str, version: int, slowdown: float = 0) -> Path:
    """Write a wheel of a module, the same in each run, and return its path."""
    LINKS.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": STUB.format(slowdown=slowdown),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: linpredict\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD"))
    path = LINKS / f"{name}-{version}-py3-none-any.whl"
    if not path.exists():
        with zipfile.ZipFile(path, "w") as archive:
            for file, content in files.items():
                archive.writestr(zipfile.ZipInfo(file), content)
    return path


def blamed(gate: GateRecord) -> list[str]:
    """Return the names of what the gate says made a case slower or faster."""
    return [one.what.split()[0].replace("-", "_") for one in gate.did_it]


def commit(folder: Path, message: str) -> None:
    """Commit all that a folder holds, by somebody, in a repository of its own."""
    git = ["git", "-C", str(folder), "-c", "user.name=gate", "-c", "user.email=gate@localhost"]
    subprocess.run([*git, "init", "--quiet"], check=True)  # or nothing, if it is one
    subprocess.run([*git, "add", "."], check=True)
    command = [*git, "commit", "--quiet", "--allow-empty", "--message", message]
    subprocess.run(command, check=True)


@undirected()
def make_extension(folder: Path, slowdown: float) -> None:
    """Commit a package with a module in C, and another commit in which that is slower."""
    for file, content in OF_EXTENSION.items():
        (folder / file).write_text(content)
    for part in (0, slowdown):
        (folder / "_work.c").write_text(EXTENSION.format(parts=f"{1 + part}"))
        commit(folder, f"slower by {part:.0%}")
    build = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
    subprocess.run(build, cwd=folder, check=True, capture_output=True)
