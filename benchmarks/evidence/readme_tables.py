"""Write the table of the gate's errors into the README beside this folder.

``python benchmarks/evidence/readme_tables.py`` replaces the table that follows the line
``<!-- data/gate_error_rates.jsonl -->``.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import statistics
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a script, from any folder

from benchmarks import script
from benchmarks.saving import atomic_write
from benchmarks.wording.tables import Table, markdown

README = Path(__file__).parents[1] / "README.md"
DATA = Path(__file__).with_name("data") / "gate_error_rates.jsonl"  # a run of the gate in each line
MARK = "<!-- data/gate_error_rates.jsonl -->\n\n"


def interval(k: int, n: int) -> tuple[float, float]:
    """Return the bounds of the chance of what happened `k` times of `n`, with 95 % confidence.

    Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the
    binomial", 1934: where the chance is the lower bound, `k` or more, and where it is the upper
    one, `k` or fewer, happen in 2.5 % of such runs.
    """

    def at_most(k: int, p: float) -> float:
        return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))

    def highest(k: int, chance: float) -> float:
        low, high = 0.0, 1.0
        for _ in range(50):
            p = (low + high) / 2
            low, high = (p, high) if at_most(k, p) >= chance else (low, p)
        return low

    tail = 0.025
    return highest(k - 1, 1 - tail) if k else 0.0, highest(k, tail) if k < n else 1.0


def table_of(runs: list[dict[str, Any]]) -> Table:
    """Return how often the gate erred, a row for each scenario."""
    heads = ["size", "judged by", "other core", "slowdown", "runs", "runs failed", "95 % interval"]
    table = [[*heads, "cases slower", "the same", "undecided", "seconds a run"]]
    scenarios: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for run in runs:
        scenarios.setdefault(tuple(run["scenario"]), []).append(run)

    def order(scenario: tuple[str, ...]) -> tuple[object, ...]:
        size, method, other_core, slowdown = scenario
        percent = float(slowdown.rstrip("%")) if slowdown.endswith("%") else 0.0
        return method, other_core != "idle", size != "small", percent, slowdown

    for scenario in sorted(scenarios, key=order):
        its = scenarios[scenario]
        n_failed = sum(run["failed"] for run in its)
        low, high = interval(n_failed, len(its))
        cases = Counter(verdict for run in its for verdict in run["verdicts"])
        table.append(
            [
                *scenario,
                str(len(its)),
                str(n_failed),
                f"{low:.0%} to {high:.0%}",
                *(f"{cases[x]:,} of {cases.total():,}" for x in ("slower", "same", "undecided")),
                f"{statistics.median(run['seconds'] for run in its):.0f}",
            ]
        )
    return table


def with_table(text: str) -> str:
    """Return the README's text with its table made anew.

    Raises
    ------
    ValueError
        If the line that marks the table is missing, or the data are damaged.
    """
    before, found, after = text.partition(MARK)
    if not found:
        raise ValueError(f"{README} lacks the line {MARK.strip()}")
    try:
        table = table_of([json.loads(line) for line in DATA.read_text().splitlines()])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{DATA} is damaged: {error!r}") from error
    return before + MARK + markdown(table) + re.sub(r"\A(\|.*\n)*", "", after)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Write the gate's table into benchmarks/README.md."
    )
    parser.parse_args(arguments)
    try:
        atomic_write.write(README, with_table(README.read_text()).encode())
    except (OSError, ValueError) as error:
        print(f"readme_tables.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    script.run(main)
