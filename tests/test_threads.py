"""How many threads compute, which ones, and where."""

import ctypes
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from linpredict import thread_limits
from linpredict.c.compile import NoCompilerError, library
from linpredict.cores import ASKED_FOR, affinity, n_threads, quota, threads_asked_for, usable_cores
from tests.helpers.processes import ENVIRONMENT

ROOT = Path(__file__).parents[1]
N = 4

# Each thread of the job notes where it runs and may run, and waits for the others.
PROBE = """
#include "pool.h"
typedef struct { Job job; int64_t n_came, *threads, *n_cores, *core; } Probe;
static void
work(Job *job, int64_t number)
{
    Probe *p = (Probe *)job;
    p->core[number] = my_core();
    const Cores cores = my_cores();
    p->threads[number] = syscall(SYS_gettid);
    for (unsigned i = 0; i < sizeof cores.bits / sizeof *cores.bits; i++)
        p->n_cores[number] += __builtin_popcountl(cores.bits[i]);
    __atomic_fetch_add(&p->n_came, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&p->n_came, __ATOMIC_RELAXED) < job->n_threads)
        sched_yield();
}
void
probe(int64_t n_threads, int64_t *threads, int64_t *n_cores, int64_t *core)
{
    Probe p = {{.work = work}, 0, threads, n_cores, core};
    share(&p.job, n_threads);
}
"""

Found = tuple[list[int], list[int], list[int]]


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Found]:
    """Return a function that has a job done by threads, and tells which and on what cores."""
    source = tmp_path_factory.mktemp("probe") / "probe.c"
    source.write_text(PROBE)
    shutil.copy(ROOT / "linpredict" / "c" / "pool.h", source.parent)  # looked at for changes
    try:
        compiled = library(source).probe
    except NoCompilerError as error:
        pytest.skip(str(error))
    compiled.argtypes = [ctypes.c_int64, *[ctypes.c_void_p] * 3]

    def found(n_threads: int = N) -> Found:
        threads, n_cores, core = np.zeros((3, n_threads), "int64")
        compiled(n_threads, *(a.ctypes.data for a in (threads, n_cores, core)))
        return threads.tolist(), n_cores.tolist(), core.tolist()

    return found


