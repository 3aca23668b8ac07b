"""The ceilings of the machine, and what a run says it ran on."""

import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from benchmarks.measuring import ceilings as module
from benchmarks.measuring import machine
from benchmarks.measuring.ceilings import Ceilings, whole_lines
from benchmarks.measuring.data import Data
from benchmarks.measuring.timing import timed
from benchmarks.measuring.warm_up import CALLS, SLOW, warm_up
from benchmarks.predictors.stated import precision_of, read_as_of
from benchmarks.saving.limit import Limit
from linpredict.c.compile import NoCompilerError
from linpredict.cores import usable_cores
from tests.helpers.saved_runs import record, script
from tests.helpers.suite import run, saved


def limit(**changes: Any) -> Limit:
    """Return a limit by which 10 examples take as long to compute as with the weights to read."""
    rates = {"bandwidth": 1e9, "flop_rate": 1.1e9}
    named = {"n_classes": 55, "n_features": 1000, "dtype": "float64", "precision": "float64"}
    return Limit(**named | rates | changes)  # type: ignore[arg-type]


def test_limit_is_the_longer_of_two_times() -> None:
    assert [limit().bytes(size) for size in (1, 10)] == [56 * 8000, 65 * 8000]
    assert [limit().flops(size) for size in (1, 10)] == [110_000, 1_100_000]
    assert limit().seconds(1) == pytest.approx(56 * 8000 / 1e9)
    assert limit().seconds(100) == pytest.approx(11e6 / 1.1e9)
    knee = limit().knee
    assert limit().bytes(knee) / 1e9 == pytest.approx(limit().flops(knee) / 1.1e9)
    sizes = np.geomspace(1, 1024, 101)
    assert (np.diff([limit().seconds(size) for size in sizes]) > 0).all()
    assert limit(flop_rate=1e12).knee == math.inf
    assert limit(precision="float32").bytes(10) == (55 * 4 + 10 * 8) * 1000
    assert limit(precision="float32", read_as="int16").bytes(10) == (55 * 2 + 10 * 8) * 1000
    saved = record(batch_size=10, limit=limit()).as_saved()
    assert saved["latency_floor"] == max(
        saved["bytes"] / saved["bandwidth"], saved["flops"] / saved["flop_rate"]
    )


@pytest.fixture
def ceilings() -> Ceilings:
    try:
        return Ceilings(np.ones((4, 8)), np.dtype("float64"))
    except NoCompilerError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
