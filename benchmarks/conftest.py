"""Fixtures of ``test_predict.py``: the data, and a case with its record."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Generator
from typing import Any

import pytest

from benchmarks.case import Case
from benchmarks.ceilings import precision_of, stated_by
from benchmarks.failures import failing
from benchmarks.gate.pairs import Compared
from benchmarks.options import JUDGED_ONCE, compared, is_case
from benchmarks.peers import UnavailableError
from benchmarks.record import CaseRecord
from benchmarks.session import SESSION, Session
from benchmarks.timing import rest
from benchmarks.tracing import beyond_this_thread_paused, resume
from benchmarks.workload import Data, Workload

CEILINGS_PART = 0.05  # of a case's time, to measure the machine's ceilings after it


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure without tracers, profilers and debuggers, both versions alike.

    Making the predictors belongs to it: the threads that they start would keep a tracer.
    """
    if not is_case(item) or item.config.getoption("benchmark_disable", False):
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
def data(pytestconfig: pytest.Config, run: Session) -> Data:
    """Make the data, once; the line after the collection has said so."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("cases that run at the same time slow each other down: run without -n")
    workload = Workload.of(pytestconfig)
    return run.gate.share(workload) if run.gate else Data.of(workload)


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
    say: Callable[[str], None],
    run: Session,
    pytestconfig: pytest.Config,
) -> Generator[Case]:
    """Make what is timed, and save what was found, and the machine's ceilings beside it."""
    case_id = Workload.of(pytestconfig).case(predictor, batch_size)
    benchmark.extra_info |= case_id.as_saved()
    if run.gate and case_id.name in [case.name for case in run.cases]:
        pytest.exit(f"{case_id.name} is run again, {JUDGED_ONCE}", pytest.ExitCode.USAGE_ERROR)
    with failing(run, data, benchmark, case_id, making=True):
        try:
            made = run.make(predictor, data, predictor in compared(pytestconfig), say)
        except UnavailableError as reason:
            pytest.skip(str(reason))
    ceilings = None
    if isinstance(made, Compared):
        rest()
    else:
        try:
            ceilings = run.ceilings_at(precision_of(made, data.x.dtype), data)
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
