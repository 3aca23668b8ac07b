"""Options of ``pytest benchmarks/``, and what pytest-benchmark is told and tells beyond its own."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from benchmarks import predictors
from benchmarks.workload import Workload, available_memory
from linpredict.machine import usable_cores

BLAS = pytest.StashKey[dict[str, Any]]()
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
    if not pluginmanager.hasplugin("benchmark"):
        # pytest-codspeed alone, or -p no:benchmark: the options in pyproject.toml must still parse.
        for option in ("--benchmark-sort", "--benchmark-columns", "--benchmark-max-time"):
            group.addoption(option, help=argparse.SUPPRESS)


def pytest_configure(config: pytest.Config) -> None:
    """Check what argparse cannot."""
    # NumPy's BLAS is the only one loaded before the predictors are made.
    config.stash[BLAS] = blas_info()
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
    workload, available = Workload.of(session.config), available_memory()
    if workload.nbytes > available:
        raise pytest.UsageError(
            f"the workload needs {workload.nbytes:,} bytes of memory and {available:,} are "
            "available: choose fewer --features, --samples or --classes"
        )


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Say what takes the first seconds."""
    if not cases(config, items):
        return []
    workload = Workload.of(config)
    return [
        f"making {workload.n_samples:,} examples of {workload.n_features:,} features for "
        f"{workload.n_classes:,} classes ({workload.nbytes / 2**20:,.0f} MiB), "
        f"then {len(items)} cases"
    ]


@pytest.fixture(scope="session")
def results(pytestconfig: pytest.Config) -> list[dict[str, Any]]:
    """Collect the ``extra_info`` of each measured case for the summary."""
    return pytestconfig.stash[RESULTS]


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(
    config: pytest.Config, machine_info: dict[str, Any]
) -> None:
    """Add what decides speed, and drop the clock rate of the moment: it differs in each run."""
    machine_info["blas"] = config.stash[BLAS]
    machine_info["numpy_version"] = np.__version__
    machine_info["usable_cores"] = usable_cores()
    for key in ("hz_actual", "hz_actual_friendly"):
        machine_info["cpu"].pop(key, None)


def blas_info() -> dict[str, Any]:
    """Describe NumPy's BLAS library: its name, version, threads and kernels."""
    for library in threadpool_info():
        if library["user_api"] == "blas":
            return {
                "name": library["internal_api"],
                "version": library["version"],
                "threads": library["num_threads"],
                "architecture": library.get("architecture"),
            }
    # threadpoolctl does not know this one, Apple's Accelerate for example.
    built_with = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {"name": built_with["name"], "version": built_with["version"]}


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
    """Sum up what users choose a batch size by."""
    results = config.stash[RESULTS]
    if not results:
        return
    terminalreporter.section(f"latency and throughput, {Workload.of(config)}")
    width = max(len("predictor"), *(len(info["predictor"]) for info in results))
    terminalreporter.line(
        f"{'predictor':{width}}  {'batch size':>10}  {'median (ms)':>12}  {'p99 (ms)':>12}"
        f"  {'predictions/s':>14}  {'of limit':>8}"
    )
    for name in config.getoption("predictor"):
        for info in results:
            if info["predictor"] == name:
                p99 = f"{1e3 * info['p99']:.3f}" if "p99" in info else "-"
                terminalreporter.line(
                    f"{name:{width}}  {info['batch_size']:>10}  {1e3 * info['p50']:>12.3f}"
                    f"  {p99:>12}  {info['throughput']:>14,.0f}"
                    f"  {info['latency_floor'] / info['p50']:>8.2f}"
                )
