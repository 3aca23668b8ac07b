"""The hooks of ``pytest benchmarks/``: what is asked, and which room of ``benchmarks`` answers."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterable
from typing import Any

import pytest

from benchmarks import machine, options, predictors, report, saving, verdicts
from benchmarks.baseline import Baseline, BaselineError
from benchmarks.gate import Gate
from benchmarks.session import SESSION, Session
from benchmarks.workload import Workload


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options of the benchmark."""
    options.add(parser, pluginmanager)


def pytest_configure(config: pytest.Config) -> None:
    """Check the options, and prepare the run."""
    # NumPy's BLAS is the only one loaded before the predictors are made.
    config.stash[SESSION] = Session(machine.blas_info())
    options.check(config)
    saving.write_beside(config)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what the run runs on."""
    return machine.header(config.stash[SESSION].blas, config.getoption("dtype"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse, before anything is allocated, what cannot be measured; import the baseline."""
    config = session.config
    if not options.measures(config, session.items):
        return
    options.check_resources(config)
    if config.getoption("baseline") is not None:
        config.stash[SESSION].gate = make_gate(config)


def make_gate(config: pytest.Config) -> Gate:
    """Import the baseline."""
    # Python would end without removing what is temporary.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("SIGTERM", 128 + signal.SIGTERM))
    try:
        baseline = Baseline(config.getoption("baseline"))
    except BaselineError as error:
        raise pytest.UsageError(f"--baseline: {error}") from error
    config.add_cleanup(baseline.close)
    compared = predictors.PACKAGE.keys() & config.getoption("predictor")
    n_cases = len(compared) * len(config.getoption("batch_sizes"))
    fails = ("slower", "undecided") if config.getoption("undecided") == "fail" else ("slower",)
    return Gate(baseline, config.getoption("max_slowdown"), n_cases, fails)


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(
    config: pytest.Config, machine_info: dict[str, Any]
) -> None:
    """Add what decides speed, and drop the clock rate of the moment: it differs in each run."""
    machine_info |= machine.machine_info(config.stash[SESSION].blas, config.getoption("dtype"))
    for key in ("hz_actual", "hz_actual_friendly"):
        machine_info["cpu"].pop(key, None)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Generator[None]:
    """Add the limits to what is saved, and save whole runs only."""
    run = session.config.stash[SESSION]
    for case in run.cases:  # only now is it known what the machine can do
        if run.limit and "gate" not in case:
            case["latency_floor"] = run.limit.seconds(case["batch_size"])
            case["latency_floor_name"] = run.limit.name
    is_whole = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    with saving.replacing(session.config, is_whole):
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_group_stats(
    config: pytest.Config | None, benchmarks: Iterable[dict[str, Any]], group_by: str
) -> Any:
    """Name the rows of the tables so that sorting by name gives the order of batch sizes.

    ``pytest-benchmark compare`` calls this function itself, and in place of its own.
    """
    from pytest_benchmark.plugin import pytest_benchmark_group_stats as grouped

    benchmarks = list(benchmarks)
    for benchmark in benchmarks:
        if "batch_size" in (benchmark.get("params") or {}):
            benchmark["name"] = f"batch size {benchmark['params']['batch_size']:>6}"
    return grouped(config, benchmarks, group_by)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Sum up what users choose a batch size by, and what the gate found."""
    workload, run = Workload.of(config), config.stash[SESSION]
    if cases := [case for case in run.cases if "latency_floor" in case]:
        terminalreporter.section(f"latency and throughput, {workload}")
        table = report.latencies(config.getoption("predictor"), cases)
        terminalreporter.write_line("\n".join(report.aligned(table)))
        if hint := machine.hint(run.blas):
            terminalreporter.write_line(hint)
    compared = [case for case in run.cases if case["predictor"] in predictors.PACKAGE]
    if run.gate and compared:
        terminalreporter.section(f"gate, {workload}")
        gate, baseline = run.gate, str(run.gate.baseline)
        table = verdicts.table(compared, baseline)
        conclusion = verdicts.conclusion(compared, baseline, gate.max_slowdown, gate.fails)
        terminalreporter.write_line("\n".join([*report.aligned(table), conclusion]))
        if path := os.environ.get("GITHUB_STEP_SUMMARY"):
            try:
                with open(path, "a", encoding="utf-8") as file:
                    file.write(f"### {conclusion}\n\n{workload}\n\n{report.markdown(table)}\n")
            except OSError as error:
                terminalreporter.write_line(f"GITHUB_STEP_SUMMARY cannot be written: {error}")
