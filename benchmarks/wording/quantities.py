"""Quantities as people write them, in results and on the command line."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

N = TypeVar("N", int, float)

UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, None: 1.0}


def above_zero(text: str, parse: Callable[[str], N], what: str) -> N:
    with suppress(ValueError, argparse.ArgumentTypeError):
        if 0 < (value := parse(text)) < math.inf:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is not a {what}")


def positive(text: str) -> int:
    return above_zero(text, int, "positive integer")


def ascending(text: str, parse: Callable[[str], N], what: str) -> tuple[N, ...]:
    """Parse values between commas; each counts once."""
    try:
        return tuple(sorted({parse(part) for part in text.split(",")}))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of {what}") from None


def batch_sizes(text: str) -> tuple[int, ...]:
    """Parse positive integers between commas; each counts once, in ascending order."""
    return ascending(text, positive, "positive integers like 1,8,64")


def percentage(text: str) -> float:
    """Parse a percentage above zero, such as ``5%``."""
    number = text[:-1] if text.endswith("%") else ""
    return above_zero(text, lambda _: float(number) / 100, "percentage like 5%")


def variable(text: str) -> tuple[str, str]:
    """Parse an environment variable, such as ``OMP_NUM_THREADS=1``."""
    name, equals, value = text.partition("=")
    if name and equals and "\0" not in text:
        return name, value
    raise argparse.ArgumentTypeError(f"{text!r} is not a variable like OMP_NUM_THREADS=1")


def seconds(text: str) -> float:
    """Parse a duration such as ``20ms``, ``0.02`` or ``20000 us``, or 0, in seconds."""
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(ns|us|µs|μs|ms|s)?\s*", text)
    if not match or (value := float(match[1]) * UNITS[match[2]]) == math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration like 20ms, 0.02 or 20000us")
    return value


def duration(text: str) -> float:
    return above_zero(text, seconds, "duration like 20ms, 0.02 or 20000us")


def waits(text: str) -> tuple[float, ...]:
    """Parse durations between commas, also 0; each counts once, in ascending order."""
    return ascending(text, seconds, "durations like 0,1ms,5ms")


def rate(text: str) -> float:
    """Parse a rate above zero."""
    return above_zero(text, float, "rate like 800, in requests per second")


def named(text: str) -> str:
    """Refuse the empty name, as of a variable that is not set."""
    if text:
        return text
    raise argparse.ArgumentTypeError("it names nothing")


def folder(text: str) -> Path:
    return Path(named(text))


def per_second(rate: float) -> str:
    """Write a throughput, ``2,494/s``."""
    return f"{rate:,.0f}/s" if rate >= 100 else f"{rate:.3g}/s"


def milliseconds(seconds: float) -> str:
    """Write a duration in milliseconds with three digits, ``0.00249``."""
    return f"{Decimal(f'{1e3 * seconds:#.3g}'):f}"


def quantity(value: float, unit: str) -> str:
    """Write a quantity with three digits and a prefix, ``13.5 ms``."""
    value = float(f"{value:.3g}")
    if not 1e-300 < value < math.inf:
        return f"{value:g} {unit}"
    power = min(max(math.floor(math.log10(value) / 3 + 1e-9), -3), 5)
    return f"{float(f'{value / 1000**power:.3g}'):g} {'nµm kMGTP'[power + 3].strip()}{unit}"


def binary(n_bytes: float) -> str:
    """Write a number of bytes, ``130 MiB``."""
    units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while n_bytes >= 1023.5 and len(units) > 1:
        n_bytes, units = n_bytes / 1024, units[1:]
    return f"{n_bytes:,.0f} {units[0]}" if n_bytes >= 100 else f"{n_bytes:.3g} {units[0]}"
