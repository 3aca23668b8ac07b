"""Options of ``pytest benchmarks/``, and what pytest-benchmark is told and tells beyond its own."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import environment, predictors
from benchmarks.baseline import Baseline, BaselineError
from benchmarks.gate import BUILT, Gate, summary, verdict
from benchmarks.limit import LIMIT
from benchmarks.workload import Workload, available_memory

BLAS = pytest.StashKey[dict[str, Any]]()
GATE = pytest.StashKey[Gate]()
RESULTS = pytest.StashKey[list[dict[str, Any]]]()


def positive(text: str) -> int:
    """Parse a positive integer."""
    try:
        if (value := int(text)) > 0:
            return value
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")


def batch_sizes(text: str) -> tuple[int, ...]:
    """Parse positive integers between commas; each counts once, in ascending order."""
    try:
        return tuple(sorted({positive(size) for size in text.split(",")}))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of positive integers like 1,8,64"
        ) from None


def percentage(text: str) -> float:
    """Parse a percentage like ``5%``."""
    try:
        if text.endswith("%") and 0 < (value := float(text[:-1]) / 100) < math.inf:
            return value
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not a percentage like 5%")


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options of the benchmark."""
    default = Workload()
    group = parser.getgroup("linpredict", "latency and throughput against batch size")
    group.addoption(
        "--predictor",
        action="append",
        metavar="NAME",
        help=f"what to measure, repeatable: {', '.join(predictors.PREDICTORS)}, or "
        "package.module:factory where factory(coef) returns a callable or an object with .predict "
        "(default: formula and packed)",
    )
    for name in ("classes", "features", "samples"):
        group.addoption(
            f"--{name}",
            type=positive,
            default=getattr(default, f"n_{name}"),
            metavar="N",
            help=f"number of {name} (default: %(default)s)",
        )
    group.addoption(
        "--batch-sizes",
        type=batch_sizes,
        metavar="N,N,…",
        help="batch sizes, between commas (default: 1,2,4 … 1024, as far as there are samples)",
    )
    group.addoption(
        "--dtype",
        choices=("float32", "float64"),
        default=default.dtype,
        help="of weights and examples (default: %(default)s)",
    )
    group.addoption(
        "--baseline",
        metavar="REV",
        help="fail cases of formula and packed that are slower than the package was at this commit "
        "(a branch, a tag, HEAD~3 …), whose code is imported beside the current one and run",
    )
    group.addoption(
        "--max-slowdown",
        type=percentage,
        default="5%",
        metavar="PERCENT",
        help="slowdown from which on --baseline fails a case (default: %(default)s)",
    )
    group.addoption(
        "--undecided",
        choices=("pass", "fail"),
        default="pass",
        help="what becomes of a case that --baseline cannot decide in its time "
        "(default: %(default)s)",
    )
    if not pluginmanager.hasplugin("benchmark"):
        # pytest-codspeed alone, or -p no:benchmark: the options in pyproject.toml must still parse.
        for option in ("--benchmark-sort", "--benchmark-columns", "--benchmark-max-time"):
            group.addoption(option, help=argparse.SUPPRESS)


