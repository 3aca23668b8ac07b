"""Draw latency, throughput and their trade-off against batch size from saved runs.

``python benchmarks/plot.py RUN.json [RUN.json …]`` reads what ``pytest benchmarks/`` saved with
``--benchmark-json``, ``--benchmark-save`` or ``--benchmark-autosave``.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import re
import signal
import statistics
import sys
import tempfile
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    EngFormatter,
    FixedLocator,
    FuncFormatter,
    LogLocator,
    NullFormatter,
    NullLocator,
)
from matplotlib.transforms import Bbox

# Okabe and Ito's colours, told apart by the colour-blind ("Color Universal Design", 2008), less
# the yellow, too pale for lines. Seven colours, eight markers: 56 predictors before a pair recurs.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = "osD^vP*X"
# Runs of a predictor: solid, dashed, dotted, dash-dotted, short dashes.
LINE_STYLES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (1, 1)), (0, (6, 2, 1, 2)), (0, (2.5, 2.5)))
LIMIT_DASHES = ((0, (4, 2)), (0, (10, 3)), (0, (2, 4)), (0, (10, 3, 2, 3)))  # one for each machine

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "xtick.labelsize": "small",
    "axes.xmargin": 0.07,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "lines.markersize": 5,
    "text.parse_math": False,  # labels are names, and a name may have a $
    "svg.hashsalt": "linpredict",  # the same file from the same runs
}


class UnusableRunError(ValueError):
    """What a file lacks to be drawn."""


@dataclass(frozen=True)
class Case:
    """One batch size of a line; latencies in seconds, the floor is the machine's limit."""

    batch_size: int
    median: float
    q1: float
    q3: float
    p95: float | None = None
    floor: float | None = None
    floor_name: str = "NumPy's best"  # "limit" where it was measured in C

    @property
    def throughput(self) -> float:
        """Predictions per second."""
        return self.batch_size / self.median


@dataclass(frozen=True)
class Line:
    """A predictor in a run, or the one it was compared with: its cases, in order of batch size."""

    predictor: str
    workload: str
    cases: tuple[Case, ...]
    baseline: str = ""  # the commit compared with, if it is that one's line


@dataclass(frozen=True)
class Run:
    """A saved run."""

    path: Path
    commit: str
    time: datetime
    machine: tuple[
        str, ...
    ]  # what may differ: its name, CPU, BLAS kernels, NumPy, kernel, variables
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Curve:
    """A line as it is drawn: its predictor gives it colour and marker, its run the line style."""

    line: Line
    label: str
    run: str
    style: dict[str, Any]


Labelled = list[tuple[str, Line]]


