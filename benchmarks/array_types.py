"""Types of arrays and predictors, and the dtypes that a workload may have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
Predict = Callable[[Array], Array]  # examples (n_samples, n_features) to labels (n_samples,)

ITEMSIZE = {"float32": 4, "float64": 8}  # bytes
PRECISION = {"int16": 2} | ITEMSIZE  # of the arithmetic: sums of integers' products have 32 bits
READ_AS = {"int8": 1, "float16": 2} | PRECISION  # weights may be, for screening
