"""Judge saved runs of the gate again, at another threshold.

``python benchmarks/verdicts.py RUN.json [--max-slowdown 3%]`` reads what a run with ``--baseline``
and ``--benchmark-json=RUN.json`` saved, and prints its verdicts. Measuring stopped when each case
was decided at the run's own threshold: at another one more cases are undecided, and the error rates
of `benchmarks.gate.gate` hold only approximately.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script, from any folder

from benchmarks import script
from benchmarks.gate.judge import FALSE_ALARM, MISS, heeding, judge
from benchmarks.gate.report import Report, verdict_of
from benchmarks.saving.record import CaseRecord, GateRecord, Verdict
from benchmarks.saving.runs import Run, read_runs, short
from benchmarks.wording.quantities import percentage


def judged_again(run: Run, max_slowdown: float | None) -> list[CaseRecord]:
    """Judge all pairs of a saved run at once; without `max_slowdown`, by the run's own."""
    saved = run.judged

    def judged(case: CaseRecord, gate: GateRecord, false_alarm: float) -> CaseRecord:
        slowdown = max_slowdown or gate.max_slowdown
        found = judge(gate.pairs, (gate.n_builds, gate.turn), 1 + slowdown, false_alarm, MISS)
        found = heeding(gate.replaced, found)
        confidence = 1 - 2 * false_alarm
        blame = gate.blame if slowdown == gate.max_slowdown else []  # it was judged by that
        gate = replace(
            gate, max_slowdown=slowdown, confidence=confidence, blame=blame, **found.as_saved()
        )
        return replace(case, gate=gate)

    # Cases called slower no longer share the chance of an error, as in `benchmarks.gate.gate`.
    n_slower = -1
    cases: list[CaseRecord] = []
    while n_slower != (n := sum(verdict_of(case) == Verdict.SLOWER for case in cases)):
        n_slower = n
        cases = [judged(*case, FALSE_ALARM / max(1, len(saved) - n)) for case in saved]
    return cases


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Judge saved runs of the gate again.")
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN.json", help="saved with --baseline"
    )
    parser.add_argument(
        "--max-slowdown", type=percentage, metavar="PERCENT", help="default: the run's own"
    )
    options = parser.parse_args(arguments)
    runs, status = read_runs(options.runs)
    for run in runs:
        cases = judged_again(run, options.max_slowdown)
        gates = [case.gate for case in cases if case.gate]
        if not gates:
            print(f"{run.path}: has no pairs: save a run with --baseline", file=sys.stderr)
            status = 2
            continue
        report = Report(cases, short(gates[0].commit), gates[0].max_slowdown)
        print("\n".join(report.lines()))
        fails = any(verdict_of(case) == Verdict.SLOWER for case in cases)
        if status == 0 and (fails or any(gate.has_other_answers for gate in gates)):
            status = 1
    return status


if __name__ == "__main__":
    script.run(main)
