"""The least possible latency in the plots: a line for each machine, workload and precision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from benchmarks.drawing.curves import Curve, differing
from benchmarks.saving.limit import Limit, best
from benchmarks.saving.record import CaseRecord
from benchmarks.saving.runs import Run

DASHES = ((0, (4, 2)), (0, (10, 3)), (0, (2, 4)), (0, (10, 3, 2, 3)))


@dataclass(frozen=True)
class LimitLine:
    """A limit as it is drawn, over the batch sizes of its cases."""

    label: str
    limit: Limit
    sizes: list[float]
    knee: float | None  # where arithmetic takes over, if that is among the batch sizes
    predictors: set[str]  # that it bounds


def limits(runs: list[Run]) -> list[LimitLine]:
    """Return the limits; runs on one machine share the best that it reached.

    Where there are more than can be told apart, machines of one CPU and as many cores count as one.
    """
    machines = [run.machine for run in runs]
    lines = limits_by(runs, [(of.node, of.cpu, of.cores) for of in machines])
    if len(lines) > len(DASHES):
        lines = limits_by(runs, [(of.cpu, of.cores) for of in machines])
    return lines


def limits_by(runs: list[Run], machines: Sequence[tuple[str, ...]]) -> list[LimitLine]:
    """Return the limits where each run's machine is named by some words."""
    several = len({line.workload for run in runs for line in run.lines}) > 1
    found: dict[tuple[str, ...], list[tuple[CaseRecord, Limit]]] = {}
    for run, words in zip(runs, differing(machines), strict=True):
        for line in run.lines:
            for case in line.cases:
                if case.limit:
                    read_as = case.limit.read_as or ""
                    key = (case.limit.precision, read_as, line.workload, *words)
                    found.setdefault(key, []).append((case, case.limit))
    n_read_as = Counter(precision for precision, _ in {key[:2] for key in found})
    lines = []
    for (precision, read_as, workload, *where), cases in found.items():
        is_own = len(n_read_as) == 1 and workload.endswith(precision)
        arithmetic = "arithmetic" if is_own else f"{precision} arithmetic"
        memory = f"weights of {read_as or precision}" if n_read_as[precision] > 1 else "memory"
        label = [f"limit: reading {memory} or {arithmetic}"]
        if several:
            label.append(workload)
        limit = best([limit for _, limit in cases])
        sizes: list[float] = sorted({case.batch_size for case, _ in cases})
        knee = limit.knee if sizes[0] < limit.knee < sizes[-1] else None
        if knee:
            sizes = sorted({*sizes, knee})
        predictors = {case.predictor for case, _ in cases}
        lines.append(LimitLine(", ".join([*label, *where]), limit, sizes, knee, predictors))
    return lines


def draw_limits(
    axes: Axes,
    limits: list[LimitLine],
    curves: Sequence[Curve],
    point: Callable[[float, float], tuple[float, float]],
) -> None:
    """Draw each limit; `point` makes x and y of a batch size and its seconds.

    Of several, one that bounds a single predictor has its colour.
    """
    colors = {curve.line.predictor: curve.style["color"] for curve in curves}
    for i, limit in enumerate(limits):
        points = [point(size, limit.limit.seconds(size)) for size in limit.sizes]
        is_own = len(limits) > 1 and len(limit.predictors) == 1
        color = colors[min(limit.predictors)] if is_own else "black"
        axes.plot(
            *zip(*points, strict=True),
            color=color,
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
    knees = sorted({limit.knee for limit in limits if limit.knee})
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
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.7},
        )
