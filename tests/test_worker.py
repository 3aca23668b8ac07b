"""Worker processes: what they are asked, how they fail, and that none is left behind."""

import json
import mmap
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from benchmarks.errors import LackingError, UnavailableError, WorkerError
from benchmarks.gate.shared import SharedData
from benchmarks.gate.sources import own_folders
from benchmarks.measuring.workload import Workload
from benchmarks.own.loading import NOTHING
from benchmarks.predictors.by_name import find
from benchmarks.workers import processes
from benchmarks.workers import worker as worker_module
from benchmarks.workers.processes import SharedArray, Worker, end, has_ended
from linpredict.cores import affinity
from tests.helpers.processes import executable

N_SAMPLES = 8
Start = Callable[..., Worker]


@pytest.fixture
def shared() -> SharedData:
    return SharedData(Workload(20, 300, N_SAMPLES), NOTHING)


@pytest.fixture
def start(shared: SharedData) -> Iterator[Start]:
    """Start workers that make a predictor, and see that none of their processes is left."""
    workers: list[Worker] = []

    def start(name: str = "formula", **variables: str) -> Worker:
        workers.append(Worker(sys.executable, variables, shared))
        workers[-1].make(find(name), (own_folders("formula"), [], None))
        return workers[-1]

    yield start
    end(workers)
    for worker in workers:
        wait_for(lambda worker=worker: not members(worker.process.pid))  # type: ignore[misc]


def members(group: int) -> list[psutil.Process]:
    """Return the living processes of a process group."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            pass
    return found


def states(group: int) -> set[str]:
    return {process.status() for process in members(group)}


def wait_for(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("name", ["formula", "packed", "tests.predictors:function"])
def test_labels_and_durations(start: Start, shared: SharedData, name: str) -> None:
    worker = start(name)
    before = time.perf_counter()
    answer = worker.calls([0, 4], 4)
    assert len(answer["seconds"]) == 2
    assert 0 < sum(answer["seconds"]) < time.perf_counter() - before
    coef, x, labels = shared.data.coef, shared.x, shared.labels
    assert (labels[:8] == (x[:8] @ coef.T).argmax(axis=1)).all()


def test_frozen_while_others_compute(start: Start) -> None:
    worker = start("tests.predictors:forking")
    group = worker.process.pid
    wait_for(lambda: states(group) == {psutil.STATUS_STOPPED})
    assert len(members(group)) == 2
    worker.calls([0], 1)  # it answers once its child has, which is thawed with it
    wait_for(lambda: states(group) == {psutil.STATUS_STOPPED})


def test_no_semaphore_is_left_behind(shared: SharedData, tmp_path: Path) -> None:
    told = tmp_path / "name"
    worker = Worker(sys.executable, {"SEMAPHORE": str(told)}, shared)
    worker.make(find("tests.predictors:with_semaphore"), (own_folders("formula"), [], None))
    left = Path("/dev/shm") / f"sem.{told.read_text().lstrip('/')}"
    assert left.exists()
    end([worker])
    assert not left.exists()


def test_a_wrapper_that_stays(shared: SharedData, tmp_path: Path) -> None:
    wrapper = executable(tmp_path / "wrapper", f'"{sys.executable}" "$@"')
    worker = Worker(wrapper, {}, shared)
    with pytest.raises(WorkerError, match="a wrapper must exec Python"):
        worker.facts()
    end([worker])


def test_a_process_that_nobody_reaps_has_ended() -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert has_ended(psutil.Process(process.pid))
    process.wait()


@pytest.mark.skipif(affinity() == 1, reason="there is one core")
def test_calls_begin_on_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may move a thread at once: 40 of 50 are 4 standard deviations from half."""
    monkeypatch.setattr(worker_module, "sleep", lambda _: None)
    cores = os.sched_getaffinity(0)
    for core in cores:
        was_there = 0
        for _ in range(50):
            was_there += worker_module.go_to(core) == core
        assert was_there >= 40
    assert os.sched_getaffinity(0) == cores
    asked: list[int] = []
    monkeypatch.setattr(worker_module, "go_to", asked.append)
    x = np.zeros((2, 3))
    timed = worker_module.Timed(lambda x: x.argmax(axis=1), x, np.zeros(2, int))
    timed.calls([0, 1], 1, core=7)
    assert asked == [7]


def test_a_promise_is_awaited(start: Start) -> None:
    assert min(start("tests.predictors:promising").calls([0, 1], 1)["seconds"]) > 0.009


def test_a_core_that_may_not_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", forbid)
    worker_module.go_to(min(os.sched_getaffinity(0)))


