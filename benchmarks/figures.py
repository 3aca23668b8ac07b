"""What the figures have in common: colours, axes, units, and how they are saved."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

# Okabe and Ito's colours, told apart by the colour-blind ("Color Universal Design", 2008), less
# the yellow, too pale for lines. Seven colours, eight markers: 56 predictors before a pair recurs.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = "osD^vP*X"
# Runs of a predictor: solid, dashed, dotted, dash-dotted, short dashes.
LINE_STYLES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (1, 1)), (0, (6, 2, 1, 2)), (0, (2.5, 2.5)))

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


def styles() -> Iterator[dict[str, Any]]:
    """Yield a colour and a marker for each predictor."""
    for color, marker in zip(cycle(COLORS), cycle(MARKERS), strict=False):
        yield {"color": color, "marker": marker}


def new_axes(title: str, xlabel: str, ylabel: str) -> Axes:
    """Return empty log-log axes in a figure of their own."""
    axes = Figure(figsize=(9, 5), layout="constrained").add_subplot()
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel, xscale="log", yscale="log")
    return axes


def value_ticks(axis: Axis, unit: str = "") -> None:
    """Label 1, 2 and 5 of each decade, ``20 ms``, or 1 and 3 where there is no room."""
    low, high = axis.get_view_interval()
    crowded = isinstance(axis, XAxis) and high > 2000 * low
    axis.set_major_locator(LogLocator(subs=(1, 3) if crowded else (1, 2, 5)))
    axis.set_major_formatter(EngFormatter(unit=unit))
    axis.set_minor_formatter(NullFormatter())


def show(seconds: float) -> str:
    """Write a duration as people do, ``20 ms``."""
    return EngFormatter(unit="s").format_data(float(f"{seconds:.3g}"))


def budget_style(budget: float) -> dict[str, Any]:
    """Return how a latency budget is drawn in every plot."""
    return {"color": "black", "linestyle": ":", "label": f"latency budget, {show(budget)}"}


def save(figures: dict[str, Figure], folder: Path, extension: str) -> None:
    """Write all figures, or none: where one cannot be written, the earlier ones stay."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".plot-") as temporary, rc_context(STYLE):
        new, earlier = Path(temporary, "new"), Path(temporary, "earlier")
        new.mkdir()
        earlier.mkdir()
        names = [f"{name}.{extension}" for name in figures]
        for name, figure in zip(names, figures.values(), strict=True):
            figure.savefig(new / name, format=extension, dpi=150)
        for name in names:
            if (folder / name).exists():
                shutil.copy2(folder / name, earlier / name)
        replaced = []
        try:
            for name in names:
                replaced.append(name)
                os.replace(new / name, folder / name)
        except BaseException:
            for name in replaced[:-1]:
                if (earlier / name).exists():
                    os.replace(earlier / name, folder / name)
                else:
                    (folder / name).unlink()
            raise