def pytest_configure(config: pytest.Config) -> None:
    """Check what argparse cannot."""
    # NumPy's BLAS is the only one loaded before the predictors are made.
    config.stash[BLAS] = environment.blas_info()
    config.stash[RESULTS] = []
    names = config.option.predictor = list(
        dict.fromkeys(config.getoption("predictor") or ("formula", "packed"))
    )
    try:
        for name in names:
            predictors.find(name)
    except ValueError as error:
        raise pytest.UsageError(f"--predictor: {error}") from error
    samples = config.getoption("samples")
    sizes = config.option.batch_sizes = config.getoption("batch_sizes") or tuple(
        2**i for i in range(11) if 2**i <= samples
    )
    if sizes[-1] > samples:
        raise pytest.UsageError(
            f"--batch-sizes: {sizes[-1]} is larger than the number of samples, {samples}: choose "
            "smaller batches or more --samples"
        )
    if config.option.baseline is not None:
        refuse_with_baseline(config)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what the run runs on."""
    return environment.header(config.stash[BLAS], config.getoption("dtype"))


def refuse_with_baseline(config: pytest.Config) -> None:
    """Refuse options with which nothing would be compared."""
    for option in ("codspeed", "numprocesses", "benchmark_skip", "benchmark_disable"):
        if config.getoption(option, None):
            name = "-n" if option == "numprocesses" else f"--{option.replace('_', '-')}"
            raise pytest.UsageError(f"--baseline measures, and {name} does not: leave one out")
    if not predictors.PACKAGE.keys() & config.getoption("predictor"):
        raise pytest.UsageError(
            f"--baseline compares {' and '.join(predictors.PACKAGE)}: choose one as --predictor"
        )


def cases(config: pytest.Config, items: list[pytest.Item]) -> list[pytest.Item]:
    """Return the items that will need the workload's data."""
    if config.option.collectonly:
        return []
    return [
        item
        for item in items
        if "data" in getattr(item, "fixturenames", ()) and not item.get_closest_marker("skip")
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse, before anything is allocated, what cannot be measured."""
    if not cases(session.config, session.items):
        return
    if not any(map(session.config.pluginmanager.hasplugin, ("benchmark", "codspeed"))):
        raise pytest.UsageError(
            "pytest-benchmark is needed: install it, or leave out -p no:benchmark"
        )
    config = session.config
    workload, available = Workload.of(config), available_memory()
    needed = workload.nbytes
    if config.option.baseline is not None:
        needed += 2 * BUILT * workload.weights_nbytes
    if needed > available:
        raise pytest.UsageError(
            f"the workload needs {needed:,} bytes of memory and {available:,} are "
            "available: choose fewer --features, --samples or --classes"
        )
    if config.option.baseline is not None:
        config.stash[GATE] = make_gate(config)


def make_gate(config: pytest.Config) -> Gate:
    """Import the baseline."""
    try:
        baseline = Baseline(config.getoption("baseline"))
    except BaselineError as error:
        raise pytest.UsageError(f"--baseline: {error}") from error
    config.add_cleanup(baseline.close)
    compared = predictors.PACKAGE.keys() & config.getoption("predictor")
    n_cases = len(compared) * len(config.getoption("batch_sizes"))
    fails = ("slower", "undecided") if config.getoption("undecided") == "fail" else ("slower",)
    return Gate(baseline, config.getoption("max_slowdown"), n_cases, fails)


@pytest.fixture(scope="session")
def results(pytestconfig: pytest.Config) -> list[dict[str, Any]]:
    """Collect the ``extra_info`` of each measured case for the summary."""
    return pytestconfig.stash[RESULTS]


@pytest.fixture(scope="session")
def gate(pytestconfig: pytest.Config) -> Gate | None:
    """Compare with ``--baseline``, where it is given."""
    return pytestconfig.stash.get(GATE, None)


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(
    config: pytest.Config, machine_info: dict[str, Any]
) -> None:
    """Add what decides speed, and drop the clock rate of the moment: it differs in each run."""
    machine_info |= environment.machine_info(config.stash[BLAS], config.getoption("dtype"))
    for key in ("hz_actual", "hz_actual_friendly"):
        machine_info["cpu"].pop(key, None)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Generator[None]:
    """Add the limits to what is saved, and keep the file of an earlier run unless one replaces it.

    pytest-benchmark would write over it, also with the few cases of an interrupted run.
    """
    config = session.config
    for info in config.stash[RESULTS]:  # only now is it known what the machine can do
        info["latency_floor"] = config.stash[LIMIT].seconds(info["batch_size"])
        info["latency_floor_name"] = config.stash[LIMIT].name
    path: Path | None = config.getoption("benchmark_json", None)
    if path is None or not path.is_file() or "PYTEST_XDIST_WORKER" in os.environ:
        path = None
    saved = False
    try:
        if path:
            earlier = path.replace(path.with_name(f".{path.name}.earlier"))
        yield
        saved = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    except OSError as error:
        pytest.exit(f"the run cannot be saved: {error}", pytest.ExitCode.INTERNAL_ERROR)
    finally:
        if path:
            if saved and path.exists():
                earlier.unlink()
            else:
                earlier.replace(path)


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
    workload = Workload.of(config)
    if results := config.stash[RESULTS]:
        terminalreporter.section(f"latency and throughput, {workload}")
        for line in aligned(latency_table(config.getoption("predictor"), results)):
            terminalreporter.line(line)
        if hint := environment.hint(config.stash[BLAS]):
            terminalreporter.line(hint)
    gate = config.stash.get(GATE, None)
    if gate and gate.results:
        terminalreporter.section(f"gate, {workload}")
        table = summary(gate)
        for line in aligned(table):
            terminalreporter.line(line)
        terminalreporter.line(verdict(gate))
        if path := os.environ.get("GITHUB_STEP_SUMMARY"):
            try:
                with open(path, "a", encoding="utf-8") as file:
                    file.write(f"### {verdict(gate)}\n\n{workload}\n\n{markdown(table)}\n")
            except OSError as error:
                terminalreporter.line(f"GITHUB_STEP_SUMMARY cannot be written: {error}")


def latency_table(names: list[str], results: list[dict[str, Any]]) -> list[list[str]]:
    """Return a table of the cases, its heads first."""
    of = f"of {results[0]['latency_floor_name']}"
    heads = ["predictor", "batch size", "median (ms)", "p99 (ms)", "predictions/s", of]
    return [heads] + [
        [
            name,
            str(info["batch_size"]),
            f"{1e3 * info['p50']:.3f}",
            f"{1e3 * info['p99']:.3f}" if "p99" in info else "-",
            f"{info['throughput']:,.0f}",
            f"{info['latency_floor'] / info['p50']:.2f}",
        ]
        for name in names
        for info in results
        if info["predictor"] == name
    ]


def aligned(table: list[list[str]]) -> list[str]:
    """Return the lines of a table: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    ]


def markdown(table: list[list[str]]) -> str:
    """Return a table in Markdown."""
    heads, *rows = ("| " + " | ".join(row) + " |\n" for row in table)
    return "".join([heads, "|:-" + "|-:" * (len(table[0]) - 1) + "|\n", *rows])
