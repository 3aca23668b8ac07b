"""Data of the evidence: a file for each script, in which a line of JSON is a run of it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cpuinfo  # type: ignore[import-untyped]

from benchmarks.saving.atomic_write import check_writable
from benchmarks.saving.runs import described
from linpredict.cores import usable_cores

DATA = Path(__file__).with_name("data")
Run = dict[str, Any]


def add_out(parser: argparse.ArgumentParser, script: str) -> None:
    """Add the option that names a file other than the script's own."""
    parser.add_argument(
        "--out",
        type=writable,
        default=str(DATA / f"{Path(script).stem}.jsonl"),  # a string is parsed, too
        metavar="FILE",
        help="add a line for each run here (default: %(default)s)",
    )


def writable(text: str) -> Path:
    """Parse the name of a file that can be written."""
    try:
        check_writable(Path(text))
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text} cannot be written: {error.strerror}") from error
    return Path(text)


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
