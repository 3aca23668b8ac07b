"""The least possible latency in the plots: a line for each machine, workload and precision."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from benchmarks.roofline import NUMPYS_BEST, best
from benchmarks.saved_runs import Point, Run

DASHES = ((0, (4, 2)), (0, (10, 3)), (0, (2, 4)), (0, (10, 3, 2, 3)))


@dataclass(frozen=True)
class LimitLine:
    """The least possible latency in seconds by batch size, and where arithmetic takes over."""

    label: str
    seconds: dict[float, float]
    knee: float = math.inf


def limits(runs: list[Run]) -> list[LimitLine]:
    """Return the least possible latencies; runs on one machine share the best that it reached.

    Where there are more than can be told apart, machines of one CPU and as many cores count as one.
    """
    machines = [run.machine for run in runs]
    lines = limits_by(runs, [(of.node, of.cpu, of.cores) for of in machines])
    if len(lines) > len(DASHES):
        lines = limits_by(runs, [(of.cpu, of.cores) for of in machines])
    return lines


def limits_by(runs: list[Run], machines: Sequence[tuple[str, ...]]) -> list[LimitLine]:
    """Return the least possible latencies where each run's machine is named by some words."""
    several = len({line.workload for run in runs for line in run.lines}) > 1
    differs = [len(set(words)) > 1 for words in zip(*machines, strict=True)]
    found: dict[tuple[str, ...], list[Point]] = {}
    for run, machine in zip(runs, machines, strict=True):
        for line in run.lines:
            for case in line.cases:
                if case.record and case.record.latency_floor:
                    precision = case.roofline.precision if case.roofline else ""
                    name = case.record.latency_floor_name or NUMPYS_BEST
                    key = (name, precision, line.workload, *machine)
                    found.setdefault(key, []).append(case)
    precisions = {precision for _, precision, *_ in found if precision}
    lines: dict[str, LimitLine] = {}
    # Those without ceilings, as runs saved them before, give way to those with them.
    for key, cases in sorted(found.items(), key=lambda item: bool(item[1][0].roofline)):
        name, precision, workload, *where = key
        is_own = not precision or (precisions == {precision} and workload.endswith(precision))
        words = [
            f"{name}: reading memory or {f'{precision} ' * (not is_own)}arithmetic",
            workload * several,
            *(word for word, differ in zip(where, differs, strict=True) if differ),
        ]
        label = ", ".join(filter(None, words))
        lines[label] = line_of(label, cases)
    return list(lines.values())


def line_of(label: str, cases: list[Point]) -> LimitLine:
    """Return the line of cases on one machine."""
    sizes = sorted({case.batch_size for case in cases})
    if rooflines := [case.roofline for case in cases if case.roofline]:
        roofline = best(rooflines)
        bend = [roofline.knee] if sizes[0] < roofline.knee < sizes[-1] else []
        points = sorted([*sizes, *bend])
        return LimitLine(label, {size: roofline.seconds(size) for size in points}, roofline.knee)
    seconds: dict[float, float] = dict.fromkeys(sizes, math.inf)
    for case in cases:
        if case.record and case.record.latency_floor:
            seconds[case.batch_size] = min(seconds[case.batch_size], case.record.latency_floor)
    return LimitLine(label, seconds)


def draw_limits(
    axes: Axes, limits: list[LimitLine], point: Callable[[float, float], tuple[float, float]]
) -> None:
    """Draw each limit; `point` makes x and y of a batch size and its seconds."""
    for i, limit in enumerate(limits):
        points = [point(*value) for value in limit.seconds.items()]
        axes.plot(
            *zip(*points, strict=True),
            color="black",
            linestyle=DASHES[i % len(DASHES)],
            linewidth=1,
            marker="_" if len(points) == 1 else None,  # a line needs two points
            markersize=20,
            label=limit.label,
        )


def draw_knee(axes: Axes, limits: list[LimitLine], height: float) -> None:
    """Mark where reading gives way to arithmetic, with words at a part of the axes' height.

    Two limits, of two precisions, have a line each. Where there are more, their bends show it.
    """
    knees = sorted({limit.knee for limit in limits if limit.knee in limit.seconds})
    if not knees or len(limits) > 2:
        return
    for knee in knees:
        axes.axvline(knee, color="0.5", linewidth=0.6, zorder=0)
    words = (("reading", -1, "right", knees[0]), ("arithmetic", 1, "left", knees[-1]))
    for word, side, align, knee in words:
        axes.annotate(
            word,
            (knee, height),
            xycoords=("data", "axes fraction"),
            xytext=(4 * side, 0),
            textcoords="offset points",
            ha=align,
            va="center",
            fontsize="x-small",
            color="0.4",
        )