def test_a_late_answer_is_not_the_next_one(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = start("tests.predictors:slow")
    with monkeypatch.context() as patched:  # as a time limit may
        patched.setattr(worker, "_line", lambda _: pytest.fail("took too long"))
        with pytest.raises(pytest.fail.Exception):
            worker.calls([0, 1, 2], 1)
    wait_for(lambda: states(worker.process.pid) == {psutil.STATUS_STOPPED})
    assert len(worker.calls([0, 1], 1)["seconds"]) == 2
    assert len(worker.calls([0], 1)["seconds"]) == 1


def test_options_of_the_interpreter_reach_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    for line, options in (
        ("python -m pytest -O", []),
        ("python -O -m pytest", ["-O"]),
        ("python -W error -OO -X dev -Xutf8 -c code -X none", ["-OO", "-Xdev", "-Xutf8"]),
        ("python script.py -O", []),
    ):
        monkeypatch.setattr(sys, "orig_argv", line.split())
        assert processes.interpreter_options() == options


def test_printing_disturbs_nothing(start: Start) -> None:
    worker = start("tests.predictors:printing")
    assert len(worker.calls([0, 1], 1)["seconds"]) == 2


@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [
        ("tests.predictors:raising", WorkerError, "OSError: no luck"),
        ("tests.predictors:exiting", WorkerError, "SystemExit: no licence"),
        ("tests.predictors:nothing", WorkerError, "TypeError: .* returned a NoneType, expected a"),
        ("tests.predictors:dying", WorkerError, r"ended with status 3 \(the last words\)"),
        ("tests.predictors:killed", WorkerError, "ended by SIGKILL, as for want of memory"),
        ("tests.predictors:absent", LackingError, "tests.predictors has no absent"),
        ("tests.nowhere:predict", LackingError, "there is no module tests.nowhere"),
        ("tests.imports_nothing:predict", WorkerError, "No module named 'nothing_of_that_name'"),
    ],
)
def test_cannot_be_made(start: Start, name: str, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        start(name)


def test_fails_in_calls(start: Start) -> None:
    worker = start("tests.predictors:raising_in_calls")
    with pytest.raises(WorkerError, match="ZeroDivisionError: nothing there") as raised:
        worker.calls([0], 1)
    assert "in predict" in "".join(raised.value.traceback)
    assert "worker.py" not in "".join(raised.value.traceback)


def test_no_labels(start: Start) -> None:
    answer = start("tests.predictors:scores").calls([0], 2)
    assert answer == {"start": 0, "dtype": "float64", "shape": [2, 20]}


def test_no_answer(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = start("tests.predictors:sleeping")
    monkeypatch.setattr(processes, "ANSWERING", 0.2)
    with pytest.raises(WorkerError, match="gave no answer within"):
        worker.calls([0], 1)


def test_peer_that_is_not_installed(start: Start, tmp_path: Path) -> None:
    (tmp_path / "sklearn.py").write_text("raise ModuleNotFoundError(name='sklearn')")
    with pytest.raises(UnavailableError, match="sklearn is not installed"):
        start("sklearn", PYTHONPATH=str(tmp_path))


def test_variables_and_facts(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERAGE_PROCESS_START", "x")  # would watch what is timed
    worker = start("packed", OPENBLAS_NUM_THREADS="1")
    facts = worker.facts()
    assert facts["variables"]["OPENBLAS_NUM_THREADS"] == "1"
    assert "COVERAGE_PROCESS_START" not in facts["variables"]
    assert facts["numpy"] == np.__version__ == facts["distributions"]["numpy"]
    assert facts["blas"].endswith(", threads 1")
    assert "linpredict.screened" in facts["sources"]
    assert not [name for name in facts["sources"] if name.startswith(("benchmarks", "numpy"))]
    json.dumps(facts)


def test_memory_without_memfd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    shared = SharedArray((3, 5), "float32")
    shared.array[:] = np.arange(15).reshape(3, 5)
    saved = os.pread(shared.number, 60, worker_module.PLACE)
    assert saved == np.arange(15, dtype=np.float32).tobytes()
    assert not os.fstat(shared.number).st_nlink  # nothing that could be left behind


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_copies_of_the_weights_lie_where_the_allocator_does_not_decide() -> None:
    holes = [bytearray(2000 + 100 * k) for k in range(1000)]
    del holes[::2]  # room for small models
    with worker_module.own_pages():
        pass
    large = [np.ones(2**22), np.ones(2**22)]  # 32 MiB each
    del large  # free, and not given back to the system from then on
    for n_features in range(52, 2000, 97):
        coef = np.ones((10, n_features))
        predict: Any = worker_module.make(find("tests.predictors:copying"), coef)
        assert predict.coef.ctypes.data % mmap.PAGESIZE == worker_module.PLACE
    arrays = [np.empty(1000) for _ in range(10)]
    assert len({a.ctypes.data % mmap.PAGESIZE for a in arrays}) > 1  # no longer


PARENT = """
import sys, time
from benchmarks.gate.shared import SharedData
from benchmarks.own.loading import NOTHING
from benchmarks.measuring.workload import Workload
from benchmarks.workers.processes import Worker
from benchmarks.gate.sources import own_folders
from benchmarks.predictors.by_name import find
shared = SharedData(Workload(20, 30, 8), NOTHING)
workers = [Worker(sys.executable, {}, shared) for _ in range(3)]
for name, worker in zip(("formula", "tests.predictors:forking"), workers):
    worker.make(find(name), (own_folders("formula"), [], None))
print(*(worker.process.pid for worker in workers), flush=True)
time.sleep(60)
"""


def test_killed_parent_leaves_no_worker() -> None:
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        groups = [int(pid) for pid in parent.stdout.readline().split()]
        for group in groups[:2]:
            wait_for(lambda group=group: states(group) == {psutil.STATUS_STOPPED})  # type: ignore[misc]
        assert len(members(groups[1])) == 2
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        for group in groups:
            wait_for(lambda group=group: not members(group))  # type: ignore[misc]