def in_thread(call: Callable[[], Any]) -> Any:
    """Return what a function returns in another thread."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(call).result()


def pinned(call: Callable[[], Any]) -> Any:
    """Return what a function returns in another thread, which may use one core."""

    def on_one_core() -> Any:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        return call()

    return in_thread(on_one_core)


def test_a_thread_keeps_its_number(probe: Callable[..., Found]) -> None:
    threads, *_ = probe()
    assert len(set(threads)) == N
    assert threads[0] == threading.get_native_id()
    assert all(probe()[0] == threads for _ in range(20))
    assert in_thread(probe)[0][1:] == threads[1:]


def test_helpers_run_where_the_caller_may(probe: Callable[..., Found]) -> None:
    everywhere = [affinity()] * N
    for _ in range(2):
        assert pinned(probe)[1] == [1] * N
        assert probe()[1] == everywhere


@pytest.mark.alone  # busy cores are avoided
@pytest.mark.skipif(affinity() == 1, reason="there is one core")
def test_a_helper_that_waits_on_the_callers_core_wakes_on_another(
    probe: Callable[..., Found],
) -> None:
    def cores() -> list[int]:
        everywhere = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(everywhere)})
        probe(2)
        time.sleep(0.01)  # the helper falls asleep
        os.sched_setaffinity(0, everywhere)
        return probe(2)[2]

    assert sum(len(set(in_thread(cores))) == 2 for _ in range(20)) > 15


def test_helpers_leave_signals_to_others(probe: Callable[..., Found]) -> None:
    for thread in probe()[0][1:]:
        status = Path(f"/proc/self/task/{thread}/status").read_text()
        blocked = int(status.split("SigBlk:")[1].split()[0], 16)
        is_blocked = [blocked >> (signal - 1) & 1 for signal in (1, 2, 10, 12, 15, 17, 34, 64)]
        assert is_blocked == [1] * 8
        assert not blocked >> (11 - 1) & 1  # a fault of its own, which faulthandler tells


@pytest.mark.parametrize(
    ("lines", "files", "cores"),
    [
        ("0::/", {"cpu.max": "max 100000"}, None),
        ("0::/", {"cpu.max": "150000 100000"}, 2),
        ("0::/", {"cpu.max": "20000 100000"}, 1),
        ("0::/a/b", {"cpu.max": "400000 100000", "a/b/cpu.max": "max 100000"}, 4),
        ("0::/a/b", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "200000 100000"}, 2),
        ("0::/not/visible", {"cpu.max": "300000 100000"}, 3),
        ("0::/", {}, None),
        (
            "5:memory:/m\n4:cpu,cpuacct:/c",
            {"cpu/c/cpu.cfs_quota_us": "250000", "cpu/c/cpu.cfs_period_us": "100000"},
            3,
        ),
        (
            "4:cpu:/",
            {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
            None,
        ),
    ],
)
def test_quota(
    lines: str,
    files: dict[str, str],
    cores: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    groups = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in {"proc/self/cgroup": lines, **groups}.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    in_folder = lambda *parts: Path(tmp_path, *(part.lstrip("/") for part in parts))  # noqa: E731
    monkeypatch.setattr("linpredict.cores.Path", in_folder)
    monkeypatch.setattr(thread_limits, "ALL", 64)
    assert quota() == (cores or 64)


def test_a_pinned_thread_limits_its_own_calls_only() -> None:
    assert pinned(n_threads) == 1
    assert n_threads() == min(usable_cores(), ASKED_FOR)


@pytest.mark.parametrize(
    ("environment", "n"),
    [
        ({}, None),
        ({"OPENBLAS": "3", "OPENBLAS_DEFAULT": "4", "GOTO": "5", "OMP": "6"}, 3),
        ({"OPENBLAS": "0", "OPENBLAS_DEFAULT": "4", "GOTO": "5", "OMP": "6"}, 4),
        ({"OPENBLAS": "-2", "GOTO": "5", "OMP": "6"}, 5),
        ({"OPENBLAS": "all", "OMP": "6"}, 6),
        ({"OMP": "1.5"}, 1),
        ({"OMP": "4,2"}, 4),
        ({"OMP": " \t+2 "}, 2),
        ({"OMP": "2x"}, 2),
        ({"OMP": "- 2"}, None),
        ({"OMP": "０2"}, None),
        ({"OMP": "9" * 5000}, 999_999_999),
    ],
)
def test_threads_are_asked_for_as_of_openblas(environment: dict[str, str], n: int | None) -> None:
    variables = {f"{name}_NUM_THREADS": value for name, value in environment.items()}
    with patch.dict(os.environ, variables, clear=True):
        assert threads_asked_for() == n


def in_new_process(code: str) -> str:
    """Return what code prints."""
    return subprocess.check_output(
        [sys.executable, "-c", code], cwd=ROOT, env=ENVIRONMENT, text=True
    )


several_cores = pytest.mark.skipif(n_threads() == 1, reason="all use one core")


@several_cores
def test_threadpoolctl() -> None:
    n = n_threads()
    with threadpool_limits(1):
        assert n_threads() == in_thread(n_threads) == 1
        with threadpool_limits(2):
            assert n_threads() == 2
        assert n_threads() == 1
    with threadpool_limits({"linpredict": 1}):
        assert n_threads() == 1
    with threadpool_limits(1, user_api="openmp"):
        assert n_threads() == n
    with threadpool_limits(0):
        assert n_threads() == 1
    with threadpool_limits(10 * n):
        assert n_threads() == n
    assert n_threads() == n


@several_cores
def test_threadpoolctl_in_threads_that_end_in_another_order() -> None:
    first, second = threading.Event(), threading.Event()

    def call() -> list[int]:
        with threadpool_limits(1):
            first.set()
            second.wait(10)
            within = n_threads()
        return [within, n_threads()]

    n = n_threads()
    with ThreadPoolExecutor(1) as executor:
        found = executor.submit(call)
        first.wait(10)
        with threadpool_limits(1, user_api="linpredict"):
            second.set()
            assert found.result() == [1, 1]
    assert n_threads() == in_thread(n_threads) == n


@several_cores
@pytest.mark.parametrize(
    "imports",
    [
        "import threadpoolctl, linpredict.cores",
        "import linpredict.cores, threadpoolctl",
        "import linpredict.cores; linpredict.cores.n_threads(); import threadpoolctl",
    ],
)
def test_threadpoolctl_before_the_first_call(imports: str) -> None:
    code = f"""
{imports}
n_threads = linpredict.cores.n_threads
for _ in range(2):
    with threadpoolctl.threadpool_limits(1):
        print(n_threads())
    print(n_threads())
"""
    n = str(n_threads())
    assert in_new_process(code).split() == ["1", n, "1", n]


def test_threadpoolctl_is_not_imported() -> None:
    code = "import sys, linpredict; print('threadpoolctl' in sys.modules)"
    assert in_new_process(code) == "False\n"
