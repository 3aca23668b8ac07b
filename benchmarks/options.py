"""The options of ``pytest benchmarks/``, and what is refused."""

from __future__ import annotations

import argparse

import pytest

from benchmarks import predictors
from benchmarks.arguments import batch_sizes, percentage, positive
from benchmarks.gate import BUILT
from benchmarks.machine import available_memory
from benchmarks.workload import Workload


def add(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options."""
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


def check(config: pytest.Config) -> None:
    """Check what argparse cannot, and fill in what follows from other options."""
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
        check_with_baseline(config)


def check_with_baseline(config: pytest.Config) -> None:
    """Refuse options with which nothing would be compared."""
    for option in ("codspeed", "numprocesses", "benchmark_skip", "benchmark_disable"):
        if config.getoption(option, None):
            name = "-n" if option == "numprocesses" else f"--{option.replace('_', '-')}"
            raise pytest.UsageError(f"--baseline measures, and {name} does not: leave one out")
    if not predictors.PACKAGE.keys() & config.getoption("predictor"):
        raise pytest.UsageError(
            f"--baseline compares {' and '.join(predictors.PACKAGE)}: choose one as --predictor"
        )


def check_resources(config: pytest.Config) -> None:
    """Refuse, before anything is allocated, what cannot be measured."""
    if not any(map(config.pluginmanager.hasplugin, ("benchmark", "codspeed"))):
        raise pytest.UsageError(
            "pytest-benchmark is needed: install it, or leave out -p no:benchmark"
        )
    workload, available = Workload.of(config), available_memory()
    needed = workload.nbytes
    if config.option.baseline is not None:
        needed += 2 * BUILT * workload.weights_nbytes
    if needed > available:
        raise pytest.UsageError(
            f"the workload needs {needed:,} bytes of memory and {available:,} are "
            "available: choose fewer --features, --samples or --classes"
        )


def measures(config: pytest.Config, items: list[pytest.Item]) -> bool:
    """Tell whether any of the items will need the workload's data."""
    return not config.option.collectonly and any(
        "data" in getattr(item, "fixturenames", ()) and not item.get_closest_marker("skip")
        for item in items
    )
