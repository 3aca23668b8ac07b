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
from benchmarks.limit import Limit
from benchmarks.peers import PEERS, Predict, UnavailableError
from benchmarks.workload import Workload

Array = NDArray[Any]

CHECKED = 64  # examples, at least, whose labels are compared with the formula's before timing
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
def make(data: Data) -> Callable[[str], Predict]:
    """Make each predictor once, or skip its cases where it cannot run."""

    @cache
    def made(name: str) -> Predict | str:
        try:
            return predictors.find(name)(data.coef)
        except UnavailableError as reason:
            return str(reason)
        except ModuleNotFoundError as error:
            if name in PEERS:
                return f"{error.name} is not installed: pip install -e '.[peers]'"
            raise

    def predictor_or_skip(name: str) -> Predict:
        if isinstance(predict := made(name), str):
            pytest.skip(predict)
        return predict

    return predictor_or_skip


@pytest.fixture(scope="session")
def limit(data: Data) -> Limit:
    """Return what measures the least possible latency next to each case."""
    return Limit(data.coef, data.x)


def test_predict(
    benchmark: Any,
    predictor: str,
    batch_size: int,
    data: Data,
    make: Callable[[str], Predict],
    limit: Limit,
    results: list[dict[str, Any]],
    pytestconfig: pytest.Config,
) -> None:
    """Time one batch after the other."""
    predict = make(predictor)
    starts = range(0, len(data.x) - batch_size + 1, batch_size)
    time.sleep(REST)
    read_seconds = limit.read_seconds(batch_size)
    time.sleep(REST)

    # The check warms the predictor up and tells how many rounds there is time for.
    durations = []
    n_checked = min(len(starts), -(-CHECKED // batch_size))
    for k in np.linspace(0, len(starts) - 1, n_checked, dtype=int):
        rows = slice(starts[k], starts[k] + batch_size)
        start = time.perf_counter()
        labels = predict(data.x[rows])
        durations.append(time.perf_counter() - start)
        wrong = predictors.first_wrong(
            data.coef, data.x[rows], labels, data.labels[rows], rows.start
        )
        if wrong:
            pytest.fail(f"{predictor}, batch size {batch_size}: {wrong}", pytrace=False)
    rounds = int(float(pytestconfig.getoption("--benchmark-max-time")) / min(durations))
    min_rounds = pytestconfig.getoption("--benchmark-min-rounds", 5)

    batches = cycle([data.x[i : i + batch_size] for i in starts])
    benchmark.pedantic(
        predict,
        setup=lambda: ((next(batches),), {}),
        rounds=max(min_rounds, min(rounds, MAX_ROUNDS)),
    )

    workload = Workload.of(pytestconfig)
    benchmark.extra_info |= {
        "predictor": predictor,
        "batch_size": batch_size,
        "n_classes": workload.n_classes,
        "n_features": workload.n_features,
        "n_samples": workload.n_samples,
        "dtype": workload.dtype,
    }
    # None where nothing was timed: --benchmark-disable, or pytest-codspeed in its place.
    if stats := getattr(benchmark, "stats", None):
        benchmark.extra_info |= figures(batch_size, stats["data"])
        time.sleep(REST)
        read_seconds += limit.read_seconds(batch_size)
        benchmark.extra_info["latency_floor"] = limit.latency_floor(batch_size, read_seconds)
        results.append(benchmark.extra_info)


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
