"""Sentences and a table on what the gate found."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Sequence

from benchmarks.gate.judge import MISS
from benchmarks.predictors.by_name import is_of_other_library
from benchmarks.saving.record import Blamed, CaseId, CaseRecord, GateRecord, Verdict
from benchmarks.saving.runs import short
from benchmarks.wording.quantities import milliseconds
from benchmarks.wording.tables import Table, aligned, markdown

HOUR = 3600.0  # seconds
# Verdicts in the order of the conclusion, which names the cases of the first.
NAMED = (Verdict.FAILED, Verdict.SLOWER, Verdict.UNDECIDED, Verdict.NOT_COMPARED)
COUNTED = (Verdict.SAME, Verdict.FASTER, Verdict.NEW)
NOT_SLOWER = (Verdict.SAME, Verdict.FASTER)


class Report:
    """What the gate found of a run, in words and a table."""

    def __init__(
        self,
        cases: Sequence[CaseRecord],
        baseline: str,
        max_slowdown: float,
        fails: Collection[Verdict] = (Verdict.SLOWER,),
        failed: Sequence[tuple[str, int]] = (),
    ) -> None:
        self.conclusion = conclusion(cases, baseline, max_slowdown, fails, failed)
        self.differences = differences(cases, baseline)
        self.table = table(cases, baseline)
        self.resolution = resolution(cases)
        self.blame = blame(cases)
        self.explanation = explanation(cases)

    def lines(self) -> list[str]:
        blame = ["", *aligned(self.blame), *self.explanation] if self.blame else []
        return [*self.differences, *aligned(self.table), self.conclusion, *self.resolution, *blame]

    def markdown(self, workload: str) -> str:
        """Return what a reviewer reads on GitHub."""
        said = [f"### {self.conclusion}\n", workload, "", *bullets(self.resolution), ""]
        head, *lines = self.differences or [""]
        blame = ["", markdown(self.blame), "", *bullets(self.explanation)] if self.blame else []
        said += [head, "", *bullets(lines), "", markdown(self.table), *blame]
        return "\n".join(said) + "\n"


def bullets(lines: Sequence[str]) -> list[str]:
    return [f"- {line.strip()}" for line in lines]


def failure(case: CaseId, gate: GateRecord) -> str:
    """Say why a case fails, by its speed or else by its answers."""
    if gate.has_other_answers and gate.verdict != Verdict.SLOWER:
        most = f"more than --max-differing {100 * gate.max_differing:.3g} %"
        return f"{case.name}: {answers(gate)} from those of {short(gate.commit)}, {most}"
    low, high = (f"{bound:.2f}" if bound else "unknown" for bound in gate.interval)
    found = (
        f"{gate.ratio:.2f}x slower than"
        if gate.verdict == Verdict.SLOWER
        else f"undecided, {gate.ratio:.2f}x the time of"
    )
    return (
        f"{case.name}: {found} {short(gate.commit)} "
        f"({100 * gate.confidence:.3g} % interval {low} to {high}; "
        f"threshold {1 + gate.max_slowdown:.4g})"
    )


def verdict_of(case: CaseRecord) -> Verdict:
    """Return the verdict on a case: new if the baseline lacks what it would have judged."""
    if case.gate:
        return case.gate.verdict
    return Verdict.NOT_COMPARED if is_of_other_library(case.predictor) else Verdict.NEW


def table(cases: Sequence[CaseRecord], baseline: str) -> Table:
    confidence = min((case.gate.confidence for case in cases if case.gate), default=1)
    rows = [[
        "predictor", "batch size", f"{baseline} (ms)", "current (ms)", "ratio",
        f"{100 * confidence:.3g} % interval", f"{100 * (1 - MISS):.3g} % below", "pairs", "verdict",
    ]]  # fmt: skip
    for case in cases:
        row = [case.predictor, str(case.batch_size)]
        if gate := case.gate:
            current, of_baseline = map(statistics.median, zip(*gate.pairs, strict=True))
            low, high = gate.interval
            row += [
                milliseconds(of_baseline), milliseconds(current), f"{gate.ratio:.3f}",
                f"{low:.3f} to {high:.3f}" if low and high else "-",
                f"{gate.at_most:.3f}" if gate.at_most else "-", str(len(gate.pairs)), gate.verdict,
            ]  # fmt: skip
        else:
            row += ["-", milliseconds(case.p50), "-", "-", "-", "-", verdict_of(case)]
        rows.append(row)
    return rows


def blame(cases: Sequence[CaseRecord]) -> Table:
    """Return what each difference does alone; empty where that was not asked for, or nothing."""
    rows = [["predictor", "batch size", "as in the baseline", "ratio", "interval", "verdict"]]
    for case in cases:
        if not case.gate or not case.gate.blame:
            continue
        for one in [*case.gate.blame, Blamed(what="all of it").of(case.gate)]:
            low, high = one.interval
            rows.append([
                case.predictor, str(case.batch_size),
                ", with ".join(filter(None, [one.what, ", ".join(one.dragged)])),
                f"{one.ratio:.3f}" if one.ratio else "-",
                f"{low:.3f} to {high:.3f}" if low and high else "-", one.verdict or "not measured",
            ])  # fmt: skip
    return rows if len(rows) > 1 else []


def explanation(cases: Sequence[CaseRecord]) -> list[str]:
    """Say what did it, and what single differences leave of a case's ratio."""
    said = []
    for case in cases:
        if not case.gate or not case.gate.blame:
            continue
        did_it = [one.what for one in case.gate.did_it]
        line = f"{case.name}: " + (
            f"{', '.join(did_it)} did it" if did_it else "nothing did it alone"
        )
        if case.gate.left != 1:
            line += f"; {case.gate.left:.2f} of {case.gate.ratio:.2f} is none of these alone"
        said.append(line)
        said += [f"{one.what}: {one.reason}" for one in case.gate.blame if one.reason]
    return list(dict.fromkeys(said))


