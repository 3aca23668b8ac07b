"""The figures of latency, of throughput, and of their trade-off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.drawing.curves import Curve
from benchmarks.drawing.limits import LimitLine, draw_knee, draw_limits
from benchmarks.drawing.style import (
    DISTURBED,
    HOLLOW,
    budget_style,
    fitted,
    make_room,
    new_axes,
    sizes_apart,
    value_ticks,
)

LATENCY = "latency (seconds before first prediction)"
THROUGHPUT = "throughput (predictions/second)"


def draw_latency(curves: list[Curve], limits: list[LimitLine], budget: float | None) -> Figure:
    axes = new_axes("Latency as Batch Size Changes", "batch size", LATENCY)
    draw_against_batch_size(axes, curves, limits, budget, lambda batch_size, latency: latency)
    draw_knee(axes, limits, height=0.97)
    value_ticks(axes.yaxis, "s")
    return finish(axes, curves)


def draw_throughput(curves: list[Curve], limits: list[LimitLine], budget: float | None) -> Figure:
    axes = new_axes("Throughput as Batch Size Changes", "batch size", THROUGHPUT)
    draw_against_batch_size(
        axes, curves, limits, budget, lambda batch_size, latency: batch_size / latency
    )
    draw_knee(axes, limits, height=0.03)
    value_ticks(axes.yaxis)
    return finish(axes, curves)


def draw_tradeoff(curves: list[Curve], limits: list[LimitLine], budget: float | None) -> Figure:
    axes = new_axes("Throughput against Latency", LATENCY, THROUGHPUT)
    for curve in curves:
        cases = curve.line.cases
        latency, throughput = [case.p50 for case in cases], [case.throughput for case in cases]
        draw_medians(axes, curve, latency, throughput)
        # Each second batch size, as those of few examples lie close together.
        for case in cases[::2]:
            axes.annotate(
                f"{case.batch_size}",
                (case.p50, case.throughput),
                xytext=(5, -5),
                textcoords="offset points",
                va="top",
                fontsize="x-small",
                color=curve.style["color"],
            )
    draw_limits(axes, limits, curves, lambda size, seconds: (seconds, size / seconds))
    if budget:
        axes.axvline(budget, **budget_style(budget))
    value_ticks(axes.xaxis, "s")
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
    alpha = min(0.2, 0.6 / max(1, len(curves)))  # of many bands none covers the others
    for curve in curves:
        cases = curve.line.cases
        sizes = [case.batch_size for case in cases]
        q1, median, q3 = (
            [value(case.batch_size, getattr(case, name)) for case in cases]
            for name in ("q1", "p50", "q3")
        )
        draw_medians(axes, curve, sizes, median)
        axes.fill_between(sizes, q1, q3, color=curve.style["color"], alpha=alpha, linewidth=0)
    draw_limits(axes, limits, curves, lambda size, seconds: (size, value(size, seconds)))
    sizes = sorted({case.batch_size for curve in curves for case in curve.line.cases})
    axes.set_xscale("log", base=2)
    if budget:
        draw_budget(axes, sizes, [value(size, budget) for size in sizes], budget)
    axes.xaxis.set_major_locator(FixedLocator(sizes_apart(sizes)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:g}"))


def draw_medians(axes: Axes, curve: Curve, x: Sequence[float], y: Sequence[float]) -> None:
    """Draw a line through the medians, with large hollow markers on the disturbed ones."""
    axes.plot(x, y, **curve.style)
    where = [i for i, case in enumerate(curve.line.cases) if case.is_disturbed]
    if where:
        style = curve.style | HOLLOW
        axes.plot([x[i] for i in where], [y[i] for i in where], label="_disturbed", **style)


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


def finish(axes: Axes, curves: list[Curve]) -> Figure:
    """Add the legend, of predictors, runs, limits and the budget, and return the figure."""
    predictors = {curve.line.predictor: curve.style for curve in curves}
    handles: list[Any] = []
    for name, style in predictors.items():
        solid = style | {"linestyle": "-", "markerfacecolor": style["color"]}
        handles.append(Line2D([], [], label=fitted(name, 34), **solid))
    runs = {curve.run: curve.style for curve in curves}
    if len(runs) > 1:
        for name, style in runs.items():
            grey = style | {"color": "0.4", "marker": "o"}
            handles.append(Line2D([], [], label=fitted(name or "current", 34), **grey))
    if any(case.is_disturbed for curve in curves for case in curve.line.cases):
        handles.append(Line2D([], [], **DISTURBED))
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
