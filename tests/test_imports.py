"""Who imports whom: no circles, nothing upward, and no more than is asked for."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from importlib.util import resolve_name

from tests.helpers.suite import ROOT

FILES = [
    path.relative_to(ROOT)
    for folder in ("linpredict", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
]
MODULES = {str(path.with_suffix("")).replace("/", "."): path for path in FILES}
MODULES = {name.removesuffix(".__init__"): path for name, path in MODULES.items()}


def imported(name: str) -> set[str]:
    """Return the modules of the project that a module imports, anywhere in its text."""
    found: set[str] = set()
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse((ROOT / MODULES[name]).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package)
            found |= {source, *(f"{source}.{alias.name}" for alias in node.names)}
    return (found & MODULES.keys()) - {name}


def test_no_two_modules_import_each_other() -> None:
    graph = {name: imported(name) - {"linpredict", "benchmarks"} for name in MODULES}
    assert sum(map(len, graph.values())) > 100
    TopologicalSorter(graph).prepare()  # or raises CycleError


def test_no_two_rooms_import_each_other() -> None:
    def room(name: str) -> str:
        parts = name.split(".")
        return ".".join(parts[:2]) if parts[0] == "benchmarks" else parts[0]

    graph: dict[str, set[str]] = {room(name): set() for name in MODULES}
    for name in MODULES:
        graph[room(name)] |= {room(other) for other in imported(name)} - {room(name), "benchmarks"}
    assert not graph["linpredict"]
    TopologicalSorter(graph).prepare()


def test_other_tests_load_little_of_the_suite() -> None:
    code = """if True:
        import sys, pytest
        pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", "tests/helpers"])
        print(*(name for name in sys.modules if name.startswith(("benchmarks.", "linpredict."))))
    """
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = done.stdout.splitlines()[-1].split()
    assert "benchmarks.options" in loaded
    assert "linpredict.kernel" not in loaded
    assert len(loaded) < 20, loaded


def test_worker_stands_alone() -> None:
    """It runs in environments that have NumPy and nothing else."""
    assert imported("benchmarks.workers.worker") == {"benchmarks.own", "benchmarks.own.served"}
    assert imported("benchmarks.own.served") == set()
