"""Judge saved runs of the gate again, at another threshold.

``python benchmarks/verdicts.py RUN.json [--max-slowdown 3%]`` reads what a run with ``--baseline``
and ``--benchmark-json=RUN.json`` saved, and prints its verdicts. Measuring stopped when each case
was decided at the run's own threshold: at another one more cases are undecided, and the error rates
of `benchmarks.gate.pairs` hold only approximately.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script, from any folder

from benchmarks import cli
from benchmarks.argument_types import percentage
from benchmarks.gate.decision import judge
from benchmarks.gate.pairs import FALSE_ALARM, MISS
from benchmarks.gate.summary import Case, conclusion, differences, resolution, table
from benchmarks.saved_runs import Run, read_runs
from benchmarks.tables import aligned


def judged_again(run: Run, max_slowdown: float | None) -> list[Case]:
    """Judge all pairs of a saved run at once; without `max_slowdown`, by the run's own."""
    saved = [
        (line.predictor, case.batch_size, case.judged)
        for line in run.lines
        for case in line.cases
        if case.judged
    ]

    def judged(n_slower: int) -> list[Case]:
        false_alarm = FALSE_ALARM / max(1, len(saved) - n_slower)
        cases = []
        for predictor, batch_size, gate in saved:
            slowdown = max_slowdown or gate.max_slowdown
            found = judge(gate.pairs, gate.turns, 1 + slowdown, false_alarm, MISS)
            of_gate = {
                "commit": gate.commit,
                "pairs": gate.pairs,
                "max_slowdown": slowdown,
                "confidence": 1 - 2 * false_alarm,
                "seconds": gate.seconds,
                "differences": gate.differences,
                **found.as_saved(),
            }
            cases.append({"predictor": predictor, "batch_size": batch_size, "gate": of_gate})
        return cases

    # Cases called slower no longer share the chance of an error, as in `benchmarks.gate.pairs`.
    n_slower, cases = 0, judged(0)
    while n_slower != (n := sum(case["gate"]["verdict"] == "slower" for case in cases)):
        n_slower, cases = n, judged(n)
    return cases


def main(arguments: list[str] | None = None) -> int:
    """Print the verdicts, and return the exit status: 1 where a case is slower, 2 for bad input."""
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
        if not cases:
            print(f"{run.path}: has no pairs: save a run with --baseline", file=sys.stderr)
            status = 2
            continue
        baseline, max_slowdown = (cases[0]["gate"][key] for key in ("commit", "max_slowdown"))
        said = [*differences(cases, baseline), *aligned(table(cases, baseline))]
        said += [conclusion(cases, baseline, max_slowdown), *resolution(cases)]
        print("\n".join(said))
        if status == 0 and any(case["gate"]["verdict"] == "slower" for case in cases):
            status = 1
    return status


if __name__ == "__main__":
    cli.run(main)
