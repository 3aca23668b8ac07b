"""Fonts that have the letters of a name, and names broken into lines."""

from __future__ import annotations

import textwrap
from functools import cache

from matplotlib.font_manager import fontManager, get_font

OWN = "DejaVu Sans"  # matplotlib's, always there
LAST_RESORT = "Last Resort High-Efficiency"  # matplotlib's, a box for each letter


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