def conclusion(
    cases: Sequence[CaseRecord],
    baseline: str,
    max_slowdown: float,
    fails: Collection[Verdict] = (Verdict.SLOWER,),
    failed: Sequence[tuple[str, int]] = (),
) -> str:
    """Return the verdict on the whole run in one line.

    `fails` are the verdicts that fail it; `failed` are the predictors and batch sizes that could
    not be measured, which do, too.
    """
    found = [(Verdict.FAILED, *case) for case in failed]
    found += [(verdict_of(case), case.predictor, case.batch_size) for case in cases]
    named: dict[Verdict, list[str]] = {}
    for verdict, predictor, batch_size in found:
        name = predictor if verdict == Verdict.NOT_COMPARED else f"{predictor} {batch_size}"
        named.setdefault(verdict, []).append(name)
    counts = [
        f"{len(named[verdict])} {verdict}"
        + (f" ({', '.join(dict.fromkeys(named[verdict]))})" if verdict in NAMED else "")
        for verdict in NAMED + COUNTED
        if verdict in named
    ]
    others = dict.fromkeys(
        case.predictor for case in cases if case.gate and case.gate.has_other_answers
    )
    if others:
        counts.append(f"answers differ ({', '.join(others)})")
    has_failed = others or not named.keys().isdisjoint({Verdict.FAILED, *fails})
    has_compared = any(case.gate for case in cases)
    outcome = "failed" if has_failed else "passed" if has_compared else "compared nothing"
    return (
        f"gate {outcome} against {baseline}, "
        f"threshold {1 + max_slowdown:.4g}: {', '.join(counts) or 'no case measured'}"
    )


def differences(cases: Sequence[CaseRecord], baseline: str) -> list[str]:
    """Say in what the sides differ, a line for each thing: the baseline's first."""
    gates = [case.gate for case in cases if case.gate]
    if found := dict.fromkeys(line for gate in gates for line in gate.differences):
        return [f"what differs, {baseline} → current:", *(f"  {line}" for line in found)]
    return [f"between {baseline} and current nothing differs"] if gates else []


def resolution(cases: Sequence[CaseRecord]) -> list[str]:
    """Say what is known of the slowdown at most, and what would decide the undecided."""
    judged = [(case, case.gate) for case in cases if case.gate]
    bounds = [gate.at_most for _, gate in judged if gate.at_most and gate.verdict in NOT_SLOWER]
    said = []
    if bounds:
        others = "" if len(bounds) == len(judged) else "other "
        percent = 100 * (max(bounds) - 1)
        known = f"more than {percent:.1f} % slower" if percent > 0 else "slower"
        said.append(f"no {others}case is {known}")
    replaced = {case.predictor: gate.replaced for case, gate in judged if any(gate.replaced)}
    said += [
        f"{predictor}: processes slower than their equals, which were replaced: {current} of the "
        f"current side, {baseline} of the baseline"
        for predictor, (current, baseline) in replaced.items()
    ]
    differing = {case.predictor: gate for case, gate in judged if gate.differing[0]}
    said += [f"{predictor}: {answers(gate)}" for predictor, gate in differing.items()]
    return said + [
        f"{case.name}: {to_decide(gate)}"
        for case, gate in judged
        if gate.verdict == Verdict.UNDECIDED
    ]


def answers(gate: GateRecord) -> str:
    """Say how many answers are not those of the baseline."""
    n, of = gate.differing
    return f"answers differ for {n:,} of {of:,} examples ({100 * n / of:.3g} %)"


def to_decide(gate: GateRecord) -> str:
    """Say about how long it would take to decide a case that is undecided.

    Bounds come closer to the ratio as one over the square root of the number of pairs.
    """
    ratio, threshold, (low, _) = gate.ratio, 1 + gate.max_slowdown, gate.interval
    bound = low if ratio > threshold else gate.at_most
    if low and low > threshold and gate.replaced[1] > gate.replaced[0]:
        return "undecided, as slow processes of the baseline were replaced"
    if low and low > threshold:
        return "undecided, as the slowdown does not show with each pair of processes"
    if gate.at_most and gate.at_most < threshold:
        return "undecided, as some processes are slower and others are not"
    if not bound or not gate.seconds:
        return "undecided, for want of pairs"
    margin = abs(math.log(ratio / threshold))
    needed = gate.seconds * (math.log(bound / ratio) / margin) ** 2 if margin else math.inf
    if needed > HOUR:
        return f"undecided, and too near to the threshold to be decided: {ratio:.3f}"
    return (
        f"undecided after {gate.seconds:.0f} s, about {needed:.0f} s would decide it "
        "(--baseline-seconds)"
    )
