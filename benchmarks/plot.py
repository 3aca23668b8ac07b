"""Draw latency, throughput and their trade-off against batch size from saved runs.

``python benchmarks/plot.py RUN.json [RUN.json …]`` reads what ``pytest benchmarks/`` saved with
``--benchmark-json``, ``--benchmark-save`` or ``--benchmark-autosave``.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script, from any folder

from benchmarks import script  # first: it says what matplotlib may read

# isort: split
from matplotlib import style as styling
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import Bbox

from benchmarks.drawing.limits import LimitLine, draw_knee, draw_limits, limits
from benchmarks.drawing.style import (
    LINE_STYLES,
    STYLE,
    add_output_options,
    budget_style,
    check_folder,
    families,
    fitted,
    make_room,
    new_axes,
    save,
    sizes_apart,
    styles,
    value_ticks,
)
from benchmarks.saving.runs import Line, Run, read_runs
from benchmarks.wording.quantities import duration, quantity
from benchmarks.wording.sentences import of_runs

LATENCY = "latency (seconds before first prediction)"
THROUGHPUT = "throughput (predictions/second)"


@dataclass(frozen=True)
class Curve:
    """A line as it is drawn: its predictor gives it colour and marker, its run the line style."""

    line: Line
    label: str
    run: str
    style: dict[str, Any]


def curves(runs: list[Run]) -> list[Curve]:
    """Return the lines of all runs, each with a style and a label that tell it from every other."""
    names = run_names(runs)
    workloads = {line.workload for run in runs for line in run.lines}
    looks: defaultdict[str, dict[str, Any]] = defaultdict(styles().__next__)
    line_styles: defaultdict[str, dict[str, Any]] = defaultdict(cycle(LINE_STYLES).__next__)
    drawn = []
    for run in runs:
        for line in run.lines:
            parts = (
                names[run.path] if len(runs) > 1 else "",
                line.workload if len(workloads) > 1 else "",
                f"baseline {line.baseline}" if line.baseline else "",
            )
            name = ", ".join(filter(None, parts))
            label = line.predictor + (" @ " if len(runs) > 1 else ", ") * bool(name) + name
            drawn.append(Curve(line, label, name, looks[line.predictor] | line_styles[name]))
    return drawn


def newest(runs: list[Run]) -> list[Run]:
    """Return the newest runs, as many as there are line styles, in the order given."""
    chosen: set[Path] = set()
    n_styles = 0
    for run in sorted(runs, key=lambda run: run.order, reverse=True):
        n_styles += len({(line.workload, line.baseline) for line in run.lines})
        if n_styles > len(LINE_STYLES) and chosen:
            break
        chosen.add(run.path)
    return [run for run in runs if run.path in chosen]


def run_names(runs: list[Run]) -> dict[Path, str]:
    """Name each run by its commit and by what differs, in as few words as tell them apart.

    Machines of hosted CI have a new name for each run: it is used for runs that are alike without.
    """
    differing = [
        i
        for i, values in enumerate(zip(*(run.machine for run in runs), strict=True))
        if i and len(set(values)) > 1
    ]
    return told_apart(
        runs,
        lambda run: ", ".join([run.commit, *filter(None, (run.machine[i] for i in differing))]),
    )


def told_apart(runs: list[Run], name: Callable[[Run], str]) -> dict[Path, str]:
    """Name each run; those that would be alike also by their machine's name, or by their file."""
    alike: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        alike[name(run)].append(run)
    names: dict[Path, str] = {}
    for text, its in alike.items():
        if len({run.machine.node for run in its}) == len(its) > 1:
            names |= {run.path: f"{text}, {run.machine.node}" for run in its}
            continue
        parts = {run.path: run.path.with_suffix("").parts for run in its}
        if len({*parts.values()}) < len(its):  # run.1 and run.2
            parts = {run.path: run.path.parts for run in its}
        n_parts = 1
        while len({part[-n_parts:] for part in parts.values()}) < len(parts):
            n_parts += 1
        for path, part in parts.items():
            names[path] = text if len(its) == 1 else f"{text} ({'/'.join(part[-n_parts:])})"
    return names


def draw_latency(curves: list[Curve], limits: list[LimitLine], budget: float | None) -> Figure:
    """Draw latency against batch size."""
    axes = new_axes("Latency as Batch Size Changes", "batch size", LATENCY)
    draw_against_batch_size(axes, curves, limits, budget, lambda batch_size, latency: latency)
    draw_knee(axes, limits, height=0.97)
    value_ticks(axes.yaxis, "s")
    return finish(axes, curves)


def draw_throughput(curves: list[Curve], limits: list[LimitLine], budget: float | None) -> Figure:
    """Draw throughput against batch size."""
    axes = new_axes("Throughput as Batch Size Changes", "batch size", THROUGHPUT)
    draw_against_batch_size(
        axes, curves, limits, budget, lambda batch_size, latency: batch_size / latency
    )
    draw_knee(axes, limits, height=0.03)
    value_ticks(axes.yaxis)
    return finish(axes, curves)


