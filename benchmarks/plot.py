"""Draw latency, throughput and their trade-off against batch size from saved runs.

``python benchmarks/plot.py RUN.json [RUN.json …]`` reads what ``pytest benchmarks/`` saved with
``--benchmark-json``, ``--benchmark-save`` or ``--benchmark-autosave``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script, from any folder

from benchmarks import script  # first: it says what matplotlib may read

# isort: split
from matplotlib import style as styling

from benchmarks.drawing.curves import curves, newest, run_names
from benchmarks.drawing.figures import draw_latency, draw_throughput, draw_tradeoff
from benchmarks.drawing.files import add_output_options, check_folder, save
from benchmarks.drawing.history import draw_history
from benchmarks.drawing.limits import limits
from benchmarks.drawing.style import STYLE
from benchmarks.saving.runs import Line, read_runs
from benchmarks.wording.quantities import duration, quantity
from benchmarks.wording.sentences import of_runs


def within_budget(line: Line, budget: float) -> str:
    """Say which is the largest batch that stays within a latency budget."""
    within = [
        case for case in line.cases if not case.is_disturbed and (case.p95 or case.p50) <= budget
    ]
    disturbed = [str(case.batch_size) for case in line.cases if case.is_disturbed]
    unknown = f"; disturbed, and not looked at: {', '.join(disturbed)}" if disturbed else ""
    if not within:
        return f"no batch size stays within {quantity(budget, 's')}{unknown}"
    case = within[-1]
    figure = (
        f"p95 {quantity(case.p95, 's')}"
        if case.p95
        else f"median {quantity(case.p50, 's')}, too few rounds for p95"
    )
    return (
        f"batch size {case.batch_size} stays within {quantity(budget, 's')} ({figure}), "
        f"{case.throughput:,.0f} predictions/s{unknown}"
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Draw latency, throughput and their trade-off against batch size."
    )
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN.json", help="saved by pytest benchmarks/"
    )
    add_output_options(parser)
    parser.add_argument(
        "--latency-budget",
        type=duration,
        metavar="TIME",
        help="mark it, and name the largest batch within it: 20ms, 0.02, 20000us",
    )
    options = parser.parse_args(arguments)

    runs, status = read_runs(options.runs)
    if not runs:
        return status

    draws = {"latency": draw_latency, "throughput": draw_throughput, "tradeoff": draw_tradeoff}
    names, budget = ", ".join(draws), options.latency_budget
    try:
        check_folder(options.out, draws, options.format)
        print("\n".join(of_runs(runs, run_names(runs))))
        if budget:
            for curve in curves(runs):
                print(f"{curve.label}: {within_budget(curve.line, budget)}")
        shown = newest(runs)
        drawn, drawn_limits = curves(shown), limits(shown)
        with styling.context(["default", STYLE]):
            figures = {name: draw(drawn, drawn_limits, budget) for name, draw in draws.items()}
            if history := draw_history(runs):
                figures["history"] = history
            save(figures, options.out, options.format)
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    if len(shown) < len(runs):
        print(
            f"{names} show the newest {len(shown)} of {len(runs)} runs, as more lines could not be "
            "told apart"
        )
    print(f"{', '.join(figures)} drawn in {options.out}")
    return status


if __name__ == "__main__":
    script.run(main)
