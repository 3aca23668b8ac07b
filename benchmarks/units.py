"""Quantities as people write them, with a unit and a prefix."""

from __future__ import annotations

import math


def rate(per_second: float) -> str:
    """Write a throughput, ``2,494/s``."""
    return f"{per_second:,.0f}/s" if per_second >= 100 else f"{per_second:.3g}/s"


def quantity(value: float, unit: str) -> str:
    """Write a quantity with three digits and a prefix, ``13.5 ms``."""
    value = float(f"{value:.3g}")
    if not 1e-300 < value < math.inf:
        return f"{value:g} {unit}"
    power = min(max(math.floor(math.log10(value) / 3 + 1e-9), -3), 5)
    return f"{float(f'{value / 1000**power:.3g}'):g} {'nµm kMGTP'[power + 3].strip()}{unit}"


def binary(n_bytes: float) -> str:
    """Write a number of bytes, ``130 MiB``."""
    power = min(max(int(math.log2(n_bytes) // 10), 0), 4)
    value = n_bytes / 1024**power
    unit = ("bytes", "KiB", "MiB", "GiB", "TiB")[power]
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
