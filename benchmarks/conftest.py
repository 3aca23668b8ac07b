"""Fixtures of ``test_predict.py``: data, predictors, limits, and the record of a case."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import predictors
from benchmarks.case import Case
from benchmarks.case import warm_up as warm_up_with
from benchmarks.ceilings import Ceilings, precision_of, stated_by
from benchmarks.failures import failing
from benchmarks.gate.pairs import Compared, Gate
from benchmarks.label_check import Predict
from benchmarks.options import JUDGED_ONCE, compared
from benchmarks.peers import UnavailableError
from benchmarks.record import CaseRecord
from benchmarks.session import SESSION, Session
from benchmarks.tracing import beyond_this_thread_paused, resume
from benchmarks.workload import Data, Workload

HERE = Path(__file__).parent
REST = 0.15  # seconds at most for the threads of what ran before to fall asleep
SLICE = 0.02
CEILINGS = 0.1  # seconds to measure ceilings before the first case
CEILINGS_PART = 0.05  # and after each case, of its own time


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure without tracers, profilers and debuggers, both versions alike.

    Making the predictors belongs to it: the threads that they start would keep a tracer.
    """
    if HERE not in item.path.parents or item.config.getoption("benchmark_disable", False):
        return (yield)
    collects = gc.isenabled()
    if item.config.getoption("benchmark_disable_gc", False):  # which is for the baseline, too
        gc.disable()
    with beyond_this_thread_paused():
        # Coverage counts the calls and returns that it sees: none may lie in between.
        tracer, profiler = sys.gettrace(), sys.getprofile()
        sys.settrace(None)
        sys.setprofile(None)
        try:
            return (yield)
        finally:
            resume(profiler)
            sys.settrace(tracer)
            if collects:
                gc.enable()


@pytest.fixture(scope="session")
def run(pytestconfig: pytest.Config) -> Session:
    """Return what the parts of the run share."""
    return pytestconfig.stash[SESSION]


@pytest.fixture(scope="session")
def gate(run: Session) -> Gate | None:
    """Compare with a baseline, where one is asked for."""
    return run.gate


@pytest.fixture(scope="session")
def data(pytestconfig: pytest.Config, gate: Gate | None) -> Data:
    """Make the data, once; the line after the collection has said so."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("cases that run at the same time slow each other down: run without -n")
    workload = Workload.of(pytestconfig)
    return gate.share(workload) if gate else Data.of(workload)


@pytest.fixture(scope="session")
def limit(data: Data, run: Session) -> Callable[[np.dtype[Any]], Ceilings]:
    """Return what measures the least possible latency at a precision, next to each case."""

    def limit(precision: np.dtype[Any]) -> Ceilings:
        if precision.name not in run.ceilings:
            run.ceilings[precision.name] = Ceilings(data.coef, precision)
            rest()
            run.ceilings[precision.name].measure(CEILINGS)
        return run.ceilings[precision.name]

    return limit


@pytest.fixture(scope="session")
def make(
    data: Data, gate: Gate | None, pytestconfig: pytest.Config
) -> Callable[[str, Callable[[str], None]], Predict | Compared]:
    """Make each predictor once, or skip its cases where it cannot run.

    One that is compared is made in processes of its own, if the baseline has it, too.
    """
    made: dict[str, Predict | Compared | UnavailableError] = {}

    def make(name: str, say: Callable[[str], None]) -> Predict | Compared:
        predictors.check_usable(name, data.coef)
        if gate and name in compared(pytestconfig) and (found := gate.start(name, say)):
            return found
        predict = predictors.make(name, data.coef[:])  # a view: its shape is its own
        data.check_unchanged()
        return predict

    def made_or_skip(name: str, say: Callable[[str], None]) -> Predict | Compared:
        if name not in made:
            try:
                made[name] = make(name, say)
            except UnavailableError as reason:
                made[name] = reason
        if isinstance(found := made[name], UnavailableError):
            pytest.skip(str(found))
        return found

    return made_or_skip


@pytest.fixture
def may_fail(
    benchmark: Any, predictor: str, batch_size: int, data: Data, run: Session
) -> Callable[..., AbstractContextManager[None]]:
    """Return what lets this case fail in a sentence where its predictor fails."""

    @contextmanager
    def may_fail(making: bool = False) -> Generator[None]:
        benchmark.has_error = True  # so that pytest-benchmark leaves out what was timed until then
        with failing(run, data, predictor, batch_size, making):
            yield
        benchmark.has_error = False

    return may_fail


@pytest.fixture
def say(
    predictor: str, batch_size: int, capsys: pytest.CaptureFixture[str]
) -> Generator[Callable[[str], None]]:
    """Return what shows a case's progress behind the cursor, where that is on a terminal."""
    clear, save, restore, cut, wrap = "\x1b[K", "\x1b7", "\x1b8", "\x1b[?7l", "\x1b[?7h"

    def write(text: str) -> None:
        with capsys.disabled():
            if sys.stdout.isatty():
                sys.stdout.write(text)
                sys.stdout.flush()

    def say(text: str) -> None:
        write(f"{save}{clear}{cut} {predictor}, batch {batch_size}: {text}{wrap}{restore}")

    yield say
    write(clear)


@pytest.fixture
def case(
    benchmark: Any,
    predictor: str,
    batch_size: int,
    data: Data,
    make: Callable[[str, Callable[[str], None]], Predict | Compared],
    say: Callable[[str], None],
    limit: Callable[[np.dtype[Any]], Ceilings],
    run: Session,
    may_fail: Callable[..., AbstractContextManager[None]],
    pytestconfig: pytest.Config,
) -> Generator[Case]:
    """Make what is timed, and save what was found: figures, and the machine's limit beside them."""
    case_id = Workload.of(pytestconfig).case(predictor, batch_size)
    benchmark.extra_info |= case_id.as_saved()
    if run.gate and run.has(case_id):
        pytest.exit(f"{case_id.name} is run again, {JUDGED_ONCE}", pytest.ExitCode.USAGE_ERROR)
    with may_fail(making=True):
        made = make(predictor, say)
    ceilings = None
    if isinstance(made, Compared):
        rest()
    else:
        try:
            ceilings = limit(precision_of(made, data.x.dtype))
        except ValueError as error:
            pytest.fail(f"{predictor}: {error}", pytrace=False)
    case = Case(case_id, data, made)
    yield case
    # None where nothing was timed: --benchmark-disable, or pytest-codspeed in its place.
    if (stats := getattr(benchmark, "stats", None)) and not benchmark.has_error:
        record = CaseRecord.of(case_id, stats["data"])
        record.gate = case.gate
        if ceilings and not isinstance(made, Compared):
            record.precision = ceilings.roofline.precision
            in_doubt = stated_by(made, "in_doubt")
            record.in_doubt = None if in_doubt is None else float(in_doubt)  # NumPy's, for one
            rest()
            ceilings.measure(CEILINGS_PART * sum(stats["data"]))
        run.add(record, benchmark.extra_info)


@pytest.fixture
def warm_up(case: Case) -> Callable[[Predict], float]:
    """Return what warms up a predictor of this process, and returns the seconds of a call."""

    def rest_and_warm_up(predict: Predict) -> float:
        rest()
        return warm_up_with(predict, case.data, case.starts)

    return rest_and_warm_up


def rest() -> None:
    """Wait until the process uses no core: OpenBLAS's threads spin for 0.11 s after a call."""
    end = time.perf_counter() + REST
    while time.perf_counter() < end:
        used = time.process_time()
        time.sleep(SLICE)
        if time.process_time() - used < SLICE / 10:
            return