def draw_against_batch_size(
    axes: Axes,
    curves: list[Curve],
    limits: list[LimitLine],
    budget: float | None,
    value: Callable[[float, float], float],
) -> None:
    """Draw the median of each batch size as a line, and its quartiles as a band."""
    for curve in curves:
        cases = curve.line.cases
        sizes = [case.batch_size for case in cases]
        q1, median, q3 = (
            [value(case.batch_size, getattr(case, name)) for case in cases]
            for name in ("q1", "median", "q3")
        )
        axes.plot(sizes, median, **curve.style)
        axes.fill_between(sizes, q1, q3, color=curve.style["color"], alpha=0.2, linewidth=0)
    draw_limits(axes, limits, lambda size, seconds: (size, value(size, seconds)))
    sizes = sorted({case.batch_size for curve in curves for case in curve.line.cases})
    axes.set_xscale("log", base=2)
    if budget:
        draw_budget(axes, sizes, [value(size, budget) for size in sizes], budget)
    axes.xaxis.set_major_locator(FixedLocator(sizes_apart(sizes)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:g}"))


def draw_budget(axes: Axes, sizes: list[int], values: list[float], budget: float) -> None:
    """Draw a budget where it is in sight, and do not move the axes; a level one always.

    In the plot of throughput it is a steep line.
    """
    if len({*values}) == 1:
        axes.axhline(values[0], **budget_style(budget))
        return
    xlim, (low, high) = axes.get_xlim(), axes.get_ylim()
    if values[0] < high and low < values[-1]:
        axes.plot(sizes, values, **budget_style(budget))
        axes.set(xlim=xlim, ylim=(low, high))


def draw_tradeoff(curves: list[Curve], limits: list[LimitLine], budget: float | None) -> Figure:
    """Draw throughput against latency, with the batch sizes at the points."""
    axes = new_axes("Throughput against Latency", LATENCY, THROUGHPUT)
    for curve in curves:
        cases = curve.line.cases
        latency = [case.median for case in cases]
        axes.plot(latency, [case.throughput for case in cases], **curve.style)
    draw_limits(axes, limits, lambda size, seconds: (seconds, size / seconds))
    if budget:
        axes.axvline(budget, **budget_style(budget))
    value_ticks(axes.xaxis, "s")
    value_ticks(axes.yaxis)
    figure = finish(axes, curves)
    write_batch_sizes(axes, curves)
    return figure


def write_batch_sizes(axes: Axes, curves: list[Curve]) -> None:
    """Write each point's batch size beside it; where it is crowded, some go without."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()  # the layout settles where the points are
    points = [
        (case, curve.style["color"], axes.transData.transform((case.median, case.throughput)))
        for curve in curves
        for case in curve.line.cases
    ]
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for _, _, (x, y) in points]
    drawn = [line.get_path().transformed(line.get_transform()) for line in axes.lines]
    for case, color, _ in points:
        for x, y in ((1, -1), (-1, 1), (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1)):
            text = axes.annotate(
                f"{case.batch_size}",
                (case.median, case.throughput),
                xytext=(5 * x, 5 * y),
                textcoords="offset points",
                ha=("center", "left", "right")[x],
                va=("center", "bottom", "top")[y],
                fontsize="x-small",
                color=color,
            )
            box = text.get_window_extent()
            crossed = any(path.intersects_bbox(box, filled=False) for path in drawn)
            if not crossed and not box.count_overlaps(taken):
                taken.append(box)
                break
            text.remove()


def draw_history(runs: list[Run]) -> Figure | None:
    """Draw throughput over the runs, a panel for each predictor that two runs or more have.

    Lines join runs of one machine only, that is, of the same CPU and as many cores.
    """
    runs = sorted(runs, key=lambda run: run.order)
    machines = list(dict.fromkeys(run.machine.hardware for run in runs))
    histories: dict[tuple[str, str], list[tuple[int, Line]]] = defaultdict(list)
    for position, run in enumerate(runs):
        for line in run.lines:
            if not line.baseline:
                histories[line.predictor, line.workload].append((position, line))
    histories = {key: its for key, its in sorted(histories.items()) if len(its) > 1}
    if not histories:
        return None
    figure = Figure(
        figsize=(min(16, max(9, 2.5 + 0.17 * len(runs))), 1 + 3.5 * len(histories)),
        layout="constrained",
    )
    panels = figure.subplots(len(histories), sharex=True, squeeze=False)[:, 0]
    for axes, ((predictor, workload), lines) in zip(panels, histories.items(), strict=True):
        sizes = sizes_apart({case.batch_size for _, line in lines for case in line.cases})
        for batch_size, style in zip(reversed(sizes), styles(), strict=False):
            for machine, of_machine in zip(machines, cycle(LINE_STYLES), strict=False):
                points = [
                    (position, case.throughput)
                    for position, line in lines
                    for case in line.cases
                    if case.batch_size == batch_size and runs[position].machine.hardware == machine
                ]
                if points:
                    axes.plot(*zip(*points, strict=True), **style | of_machine)
            axes.plot([], [], label=f"{batch_size}", **style)
        axes.set(
            title=f"Throughput over Runs: {fitted(predictor, 60)}\n{fitted(workload, 80)}",
            ylabel=THROUGHPUT,
            yscale="log",
        )
        value_ticks(axes.yaxis)
        if len(machines) > 1:
            for machine, of_machine in zip(machines, cycle(LINE_STYLES), strict=False):
                axes.plot([], [], color="0.4", marker="o", label=fitted(machine, 24), **of_machine)
        axes.legend(
            title="batch size", alignment="left", loc="center left", bbox_to_anchor=(1, 0.5)
        )
    every = -(-len(runs) // 80)
    panels[-1].set_xticks(range(len(runs))[::every], history_names(runs)[::every])
    panels[-1].tick_params(axis="x", rotation=90 if len(runs) > 12 else 30)
    panels[-1].set_xlabel("run, by the time of its commit")
    make_room(figure)
    return figure


def history_names(runs: list[Run]) -> list[str]:
    """Name each run by its commit, and by what changed since the run before beside the machine."""
    changed = {}
    for before, run in pairwise([runs[0], *runs]):
        software = zip(run.machine.software, before.machine.software, strict=True)
        new = (part for part, previous in software if part and part != previous)
        changed[run.path] = ", ".join([run.commit, *new])
    names = told_apart(runs, lambda run: changed[run.path])
    return [fitted(names[run.path], 34) for run in runs]


def finish(axes: Axes, curves: list[Curve]) -> Figure:
    """Add the legend and return the figure."""
    predictors = {curve.line.predictor: curve.style for curve in reversed(curves)}
    runs = {curve.run: curve.style for curve in reversed(curves) if curve.run or len(curves) > 1}
    handles: list[Any] = [
        # matplotlib leaves what starts with an underscore out of the legend.
        Line2D([], [], label=" " * name.startswith("_") + fitted(name, 34),
               **style | {"linestyle": "-", "markerfacecolor": style["color"]})
        for name, style in reversed(predictors.items())
    ]  # fmt: skip
    if len(runs) > 1:
        handles += [
            Line2D([], [], label=fitted(name or "current", 34),
                   **style | {"color": "0.4", "marker": "o"})
            for name, style in reversed(runs.items())
        ]  # fmt: skip
    for line in axes.get_lines():
        if not str(line.get_label()).startswith("_"):  # limits, budget
            line.set_label(fitted(str(line.get_label()), 38))
            handles.append(line)
    workloads = {curve.line.workload for curve in curves}
    title = fitted(workloads.pop(), 34) if len(workloads) == 1 else None
    axes.legend(
        handles=handles, title=title, alignment="left", loc="upper left", bbox_to_anchor=(1, 1)
    )
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    make_room(figure)
    return figure


def within_budget(line: Line, budget: float) -> str:
    """Say which is the largest batch that stays within a latency budget."""
    within = [case for case in line.cases if (case.p95 or case.median) <= budget]
    if not within:
        return f"no batch size stays within {quantity(budget, 's')}"
    case = within[-1]
    figure = (
        f"p95 {quantity(case.p95, 's')}"
        if case.p95
        else f"median {quantity(case.median, 's')}, too few rounds for p95"
    )
    return (
        f"batch size {case.batch_size} stays within {quantity(budget, 's')} ({figure}), "
        f"{case.throughput:,.0f} predictions/s"
    )


def main(arguments: list[str] | None = None) -> int:
    """Draw the plots, and return the exit status: 0, or 2 where a file was of no use."""
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

    names = ["latency", "throughput", "tradeoff"]
    try:
        check_folder(options.out, names, options.format)
        print("\n".join(of_runs(runs, run_names(runs))))
        if options.latency_budget:
            for curve in curves(runs):
                print(f"{curve.label}: {within_budget(curve.line, options.latency_budget)}")
        shown = newest(runs)
        drawn, drawn_limits = curves(shown), limits(shown)
        labels = [*run_names(runs).values(), *(run.machine.hardware for run in runs)]
        labels += [
            text for run in runs for line in run.lines for text in (line.predictor, line.workload)
        ]
        with styling.context(["default", STYLE, {"font.family": families("".join(labels))}]):
            figures = {
                name: draw(drawn, drawn_limits, options.latency_budget)
                for name, draw in zip(
                    names, (draw_latency, draw_throughput, draw_tradeoff), strict=True
                )
            }
            if history := draw_history(runs):
                figures["history"] = history
            save(figures, options.out, options.format)
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    if len(shown) < len(runs):
        print(
            f"{', '.join(names)} show the newest {len(shown)} of {len(runs)} runs, as more lines "
            "could not be told apart"
        )
    print(f"{', '.join(figures)} drawn in {options.out}")
    return status


if __name__ == "__main__":
    script.run(main)
