"""pytest-benchmark's rows, one for each case: which are kept, and what they are called."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]

WORKLOAD = ("n_classes", "n_features", "n_samples", "dtype")


def last_attempts(rows: Iterable[Row]) -> list[Row]:
    """Leave out earlier attempts at a case that a plugin has run again."""
    kept: dict[Any, Row] = {}
    for row in rows:
        info = row.get("extra_info") or {}
        names = ("predictor", "batch_size", *WORKLOAD)
        key = (row.get("path"), *map(info.get, names)) if "predictor" in info else id(row)
        kept[key] = row
    return list(kept.values())


def name(rows: list[Row]) -> None:
    """Name the rows of a table by what tells them apart, in order of batch size by name."""
    ours = [row for row in rows if "predictor" in (row.get("extra_info") or {})]
    named = {
        "predictor": [row["extra_info"]["predictor"] for row in ours],
        "workload": ["x".join(f"{row['extra_info'].get(key)}" for key in WORKLOAD) for row in ours],
    }
    for i, row in enumerate(ours):
        parts = [values[i] for values in named.values() if len(set(values)) > 1]
        row["name"] = ", ".join([*parts, f"batch size {row['extra_info']['batch_size']:>6}"])
