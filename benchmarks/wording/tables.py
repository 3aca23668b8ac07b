"""Tables of the run's summary, and the rows of pytest-benchmark's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.measuring.workload import Workload
from benchmarks.saving.record import CaseRecord, read_id
from benchmarks.wording.quantities import milliseconds

Table = list[list[str]]  # its heads first
MARK = "*"  # of a disturbed median
Row = dict[str, Any]  # of pytest-benchmark's tables


def latencies(cases: Sequence[CaseRecord]) -> Table:
    heads = ["predictor", "batch size", "median (ms)", "p99 (ms)", "predictions/s"]
    has_limit = any(case.limit for case in cases)
    if has_limit:
        heads.append("of limit")
    rows = [heads]
    for case in cases:
        row = [
            case.predictor,
            str(case.batch_size),
            milliseconds(case.p50) + (MARK if case.is_disturbed else ""),
            milliseconds(case.p99) if case.p99 else "-",
            f"{case.throughput:,.0f}",
        ]
        if has_limit:
            row.append(f"{case.of_limit:.2f}" if case.of_limit else "-")
        rows.append(row)
    return rows


def aligned(table: Table) -> list[str]:
    """Return the lines of a table: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    ]


def markdown(table: Table) -> str:
    heads, *rows = ("| " + " | ".join(row) + " |\n" for row in table)
    return "".join([heads, "|:-" + "|-:" * (len(table[0]) - 1) + "|\n", *rows])


def name_rows(rows: list[Row]) -> None:
    """Name the rows of a table by what tells them apart, in order of batch size by name."""
    ours = [(row, case) for row in rows if (case := read_id(row.get("extra_info")))]
    named = (
        [case.predictor for _, case in ours],
        [str(Workload.of_case(case)) for _, case in ours],
    )
    for i, (row, case) in enumerate(ours):
        parts = [values[i] for values in named if len(set(values)) > 1]
        row["name"] = ", ".join([*parts, f"batch size {case.batch_size:>6}"])
