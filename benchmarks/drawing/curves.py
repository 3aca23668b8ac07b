"""Which runs and lines are drawn, and how they are named and told apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress, cycle
from pathlib import Path
from typing import Any

from benchmarks.drawing.style import LINE_STYLES, styles
from benchmarks.saving.runs import Line, Run


@dataclass(frozen=True)
class Curve:
    """A line as it is drawn: its predictor gives it colour and marker, its run the line style."""

    line: Line
    label: str
    run: str
    style: dict[str, Any]


def curves(runs: list[Run]) -> list[Curve]:
    """Return the lines of all runs, each with a style and a label that tell it from every other."""
    names = run_names(runs)
    several_workloads = len({line.workload for run in runs for line in run.lines}) > 1
    looks: defaultdict[str, dict[str, Any]] = defaultdict(styles().__next__)
    line_styles: defaultdict[str, dict[str, Any]] = defaultdict(cycle(LINE_STYLES).__next__)
    drawn = []
    for run in runs:
        for line in run.lines:
            parts = [names[run.path]] if len(runs) > 1 else []
            if several_workloads:
                parts.append(line.workload)
            if line.baseline:
                parts.append(f"baseline {line.baseline}")
            name = ", ".join(parts)
            between = " @ " if len(runs) > 1 else ", "
            label = f"{line.predictor}{between}{name}" if name else line.predictor
            drawn.append(Curve(line, label, name, looks[line.predictor] | line_styles[name]))
    return drawn


def newest(runs: list[Run]) -> list[Run]:
    """Return the newest runs, as many as there are line styles, in the order given."""
    chosen: set[Path] = set()
    n_styles = 0
    for run in sorted(runs, key=lambda run: run.order, reverse=True):
        n_styles += len({(line.workload, line.baseline) for line in run.lines})
        if n_styles > len(LINE_STYLES) and chosen:
            break
        chosen.add(run.path)
    return [run for run in runs if run.path in chosen]


def run_names(runs: list[Run]) -> dict[Path, str]:
    """Name each run by its commit and by what differs, in as few words as tell them apart.

    Machines of hosted CI have a new name for each run: it is used for runs that are alike without.
    """
    words = differing([run.machine[1:] for run in runs])  # without its name
    names = [", ".join([run.commit, *its]) for run, its in zip(runs, words, strict=True)]
    return told_apart(runs, names)


def differing(machines: Sequence[tuple[str, ...]]) -> list[list[str]]:
    """Return, for each machine, the words that not all of them share; unknown ones left out."""
    differ = [len(set(words)) > 1 for words in zip(*machines, strict=True)]
    return [list(filter(None, compress(machine, differ))) for machine in machines]


def told_apart(runs: list[Run], names: list[str]) -> dict[Path, str]:
    """Name each run; those that would be alike also by their machine, or else by their file."""
    by_machine = [f"{name}, {run.machine.node}" for run, name in zip(runs, names, strict=True)]
    found = {}
    for run, name, longer in zip(runs, names, by_machine, strict=True):
        if names.count(name) > 1:
            name = longer if by_machine.count(longer) == 1 else f"{name} ({run.path})"
        found[run.path] = name
    return found
