"""How long a call takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def timed(call: Callable[..., T], *arguments: object) -> tuple[float, T]:
    """Return the seconds that a call took, and what it returned."""
    start = time.perf_counter()
    result = call(*arguments)
    return time.perf_counter() - start, result
