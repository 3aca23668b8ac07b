"""Style of the figures: colours, fonts, axes, units, and room for legends."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import cycle
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from benchmarks.wording.quantities import quantity

# Okabe and Ito's colours, told apart by the colour-blind ("Color Universal Design", 2008), less
# the yellow, too pale for lines. Seven colours, 13 markers: 91 predictors before a pair recurs.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = "osD^vP*X<>phd"
# Runs of a predictor: solid, dashed, dotted, dash-dotted, short dashes; each second with hollow
# markers, also in the second round, where they are those that had full ones in the first.
DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (1, 1)), (0, (6, 2, 1, 2)), (0, (2.5, 2.5)))
LINE_STYLES: tuple[dict[str, Any], ...] = tuple(
    {"linestyle": dashes} | ({"markerfacecolor": "white"} if i % 2 else {})
    for i, dashes in enumerate(2 * DASHES)
)
HOLLOW: dict[str, Any] = {"markerfacecolor": "white", "markersize": 9, "linestyle": "none"}
DISTURBED = HOLLOW | {"color": "0.4", "marker": "o", "label": "disturbed"}  # in legends
AXES_WIDTH = 5.9  # inches that a legend leaves, with the label at the left
BETWEEN_SIZES = 4.5  # inches of these, from the least batch size to the largest
MANY_DECADES = 1e7  # of values, from which on matplotlib labels whole ones alone
CHARACTER = 0.08  # inches, about, of a tick's label
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # matplotlib's, always there
    "font.size": 10,
    "xtick.labelsize": "small",
    "axes.xmargin": 0.07,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "legend.handlelength": 3,  # a dash-dotted line shows what it is
    "lines.markersize": 5,
    "text.parse_math": False,  # labels are names, and a name may have a $
    "svg.hashsalt": "linpredict",  # the same file from the same runs
}


def styles() -> Iterator[dict[str, Any]]:
    for color, marker in zip(cycle(COLORS), cycle(MARKERS), strict=False):
        yield {"color": color, "marker": marker}


@cache
def letters() -> frozenset[int]:
    """Return what matplotlib's own font has."""
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def fitted(text: str, width: int, n_lines: int = 3) -> str:
    """Escape what the font lacks, cut out the middle of what is too long, and break into lines.

    matplotlib leaves labels that begin with an underscore out of legends: a space comes before it.
    """
    drawable = "".join(
        letter if letter.isprintable() and ord(letter) in letters() else ascii(letter)[1:-1]
        for letter in text
    )
    if (surplus := len(drawable) - n_lines * width) > 0:
        middle = len(drawable) // 2
        start = middle - surplus // 2 - 1
        drawable = f"{drawable[:start]}…{drawable[start + surplus + 1 :]}"
    filled = textwrap.fill(drawable, width)
    return f" {filled}" if filled.startswith("_") else filled


def new_axes(title: str, xlabel: str, ylabel: str) -> Axes:
    """Return empty log-log axes in a figure of their own."""
    axes = Figure(figsize=(9, 5), layout="constrained").add_subplot()
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel, xscale="log", yscale="log")
    return axes


def value_ticks(axis: Axis, unit: str = "") -> None:
    """Label 1, 2 and 5 of each decade, ``20 ms``, or 1 and 3, or 1, where there is no room."""
    low, high = axis.get_view_interval()
    crowded = isinstance(axis, XAxis) and high > 2000 * low
    subs = (1, 3) if crowded else (1, 2, 5)
    axis.set_major_locator(LogLocator(subs=subs if high < MANY_DECADES * low else (1,)))
    axis.set_major_formatter(EngFormatter(unit=unit))
    axis.set_minor_formatter(NullFormatter())


def budget_style(budget: float) -> dict[str, Any]:
    return {"color": "black", "linestyle": ":", "label": f"latency budget, {quantity(budget, 's')}"}


def sizes_apart(sizes: Iterable[int]) -> list[int]:
    """Return the batch sizes that have room for a label on a log axis, powers of two first."""
    sizes = {*sizes}
    decades_per_inch = math.log10(max(sizes) / min(sizes)) / BETWEEN_SIZES
    apart: list[int] = []
    for size in sorted(sizes, key=lambda size: (-(size & -size), size)):
        if all(
            abs(math.log10(size / other))
            >= CHARACTER * (1 + len(f"{size}{other}") / 2) * decades_per_inch
            for other in apart
        ):
            apart.append(size)
    return sorted(apart)


def with_panels(
    n: int, width: float, height: float, sharey: bool = False
) -> tuple[Figure, list[Axes], list[Axes]]:
    """Return a figure with panels of one x axis, these, and the lowest of each column.

    There is one column for up to four panels: a page of nine was 3,300 pixels high.
    """
    n_columns = -(-n // 4)
    n_rows = -(-n // n_columns)
    figure = Figure(figsize=(n_columns * width, 1 + n_rows * height), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, sharex=True, sharey=sharey, squeeze=False).ravel()
    for spare in axes[n:]:
        spare.remove()
    lowest = list(axes[n - n_columns : n])
    for panel in lowest:
        panel.tick_params(labelbottom=True)
    return figure, list(axes[:n]), lowest


def make_room(figure: Figure) -> None:
    """Enlarge a figure of panels so that their legends leave the axes room."""
    n_rows, n_columns = figure.axes[0].get_gridspec().get_geometry()  # type: ignore[union-attr]
    legends = [legend for axes in figure.axes if (legend := axes.get_legend())]
    boxes = [legend.get_window_extent() for legend in legends]
    width, height = (
        max(getattr(box, side) for box in boxes) / figure.dpi for side in ("width", "height")
    )
    figure.set_size_inches(
        max(figure.get_figwidth(), n_columns * (AXES_WIDTH + width)),
        max(figure.get_figheight(), n_rows * (height + 1)),
    )
