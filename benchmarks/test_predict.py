"""Latency and throughput as the batch size changes.

Each case times single calls, ``predict(x[i : i + batch_size])``, of a predictor that is made
beforehand. The weights are warm, the batches rotate through the examples, and the call may use all
usable cores. Its duration is the latency of the batch, whose first label comes with its last.
Throughput is the batch size over the median latency. With ``--baseline`` other processes make and
time both sides in turns, and the case fails where the current one is slower, or where they answer
otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

import pytest

from benchmarks.failures import failing
from benchmarks.gate import report
from benchmarks.measuring.data import Data
from benchmarks.measuring.disturbance import PATIENCE, Patience, Watch, wait_for_calm
from benchmarks.measuring.rounds import DRAWN, MAX_ROUNDS, STRETCH, Rounds, awaited, needed
from benchmarks.measuring.timing import CLOCK
from benchmarks.measuring.warm_up import warm_up
from benchmarks.measuring.workload import Workload
from benchmarks.own.answers import OwnExamples
from benchmarks.predictors.stated import in_doubt_of, precision_of, read_as_of
from benchmarks.saving.record import CaseId, CaseRecord
from benchmarks.session import PART, Session


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a case of each batch size and predictor, those of one batch size next to each other."""
    workload = Workload.of(metafunc.config)
    # Saved runs are compared by a case's id, so a workload that is not the default is part of it.
    suffix = "" if workload == Workload() else f"-{workload}"
    timer = {} if metafunc.config.getoption("codspeed", None) else {"timer": CLOCK}
    cases = []
    for batch_size in metafunc.config.getoption("batch_sizes"):
        for predictor in metafunc.config.getoption("predictor"):
            mark = pytest.mark.benchmark(group=f"{predictor} {workload}", **timer)
            case_id = f"{predictor}-{batch_size}{suffix}"
            cases.append(pytest.param(predictor, batch_size, id=case_id, marks=mark))
    metafunc.parametrize(("predictor", "batch_size"), cases)


def n_rounds(pilot: Sequence[float], config: pytest.Config) -> int:
    """Return the number of rounds of a case, by the seconds of a pilot's calls.

    They take --benchmark-max-time, or less where fewer make the median as precise as is asked for.
    """
    at_most = min(int(float(config.getoption("benchmark_max_time")) / min(pilot)), MAX_ROUNDS)
    if precision := float(config.getoption("benchmark_precision", 0) or 0):
        confidence = float(config.getoption("benchmark_confidence", 0.99))
        at_most = min(at_most, max(DRAWN, needed(pilot, precision, confidence)))
    return max(int(config.getoption("benchmark_min_rounds", 5)), at_most)


@pytest.mark.filterwarnings("ignore:Benchmark fixture was not used")  # where a predictor fails
def test_predict(
    benchmark: Any,
    case: CaseId,
    data: Data | OwnExamples,
    run: Session,
    say: Callable[[str], None],
    pytestconfig: pytest.Config,
) -> None:
    """Time one batch after the other, in turns with the baseline's where there is one."""
    benchmark.extra_info |= case.as_saved()
    starts = case.starts
    judged = predict = precision = read_as = ceilings = rounds = differing = None
    with failing(run, data, benchmark, case):
        if run.gate and (processes := run.processes(case.predictor, data, say)):
            judged, durations, differing = run.gate.measure(processes, starts, say)
            CLOCK.record(benchmark, len(durations), lambda: durations)
        else:
            predict, checks = run.predictor(case.predictor, data)
            if data.weights:
                precision = precision_of(predict, data.weights[0].dtype)
                read_as = read_as_of(predict, precision)
                ceilings = run.ceilings(precision, read_as, data.weights[0])
            batches = cycle([data.batch(start, start + case.batch_size) for start in starts])
            patience = Patience(PATIENCE, say)
            before = run.pace.wait(patience)
            watch = Watch()
            until_labels = awaited(predict, data.batch(0, 1))
            calls = warm_up(until_labels, checks, starts)
            differing = checks.conclude()
            if watch.has_waited():
                wait_for_calm(patience)
            rounds = Rounds(until_labels, batches, patience)
            n = n_rounds(calls if sum(calls) > STRETCH else rounds.stretch(), pytestconfig)
            CLOCK.record(benchmark, n, lambda: rounds.measure(n), rounds.call)
            checks.check_unchanged(starts, case.batch_size)
            run.paces[case.name] = before, run.pace.look()
    # None where nothing was timed: --benchmark-disable, or pytest-codspeed in its place.
    if stats := getattr(benchmark, "stats", None):
        record = CaseRecord.of(case, stats["data"])
        record.gate, record.differing = judged, differing
        if predict and rounds:
            record.disturbed = rounds.disturbed or None
            if precision:
                record.precision = precision.name
                record.read_as = None if read_as is None else read_as.name
                record.in_doubt = in_doubt_of(predict)
        run.cases.append(record)
        benchmark.extra_info |= record.as_saved()
        if ceilings:
            ceilings.measure(PART * sum(stats["data"]))
    if run.gate and judged and (judged.verdict in run.gate.fails or judged.has_other_answers):
        pytest.fail(report.failure(case, judged), pytrace=False)
