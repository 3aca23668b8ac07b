"""What a predictor states of itself: how it reads and computes, and what that left in doubt."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np

from benchmarks.array_types import PRECISION, READ_AS, Predict


def stated_by(predict: Predict, attribute: str) -> Any:
    """Return what a predictor, or the object whose method it is, states of itself, or None."""
    return getattr(getattr(predict, "__self__", predict), attribute, None)


def precision_of(predict: Predict, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype in which a predictor computes.

    It is what its attribute `precision` says, or else the workload's `dtype`.

    Raises
    ------
    ValueError
        If it is none of int16, float32 and float64.
    """
    stated = stated_by(predict, "precision")
    if stated is None:
        return dtype
    return dtype_of(stated, "precision", PRECISION, "in which it computes")


def read_as_of(predict: Predict, precision: np.dtype[Any]) -> np.dtype[Any] | None:
    """Return the dtype in which a predictor reads its weights, where batches are small at least.

    It is what its attribute `read_as` says; None where that is its precision, or is not said.

    Raises
    ------
    ValueError
        If it is none that weights are read in.
    """
    stated = stated_by(predict, "read_as")
    if stated is None:
        return None
    read_as = dtype_of(stated, "read_as", READ_AS, "in which it reads its weights")
    return None if read_as == precision else read_as


def dtype_of(stated: Any, attribute: str, names: Iterable[str], of_what: str) -> np.dtype[Any]:
    with suppress(TypeError):  # no dtype at all
        dtype: np.dtype[Any] = np.dtype(stated)
        if dtype.name in names:
            return dtype
    raise ValueError(
        f"its attribute {attribute} is {stated!r}: expected {' or '.join(names)}, {of_what}"
    )


def in_doubt_of(predict: Predict) -> float | None:
    """Return the share of examples that its precision left in doubt, where it states one."""
    in_doubt = stated_by(predict, "in_doubt")
    return None if in_doubt is None else float(in_doubt)  # NumPy's, for one
