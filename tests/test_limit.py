"""The ceilings of the machine, and what a run says it ran on."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import machine
from benchmarks.case import CALLS, warm_up
from benchmarks.limit import Limit
from benchmarks.workload import Data
from tests.test_benchmarks import run, saved

COEF = np.ones((64, 1024))
X = np.ones((256, 1024))


@pytest.fixture(scope="module")
def limit() -> Limit:
    limit = Limit(COEF, X)
    for size in (1, 16, 256):
        limit.measure(size)
    return limit


def test_limit_grows_with_the_batch(limit: Limit) -> None:
    if limit.name != "limit":
        pytest.skip("no compiler")
    assert limit.seconds(1) <= limit.seconds(16) <= limit.seconds(256)
    # Sixteen times the arithmetic, which decides at these sizes, and not more.
    assert 4 < limit.seconds(256) / limit.seconds(16) < 64


def test_what_was_reached_is_possible() -> None:
    limit = Limit(COEF, X)
    if limit.name != "limit":
        pytest.skip("no compiler")
    for size in (1, 16):
        limit.measure(size)
    limit.reached(16, 1e-9)
    assert limit.seconds(16) == limit.seconds(1) == 1e-9  # one example is not more than sixteen
    limit.reached(1, 1e-10)
    assert (limit.seconds(16), limit.seconds(1)) == (1e-9, 1e-10)


def test_without_a_compiler_it_is_not_called_a_limit(tmp_path: Path) -> None:
    no_compiler = {"CC": "there-is-no-such-compiler", "LINPREDICT_KERNEL": "off"}
    path = tmp_path / "run.json"
    done = run(f"--benchmark-json={path}", environment=no_compiler)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "of NumPy's best" in done.stdout
    assert "of limit" not in done.stdout
    for case in json.loads(path.read_text())["benchmarks"]:
        assert case["extra_info"]["latency_floor_name"] == "NumPy's best"
        assert case["extra_info"]["latency_floor"] > 0


def test_no_case_exceeds_the_limit(tmp_path: Path) -> None:
    for case in saved(tmp_path, "--classes=64", "--features=512")["benchmarks"]:
        info = case["extra_info"]
        if info["latency_floor_name"] == "limit":
            assert info["latency_floor"] <= case["stats"]["min"]


def test_variables_are_saved_and_shown(tmp_path: Path) -> None:
    variables = {"OMP_PROC_BIND": "close", "OPENBLAS_CORETYPE": "Nehalem", "LINPREDICT_X": "y"}
    path = tmp_path / "run.json"
    done = run(f"--benchmark-json={path}", environment=variables)
    assert "LINPREDICT_X=y, OMP_PROC_BIND=close, OPENBLAS_CORETYPE=Nehalem" in done.stdout
    info = json.loads(path.read_text())["machine_info"]
    assert variables.items() <= info["environment"].items()
    if info["blas"]["architecture"] == "Nehalem":
        assert "kernels for Nehalem; OPENBLAS_CORETYPE=Nehalem is set; this CPU has" in done.stdout


@pytest.mark.parametrize(
    ("architecture", "found", "variable", "expected"),
    [
        ("Haswell", ["X86_V3", "X86_V4"], "Haswell", "OPENBLAS_CORETYPE=Haswell is set; this CPU"),
        ("Zen", ["AVX2", "AVX512F"], None, "OPENBLAS_CORETYPE is not set; this CPU has AVX-512"),
        ("Nehalem", ["X86_V3"], None, "this CPU has AVX2"),
        ("Haswell", ["X86_V3"], "Haswell", None),
        ("SkylakeX", ["X86_V3", "X86_V4"], None, None),
        ("neoversen1", [], None, None),
        (None, ["X86_V4"], None, None),
    ],
)  # fmt: skip
def test_hint(
    monkeypatch: pytest.MonkeyPatch,
    architecture: str | None,
    found: list[str],
    variable: str | None,
    expected: str | None,
) -> None:
    monkeypatch.setattr(np, "show_config", lambda mode: {"SIMD Extensions": {"found": found}})
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    if variable:
        monkeypatch.setenv("OPENBLAS_CORETYPE", variable)
    hint = machine.hint({"architecture": architecture})
    assert hint is None if expected is None else hint is not None and expected in hint


def test_hint_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "usable_cores", lambda: 2)
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    assert machine.hint_of_threads({"threads": 2}) is machine.hint_of_threads({}) is None
    hint = (
        "hint: NumPy's BLAS has 8 threads for 2 usable cores; packed has no more threads than cores"
    )
    (said,) = machine.hints({"threads": 8})
    assert said.startswith(hint)
    assert said.endswith(": set OMP_NUM_THREADS=2")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "8")
    assert machine.hints({"threads": 8})[0].endswith(": set OPENBLAS_NUM_THREADS=2")


@pytest.mark.parametrize(
    ("built_with", "found", "said"),
    [
        ({}, [], "BLAS: none; cores"),
        ({"Build Dependencies": {}}, [], "BLAS: none; cores"),
        ({"Build Dependencies": {"blas": {}}}, [], "BLAS: none; cores"),
        ({"Build Dependencies": {"blas": {"name": "accelerate"}}}, [], "BLAS: accelerate; cores"),
        ({}, [{"user_api": "openmp"}], "BLAS: none; cores"),
        ({}, [{"user_api": "blas", "internal_api": "blis", "version": None, "num_threads": 2}],
         "BLAS: blis; cores"),
    ],
)  # fmt: skip
def test_header_without_a_blas(
    monkeypatch: pytest.MonkeyPatch, built_with: Any, found: list[Any], said: str
) -> None:
    monkeypatch.setattr(np, "show_config", lambda mode: built_with)
    monkeypatch.setattr(machine, "threadpool_info", lambda: found)
    blas = machine.blas_info()
    assert said in machine.header(blas)[0]
    assert machine.hints(blas) == []
    assert machine.machine_info(blas)["blas"] == blas


def test_one_disturbed_call_does_not_decide_the_rounds() -> None:
    data = Data(np.eye(2), np.eye(2), np.array([0, 1]))
    calls: list[int] = []

    def predict(x: Any) -> Any:
        calls.append(len(x))
        if len(calls) == 1:
            time.sleep(0.05)
        return np.arange(2)

    assert warm_up(predict, data, range(0, 1, 2)) < 0.05
    assert calls == [2] * CALLS
