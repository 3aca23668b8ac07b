"""Hooks of ``pytest benchmarks/``, and fixtures of ``test_predict.py``.

The options and what concerns pytest-benchmark's tables are in ``conftest.py`` above this folder, as
pytest and ``pytest-benchmark compare`` look for them there.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Generator
from typing import Any

import pytest

from benchmarks import checks, comparison, summary
from benchmarks.failures import interruptible
from benchmarks.gate.checkout import undirected
from benchmarks.measuring import machine
from benchmarks.measuring.data import Data
from benchmarks.measuring.workload import Workload
from benchmarks.own.answers import OwnExamples
from benchmarks.own.loading import OWN
from benchmarks.saving import json_file
from benchmarks.saving.record import CaseId, read_id
from benchmarks.session import SESSION, Session
from benchmarks.workers.worker import own_pages

QUIET = 20.0  # seconds between two words at the least, where there is no terminal


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    checks.check(config)
    # NumPy's BLAS is the only one loaded before the predictors are made.
    config.stash[SESSION] = Session(machine.blas_info(), comparison.compared(config))
    json_file.keep_earlier(config)


def pytest_report_header(config: pytest.Config) -> list[str]:
    return machine.header(config.stash[SESSION].blas)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    with interruptible():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    config = session.config
    with interruptible():
        result = yield
        if config.getoption("blame"):
            config.stash[SESSION].blame(comparison.line_writer(config))
        return result


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse, before anything is allocated, what cannot be measured; prepare the baseline."""
    config = session.config
    if checks.measures(config, session.items):
        checks.check_resources(config)
        if comparison.is_asked_for(config):
            config.stash[SESSION].gate = comparison.make_gate(config, session.items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Note when the last case has ended: ``-x`` or an interrupt may end the run before."""
    result = yield
    item.config.stash[SESSION].is_whole = nextitem is None
    return result


@pytest.fixture(scope="session")
def run(pytestconfig: pytest.Config) -> Session:
    """Return what the cases share."""
    return pytestconfig.stash[SESSION]


@pytest.fixture(scope="session")
def data(pytestconfig: pytest.Config, run: Session) -> Data | OwnExamples:
    """Make the data, once; the line after the collection has said so."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("cases that run at the same time slow each other down: run without -n")
    workload, own = Workload.of(pytestconfig), pytestconfig.stash[OWN]
    if not workload.has_weights:
        examples = OwnExamples(
            pytestconfig.getoption("examples"), own, pytestconfig.getoption("max_differing")
        )
        if run.gate:
            run.gate.sides.share_examples(examples)
        return examples
    if run.gate:
        return run.gate.sides.share(workload, own)
    with own_pages():
        return Data.of(workload, own)


@pytest.fixture
def case(predictor: str, batch_size: int, run: Session, pytestconfig: pytest.Config) -> CaseId:
    """Return which case it is, and refuse it a second time."""
    case = Workload.of(pytestconfig).case(predictor, batch_size)
    if case.name in run.begun:
        pytest.exit(
            f"{case.name} is run again by a plugin, and a case is measured once: leave the plugin "
            "or its option out",
            pytest.ExitCode.USAGE_ERROR,
        )
    run.begun.add(case.name)
    return case


@pytest.fixture
def say(
    predictor: str, batch_size: int, capsys: pytest.CaptureFixture[str]
) -> Generator[Callable[[str], None]]:
    """Return what shows a case's progress: on a terminal behind the cursor, else now and then."""
    clear, save, restore, cut, wrap = "\x1b[K", "\x1b7", "\x1b8", "\x1b[?7l", "\x1b[?7h"
    with capsys.disabled():
        is_terminal = sys.stdout.isatty()
    said = time.monotonic()

    def write(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(text)
            sys.stdout.flush()

    def say(text: str) -> None:
        nonlocal said
        if not is_terminal and time.monotonic() - said < QUIET:
            return
        said = time.monotonic()
        case = f" {predictor}, batch {batch_size}: {text}"
        write(f"{save}{clear}{cut}{case}{wrap}{restore}" if is_terminal else f"\n{case} ")

    yield say
    if is_terminal:
        write(clear)


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(
    config: pytest.Config, machine_info: dict[str, Any]
) -> None:
    """Add what decides speed, and drop the clock rate of the moment: it differs in each run."""
    machine_info |= machine.machine_info(config.stash[SESSION].blas)
    for key in ("hz_actual", "hz_actual_friendly"):
        machine_info["cpu"].pop(key, None)


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_benchmark_generate_commit_info() -> Generator[None, Any, Any]:
    """Save the commit of the folder that is measured, not the one that ``GIT_DIR`` points at."""
    with undirected():
        return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Add the limit by all that was measured in the run."""
    records = {record.name: record for record in config.stash[SESSION].cases}
    for row in output_json["benchmarks"]:
        if (case := read_id(row["extra_info"])) and case.name in records:
            row["extra_info"] |= records[case.name].as_saved()


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """Save a whole run, and sum it up: whatever raises then, a comparison or another plugin."""
    config = session.config
    config.stash[SESSION].finish()
    try:
        with json_file.written(config, config.stash[SESSION].is_whole):
            return (yield)
    except BaseException:
        summary.write(config)  # which pytest no longer asks for
        raise


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(config: pytest.Config) -> Generator[None]:
    """Sum up, also where pytest-benchmark's tables raise, as its comparison does."""
    try:
        return (yield)
    except OSError as error:  # a histogram's file
        pytest.exit(f"the run cannot be shown: {error}", pytest.ExitCode.INTERNAL_ERROR)
    finally:
        summary.write(config)
