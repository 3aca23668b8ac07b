"""Arrays that begin at a line of the caches.

NumPy's own begin 16 bytes past one, or where the allocator has room: vectors then touch two lines.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from .validation import Array

LINE = 64  # bytes


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    dtype = np.dtype(dtype)
    nbytes = math.prod(shape) * dtype.itemsize
    raw = np.empty(nbytes + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + nbytes].view(dtype).reshape(shape)


def copied(a: Array, dtype: DTypeLike | None = None) -> Array:
    """Return a copy in C order, of another dtype if it is given."""
    copy = empty(a.shape, a.dtype if dtype is None else dtype)
    copy[...] = a
    return copy
