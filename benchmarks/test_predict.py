"""Latency and throughput as the batch size changes.

Each case times single calls, ``predict(x[i : i + batch_size])``, of a predictor that is made
beforehand. The weights are warm, the batches rotate through the examples, and the call may use all
usable cores. Its duration is the latency of the batch, whose first label comes with its last.
Throughput is the batch size over the median latency.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from functools import cache
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import linpredict
from benchmarks import predictors
from benchmarks.baseline import BaselineError, described
from benchmarks.gate import Gate, failure
from benchmarks.limit import LIMIT, Limit
from benchmarks.peers import PEERS, Predict, UnavailableError
from benchmarks.predictors import PACKAGE, WrongLabelsError
from benchmarks.workload import Workload

Array = NDArray[Any]

CHECKED = 64  # examples, at least, whose labels are compared with the formula's before timing
CALLS = 5  # before timing, at least, unless they take more than a second
MAX_ROUNDS = 10_000  # enough for p99; more would only swell the saved file
# Seconds until the threads of what ran before, which spin for a while, have fallen asleep.
REST = 0.1


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a case of each batch size and predictor, those of one batch size next to each other."""
    workload = Workload.of(metafunc.config)
    # Saved runs are compared by a case's id, so a workload that is not the default is part of it.
    suffix = "" if workload == Workload() else f"-{workload}"
    metafunc.parametrize(
        ("predictor", "batch_size"),
        [
            pytest.param(
                predictor,
                batch_size,
                id=f"{predictor}-{batch_size}{suffix}",
                marks=pytest.mark.benchmark(group=f"{predictor} {workload}"),
            )
            for batch_size in metafunc.config.getoption("batch_sizes")
            for predictor in metafunc.config.getoption("predictor")
        ],
    )


class Data(NamedTuple):
    """A workload's arrays, and the formula's labels."""

    coef: Array
    x: Array
    labels: Array


