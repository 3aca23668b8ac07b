"""Latency and throughput as the batch size changes.

Each case times single calls, ``predict(x[i : i + batch_size])``, of a predictor that is made
beforehand. The weights are warm, the batches rotate through the examples, and the call may use all
usable cores. Its duration is the latency of the batch, whose first label comes with its last.
Throughput is the batch size over the median latency. ``conftest.py`` beside this file makes and
warms what is timed, and saves what is found.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Any

import pytest

from benchmarks.case import Case, warm_up
from benchmarks.failures import failing
from benchmarks.gate.pairs import Compared
from benchmarks.gate.summary import failure
from benchmarks.options import compared
from benchmarks.session import Session
from benchmarks.timing import CLOCK, MAX_ROUNDS
from benchmarks.workload import Workload


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a case of each batch size and predictor, those of one batch size next to each other."""
    workload = Workload.of(metafunc.config)
    # Saved runs are compared by a case's id, so a workload that is not the default is part of it.
    suffix = "" if workload == Workload() else f"-{workload}"
    timers = {name: {"timer": CLOCK} for name in compared(metafunc.config)}
    metafunc.parametrize(
        ("predictor", "batch_size"),
        [
            pytest.param(
                predictor,
                batch_size,
                id=f"{predictor}-{batch_size}{suffix}",
                marks=pytest.mark.benchmark(
                    group=f"{predictor} {workload}", **timers.get(predictor, {})
                ),
            )
            for batch_size in metafunc.config.getoption("batch_sizes")
            for predictor in metafunc.config.getoption("predictor")
        ],
    )


def test_predict(
    benchmark: Any,
    case: Case,
    run: Session,
    say: Callable[[str], None],
    pytestconfig: pytest.Config,
) -> None:
    """Time one batch after the other, in turns with the baseline's where there is one."""
    with failing(run, case.data, benchmark, case.id):
        if isinstance(case.predictor, Compared):
            assert run.gate
            case.gate, durations = run.gate.measure(case.predictor, case.starts, say)
            CLOCK.tell(benchmark, durations)
        else:
            predict, size = case.predictor, case.id.batch_size
            batches = cycle([case.data.x[i : i + size] for i in case.starts])
            seconds = warm_up(predict, case.data, case.starts)
            max_time = float(pytestconfig.getoption("--benchmark-max-time"))
            at_least = pytestconfig.getoption("--benchmark-min-rounds", 5)
            rounds = max(at_least, min(int(max_time / seconds), MAX_ROUNDS))
            benchmark.pedantic(predict, setup=lambda: ((next(batches),), {}), rounds=rounds)
        case.data.check_unchanged(case.starts, case.id.batch_size)
    if run.gate and case.gate and case.gate.verdict in run.gate.fails:
        pytest.fail(failure(case.id, case.gate), pytrace=False)