@pytest.mark.usefixtures("ceilings")
def test_operations_and_bytes_are_counted_right(dtype: str) -> None:
    in_c = module.InC(np.dtype(dtype))
    # Each chain of floats comes to 1, each of integers to two products a time; its first element
    # counts.
    chains = in_c._multiply_add(1000) / (2000 if dtype == "int16" else 1)
    in_vector, rest = divmod(in_c._operations, 2 * chains)
    assert rest == 0
    values = np.ones(8 * 100, np.uint64)
    lines = values[-values.ctypes.data % module.LINE // 8 :]
    for n_lines in (1, 8, 99):
        n_vectors = n_lines * module.LINE / (in_vector * np.dtype(dtype).itemsize)
        assert in_c._read(lines.ctypes.data, n_lines, 3) == 3 * n_vectors


@pytest.mark.alone
def test_ceilings_are_no_less_than_what_numpy_reaches() -> None:
    """Of what is compiled badly they are.

    Neighbours slow both, so that the best of each counts, of at least three, and of up to thirty
    where NumPy had a calm moment that the ceilings had not.
    """
    coef, square = np.ones((64, 2**18)), np.ones((1024, 1024))
    cores = usable_cores()
    try:
        ceilings = Ceilings(coef, coef.dtype)
    except NoCompilerError as error:
        pytest.skip(str(error))
    parts = np.array_split(coef.reshape(-1), cores)
    read, computed = [], []
    # BLAS's own threads would spin beside the ceilings.
    with threadpool_limits(1), ThreadPoolExecutor(cores) as threads:
        for attempt in range(30):
            ceilings.measure(0.05)
            read.append(timed(lambda: [*threads.map(lambda part: part.dot(part), parts)])[0])
            computed.append(timed(lambda: [*threads.map(lambda _: square.dot(square), parts)])[0])
            bandwidth = coef.nbytes / min(read)
            flop_rate = cores * 2 * len(square) ** 3 / min(computed)
            limit = ceilings.limit
            enough = bandwidth < 1.5 * limit.bandwidth and flop_rate < 1.5 * limit.flop_rate
            if enough and attempt >= 2:
                return
    assert enough, (bandwidth / limit.bandwidth, flop_rate / limit.flop_rate)


def test_best_of_the_session_counts(ceilings: Ceilings, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, rates = iter((2.0, 1.0, 3.0)), iter((5.0, 4.0, 6.0))
    monkeypatch.setattr(ceilings._in_c, "seconds_to_read", lambda values: next(seconds))
    monkeypatch.setattr(ceilings._in_c, "multiply_add_rate", lambda: next(rates))
    for _ in range(3):
        ceilings.measure()
    assert ceilings.limit.bandwidth == ceilings._memory.nbytes
    assert ceilings.limit.flop_rate == 6.0


@pytest.mark.parametrize("cores", [1, 2, 7, 64])
@pytest.mark.usefixtures("ceilings")
def test_nothing_is_read_outside_the_array(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_cores", lambda: cores)
    monkeypatch.setattr(module, "AT_ONCE", 0)
    in_c = module.InC(np.dtype("float64"))
    reads: list[tuple[int, int]] = []

    def read(address: int, n_lines: int, repeats: int) -> None:
        reads.append((address, address + n_lines * module.LINE))

    monkeypatch.setattr(in_c, "_read", read)
    for coef in (
        np.ones((1, 1)),
        np.ones((3, 3), "float32"),
        np.ones((1, 2**17 + 3)),
        np.ones((5, 2**15)),
    ):
        for precision in ("float32", "float64"):
            lines = whole_lines(coef, coef.size * np.dtype(precision).itemsize)
            for values in (lines, coef.reshape(-1)):
                reads.clear()
                in_c.seconds_to_read(values)
                start, end = values.ctypes.data, values.ctypes.data + values.nbytes
                assert all(start <= first <= last <= end for first, last in reads)
            assert lines.ctypes.data % module.LINE == 0
            assert lines.nbytes >= cores * module.LINE
            if coef.nbytes >= 2 * module.IN_PLACE:
                assert np.shares_memory(lines, coef)


@pytest.mark.parametrize("stated", [np.float32, "float32", np.dtype("f4")])
def test_a_predictor_states_its_precision(stated: Any) -> None:
    class Predictor:
        precision = stated

        def predict(self, x: Any) -> Any: ...

        def __call__(self, x: Any) -> Any: ...

    for predict in (Predictor(), Predictor().predict):
        assert precision_of(predict, np.dtype("float64")) == np.float32
    assert precision_of(lambda x: x, np.dtype("float64")) == np.float64


def test_limit_in_the_precision_of_each_predictor(tmp_path: Path) -> None:
    itemsizes = {"formula": 8, "tests.predictors:in_float32": 4, "tests.predictors:of_int16": 2}
    content = saved(tmp_path, *(f"--predictor={name}" for name in itemsizes))
    for case in content["benchmarks"]:
        info = case["extra_info"]
        itemsize = itemsizes[info["predictor"]]
        assert info["precision"] == f"float{max(32, 8 * itemsize)}"
        assert info.get("read_as") == ("int16" if itemsize == 2 else None)
        assert info["bytes"] == (5 * itemsize + info["batch_size"] * 8) * 40
        assert info["flops"] == 2 * 5 * 40 * info["batch_size"]
    done = run("--predictor=tests.predictors:in_no_precision")
    expected = "its attribute precision is 'high': expected int16 or float32 or float64"
    assert done.returncode == 1
    assert f"in_no_precision, batch 1: ValueError: {expected}" in done.stdout
    with pytest.raises(ValueError, match="its attribute read_as is 'high': expected int8 or"):
        read_as_of(SimpleNamespace(read_as="high"), np.dtype("float32"))  # type: ignore[arg-type]


def test_without_a_compiler_and_with_variables(tmp_path: Path) -> None:
    """There is no limit, and the variables are saved and shown."""
    no_compiler = {"CC": "there-is-no-such-compiler", "LINPREDICT_KERNEL": "off"}
    variables = {"OMP_PROC_BIND": "close", "OPENBLAS_CORETYPE": "Nehalem", "LINPREDICT_X": "y"}
    path = tmp_path / "run.json"
    done = run(f"--benchmark-json={path}", environment=no_compiler | variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "predictions/s\nformula" in done.stdout
    assert "LINPREDICT_X=y, OMP_PROC_BIND=close, OPENBLAS_CORETYPE=Nehalem" in done.stdout
    content = json.loads(path.read_text())
    for case in content["benchmarks"]:
        assert not {"latency_floor", "bandwidth", "flop_rate"} & case["extra_info"].keys()
    assert variables.items() <= content["machine_info"]["environment"].items()
    if content["machine_info"]["blas"]["architecture"] == "Nehalem":
        assert "kernels for Nehalem; OPENBLAS_CORETYPE=Nehalem is set; this CPU has" in done.stdout
    assert script(path, "--out", tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("architecture", "found", "variable", "expected"),
    [
        ("Haswell", "X86_V4", "Haswell", "OPENBLAS_CORETYPE=Haswell is set; this CPU has AVX-512"),
        ("Nehalem", "X86_V3", None, "OPENBLAS_CORETYPE is not set; this CPU has AVX2"),
        ("Haswell", "X86_V3", "Haswell", None),
        ("SkylakeX", "X86_V4", None, None),
        (None, "X86_V4", None, None),
    ],
)
def test_hint_of_kernels(
    monkeypatch: pytest.MonkeyPatch,
    architecture: str | None,
    found: str,
    variable: str | None,
    expected: str | None,
) -> None:
    monkeypatch.setattr(np, "show_config", lambda mode: {"SIMD Extensions": {"found": [found]}})
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    if variable:
        monkeypatch.setenv("OPENBLAS_CORETYPE", variable)
    said = list(machine.hints({"architecture": architecture}))
    begin = f"hint: NumPy's BLAS uses kernels for {architecture}; "
    assert said == ([begin + expected] if expected else [])


def test_hint_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "usable_cores", lambda: 2)
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    assert list(machine.hints({"threads": 2})) == []
    (said,) = machine.hints({"threads": 8})
    assert said.startswith("hint: NumPy's BLAS has 8 threads for 2 usable cores; packed has no")
    assert said.endswith(": set OMP_NUM_THREADS=2")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "8")
    (said,) = machine.hints({"threads": 8})
    assert said.endswith(": set OPENBLAS_NUM_THREADS=2")


@pytest.mark.parametrize(
    ("built_with", "found", "said"),
    [
        ({}, [{"user_api": "openmp"}], "BLAS: none; cores"),
        ({"Build Dependencies": {"blas": {"name": "accelerate"}}}, [], "BLAS: accelerate; cores"),
        ({}, [{"user_api": "blas", "internal_api": "blis", "version": None, "num_threads": 2}],
         "BLAS: blis; cores"),
    ],
)  # fmt: skip
def test_header_without_a_blas(
    monkeypatch: pytest.MonkeyPatch, built_with: Any, found: list[Any], said: str
) -> None:
    monkeypatch.setattr(np, "show_config", lambda mode: built_with)
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: found)
    monkeypatch.setenv("KMP_DUPLICATE_LIB_OK", "True")  # as the import of threadpoolctl does
    blas = machine.blas_info()
    assert said in machine.header(blas)[0]
    assert list(machine.hints(blas)) == []
    assert machine.machine_info(blas)["blas"] == blas
    assert not machine.variables().keys() & {"KMP_DUPLICATE_LIB_OK"}
    monkeypatch.setenv("KMP_DUPLICATE_LIB_OK", "TRUE")
    assert machine.variables()["KMP_DUPLICATE_LIB_OK"] == "TRUE"


def test_numpys_blas_is_told_from_that_of_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        {"user_api": "blas", "internal_api": "openblas", "version": name, "num_threads": 2,
         "filepath": f"/site-packages/{name}.libs/libscipy_openblas.so"}
        for name in ("scipy", "numpy")
    ]  # fmt: skip
    for libraries, name in ((found, "numpy"), (found[::-1], "numpy"), (found[:1], "scipy")):
        monkeypatch.setattr("threadpoolctl.threadpool_info", lambda it=libraries: it)
        assert machine.blas_info()["version"] == name


@pytest.mark.parametrize(("seconds", "expected"), [(0.05, 1 + CALLS), (0.15, 2), (0.4, 1)])
def test_one_disturbed_call_does_not_decide_the_rounds_and_slow_ones_all_count(
    seconds: float, expected: int
) -> None:
    data = Data(np.eye(2), np.eye(2), np.array([0, 1]))
    calls: list[int] = []

    def predict(x: Any) -> Any:
        if np.array_equal(x, data.x):  # no near tie
            calls.append(len(x))
            if len(calls) <= 2 or seconds > SLOW:
                time.sleep(seconds)
        return x.argmax(axis=1)

    found = warm_up(predict, data, range(0, 1, 2))
    assert calls == [2] * expected
    assert len(found) == min(expected, CALLS)
    assert min(found) < 0.05 or seconds > SLOW
