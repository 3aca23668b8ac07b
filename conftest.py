"""Hooks of ``pytest benchmarks/``; what they do is in ``benchmarks/``."""

from __future__ import annotations

import os
import signal
import textwrap
from collections.abc import Generator, Iterable
from typing import Any

import pytest

from benchmarks import conclusions, json_file, machine, options, tables
from benchmarks.failures import interruptible
from benchmarks.gate import summary
from benchmarks.gate.baseline import Baseline, BaselineError
from benchmarks.gate.checkout import undirected
from benchmarks.gate.pairs import Gate
from benchmarks.record import Verdict
from benchmarks.session import SESSION, Session
from benchmarks.workload import Workload

WIDTH = 99  # of sentences, as of pytest-benchmark's tables


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options of the benchmark."""
    options.add(parser, pluginmanager)


def pytest_configure(config: pytest.Config) -> None:
    """Check the options, and prepare the run."""
    # NumPy's BLAS is the only one loaded before the predictors are made.
    config.stash[SESSION] = Session(machine.blas_info())
    options.check(config)
    json_file.write_to_memory(config)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what the run runs on."""
    return machine.header(config.stash[SESSION].blas)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let an interrupt end the run as one."""
    with interruptible():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop() -> Generator[None, object, object]:
    """Let an interrupt end the run as one."""
    with interruptible():
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse, before anything is allocated, what cannot be measured; prepare the baseline."""
    config = session.config
    if not options.measures(config, session.items):
        return
    options.check_resources(config)
    if options.compares(config):
        options.check_markers(session.items)
        config.stash[SESSION].gate = make_gate(config)


def make_gate(config: pytest.Config) -> Gate:
    """Prepare the baseline."""
    # Python would end without removing what is temporary.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("SIGTERM", 128 + signal.SIGTERM))
    terminalreporter = config.pluginmanager.get_plugin("terminalreporter")
    names = options.compared(config)
    try:
        baseline = Baseline(
            names,
            config.getoption("baseline"),
            config.getoption("baseline_with") or (),
            config.getoption("baseline_python"),
            dict(config.getoption("baseline_set") or ()),
            terminalreporter.write_line if terminalreporter else print,
        )
    except BaselineError as error:
        raise pytest.UsageError(str(error)) from error
    n_cases = len(names) * len(config.getoption("batch_sizes"))
    fails = [Verdict.SLOWER]
    if config.getoption("undecided") == "fail":
        fails.append(Verdict.UNDECIDED)
    gate = Gate(baseline, config.getoption("max_slowdown"), n_cases, tuple(fails))
    config.add_cleanup(gate.close)
    return gate


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(
    config: pytest.Config, machine_info: dict[str, Any]
) -> None:
    """Add what decides speed, and drop the clock rate of the moment: it differs in each run."""
    machine_info |= machine.machine_info(config.stash[SESSION].blas)
    for key in ("hz_actual", "hz_actual_friendly"):
        machine_info["cpu"].pop(key, None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Note when the last case has ended: ``-x`` or an interrupt may end the run before."""
    result = yield
    item.config.stash[SESSION].is_whole = nextitem is None
    return result


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_benchmark_generate_commit_info() -> Generator[None, Any, Any]:
    """Save the commit of the folder that is measured, not the one that ``GIT_DIR`` points at."""
    with undirected():
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """Add the limits to what is saved, and save whole runs only.

    Whatever raises then, a comparison or another plugin, costs neither the file nor the summary.
    """
    config, run = session.config, session.config.stash[SESSION]
    run.finish()
    destination = config.stash.get(json_file.DESTINATION, None)
    if destination:
        destination.is_kept = run.is_whole
    try:
        try:
            return (yield)
        except BaseException:
            if terminalreporter := config.pluginmanager.get_plugin("terminalreporter"):
                sum_up(terminalreporter, config)
            raise
        finally:
            if destination:
                destination.write()
    except OSError as error:
        saved = destination and destination.is_written
        start = f"{destination} is written, but" if saved else "the run cannot be saved:"
        pytest.exit(f"{start} {error}", pytest.ExitCode.INTERNAL_ERROR)


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(output_json: dict[str, Any]) -> None:
    """Save the last attempt at each case, where some plugin runs cases again."""
    output_json["benchmarks"] = tables.last_attempts(output_json["benchmarks"])


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_group_stats(
    config: pytest.Config | None, benchmarks: Iterable[dict[str, Any]], group_by: str
) -> Any:
    """Name the rows of the tables by what differs, so that sorting by name gives a useful order.

    ``pytest-benchmark compare`` calls this function itself, and in place of its own.
    """
    from pytest_benchmark.plugin import pytest_benchmark_group_stats as grouped

    groups = grouped(config, tables.last_attempts(benchmarks), group_by)
    for _, group in groups:
        tables.name_rows(group)
    return groups


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None]:
    """Sum up, also where pytest-benchmark's tables raise, as its comparison does."""
    try:
        return (yield)
    finally:
        sum_up(terminalreporter, config)


def sum_up(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Sum up, once, what users choose a batch size by, and what the gate found."""
    workload, run = Workload.of(config), config.stash[SESSION]
    if run.is_summed_up:
        return
    run.is_summed_up = True
    if cases := [case for case in run.cases if case.latency_floor]:
        terminalreporter.section(f"latency and throughput, {workload}")
        table = tables.latencies(config.getoption("predictor"), cases)
        latencies: dict[str, dict[int, float]] = {}
        for case in cases:
            latencies.setdefault(case.predictor, {})[case.batch_size] = case.p50
        said = conclusions.in_words(latencies, [of.roofline for of in run.ceilings.values()])
        said += conclusions.screened(cases) + conclusions.faster_than_limit(cases)
        wrapped = [textwrap.fill(sentence, WIDTH) for sentence in said]
        terminalreporter.write_line("\n".join([*tables.aligned(table), "", *wrapped]))
        for hint in machine.hints(run.blas):
            terminalreporter.write_line(hint)
    if run.gate and (run.cases or run.failed):
        terminalreporter.section(f"gate, {workload}")
        gate, baseline = run.gate, str(run.gate.baseline)
        table = summary.table(run.cases, baseline)
        conclusion = summary.conclusion(
            run.cases, baseline, gate.max_slowdown, gate.fails, run.failed
        )
        differences = summary.differences(run.cases, baseline)
        resolution = summary.resolution(run.cases)
        lines = [*differences, *tables.aligned(table), conclusion, *resolution]
        terminalreporter.write_line("\n".join(lines))
        if path := os.environ.get("GITHUB_STEP_SUMMARY"):
            try:
                with open(path, "a", encoding="utf-8") as file:
                    said = [f"### {conclusion}\n", f"{workload}\n", *resolution, ""]
                    said += [*differences, "", tables.markdown(table)]
                    file.write("\n".join(said) + "\n")
            except OSError as error:
                terminalreporter.write_line(f"GITHUB_STEP_SUMMARY cannot be written: {error}")