@pytest.fixture(scope="session")
def data(pytestconfig: pytest.Config) -> Data:
    """Make the data, once; the line after the collection has said so."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("cases that run at the same time slow each other down: run without -n")
    workload = Workload.of(pytestconfig)
    coef, x = workload.weights(), workload.examples()
    return Data(coef, x, linpredict.predict(coef, x))


@pytest.fixture(scope="session")
def make(data: Data, gate: Gate | None) -> Callable[[str], tuple[list[Predict], list[Predict]]]:
    """Make each predictor once, or skip its cases where it cannot run.

    Where the baseline has it, too, several builds of the current version and of the baseline's.
    """

    @cache
    def made(name: str) -> tuple[list[Predict], list[Predict]] | str:
        def build() -> Predict:
            return predictors.find(name)(data.coef)

        try:
            if gate and gate.baseline.has(name):
                return gate.builds(name, build, data.coef, data.x)
            return [build()], []
        except UnavailableError as reason:
            return str(reason)
        except ModuleNotFoundError as error:
            if name in PEERS:
                extra = "dask" if name == "dask" else "peers"
                return f"{error.name} is not installed: pip install -e '.[{extra}]'"
            raise

    def made_or_skip(name: str) -> tuple[list[Predict], list[Predict]]:
        if isinstance(builds := made(name), str):
            pytest.skip(builds)
        return builds

    return made_or_skip


@pytest.fixture(scope="session")
def limit(data: Data, pytestconfig: pytest.Config) -> Limit:
    """Return what measures the least possible latency next to each case."""
    pytestconfig.stash[LIMIT] = Limit(data.coef, data.x)
    return pytestconfig.stash[LIMIT]


def test_predict(
    benchmark: Any,
    predictor: str,
    batch_size: int,
    data: Data,
    make: Callable[[str], tuple[list[Predict], list[Predict]]],
    limit: Limit,
    gate: Gate | None,
    results: list[dict[str, Any]],
    pytestconfig: pytest.Config,
) -> None:
    """Time one batch after the other, in turns with the baseline's where there is one."""
    case = f"{predictor}, batch {batch_size}"
    starts = range(0, len(data.x) - batch_size + 1, batch_size)
    batches = cycle([data.x[i : i + batch_size] for i in starts])
    workload = Workload.of(pytestconfig)
    info = benchmark.extra_info
    info |= {
        "predictor": predictor,
        "batch_size": batch_size,
        "n_classes": workload.n_classes,
        "n_features": workload.n_features,
        "n_samples": workload.n_samples,
        "dtype": workload.dtype,
    }
    try:
        current, baseline = make(predictor)
    except BaselineError as error:
        pytest.exit(
            f"baseline {gate and gate.baseline} cannot be measured: {case}: {error}",
            pytest.ExitCode.USAGE_ERROR,
        )
    except ConnectionError as error:
        pytest.exit(f"{case}: {error}", pytest.ExitCode.USAGE_ERROR)

    time.sleep(REST)
    if baseline:
        try:
            baseline_seconds = warm_up(baseline[0], data, starts)
        except Exception as error:  # the baseline's code may raise any
            pytest.exit(
                f"baseline {gate and gate.baseline} cannot be measured: {case}: {described(error)}",
                pytest.ExitCode.USAGE_ERROR,
            )
    else:
        limit.measure(batch_size)
        time.sleep(REST)
    try:
        seconds = warm_up(current[0], data, starts)
    except WrongLabelsError as error:
        pytest.fail(f"{case}: {error}", pytrace=False)

    if gate and baseline:
        info["gate"] = gate.measure(
            benchmark, current, baseline, batches, seconds + baseline_seconds
        )
    else:
        rounds = int(float(pytestconfig.getoption("--benchmark-max-time")) / seconds)
        min_rounds = pytestconfig.getoption("--benchmark-min-rounds", 5)
        benchmark.pedantic(
            current[0],
            setup=lambda: ((next(batches),), {}),
            rounds=max(min_rounds, min(rounds, MAX_ROUNDS)),
        )

    # None where nothing was timed: --benchmark-disable, or pytest-codspeed in its place.
    if stats := getattr(benchmark, "stats", None):
        info |= figures(batch_size, stats["data"])
        if not baseline:
            time.sleep(REST)
            limit.measure(batch_size)
            limit.reached(batch_size, min(stats["data"]))
            results.append(info)
    if gate and predictor in PACKAGE:
        gate.results.append(info)
        if baseline and info["gate"]["verdict"] in gate.fails:
            pytest.fail(failure(case, info["gate"]), pytrace=False)


def warm_up(predict: Predict, data: Data, starts: range) -> float:
    """Label some batches, and return the seconds of the fastest call.

    Raises
    ------
    WrongLabelsError
        If one of the labels is wrong.
    """
    seconds: list[float] = []
    n_checked = min(len(starts), -(-CHECKED // starts.step))
    for k in cycle(np.linspace(0, len(starts) - 1, n_checked, dtype=int)):
        # The number of rounds rests on these calls, and one alone may be disturbed. A call that
        # takes a second gets the least number of rounds in any case.
        if len(seconds) >= max(n_checked, CALLS) or (
            len(seconds) >= n_checked and sum(seconds) > 1
        ):
            break
        rows = slice(starts[k], starts[k] + starts.step)
        start = time.perf_counter()
        labels = predict(data.x[rows])
        seconds.append(time.perf_counter() - start)
        predictors.check(data.coef, data.x[rows], labels, data.labels[rows], rows.start)
    return min(seconds)


def figures(batch_size: int, latencies: list[float]) -> dict[str, float]:
    """Return throughput (predictions per second) and percentiles of latency (seconds).

    A percentile is left out where there are too few rounds for it to mean something: p95 is that
    of 20 rounds or more, p99 of 100.
    """
    median = statistics.median(latencies)
    percentiles = {
        f"p{q}": float(np.percentile(latencies, q))
        for q, n in ((95, 20), (99, 100))
        if len(latencies) >= n
    }
    return {"throughput": batch_size / median, "p50": median, **percentiles}
