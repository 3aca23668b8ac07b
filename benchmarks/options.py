"""The options of ``pytest benchmarks/``, and what is refused."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import time
from pathlib import Path

import pytest

from benchmarks import predictors
from benchmarks.argument_types import batch_sizes, percentage, positive, variable
from benchmarks.gate.pairs import PROCESSES
from benchmarks.gate.worker import PACKAGE
from benchmarks.label_check import AT_MOST
from benchmarks.machine import available_memory
from benchmarks.roofline import ITEMSIZE
from benchmarks.workload import Workload

HERE = Path(__file__).parent
# What other plugins call the option that runs cases again.
REPEATERS = {
    "reruns": "--reruns",  # pytest-rerunfailures
    "force_reruns": "--force-reruns",
    "retries": "--retries",  # pytest-retry
    "count": "--count",  # pytest-repeat
    "flake_finder_enable": "--flake-finder",  # pytest-flakefinder
    "force_flaky": "--force-flaky",  # flaky
}
JUDGED_ONCE = "and --baseline judges each once: leave one out"

GROUPS = (
    "group", "name", "func", "fullname", "fullfunc",
    "param", "param:predictor", "param:batch_size",
)  # fmt: skip


def add(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options."""
    default = Workload()
    group = parser.getgroup("linpredict", "latency and throughput against batch size")
    group.addoption(
        "--predictor", action="append", metavar="NAME",
        help=f"what to measure, repeatable: {', '.join(predictors.PREDICTORS)}, or "
        "package.module:factory where factory(coef) returns a callable or an object with .predict "
        "(default: formula and packed)",
    )  # fmt: skip
    for name in ("classes", "features", "samples"):
        group.addoption(
            f"--{name}", type=positive, default=getattr(default, f"n_{name}"), metavar="N",
            help=f"number of {name} (default: %(default)s)",
        )  # fmt: skip
    group.addoption(
        "--batch-sizes", type=batch_sizes, metavar="N,N,…",
        help="batch sizes, between commas (default: 1,2,4 … 1024, as far as there are samples)",
    )  # fmt: skip
    group.addoption(
        "--dtype", choices=tuple(ITEMSIZE), default=default.dtype,
        help="of weights and examples (default: %(default)s)",
    )  # fmt: skip
    group.addoption(
        "--baseline", metavar="REV",
        help="fail cases that are slower than they were at this commit (a branch, a tag, HEAD~3 …) "
        "of this package or, for package.module:factory, of the repository that it lies in; its "
        "code is run",
    )  # fmt: skip
    group.addoption(
        "--baseline-with", action="append", metavar="REQUIREMENT",
        help="compare with an environment that has this instead, repeatable: 'numpy==2.2.6'",
    )  # fmt: skip
    group.addoption(
        "--baseline-python", metavar="PATH", help="compare with this interpreter's environment"
    )
    group.addoption(
        "--baseline-set", action="append", type=variable, metavar="NAME=VALUE",
        help="compare with this environment variable set, repeatable: OPENBLAS_NUM_THREADS=1",
    )  # fmt: skip
    group.addoption(
        "--max-slowdown", type=percentage, default="5%", metavar="PERCENT",
        help="slowdown from which on a comparison fails a case (default: %(default)s)",
    )  # fmt: skip
    group.addoption(
        "--undecided", choices=("pass", "fail"), default="pass",
        help="what becomes of a case that cannot be decided in its time (default: %(default)s)",
    )  # fmt: skip
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
    if compares(config):
        check_with_baseline(config)
    if config.pluginmanager.hasplugin("benchmark"):
        check_benchmark(config)


def check_benchmark(config: pytest.Config) -> None:
    """Refuse what pytest-benchmark takes, and what ends a run or makes its figures no latencies."""
    for option in ("benchmark_max_time", "benchmark_min_time"):
        if not is_duration(value := config.getoption(option)):
            raise pytest.UsageError(
                f"--{option.replace('_', '-')}: {value} is not a number of seconds like 2"
            )
    timer = config.getoption("benchmark_timer")
    if timer != "time.perf_counter" and not counts_seconds(timer):
        raise pytest.UsageError(
            f"--benchmark-timer: {timer} does not count the seconds that pass, which latency is "
            "made of: leave it out"
        )
    for label in config.getoption("benchmark_group_by").split(","):
        if label not in GROUPS:
            raise pytest.UsageError(
                f"--benchmark-group-by: {label!r} is not one of {', '.join(GROUPS)}"
            )


