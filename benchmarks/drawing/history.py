"""The figure of throughput over runs, by commit and machine."""

from __future__ import annotations

from collections import defaultdict
from itertools import cycle, pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.drawing.curves import told_apart
from benchmarks.drawing.figures import THROUGHPUT
from benchmarks.drawing.style import (
    DISTURBED,
    HOLLOW,
    LINE_STYLES,
    fitted,
    make_room,
    sizes_apart,
    styles,
    value_ticks,
    with_panels,
)
from benchmarks.saving.runs import Line, Run


def draw_history(runs: list[Run]) -> Figure | None:
    """Draw throughput over the runs, a panel for each predictor that two runs or more have.

    Lines join runs of one machine only, that is, of the same CPU and as many cores.
    """
    runs = sorted(runs, key=lambda run: run.order)
    found: dict[tuple[str, str], list[tuple[int, Line]]] = defaultdict(list)
    for position, run in enumerate(runs):
        for line in run.lines:
            if not line.baseline:
                found[line.predictor, line.workload].append((position, line))
    histories = [(key, lines) for key, lines in sorted(found.items()) if len(lines) > 1]
    if not histories:
        return None
    width = min(16, max(9, 2.5 + 0.17 * len(runs)))
    figure, panels, lowest = with_panels(len(histories), width, 3.5)
    for axes, ((predictor, workload), lines) in zip(panels, histories, strict=True):
        draw_lines(axes, lines, [run.machine.hardware for run in runs])
        axes.set_title(f"Throughput over Runs: {fitted(predictor, 60)}\n{fitted(workload, 80)}")
    every = -(-len(runs) // 80)
    for axes in lowest:
        axes.set_xticks(
            range(len(runs))[::every],
            history_names(runs)[::every],
            rotation=90 if len(runs) > 12 else 30,
            rotation_mode="anchor",  # a label ends at its tick
            ha="right",
            va="center" if len(runs) > 12 else "top",
        )
        axes.set_xlabel("run, by the time of its commit")
    make_room(figure)
    return figure


def draw_lines(axes: Axes, lines: list[tuple[int, Line]], hardware: list[str]) -> None:
    """Draw a line for each batch size and machine of a predictor, by the positions of the runs."""
    machines = dict(zip(dict.fromkeys(hardware), cycle(LINE_STYLES), strict=False))
    points: dict[tuple[int, str], list[tuple[int, float]]] = defaultdict(list)
    disturbed: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for position, line in lines:
        for case in line.cases:
            point = position, case.throughput
            points[case.batch_size, hardware[position]].append(point)
            if case.is_disturbed:
                disturbed[case.batch_size].append(point)
    sizes = sizes_apart({size for size, _ in points})
    for size, style in zip(reversed(sizes), styles(), strict=False):
        for machine, line_style in machines.items():
            if its := points.get((size, machine)):
                axes.plot(*zip(*its, strict=True), **style | line_style)
        if disturbed[size]:
            axes.plot(*zip(*disturbed[size], strict=True), **style | HOLLOW)
        axes.plot([], [], label=f"{size}", **style)
    if any(disturbed[size] for size in sizes):
        axes.plot([], [], **DISTURBED)
    if len(machines) > 1:
        for machine, line_style in machines.items():
            axes.plot([], [], color="0.4", marker="o", label=fitted(machine, 24), **line_style)
    axes.set(ylabel=THROUGHPUT, yscale="log")
    value_ticks(axes.yaxis)
    axes.legend(title="batch size", alignment="left", loc="center left", bbox_to_anchor=(1, 0.5))


def history_names(runs: list[Run]) -> list[str]:
    """Name each run by its commit, and by what changed since the run before beside the machine."""
    names = []
    for before, run in pairwise([runs[0], *runs]):
        software = zip(run.machine.software, before.machine.software, strict=True)
        new = (part for part, previous in software if part and part != previous)
        names.append(", ".join([run.commit, *new]))
    return [fitted(name, 34) for name in told_apart(runs, names).values()]
