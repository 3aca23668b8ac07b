"""Options and workloads with which nothing could be measured, refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import comparison
from benchmarks.gate.sides import PROCESSES
from benchmarks.measuring.machine import available_memory
from benchmarks.measuring.workload import WORKLOAD, Workload
from benchmarks.own.loading import NOTHING, OWN, in_words, load
from benchmarks.predictors import by_name
from benchmarks.workers.processes import PROCESS_NBYTES

HERE = Path(__file__).parent
GROUPS = (
    "group", "name", "func", "fullname", "fullfunc",
    "param", "param:predictor", "param:batch_size",
)  # fmt: skip
# Copies of the weights that a predictor holds at the most, in each process that makes it, and those
# of another library while it is made (ONNX Runtime).
COPIES, COPIES_OF_LIBRARY = {"float32": 2.5, "float64": 2.0}, 5


def check(config: pytest.Config) -> None:
    """Check what argparse cannot, and fill in what follows from other options."""
    workload = check_workload(config)
    names = config.getoption("predictor") or ("formula", "packed")
    names = config.option.predictor = list(dict.fromkeys(names))
    weights = ["coef"] if workload.has_weights else []
    if config.stash[OWN].intercept is not None:
        weights.append("intercept")
    try:
        for name in names:
            by_name.check(name, weights)
    except ValueError as error:
        raise pytest.UsageError(f"--predictor: {error}") from error
    samples = workload.n_samples
    sizes = config.option.batch_sizes = config.getoption("batch_sizes") or tuple(
        2**i for i in range(11) if 2**i <= samples
    )
    if sizes[-1] > samples:
        more = "more --examples" if workload.examples else "more --samples"
        raise pytest.UsageError(
            f"--batch-sizes: {sizes[-1]} is larger than the number of samples, {samples}: choose "
            f"smaller batches or {more}"
        )
    if comparison.is_asked_for(config):
        comparison.check(config)
    elif config.getoption("blame"):
        raise pytest.UsageError(
            "--blame looks for what made a case slower than the baseline: name one, as by "
            "--baseline-requirements or --baseline-with"
        )
    if config.pluginmanager.hasplugin("benchmark"):
        check_benchmark(config)


def check_workload(config: pytest.Config) -> Workload:
    """Load what is named of the user's own, and stash it, and the workload that it makes."""
    sources = {name: config.getoption(name) for name in ("examples", "weights")}
    if not any(sources.values()):
        config.stash[OWN], config.stash[WORKLOAD] = NOTHING, Workload.asked_for(config)
        return config.stash[WORKLOAD]
    for name in ("classes", "features", "dtype", "samples"):
        if config.getoption(name) and (name != "samples" or sources["examples"]):
            by = " and ".join(f"--{source}" for source, given in sources.items() if given)
            raise pytest.UsageError(f"--{name}: {by} say how many or which: leave it out")
    try:
        own = config.stash[OWN] = load(**sources)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    examples, weights = in_words(own)
    n_samples = Workload.asked_for(config).n_samples
    if own.description:
        n_samples = own.description.n_rows
    made = Workload(0, 0, n_samples, "", examples)
    if own.coef is not None:
        n_classes, n_features = own.coef.shape
        made = Workload(n_classes, n_features, n_samples, own.coef.dtype.name, examples, weights)
    config.stash[WORKLOAD] = made
    return made


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
    processes = dict.fromkeys(comparison.compared(config), 2 * PROCESSES)
    needed = memory(Workload.of(config), names, processes)
    if needed > available:
        fewer = " or name fewer at --predictor" if len(names) > 1 else ""
        raise pytest.UsageError(
            f"the workload needs {needed:,} bytes of memory and {available:,} are "
            f"available: choose fewer --features, --samples or --classes{fewer}"
        )


def memory(workload: Workload, names: list[str], processes: dict[str, int]) -> int:
    """Return the bytes that a run needs at the most; `processes` are those of each predictor."""
    needed: float = workload.nbytes
    of_package = COPIES.get(workload.dtype, 0.0)  # a model's weights are not known
    for name in names:
        copies = COPIES_OF_LIBRARY if by_name.is_of_other_library(name) else of_package
        n_processes = processes.get(name, 0)
        needed += copies * workload.weights_nbytes * max(1, n_processes)
        needed += PROCESS_NBYTES * n_processes
    return int(needed)


def measures(config: pytest.Config, items: list[pytest.Item]) -> bool:
    """Tell whether any of the items is a case that will need the workload's data."""
    return not config.option.collectonly and any(
        HERE in item.path.parents and not item.get_closest_marker("skip") for item in items
    )
