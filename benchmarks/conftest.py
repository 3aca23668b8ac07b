"""What a case of ``test_predict.py`` is given, and what is saved of it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest

import linpredict
from benchmarks import predictors
from benchmarks.baseline import BaselineError
from benchmarks.case import Builds, Case, Data, statistics_of
from benchmarks.gate import Gate
from benchmarks.labels import WrongLabelsError
from benchmarks.limit import Limit
from benchmarks.options import JUDGED_ONCE
from benchmarks.peers import UnavailableError
from benchmarks.session import SESSION, Session
from benchmarks.workload import Workload

# Seconds until the threads of what ran before have fallen asleep: OpenBLAS's spin for 0.11.
REST = 0.15


@pytest.fixture(scope="session")
def run(pytestconfig: pytest.Config) -> Session:
    """Return what the parts of the run share."""
    return pytestconfig.stash[SESSION]


@pytest.fixture(scope="session")
def gate(run: Session) -> Gate | None:
    """Compare with ``--baseline``, where it is given."""
    return run.gate


@pytest.fixture(scope="session")
def data(pytestconfig: pytest.Config) -> Data:
    """Make the data, once; the line after the collection has said so."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("cases that run at the same time slow each other down: run without -n")
    workload = Workload.of(pytestconfig)
    coef, x = workload.weights(), workload.examples()
    return Data(coef, x, linpredict.predict(coef, x))


@pytest.fixture(scope="session")
def limit(data: Data, run: Session) -> Limit:
    """Return what measures the least possible latency next to each case."""
    run.limit = Limit(data.coef, data.x)
    return run.limit


@pytest.fixture(scope="session")
def make(data: Data, gate: Gate | None) -> Callable[[str], Builds]:
    """Make each predictor once, or skip its cases where it cannot run.

    Where the baseline has it, too, several builds of the current version and of the baseline's.
    """

    @cache
    def made(name: str) -> Builds | str:
        try:
            if gate and gate.baseline.has(name):
                build = lambda: predictors.make(name, data.coef)  # noqa: E731
                return Builds(*gate.builds(name, build, data.coef, data.x))
            return Builds([predictors.make(name, data.coef)], [])
        except UnavailableError as reason:
            return str(reason)

    def made_or_skip(name: str) -> Builds:
        if isinstance(builds := made(name), str):
            pytest.skip(builds)
        return builds

    return made_or_skip


@pytest.fixture
def case(
    benchmark: Any,
    predictor: str,
    batch_size: int,
    data: Data,
    make: Callable[[str], Builds],
    limit: Limit,
    run: Session,
    pytestconfig: pytest.Config,
) -> Generator[Case]:
    """Make what is timed, and save what was found: figures, and the machine's limit beside them."""
    info = benchmark.extra_info
    info |= {"predictor": predictor, "batch_size": batch_size}
    info |= Workload.of(pytestconfig).as_saved()
    name = f"{predictor}, batch {batch_size}"
    if run.gate and run.earlier(info):
        pytest.exit(f"{name} is run again, {JUDGED_ONCE}", pytest.ExitCode.USAGE_ERROR)
    with ending_the_run(name, run):
        builds = make(predictor)
    alone = not builds.baseline
    if alone and not limit.is_measured(batch_size):
        time.sleep(REST)
        limit.measure(batch_size)
    yield Case(name, data, batch_size, builds)
    # None where nothing was timed: --benchmark-disable, or pytest-codspeed in its place.
    if stats := getattr(benchmark, "stats", None):
        info |= statistics_of(batch_size, stats["data"])
        for earlier in run.earlier(info):
            run.cases.remove(earlier)
        run.cases.append(info)
        if alone:
            time.sleep(REST)
            limit.measure(batch_size)
            limit.reached(batch_size, min(stats["data"]))


@pytest.fixture
def warm_up(case: Case, run: Session) -> Callable[[], float]:
    """Return what warms a case up and returns the seconds of a call, of both versions together."""

    def warm_up() -> float:
        time.sleep(REST)
        try:
            with ending_the_run(case.name, run):
                return case.warm_up()
        except WrongLabelsError as error:
            pytest.fail(f"{case.name}: {error}", pytrace=False)

    return warm_up


@pytest.fixture
def say(case: Case, capsys: pytest.CaptureFixture[str]) -> Generator[Callable[[str], None]]:
    """Return what shows a case's progress behind the cursor, where that is on a terminal."""
    clear, save, restore, cut, wrap = "\x1b[K", "\x1b7", "\x1b8", "\x1b[?7l", "\x1b[?7h"

    def write(text: str) -> None:
        with capsys.disabled():
            if sys.stdout.isatty():
                sys.stdout.write(text)
                sys.stdout.flush()

    yield lambda text: write(f"{save}{clear}{cut} {case.name}: {text}{wrap}{restore}")
    write(clear)


@contextmanager
def ending_the_run(case: str, run: Session) -> Generator[None]:
    """End the run where it cannot go on: the baseline fails, or a cluster is not there."""
    try:
        yield
    except BaselineError as error:
        baseline = run.gate and run.gate.baseline
        message = f"baseline {baseline} cannot be measured: {case}: {error}"
        pytest.exit(message, pytest.ExitCode.USAGE_ERROR)
    except ConnectionError as error:
        pytest.exit(f"{case}: {error}", pytest.ExitCode.USAGE_ERROR)
