"""Style of the figures: colours, fonts, axes, units; and how they are saved."""

from __future__ import annotations

import argparse
import io
import math
import os
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager, get_font
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from benchmarks.saving.atomic_write import check_writable, write
from benchmarks.script import heed_signals
from benchmarks.wording.quantities import folder as folder_type
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
AXES_WIDTH = 5.9  # inches that a legend leaves, with the label at the left
BETWEEN_SIZES = 4.5  # inches of these, from the least batch size to the largest
CHARACTER = 0.08  # inches, about, of a tick's label
OWN = "DejaVu Sans"  # matplotlib's, always there
LAST_RESORT = "Last Resort High-Efficiency"  # matplotlib's, a box for each letter

STYLE: dict[Any, Any] = {
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
    """Yield a colour and a marker for each predictor."""
    for color, marker in zip(cycle(COLORS), cycle(MARKERS), strict=False):
        yield {"color": color, "marker": marker}


def families(text: str) -> list[str]:
    """Return matplotlib's font, and those installed that have what it lacks of a text."""
    return list(dict.fromkeys([OWN, *filter(None, map(family, text))]))


@cache
def family(letter: str) -> str | None:
    """Return a font that has a letter."""
    fonts = {entry.fname: entry.name for entry in fontManager.ttflist if entry.name != LAST_RESORT}
    for path in sorted(fonts, key=lambda path: (fonts[path] != OWN, path)):
        if ord(letter) in letters(path):
            return fonts[path]
    return None


@cache
def letters(path: str) -> frozenset[int]:
    """Return what a font has."""
    try:
        return frozenset(get_font(path).get_charmap())
    except (OSError, RuntimeError):  # gone since matplotlib listed it, or of bitmaps
        return frozenset()


def fitted(text: str, width: int, n_lines: int = 3) -> str:
    """Escape what no font has, cut out the middle of what is too long, and break into lines."""
    drawable = "".join(
        letter if letter.isprintable() and family(letter) else ascii(letter)[1:-1]
        for letter in text
    )
    if (surplus := len(drawable) - n_lines * width) > 0:
        middle = len(drawable) // 2
        start = middle - surplus // 2 - 1
        drawable = f"{drawable[:start]}…{drawable[start + surplus + 1 :]}"
    return textwrap.fill(drawable, width)


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


def budget_style(budget: float) -> dict[str, Any]:
    """Return how a latency budget is drawn in every plot."""
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


def make_room(figure: Figure) -> None:
    """Enlarge a figure of panels so that their legends leave the axes room."""
    legends = [legend for axes in figure.axes if (legend := axes.get_legend())]
    boxes = [legend.get_window_extent() for legend in legends]
    width, height = (
        max(getattr(box, side) for box in boxes) / figure.dpi for side in ("width", "height")
    )
    figure.set_size_inches(
        max(figure.get_figwidth(), AXES_WIDTH + width),
        max(figure.get_figheight(), len(legends) * (height + 1)),
    )


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where figures go, and as what."""
    parser.add_argument(
        "--out", type=folder_type, default=Path("plots"), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument("--format", choices=("png", "svg"), default="png")


def check_folder(folder: Path, names: Iterable[str], extension: str) -> None:
    """Make the folder for figures, and refuse early what `save` would refuse."""
    with saying(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        with saying(path := folder / f"{name}.{extension}"):
            check_writable(path)


def save(figures: dict[str, Figure], folder: Path, extension: str) -> None:
    """Write all figures, or none: where one cannot be written, the earlier ones stay.

    Raises
    ------
    OSError
        If one cannot be written; it says in a sentence which, and why.
    """
    content = {}
    for name, figure in figures.items():
        figure.savefig(drawn := io.BytesIO(), format=extension, dpi=150)
        content[folder / f"{name}.{extension}"] = drawn.getvalue()
    heed_signals()
    check_folder(folder, figures, extension)
    earlier: dict[Path, bytes] = {}
    for path in filter(Path.is_file, content):
        with saying(path):
            earlier[path] = path.read_bytes()
    written: list[Path] = []
    try:
        for path in content:
            with saying(path):
                write(path, content[path])
            written.append(path)
    except BaseException:
        for path in reversed(written):  # each then has the room that it had
            if path in earlier:
                write(path, earlier[path])
            elif path.is_file():
                Path(os.path.realpath(path)).unlink()
        raise


@contextmanager
def saying(path: Path) -> Iterator[None]:
    """Have an error say what cannot be written."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if isinstance(error, FileExistsError):
            reason = "it is no folder"
        raise OSError(f"{path}: cannot be written: {reason}") from error
