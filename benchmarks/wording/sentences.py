"""Sentences on a run: what bounds it, and which batch size is enough."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from benchmarks.saving.limit import Limit, best
from benchmarks.saving.record import CaseRecord
from benchmarks.saving.runs import Run
from benchmarks.wording.quantities import binary, per_second, quantity
from benchmarks.wording.tables import MARK

MOST_RUNS = 3
MOST_LINES = 4
CACHED = 1.1  # times as fast, from which on two rates of reading are explained
ENOUGH = 0.9  # of the greatest throughput
Latencies = Mapping[int, float]  # median seconds by batch size


def of_runs(runs: Sequence[Run], names: Mapping[Path, str]) -> list[str]:
    """Sum up each of a few saved runs, or the latest of many."""
    said = [f"of {len(runs)} runs the latest:"] if len(runs) > MOST_RUNS else []
    if said:
        runs = [max(runs, key=lambda run: run.order)]
    for run in runs:
        workloads = dict.fromkeys(line.workload for line in run.lines)
        for workload in workloads:
            lines = [line for line in run.lines if (line.workload, line.baseline) == (workload, "")]
            cases = [case for line in lines for case in line.cases]
            by_dtypes: dict[tuple[str, str | None], list[Limit]] = {}
            for limit in filter(None, (case.limit for case in cases)):
                by_dtypes.setdefault((limit.precision, limit.read_as), []).append(limit)
            if said or max(len(runs), len(workloads)) > 1:
                said.append(f"{names[run.path]}, {workload}:")
            said += in_words(calm(cases), [best(limits) for limits in by_dtypes.values()])
            said += disturbed(cases)
    return said


def calm(cases: Sequence[CaseRecord]) -> dict[str, dict[int, float]]:
    """Return the median seconds of each predictor's cases, by batch size, less the disturbed."""
    medians: dict[str, dict[int, float]] = {}
    for case in cases:
        if not case.is_disturbed:
            medians.setdefault(case.predictor, {})[case.batch_size] = case.p50
    return medians


def disturbed(cases: Sequence[CaseRecord]) -> list[str]:
    """Name the cases that stayed disturbed, which no other sentence rests on."""
    named: dict[str, list[str]] = {}
    for case in cases:
        if case.is_disturbed:
            named.setdefault(case.predictor, []).append(str(case.batch_size))
    if not named:
        return []
    where = "; ".join(f"{name} at {', '.join(sizes)}" for name, sizes in named.items())
    return [
        f"{MARK} disturbed, as other processes took cores or the machine's pace changed: {where}. "
        "Run these again before you rely on them."
    ]


def in_words(predictors: Mapping[str, Latencies], limits: Sequence[Limit] = ()) -> list[str]:
    """Sum up a run in a few lines; the limits are one for each precision and dtype of weights."""
    lines = [what_decides(limit, len(limits) > 1) for limit in limits]
    rates = [limit.bandwidth for limit in sorted(limits, key=lambda limit: limit.bytes(0))]
    if rates and rates[0] > CACHED * rates[-1]:
        lines[-1] += " Fewer bytes are read at a higher rate, as more of them stay in cache."
    if not predictors:
        return lines
    room = MOST_LINES - len(lines)
    if len(predictors) <= room:
        return lines + [of_predictor(*predictor) for predictor in predictors.items()]
    throughput = max(predictors, key=lambda name: greatest_throughput(predictors[name]))
    latency = min(predictors, key=lambda name: min(predictors[name].values()))
    best = list(dict.fromkeys((throughput, latency)))[: max(0, room - 1)]
    return [
        *lines,
        name_fastest(predictors),
        *(of_predictor(name, predictors[name]) for name in best),
    ]


def what_decides(limit: Limit, several: bool = False) -> str:
    """Say up to which batch size reading bounds the latency, and from which on arithmetic."""
    arithmetic = f"{limit.precision} arithmetic" if several else "arithmetic"
    operations = "OP/s" if limit.precision.startswith("int") else "FLOP/s"
    flop_rate = quantity(limit.flop_rate, operations)
    n_bytes = limit.bytes(1)
    reading = (
        f"Reading {binary(n_bytes)} takes {quantity(n_bytes / limit.bandwidth, 's')} at "
        f"{quantity(limit.bandwidth, 'B/s')}"
    )
    if math.isinf(limit.knee):
        return f"{reading} and decides at every batch size; {arithmetic} ({flop_rate}) never does."
    last = math.floor(limit.knee * (1 + 1e-9))  # no rounding error makes 10 out of 9.999…
    if last < 1:
        return f"{reading}; {arithmetic} decides from 1 example on ({flop_rate})."
    return (
        f"{reading} and decides up to {last:,} example{'s' * (last > 1)}; from {last + 1:,} on "
        f"{arithmetic} does ({flop_rate})."
    )


def of_predictor(name: str, latencies: Latencies) -> str:
    """Say which batch size is enough for throughput, what more costs, and what is quickest."""
    sizes = sorted(latencies)
    if len(sizes) == 1:
        size, seconds = sizes[0], latencies[sizes[0]]
        return (
            f"{name}: {per_second(size / seconds)} at batch size {size} ({quantity(seconds, 's')})."
        )
    greatest = greatest_throughput(latencies)
    size = next(size for size in sizes if size / latencies[size] >= ENOUGH * greatest)
    quickest = min(sizes, key=lambda size: latencies[size])
    at_size, least = (quantity(latencies[of], "s") for of in (size, quickest))
    return (
        f"{name} reaches {100 * ENOUGH:.0f} % of its greatest throughput, "
        f"{per_second(greatest)}, at batch size {size} ({at_size}); "
        f"{what_more_costs(size, latencies)}. Least latency: {least} at batch size {quickest}."
    )


def what_more_costs(size: int, latencies: Latencies) -> str:
    """Say what a batch twice as large, or the next one that was measured, costs and gains."""
    larger = [other for other in sorted(latencies) if other > size]
    if not larger:
        return "no larger batch was measured"
    other = 2 * size if 2 * size in latencies else larger[0]
    what = "doubling that batch" if other == 2 * size else f"batch size {other}"
    cost = latencies[other] / latencies[size]
    percent = 100 * (other / latencies[other] / (size / latencies[size]) - 1)
    gain = f"loses {-percent:.0f} %" if percent < -0.5 else f"gains {abs(percent):.0f} %"
    return f"{what} costs {cost:.1f} times the latency and {gain}"


def name_fastest(predictors: Mapping[str, Latencies]) -> str:
    """Say which predictor is the fastest at which batch sizes."""

    def fastest(size: int) -> str:
        return min(predictors, key=lambda name: predictors[name].get(size, math.inf))

    named: dict[str, list[str]] = {}
    sizes = sorted({size for latencies in predictors.values() for size in latencies})
    for name, group in groupby(sizes, fastest):
        first, *more = group
        named.setdefault(name, []).append(f"{first} to {more[-1]}" if more else f"{first}")
    said = (f"{name} at {', '.join(spans)}" for name, spans in named.items())
    return f"Fastest of {len(predictors)} predictors, by batch size: {'; '.join(said)}."


def greatest_throughput(latencies: Latencies) -> float:
    return max(size / seconds for size, seconds in latencies.items())


def screened(cases: Sequence[CaseRecord]) -> list[str]:
    """Say which predictors find labels of float64 in less, and what that left in doubt."""
    shares = {case.predictor: case for case in cases if case.in_doubt is not None}
    return [
        f"{name}: labels of float64, found in {case.precision}; for "
        f"{100 * (case.in_doubt or 0):.2g} % of the examples, scores of float64 decided."
        for name, case in shares.items()
    ]
