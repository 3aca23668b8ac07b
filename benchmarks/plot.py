"""Draw latency, throughput and their trade-off against batch size from saved runs.

``python benchmarks/plot.py RUN.json [RUN.json …]`` reads what ``pytest benchmarks/`` saved with
``--benchmark-json``, ``--benchmark-save`` or ``--benchmark-autosave``.
"""

from __future__ import annotations

import argparse
import math
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import Bbox

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script, from any folder

from benchmarks import scripts
from benchmarks.arguments import duration
from benchmarks.figures import (
    LINE_STYLES,
    STYLE,
    budget_style,
    new_axes,
    save,
    show,
    styles,
    value_ticks,
)
from benchmarks.runs import Line, Run, read_runs

LATENCY = "latency (seconds before first prediction)"
THROUGHPUT = "throughput (predictions/second)"
LIMIT_DASHES = ((0, (4, 2)), (0, (10, 3)), (0, (2, 4)), (0, (10, 3, 2, 3)))  # one for each machine


@dataclass(frozen=True)
class Curve:
    """A line as it is drawn: its predictor gives it colour and marker, its run the line style."""

    line: Line
    label: str
    run: str
    style: dict[str, Any]


@dataclass(frozen=True)
class LimitCurve:
    """The least possible latency of a workload on a machine, in seconds by batch size."""

    label: str
    seconds: dict[int, float]


def curves(runs: list[Run]) -> list[Curve]:
    """Return the lines of all runs, each with a style and a label that tell it from every other."""
    names = run_names(runs)
    workloads = {line.workload for run in runs for line in run.lines}
    predictors: dict[str, dict[str, Any]] = {}
    colors_and_markers = styles()
    line_styles: dict[str, dict[str, Any]] = {}
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
            style = predictors.get(line.predictor) or next(colors_and_markers)
            predictors[line.predictor] = style
            if name not in line_styles:
                repeats, i = divmod(len(line_styles), len(LINE_STYLES))
                hollow = {"markerfacecolor": "white"} if repeats % 2 else {}
                line_styles[name] = {"linestyle": LINE_STYLES[i], **hollow}
            drawn.append(Curve(line, label, name, style | line_styles[name]))
    return drawn


def limits(runs: list[Run]) -> list[LimitCurve]:
    """Return the least possible latencies of each workload on each machine."""
    workloads = {line.workload for run in runs for line in run.lines}
    machines = {run.machine[:2] for run in runs}
    limits: dict[str, dict[int, float]] = {}
    for run in runs:
        for line in run.lines:
            for case in line.cases:
                if not case.limit:
                    continue
                parts = (
                    f"{case.limit_name}: reading memory or arithmetic",
                    line.workload if len(workloads) > 1 else "",
                    run.machine[0] if len(machines) > 1 else "",
                )
                of_label = limits.setdefault(", ".join(filter(None, parts)), {})
                size = case.batch_size
                of_label[size] = min(case.limit, of_label.get(size, math.inf))
    return [LimitCurve(label, dict(sorted(seconds.items()))) for label, seconds in limits.items()]


def run_names(runs: list[Run]) -> dict[Path, str]:
    """Name each run by its commit and by what differs between the machines, else by its file."""
    differs = [len(set(values)) > 1 for values in zip(*(run.machine for run in runs), strict=True)]
    names = {
        run.path: ", ".join(
            [
                run.commit,
                *(part for part, d in zip(run.machine, differs, strict=True) if d and part),
            ]
        )
        for run in runs
    }
    count = Counter(names.values())
    return {
        path: name if count[name] == 1 else f"{name} ({path.stem})" for path, name in names.items()
    }


def limit_styles() -> Iterator[dict[str, Any]]:
    """Yield how each machine's limit is drawn."""
    for dashes in cycle(LIMIT_DASHES):
        yield {"color": "black", "linestyle": dashes, "linewidth": 1}


def draw_latency(curves: list[Curve], limits: list[LimitCurve], budget: float | None) -> Figure:
    """Draw latency against batch size."""
    axes = new_axes("Latency as Batch Size Changes", "batch size", LATENCY)
    draw_against_batch_size(axes, curves, limits, budget, lambda batch_size, latency: latency)
    value_ticks(axes.yaxis, "s")
    return finished(axes, curves)


def draw_throughput(curves: list[Curve], limits: list[LimitCurve], budget: float | None) -> Figure:
    """Draw throughput against batch size."""
    axes = new_axes("Throughput as Batch Size Changes", "batch size", THROUGHPUT)
    draw_against_batch_size(
        axes, curves, limits, budget, lambda batch_size, latency: batch_size / latency
    )
    value_ticks(axes.yaxis)
    return finished(axes, curves)


