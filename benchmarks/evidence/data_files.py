"""Data of the evidence: a file for each script, in which a line of JSON is a run of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cpuinfo  # type: ignore[import-untyped]

from benchmarks.saved_runs import described
from linpredict.machine import usable_cores

DATA = Path(__file__).with_name("data")
Run = dict[str, Any]


def path_of(script: str) -> Path:
    """Return the file of a script, which is named without its ending."""
    return DATA / f"{Path(script).stem}.jsonl"


def read(path: Path) -> list[Run]:
    """Return the runs in a file; none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def add(path: Path, run: Run) -> None:
    """Add a run to a file."""
    with path.open("a") as file:
        file.write(json.dumps(run) + "\n")


def hardware() -> str:
    """Name the CPU, and how many of its cores this process may use."""
    found = {"cpu": cpuinfo.get_cpu_info(), "usable_cores": usable_cores()}
    return described(found).hardware