def read_run(path: Path) -> Run:
    """Read a run that ``pytest benchmarks/`` saved.

    Raises
    ------
    UnusableRunError
        If it cannot be read, is not pytest-benchmark's JSON, or has no case of this suite.
    """
    try:
        content = json.loads(path.read_bytes(), parse_constant=float)
    except OSError as error:
        raise UnusableRunError(error.strerror or str(error)) from error
    except json.JSONDecodeError as error:
        raise UnusableRunError(f"is not JSON, or is cut off: {error}") from error
    except (ValueError, RecursionError) as error:  # not text, a number too long, nested too deep
        raise UnusableRunError(f"is not JSON: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("benchmarks"), list):
        raise UnusableRunError("is JSON, but not of pytest-benchmark: it has no list 'benchmarks'")

    lines: dict[tuple[str, str, str], dict[int, Case]] = {}
    for benchmark in content["benchmarks"]:
        info = benchmark.get("extra_info") if isinstance(benchmark, dict) else None
        if not isinstance(info, dict) or "predictor" not in info:
            continue  # of another suite
        predictor = field(info, "predictor", str)
        n_classes, n_features, n_samples = (
            field(info, f"n_{name}", int) for name in ("classes", "features", "samples")
        )
        workload = (
            f"{n_classes:,} classes × {n_features:,} features × {n_samples:,} samples, "
            f"{field(info, 'dtype', str)}"
        )
        line = lines.setdefault((predictor, workload, ""), {})
        batch_size = field(info, "batch_size", int)
        if batch_size in line:
            raise UnusableRunError(f"has {predictor}, batch size {batch_size}, more than once")
        stats = field(benchmark, "stats", dict)
        q1, median, q3 = (field(stats, name, float) for name in ("q1", "median", "q3"))
        if not q1 <= median <= q3:
            raise UnusableRunError(f"has quartiles out of order: {q1}, {median}, {q3}")
        p95, floor = (
            field(info, name, float) if name in info else None for name in ("p95", "latency_floor")
        )
        floor_name = str(info.get("latency_floor_name", Case.floor_name))
        line[batch_size] = Case(batch_size, median, q1, q3, p95, floor, floor_name)
        if "gate" in info:  # both by the pairs: pytest-benchmark also timed what collects these
            gate = field(info, "gate", dict)
            commit = short(field(gate, "commit", str))
            older = lines.setdefault((predictor, workload, commit), {})
            line[batch_size], older[batch_size] = pairs(gate, batch_size)
    if not lines:
        raise UnusableRunError("has no case of this suite: save a run of pytest benchmarks/")

    commit_info = field(content, "commit_info", dict)
    machine = field(content, "machine_info", dict)
    try:
        time = datetime.fromisoformat(field(content, "datetime", str))
    except ValueError as error:
        raise UnusableRunError(f"has no valid 'datetime': {error}") from error
    return Run(
        path=path,
        commit=short(field(commit_info, "id", str)) + "+" * bool(commit_info.get("dirty")),
        time=time if time.tzinfo else time.replace(tzinfo=UTC),
        machine=described(machine),
        lines=tuple(
            Line(predictor, workload, tuple(cases[size] for size in sorted(cases)), baseline)
            for (predictor, workload, baseline), cases in lines.items()
        ),
    )


def described(machine: dict[str, Any]) -> tuple[str, ...]:
    """Say what a run ran on, as far as its file does."""

    def part(name: str, key: str) -> str:
        section = machine.get(name)
        return str(section.get(key) or "") if isinstance(section, dict) else ""

    environment = machine.get("environment")
    variables = environment.items() if isinstance(environment, dict) else ()
    blas, numpy, kernel = (
        part("blas", "architecture"), machine.get("numpy_version"), machine.get("kernel")
    )  # fmt: skip
    return (
        str(machine.get("node", "unknown machine")),
        part("cpu", "brand_raw"),
        f"BLAS for {blas}" if blas else "",
        f"NumPy {numpy}" if numpy else "",
        f"kernel {kernel}" if kernel else "",
        " ".join(f"{name}={value}" for name, value in variables),
    )


def pairs(gate: dict[str, Any], batch_size: int) -> list[Case]:
    """Return the current case and the baseline's from the durations of their pairs."""
    cases = []
    for i in range(2):
        try:
            seconds = [
                field({"a pair": float(pair[i])}, "a pair", float)
                for pair in field(gate, "pairs", list)
            ]
            q1, median, q3 = statistics.quantiles(seconds, n=4, method="inclusive")
        except (TypeError, ValueError, LookupError, ArithmeticError) as error:
            raise UnusableRunError(f"has no valid 'pairs': {error}") from error
        p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
        cases.append(Case(batch_size, median, q1, q3, p95 if len(seconds) >= 20 else None))
    return cases


def short(commit: str) -> str:
    """Shorten a commit's id as git does."""
    return re.sub(r"^([0-9a-f]{7})[0-9a-f]+$", r"\1", commit)


def field(record: dict[str, Any], name: str, kind: type[Any]) -> Any:
    """Return a field of the JSON after checking what it is; numbers must be positive and finite."""
    value: Any = record.get(name)
    if kind is float and type(value) is int:
        value = float(value) if abs(value) < 1e300 else math.inf
    if type(value) is not kind:
        raise UnusableRunError(
            f"has no valid {name!r}: expected {kind.__name__}, not {value!r:.40}"
        )
    if kind in (int, float) and not 0 < value < 1e18:
        raise UnusableRunError(
            f"has no valid {name!r}: expected a positive number, not {value!r:.40}"
        )
    return value


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


def limits(runs: list[Run]) -> Labelled:
    """Return a line for the least possible latency of each workload and machine."""
    workloads = {line.workload for run in runs for line in run.lines}
    machines = {run.machine[:2] for run in runs}
    floors: dict[str, tuple[str, dict[int, float]]] = {}
    for run in runs:
        for line in run.lines:
            for case in line.cases:
                if not case.floor:
                    continue
                parts = (
                    f"{case.floor_name}: reading memory or arithmetic",
                    line.workload if len(workloads) > 1 else "",
                    run.machine[0] if len(machines) > 1 else "",
                )
                label = ", ".join(filter(None, parts))
                _, floor = floors.setdefault(label, (line.workload, {}))
                floor[case.batch_size] = min(case.floor, floor.get(case.batch_size, math.inf))
    return [
        (label, Line("", workload, tuple(Case(size, t, t, t) for size, t in sorted(floor.items()))))
        for label, (workload, floor) in floors.items()
    ]


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


def styles() -> Iterator[dict[str, Any]]:
    """Yield a colour and a marker for each predictor."""
    for color, marker in zip(cycle(COLORS), cycle(MARKERS), strict=False):
        yield {"color": color, "marker": marker}


def limit_styles() -> Iterator[dict[str, Any]]:
    """Yield how each machine's limit is drawn."""
    for dashes in cycle(LIMIT_DASHES):
        yield {"color": "black", "linestyle": dashes, "linewidth": 1}


def new_axes(title: str, xlabel: str, ylabel: str) -> Axes:
    """Return empty log-log axes in a figure of their own."""
    axes = Figure(figsize=(9, 5), layout="constrained").add_subplot()
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel, xscale="log", yscale="log")
    return axes