def is_duration(text: str) -> bool:
    """Tell whether it is a number of seconds, of a few decades at most."""
    try:
        return 0 <= float(text) < 1e9
    except ValueError:
        return False


def counts_seconds(timer: str) -> bool:
    """Tell whether a function, named as ``package.module.function``, returns wall-clock time."""
    module, _, function = timer.rpartition(".")
    try:
        now = getattr(importlib.import_module(module), function)
        outer, inner = time.perf_counter(), now()
        time.sleep(0.02)
        inner, outer = now() - inner, time.perf_counter() - outer
        return bool(0.019 < inner < outer + 0.001)
    except Exception:  # it may be any code
        return False


def check_with_baseline(config: pytest.Config) -> None:
    """Refuse options with which nothing would be compared."""
    for option in ("codspeed", "numprocesses", "tx", "benchmark_skip", "benchmark_disable"):
        if config.getoption(option, None):
            name = "-n" if option == "numprocesses" else f"--{option.replace('_', '-')}"
            raise pytest.UsageError(f"--baseline measures, and {name} does not: leave one out")
    for option, name in REPEATERS.items():
        value = config.getoption(option, None)
        if value is None:
            try:
                value, name = config.getini(option), f"the setting {option}"
            except (KeyError, ValueError):  # no plugin has it
                continue
        if value and value != "0" and (option, value) != ("count", 1):
            raise pytest.UsageError(f"{name} runs cases again, {JUDGED_ONCE}")
    if config.getoption("benchmark_cprofile", None):
        raise pytest.UsageError(
            "--benchmark-cprofile profiles this process, and --baseline measures in others: leave "
            "one out"
        )
    if not compared(config):
        raise pytest.UsageError(
            f"--baseline compares {' and '.join(PACKAGE)}, and predictors of your own, with what "
            "they were: choose one as --predictor, or change the libraries with --baseline-with"
        )
    if not (hasattr(signal, "SIGSTOP") and hasattr(os, "waitid")):
        raise pytest.UsageError(
            "--baseline freezes processes (SIGSTOP, waitid), which this system cannot: use Linux, "
            "or macOS with Python 3.13 or newer"
        )


def compares(config: pytest.Config) -> bool:
    """Tell whether a baseline is asked for."""
    return config.getoption("baseline") is not None or changes(config)


def changes(config: pytest.Config) -> bool:
    """Tell whether the baseline's environment is to be another one."""
    return any(config.getoption(f"baseline_{name}") for name in ("with", "python", "set"))


def compared(config: pytest.Config) -> list[str]:
    """Return the predictors that are compared: at another commit, other libraries are the same."""
    return [
        name
        for name in config.getoption("predictor")
        if changes(config) or (compares(config) and not predictors.is_of_other_library(name))
    ]


def check_resources(config: pytest.Config) -> None:
    """Refuse, before anything is allocated, what cannot be measured."""
    if not any(map(config.pluginmanager.hasplugin, ("benchmark", "codspeed"))):
        raise pytest.UsageError(
            "pytest-benchmark is needed: install it, or leave out -p no:benchmark"
        )
    workload, available = Workload.of(config), available_memory()
    names, batch_size = config.getoption("predictor"), config.getoption("batch_sizes")[-1]
    processes = dict.fromkeys(compared(config), 2 * PROCESSES)
    needed = workload.nbytes + predictors.memory(
        names, workload.weights_nbytes, batch_size * workload.example_nbytes, processes
    )
    if processes:
        needed += AT_MOST * workload.example_nbytes
    if needed > available:
        fewer = " or name fewer at --predictor" if len(names) > 1 else ""
        raise pytest.UsageError(
            f"the workload needs {needed:,} bytes of memory and {available:,} are "
            f"available: choose fewer --features, --samples or --classes{fewer}"
        )


def check_markers(items: list[pytest.Item]) -> None:
    """Refuse, with ``--baseline``, markers with which plugins run cases again."""
    for item in filter(is_case, items):
        for name in ("flaky", "repeat"):
            if item.get_closest_marker(name):
                raise pytest.UsageError(f"the marker {name} runs cases again, {JUDGED_ONCE}")


def is_case(item: pytest.Item) -> bool:
    """Tell whether a test is one of ``benchmarks/``, whose predictors are timed."""
    return HERE in item.path.parents


def measures(config: pytest.Config, items: list[pytest.Item]) -> bool:
    """Tell whether any of the items will need the workload's data."""
    return not config.option.collectonly and any(
        is_case(item) and not item.get_closest_marker("skip") for item in items
    )
