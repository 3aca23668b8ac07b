"""The summary at the end of a run: latency and throughput, and what the gate found."""

from __future__ import annotations

import os
import textwrap

import pytest

from benchmarks.gate import report
from benchmarks.measuring import machine
from benchmarks.measuring.workload import Workload
from benchmarks.session import SESSION, Session
from benchmarks.wording import sentences, tables

WIDTH = 99  # of sentences, as of pytest-benchmark's tables


def write(config: pytest.Config) -> None:
    """Write what users choose a batch size by, and what the gate found."""
    terminalreporter = config.pluginmanager.get_plugin("terminalreporter")
    if not terminalreporter:
        return
    run, workload = config.stash[SESSION], str(Workload.of(config))
    names = config.getoption("predictor")
    # A plugin may have changed their order.
    run.cases.sort(key=lambda case: (names.index(case.predictor), case.batch_size))
    if any(not case.gate for case in run.cases):
        terminalreporter.section(f"latency and throughput, {workload}")
        terminalreporter.write_line("\n".join(latencies(run)))
    if run.gate and (run.cases or run.failed):
        terminalreporter.section(f"gate, {workload}")
        gate, baseline = run.gate, str(run.gate.sides.baseline)
        found = report.Report(run.cases, baseline, gate.max_slowdown, gate.fails, run.failed)
        terminalreporter.write_line("\n".join(found.lines()))
        if path := os.environ.get("GITHUB_STEP_SUMMARY"):
            try:
                with open(path, "a", encoding="utf-8") as file:
                    file.write(found.markdown(workload))
            except OSError as error:
                terminalreporter.write_line(f"GITHUB_STEP_SUMMARY cannot be written: {error}")


def latencies(run: Session) -> list[str]:
    """Return the table of what was measured in this process, and sentences on it."""
    cases = [case for case in run.cases if not case.gate]
    said = sentences.in_words(sentences.calm(cases), run.limits) + sentences.screened(cases)
    said += sentences.disturbed(cases)
    table = tables.aligned(tables.latencies(cases))
    return [*table, "", *(textwrap.fill(line, WIDTH) for line in said), *machine.hints(run.blas)]
