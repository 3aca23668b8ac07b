"""What a predictor states of itself: its precision, and how many examples that left in doubt."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from benchmarks.array_types import ITEMSIZE, Predict


def stated_by(predict: Predict, attribute: str) -> Any:
    """Return what a predictor, or the object whose method it is, states of itself, or None."""
    return getattr(getattr(predict, "__self__", predict), attribute, None)


def precision_of(predict: Predict, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype in which a predictor reads its weights and computes.

    It is what its attribute `precision` says, or else the workload's `dtype`.

    Raises
    ------
    ValueError
        If it is neither float32 nor float64.
    """
    stated = stated_by(predict, "precision")
    if stated is None:
        return dtype
    with suppress(TypeError):  # no dtype at all
        precision: np.dtype[Any] = np.dtype(stated)
        if precision.name in ITEMSIZE:
            return precision
    raise ValueError(
        f"its attribute precision is {stated!r}: expected {' or '.join(ITEMSIZE)}, in which it "
        "reads its weights and computes"
    )


def in_doubt_of(predict: Predict) -> float | None:
    """Return the share of examples that its precision left in doubt, where it states one."""
    in_doubt = stated_by(predict, "in_doubt")
    return None if in_doubt is None else float(in_doubt)  # NumPy's, for one
