"""pytest-benchmark's rows, one for each case: which are kept, and what they are called."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import astuple

from benchmarks.record import read_id
from benchmarks.workload import Workload

Row = dict[str, Any]


def last_attempts(rows: Iterable[Row]) -> list[Row]:
    """Leave out earlier attempts at a case that a plugin has run again."""
    kept: dict[Any, Row] = {}
    for row in rows:
        case = read_id(row.get("extra_info"))
        kept[(row.get("path"), *astuple(case)) if case else id(row)] = row
    return list(kept.values())


def name(rows: list[Row]) -> None:
    """Name the rows of a table by what tells them apart, in order of batch size by name."""
    ours = [(row, case) for row in rows if (case := read_id(row.get("extra_info")))]
    named = (
        [case.predictor for _, case in ours],
        [
            str(Workload(case.n_classes, case.n_features, case.n_samples, case.dtype))
            for _, case in ours
        ],
    )
    for i, (row, case) in enumerate(ours):
        parts = [values[i] for values in named if len(set(values)) > 1]
        row["name"] = ", ".join([*parts, f"batch size {case.batch_size:>6}"])
