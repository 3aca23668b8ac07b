"""Differences between the two sides of a comparison, a line for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.gate.environments import FOREIGN

Facts = Mapping[str, Any]  # as `benchmarks.gate.worker.facts` returns them

TITLES = {
    "commit": "commit", "python": "Python", "numpy": "NumPy", "blas": "BLAS", "kernel": "kernel",
}  # fmt: skip


def differences(baseline: Facts, current: Facts) -> list[str]:
    """Return a line for each thing that differs, the baseline's first."""
    lines = [
        f"{title}: {baseline[key] or 'none'} → {current[key] or 'none'}"
        for key, title in TITLES.items()
        if baseline.get(key, "") != current.get(key, "")
    ]
    old, new = (dict(facts["distributions"]) for facts in (baseline, current))
    for versions in (old, new):
        versions.pop("numpy", None)  # which has a line
    lines += [
        f"{name}: {old[name]} → {new[name]}"
        for name in sorted(old.keys() & new.keys())
        if old[name] != new[name]
    ]
    lines += [
        f"not installed for the {side}: {', '.join(sorted(lacking))}"
        for lacking, side in (
            (old.keys() - new.keys(), "current side"),
            (new.keys() - old.keys(), "baseline"),
        )
        if lacking
    ]
    old, new = (
        {name: value for name, value in facts["variables"].items() if name not in FOREIGN}
        for facts in (baseline, current)
    )
    lines += [
        f"{name}: {old.get(name, '(not set)')} → {new.get(name, '(not set)')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    return lines


def as_saved(facts: Facts, other: Facts) -> dict[str, Any]:
    """Return the facts of a side for JSON; of distributions and variables those that differ."""
    different = {
        key: {k: v for k, v in facts[key].items() if other[key].get(k) != v}
        for key in ("distributions", "variables")
    }
    return {**facts, **different}
