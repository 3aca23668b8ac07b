"""Write the tables of the README beside this folder, each from the data of a script.

``python benchmarks/evidence/readme_tables.py`` replaces what follows each line
``<!-- data/SCRIPT.jsonl -->``.
"""

from __future__ import annotations

import math
import re
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a script, from any folder

from benchmarks import script
from benchmarks.evidence.dask_scaling import calculate  # TODO
from benchmarks.evidence.data_files import DATA, Run, read
from benchmarks.saving import atomic_write
from benchmarks.wording.tables import Table, markdown

K = TypeVar("K")

README = Path(__file__).parents[1] / "README.md"


def interval(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the bounds of the chance of what happened `k` times of `n`.

    Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the
    binomial", 1934: where the chance is the lower bound, `k` or more, and where it is the upper
    one, `k` or fewer, happen in (1 - confidence) / 2 of such runs.
    """

    def at_most(k: int, p: float) -> float:
        return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))

    def highest(k: int, chance: float) -> float:
        """Return the highest `p` with which `k` or fewer happen with so much chance."""
        low, high = 0.0, 1.0
        for _ in range(50):
            p = (low + high) / 2
            low, high = (p, high) if at_most(k, p) >= chance else (low, p)
        return low

    tail = (1 - confidence) / 2
    return highest(k - 1, 1 - tail) if k else 0.0, highest(k, tail) if k < n else 1.0


def grouped(runs: Iterable[Run], key: Callable[[Run], K]) -> dict[K, list[Run]]:
    """Return runs by what tells them apart."""
    groups: dict[K, list[Run]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return groups


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return the median, and the least and the greatest in brackets."""
    low, median, high = (
        f"{value:,.{digits}f}" for value in (min(values), statistics.median(values), max(values))
    )
    return f"{median} ({low}–{high})" if len(values) > 1 else median


def gate_error_rates(runs: list[Run]) -> Table:
    """Return how often the gate erred."""
    heads = ["size", "judged by", "other core", "slowdown", "runs", "runs failed", "95 % interval"]
    table = [[*heads, "cases slower", "the same", "undecided", "seconds a run"]]
    groups: dict[tuple[str, ...], list[Run]]
    groups = grouped(runs, lambda run: tuple(run["scenario"]))

    def order(scenario: tuple[str, ...]) -> tuple[object, ...]:
        size, method, other_core, slowdown = scenario
        percent = float(slowdown.rstrip("%")) if slowdown.endswith("%") else 0.0
        return method, other_core != "idle", size != "small", percent, slowdown

    for scenario in sorted(groups, key=order):
        of_scenario = groups[scenario]
        n_failed = sum(run["failed"] for run in of_scenario)
        cases = Counter(verdict for run in of_scenario for verdict in run["verdicts"])
        counts = [
            f"{cases[verdict]:,} of {cases.total():,}"
            for verdict in ("slower", "same", "undecided")
        ]
        low, high = interval(n_failed, len(of_scenario))
        table.append(
            [
                *scenario,
                str(len(of_scenario)),
                str(n_failed),
                f"{low:.0%} to {high:.0%}",
                *counts,
                f"{statistics.median(run['seconds'] for run in of_scenario):.0f}",
            ]
        )
    return table


def with_table(text: str) -> str:
    """Return the README's text with its table made anew.

    Raises
    ------
    ValueError
        If the line that marks the table is missing.
    """
    before, found, after = text.partition(MARK)
    if not found:
        raise ValueError(f"{README} lacks the line {MARK.strip()}")
    rest = re.sub(r"\A(\|.*\n)*", "", after)
    return before + MARK + markdown(gate_error_rates(read(DATA))) + rest


def main() -> int:
    """Write the tables."""
    try:
        atomic_write.write(README, with_table(README.read_text()).encode())
    except OSError as error:
        print(f"{error.filename or README}: {error.strerror}", file=sys.stderr)
        return 2
    except (ValueError, KeyError, TypeError, IndexError) as error:
        print(f"readme_tables.py: {DATA} or {README} is damaged: {error!r}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    script.run(main)
