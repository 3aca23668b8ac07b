"""What the gate found, in words and tables."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from typing import Any

from benchmarks.gate.pairs import MISS
from benchmarks.predictors import is_of_other_library
from benchmarks.saved_runs import short
from benchmarks.tables import Table

Case = dict[str, Any]  # extra_info of a case
MOST = 0.8  # of the cases, whose resolution is told
HOUR = 3600.0  # seconds
NAMED = ("failed", "slower", "undecided", "not compared")  # of whose cases the conclusion speaks


def failure(case: Case) -> str:
    """Return the sentence that a case fails with."""
    gate = case["gate"]
    low, high = (f"{bound:.2f}" if bound else "unknown" for bound in gate["interval"])
    found = (
        f"{gate['ratio']:.2f}x slower than"
        if gate["verdict"] == "slower"
        else f"undecided, {gate['ratio']:.2f}x the time of"
    )
    return (
        f"{case['predictor']}, batch {case['batch_size']}: {found} {short(gate['commit'])} "
        f"({100 * gate['confidence']:.3g} % interval {low} to {high}; "
        f"threshold {1 + gate['max_slowdown']:.4g})"
    )


def verdict_of(case: Case) -> str:
    """Return the verdict on a case; ``"new"`` if the baseline lacks what it would have judged."""
    if "gate" in case:
        return str(case["gate"]["verdict"])
    return "not compared" if is_of_other_library(case["predictor"]) else "new"


def table(cases: list[Case], baseline: str) -> Table:
    """Return a table of the cases."""
    confidences = [case["gate"]["confidence"] for case in cases if "gate" in case]
    rows = [
        [
            "predictor",
            "batch size",
            f"{baseline} (ms)",
            "current (ms)",
            "ratio",
            f"{100 * min(confidences, default=1):.3g} % interval",
            f"{100 * (1 - MISS):.3g} % below",
            "pairs",
            "verdict",
        ]
    ]
    for case in cases:
        row = [case["predictor"], str(case["batch_size"])]
        if gate := case.get("gate"):
            current, of_baseline = map(statistics.median, zip(*gate["pairs"], strict=True))
            low, high = gate["interval"]
            row += [
                f"{1e3 * of_baseline:.3f}",
                f"{1e3 * current:.3f}",
                f"{gate['ratio']:.3f}",
                f"{low:.3f} to {high:.3f}" if low and high else "-",
                f"{gate['at_most']:.3f}" if gate["at_most"] else "-",
                str(len(gate["pairs"])),
                gate["verdict"],
            ]
        else:
            row += ["-", f"{1e3 * case['p50']:.3f}", "-", "-", "-", "-", verdict_of(case)]
        rows.append(row)
    return rows


def conclusion(
    cases: list[Case],
    baseline: str,
    max_slowdown: float,
    fails: tuple[str, ...] = ("slower",),
    failed: Iterable[tuple[str, int]] = (),
) -> str:
    """Return the verdict on the whole run in one line.

    `fails` are the verdicts that fail it; `failed` are the predictors and batch sizes that could
    not be measured, which do, too.
    """
    named: dict[str, list[str]] = {}
    for predictor, batch_size in failed:
        named.setdefault("failed", []).append(f"{predictor} {batch_size}")
    for case in cases:
        verdict = verdict_of(case)
        name = case["predictor"] + (f" {case['batch_size']}" if verdict != "not compared" else "")
        named.setdefault(verdict, []).append(name)
    counts = [
        f"{len(named[verdict])} {verdict}"
        + (f" ({', '.join(dict.fromkeys(named[verdict]))})" if verdict in NAMED else "")
        for verdict in (*NAMED, "same", "faster", "new")
        if verdict in named
    ]
    return (
        f"gate {'failed' if named.keys() & {'failed', *fails} else 'passed'} against {baseline}, "
        f"threshold {1 + max_slowdown:.4g}: {', '.join(counts) or 'no case measured'}"
    )


def differences(cases: list[Case], baseline: str) -> list[str]:
    """Say in what the sides differ, a line for each thing: the baseline's first."""
    gates = [case["gate"] for case in cases if "gate" in case]
    found = dict.fromkeys(line for gate in gates for line in gate.get("differences", ()))
    if found:
        return [f"what differs, {baseline} → current:", *(f"  {line}" for line in found)]
    return [f"between {baseline} and current nothing differs"] if gates else []


def resolution(cases: list[Case]) -> list[str]:
    """Say how small a slowdown the run would have seen, and what would decide the undecided."""
    gates = [case["gate"] for case in cases if "gate" in case and case["gate"]["at_most"]]
    if not gates:
        return []
    percents = sorted(math.ceil(100 * (gate["at_most"] / gate["ratio"] - 1)) for gate in gates)
    most, all_of_them = percents[math.ceil(MOST * len(percents)) - 1], percents[-1]
    n = sum(percent <= most for percent in percents)
    seen = f"would have seen a slowdown of {most} % in "
    if n < len(percents):
        seen += f"{n} of {len(percents)} cases, of {all_of_them} % in all"
    else:
        seen += "each case"
    return [seen] + [
        f"{case['predictor']}, batch {case['batch_size']}: {to_decide(case)}"
        for case in cases
        if verdict_of(case) == "undecided"
    ]


def to_decide(case: Case) -> str:
    """Say about how long it would take to decide a case that is undecided.

    Bounds come closer to the ratio as one over the square root of the number of pairs.
    """
    gate = case["gate"]
    ratio, threshold, (low, _) = gate["ratio"], 1 + gate["max_slowdown"], gate["interval"]
    bound = low if ratio > threshold else gate["at_most"]
    if low and low > threshold:
        return "undecided, as the slowdown does not show with each pair of processes"
    if not bound or not gate.get("seconds"):
        return "undecided, for want of pairs"
    margin = abs(math.log(ratio / threshold))
    needed = gate["seconds"] * (math.log(bound / ratio) / margin) ** 2 if margin else math.inf
    if needed > HOUR:
        return f"undecided, and too near to the threshold to be decided: {ratio:.3f}"
    return f"undecided after {gate['seconds']:.0f} s, about {needed:.0f} s would decide it"