def draw_against_batch_size(
    axes: Axes,
    curves: list[Curve],
    limits: list[LimitCurve],
    budget: float | None,
    value: Callable[[int, float], float],
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
    for limit, style in zip(limits, limit_styles(), strict=False):
        values = [value(size, seconds) for size, seconds in limit.seconds.items()]
        marker = "_" if len(values) == 1 else None  # a line needs two points
        axes.plot([*limit.seconds], values, label=limit.label, marker=marker, **style)
    sizes = sorted({case.batch_size for curve in curves for case in curve.line.cases})
    if budget:
        axes.autoscale(False)  # in the plot of throughput the budget is a steep line
        axes.plot(sizes, [value(size, budget) for size in sizes], **budget_style(budget))
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(sizes[:: -(-len(sizes) // 16)]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:g}"))


def draw_tradeoff(curves: list[Curve], limits: list[LimitCurve], budget: float | None) -> Figure:
    """Draw throughput against latency, with the batch sizes at the points."""
    axes = new_axes("Throughput against Latency", LATENCY, THROUGHPUT)
    for curve in curves:
        cases = curve.line.cases
        latency = [case.median for case in cases]
        axes.plot(latency, [case.throughput for case in cases], **curve.style)
    for limit, style in zip(limits, limit_styles(), strict=False):
        throughput = [size / seconds for size, seconds in limit.seconds.items()]
        axes.plot([*limit.seconds.values()], throughput, label=limit.label, **style)
    if budget:
        axes.axvline(budget, **budget_style(budget))
    value_ticks(axes.xaxis, "s")
    value_ticks(axes.yaxis)
    figure = finished(axes, curves)
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
            if not box.count_overlaps(taken):
                taken.append(box)
                break
            text.remove()


def draw_history(runs: list[Run]) -> Figure | None:
    """Draw throughput over the runs, a panel for each predictor that two runs or more have."""
    runs = sorted(runs, key=lambda run: run.time)
    names = run_names(runs)
    lines = [line for run in runs for line in run.lines if not line.baseline]
    count = Counter((line.predictor, line.workload) for line in lines)
    keys = sorted(key for key, n_runs in count.items() if n_runs > 1)
    if not keys:
        return None
    figure = Figure(figsize=(9, 1 + 3.5 * len(keys)), layout="constrained")
    panels = figure.subplots(len(keys), sharex=True, squeeze=False)[:, 0]
    for axes, (predictor, workload) in zip(panels, keys, strict=True):
        history: dict[int, list[tuple[int, float]]] = {}
        for position, run in enumerate(runs):
            for line in run.lines:
                if (line.predictor, line.workload, line.baseline) == (predictor, workload, ""):
                    for case in line.cases:
                        history.setdefault(case.batch_size, []).append((position, case.throughput))
        for (batch_size, points), style in zip(
            sorted(history.items(), reverse=True), styles(), strict=False
        ):
            axes.plot(*zip(*points, strict=True), label=f"{batch_size}", **style)
        axes.set(
            title=f"Throughput over Runs: {predictor}\n{workload}",
            ylabel=THROUGHPUT,
            yscale="log",
        )
        value_ticks(axes.yaxis)
        axes.legend(title="batch size", loc="center left", bbox_to_anchor=(1, 0.5))
    panels[-1].set_xticks(
        range(len(runs)),
        [textwrap.fill(names[run.path], 34) for run in runs],
        rotation=30,
        ha="right",
    )
    panels[-1].set_xlabel("run, by time")
    return figure


def finished(axes: Axes, curves: list[Curve]) -> Figure:
    """Add the legend and return the figure."""
    predictors = {curve.line.predictor: curve.style for curve in reversed(curves)}
    runs = {curve.run: curve.style for curve in reversed(curves) if curve.run or len(curves) > 1}
    handles: list[Any] = [
        # matplotlib leaves what starts with an underscore out of the legend.
        Line2D([], [], label=" " * name.startswith("_") + name, **style | {"linestyle": "-"})
        for name, style in reversed(predictors.items())
    ]
    if len(runs) > 1:
        handles += [
            Line2D([], [], color="0.4", label=textwrap.fill(name or "current", 34),
                   linestyle=style["linestyle"])
            for name, style in reversed(runs.items())
        ]  # fmt: skip
    for line in axes.get_lines():
        if not str(line.get_label()).startswith("_"):  # limits, budget
            line.set_label(textwrap.fill(str(line.get_label()), 38))
            handles.append(line)
    workloads = {curve.line.workload for curve in curves}
    title = textwrap.fill(workloads.pop(), 34) if len(workloads) == 1 else None
    axes.legend(
        handles=handles, title=title, alignment="left", loc="upper left", bbox_to_anchor=(1, 1)
    )
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure


def within_budget(line: Line, budget: float) -> str:
    """Say which is the largest batch that stays within a latency budget."""
    within = [case for case in line.cases if (case.p95 or case.median) <= budget]
    if not within:
        return f"no batch size stays within {show(budget)}"
    case = within[-1]
    figure = (
        f"p95 {show(case.p95)}"
        if case.p95
        else f"median {show(case.median)}, too few rounds for p95"
    )
    return (
        f"batch size {case.batch_size} stays within {show(budget)} ({figure}), "
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
    parser.add_argument(
        "--out", type=Path, default=Path("plots"), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument("--format", choices=("png", "svg"), default="png")
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

    drawn = curves(runs)
    if options.latency_budget:
        for curve in drawn:
            print(f"{curve.label}: {within_budget(curve.line, options.latency_budget)}")
    with rc_context(STYLE):
        figures = {
            "latency": draw_latency(drawn, limits(runs), options.latency_budget),
            "throughput": draw_throughput(drawn, limits(runs), options.latency_budget),
            "tradeoff": draw_tradeoff(drawn, limits(runs), options.latency_budget),
        }
        if history := draw_history(runs):
            figures["history"] = history
    try:
        save(figures, options.out, options.format)
    except OSError as error:
        print(f"{options.out}: cannot be written: {error.strerror}", file=sys.stderr)
        return 2
    print(f"{', '.join(figures)} drawn in {options.out}")
    return status


if __name__ == "__main__":
    scripts.run(main)
