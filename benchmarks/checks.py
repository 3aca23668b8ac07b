"""Options and workloads with which nothing could be measured, refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import comparison
from benchmarks.measuring.machine import available_memory
from benchmarks.measuring.workload import Workload
from benchmarks.predictors import by_name
from benchmarks.workers.processes import PROCESS_NBYTES

HERE = Path(__file__).parent
GROUPS = (
    "group", "name", "func", "fullname", "fullfunc",
    "param", "param:predictor", "param:batch_size",
)  # fmt: skip
# Copies of the weights that a predictor holds at the most, in each process that makes it, and those
# of another library while it is made (ONNX Runtime).
COPIES, COPIES_OF_LIBRARY = 2, 5


def check(config: pytest.Config) -> None:
    """Check what argparse cannot, and fill in what follows from other options."""
    names = config.getoption("predictor") or ("formula", "packed")
    names = config.option.predictor = list(dict.fromkeys(names))
    try:
        for name in names:
            by_name.check(name)
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
    if comparison.is_asked_for(config):
        comparison.check(config)
    if config.pluginmanager.hasplugin("benchmark"):
        check_benchmark(config)


def check_benchmark(config: pytest.Config) -> None:
    """Refuse what pytest-benchmark takes, and what ends a run or makes its figures no latencies."""
    max_time = config.getoption("benchmark_max_time")
    if not 0 <= float(max_time) < 1e9:  # nor NaN
        raise pytest.UsageError(
            f"--benchmark-max-time: {max_time} is not a number of seconds like 2"
        )
    if (timer := config.getoption("benchmark_timer")) != "time.perf_counter":
        raise pytest.UsageError(
            f"--benchmark-timer: latencies are measured by time.perf_counter, not {timer}: leave "
            "it out"
        )
    if config.getoption("memray", None):
        raise pytest.UsageError(
            "--memray watches each allocation, and calls that allocate take longer: leave it out"
        )
    for label in config.getoption("benchmark_group_by").split(","):
        if label not in GROUPS:
            raise pytest.UsageError(
                f"--benchmark-group-by: {label!r} is not one of {', '.join(GROUPS)}"
            )


def check_resources(config: pytest.Config) -> None:
    """Refuse, before anything is allocated, what cannot be measured."""
    if not any(map(config.pluginmanager.hasplugin, ("benchmark", "codspeed"))):
        raise pytest.UsageError(
            "pytest-benchmark is needed: install it, or leave out -p no:benchmark"
        )
    names, available = config.getoption("predictor"), available_memory()
    needed = memory(Workload.of(config), names, comparison.processes(config))
    if needed > available:
        fewer = " or name fewer at --predictor" if len(names) > 1 else ""
        raise pytest.UsageError(
            f"the workload needs {needed:,} bytes of memory and {available:,} are "
            f"available: choose fewer --features, --samples or --classes{fewer}"
        )


def memory(workload: Workload, names: list[str], processes: dict[str, int]) -> int:
    """Return the bytes that a run needs at the most; `processes` are those of each predictor."""
    needed = workload.nbytes
    for name in names:
        copies = COPIES_OF_LIBRARY if by_name.is_of_other_library(name) else COPIES
        n_processes = processes.get(name, 0)
        needed += copies * workload.weights_nbytes * max(1, n_processes)
        needed += PROCESS_NBYTES * n_processes
    return needed


def measures(config: pytest.Config, items: list[pytest.Item]) -> bool:
    """Tell whether any of the items is a case that will need the workload's data."""
    return not config.option.collectonly and any(
        HERE in item.path.parents and not item.get_closest_marker("skip") for item in items
    )
