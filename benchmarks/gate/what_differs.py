"""Differences between the two sides of a comparison, a line for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.workers.processes import FOREIGN

Facts = Mapping[str, Any]  # as `benchmarks.workers.worker.facts` returns them

TITLES = {
    "commit": "commit", "python": "Python", "numpy": "NumPy", "blas": "BLAS", "kernel": "kernel",
    "examples": "examples",
}  # fmt: skip
UNSAVED = ("origins", "loaded", "extensions")


def differences(baseline: Facts, current: Facts) -> list[str]:
    """Return a line for each thing that differs, the baseline's first."""
    lines = [
        f"{title}: {baseline[key] or 'none'} → {current[key] or 'none'}"
        for key, title in TITLES.items()
        if baseline.get(key, "") != current.get(key, "")
    ]
    versions = [
        (name, *(facts["distributions"].get(name) for facts in (baseline, current)))
        for name in sorted({*baseline["distributions"], *current["distributions"]} - {"numpy"})
    ]  # NumPy has a line
    lines += [f"{name}: {x} → {y}" for name, x, y in versions if x and y and x != y]
    for side, lacking in (
        ("current side", [name for name, _, y in versions if not y]),
        ("baseline", [name for name, x, _ in versions if not x]),
    ):
        if lacking:
            lines.append(f"not installed for the {side}: {', '.join(lacking)}")
    for name in sorted({*baseline["variables"], *current["variables"]} - {*FOREIGN}):
        x, y = (facts["variables"].get(name, "(not set)") for facts in (baseline, current))
        if x != y:
            lines.append(f"{name}: {x} → {y}")
    return lines


def as_saved(facts: Facts, other: Facts) -> dict[str, Any]:
    """Return the facts of a side for JSON; of distributions and variables those that differ."""
    facts = {key: value for key, value in facts.items() if key not in UNSAVED}
    different = {
        key: {k: v for k, v in facts[key].items() if other[key].get(k) != v}
        for key in ("distributions", "variables")
    }
    return {**facts, **different}
