"""Tables of the run's summary."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.record import CaseRecord

Table = list[list[str]]  # its heads first


def latencies(names: list[str], cases: Sequence[CaseRecord]) -> Table:
    """Return a table of latency and throughput, by predictor in the order of `names`."""
    of = f"of {cases[0].latency_floor_name}"
    heads = ["predictor", "batch size", "median (ms)", "p99 (ms)", "predictions/s", of]
    return [heads] + [
        [
            name,
            str(case.batch_size),
            f"{1e3 * case.p50:.3f}",
            f"{1e3 * case.p99:.3f}" if case.p99 else "-",
            f"{case.throughput:,.0f}",
            f"{case.of_limit:.2f}",
        ]
        for name in names
        for case in cases
        if case.predictor == name
    ]


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
    """Return a table in Markdown."""
    heads, *rows = ("| " + " | ".join(row) + " |\n" for row in table)
    return "".join([heads, "|:-" + "|-:" * (len(table[0]) - 1) + "|\n", *rows])