def draw_latency(curves: list[Curve], limits: Labelled, budget: float | None) -> Figure:
    """Draw latency against batch size."""
    return draw_against_batch_size(
        new_axes(
            "Latency as Batch Size Changes",
            "batch size",
            "latency (seconds before first prediction)",
        ),
        curves,
        limits,
        budget,
        lambda batch_size, latency: latency,
    )


def draw_throughput(curves: list[Curve], limits: Labelled, budget: float | None) -> Figure:
    """Draw throughput against batch size."""
    return draw_against_batch_size(
        new_axes(
            "Throughput as Batch Size Changes",
            "batch size",
            "throughput (predictions/second)",
        ),
        curves,
        limits,
        budget,
        lambda batch_size, latency: batch_size / latency,
    )


def draw_against_batch_size(
    axes: Axes,
    curves: list[Curve],
    limits: Labelled,
    budget: float | None,
    value: Callable[[int, float], float],
) -> Figure:
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
    for (label, line), style in zip(limits, limit_styles(), strict=False):
        sizes = [case.batch_size for case in line.cases]
        floors = [value(case.batch_size, case.median) for case in line.cases]
        # A line needs two points.
        axes.plot(sizes, floors, label=label, marker="_" if len(sizes) == 1 else None, **style)
    sizes = sorted({case.batch_size for curve in curves for case in curve.line.cases})
    if budget:
        axes.autoscale(False)  # in the plot of throughput the budget is a steep line
        axes.plot(sizes, [value(size, budget) for size in sizes], **budget_style(budget))
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(sizes[:: -(-len(sizes) // 16)]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:g}"))
    return finished(axes, curves)


def draw_tradeoff(curves: list[Curve], limits: Labelled, budget: float | None) -> Figure:
    """Draw throughput against latency, with the batch sizes at the points."""
    axes = new_axes(
        "Throughput against Latency",
        "latency (seconds before first prediction)",
        "throughput (predictions/second)",
    )
    for curve in curves:
        cases = curve.line.cases
        latency = [case.median for case in cases]
        axes.plot(latency, [case.throughput for case in cases], **curve.style)
    for (label, line), style in zip(limits, limit_styles(), strict=False):
        latency = [case.median for case in line.cases]
        axes.plot(latency, [case.throughput for case in line.cases], label=label, **style)
    if budget:
        axes.axvline(budget, **budget_style(budget))
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
            ylabel="throughput (predictions/second)",
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


def budget_style(budget: float) -> dict[str, Any]:
    """Return how a latency budget is drawn in every plot."""
    return {"color": "black", "linestyle": ":", "label": f"latency budget, {show(budget)}"}


def value_ticks(axis: Axis, unit: str = "") -> None:
    """Label 1, 2 and 5 of each decade, ``20 ms``, or 1 and 3 where there is no room."""
    low, high = axis.get_view_interval()
    crowded = isinstance(axis, XAxis) and high > 2000 * low
    axis.set_major_locator(LogLocator(subs=(1, 3) if crowded else (1, 2, 5)))
    axis.set_major_formatter(EngFormatter(unit=unit))
    axis.set_minor_formatter(NullFormatter())


def finished(axes: Axes, curves: list[Curve]) -> Figure:
    """Format the values at the axes, add the legend and return the figure."""
    for name, axis in (("xlabel", axes.xaxis), ("ylabel", axes.yaxis)):
        if "batch size" not in (label := getattr(axes, f"get_{name}")()):
            value_ticks(axis, "s" if "seconds" in label else "")
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


def show(seconds: float) -> str:
    """Write a duration as people do, ``20 ms``."""
    return EngFormatter(unit="s").format_data(float(f"{seconds:.3g}"))


def duration(text: str) -> float:
    """Parse a duration such as ``20ms``, ``0.02`` or ``20000 us``, in seconds."""
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(ns|us|µs|μs|ms|s)?\s*", text)
    unit = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3}
    if not match or not 0 < (seconds := float(match[1]) * unit.get(match[2], 1)) < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration like 20ms, 0.02 or 20000us")
    return seconds


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


def save(figures: dict[str, Figure], folder: Path, extension: str) -> None:
    """Write all figures, or none where one cannot be written."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".plot-") as temporary:
        for name, figure in figures.items():
            figure.savefig(Path(temporary, name), format=extension, dpi=150)
        for name in figures:
            os.replace(Path(temporary, name), folder / f"{name}.{extension}")


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

    status = 0
    runs = []
    for path in dict.fromkeys(options.runs):
        try:
            runs.append(read_run(path))
        except UnusableRunError as error:
            print(f"{path}: {error}", file=sys.stderr)
            status = 2
    if not runs:
        return status

    drawn = curves(runs)
    if options.latency_budget:
        for curve in drawn:
            print(f"{curve.label}: {within_budget(curve.line, options.latency_budget)}")
    with mpl.rc_context(STYLE):
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # an ASCII terminal has no µ
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # tidies up
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
