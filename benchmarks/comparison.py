"""The comparison that the options ask for: what is compared with what, and what is refused."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable

import pytest

from benchmarks.errors import BaselineError
from benchmarks.gate.baseline import Baseline
from benchmarks.gate.gate import Gate
from benchmarks.gate.sides import Sides
from benchmarks.predictors.by_name import OF_PACKAGE, is_of_other_library
from benchmarks.saving.record import Verdict
from benchmarks.workers.processes import FOREIGN
from linpredict.thread_limits import is_main

# Variables that choose the modules: the current side's folders come first on either side.
IMPORTING = (*FOREIGN, "PYTHONPLATLIBDIR", "PYTHONSAFEPATH")


def is_asked_for(config: pytest.Config) -> bool:
    """Tell whether a baseline is asked for."""
    return config.getoption("baseline") is not None or has_other_environment(config)


def has_other_environment(config: pytest.Config) -> bool:
    """Tell whether the baseline's environment is to be another one."""
    names = "with", "requirements", "python", "set"
    return any(config.getoption(f"baseline_{name}") for name in names)


def compared(config: pytest.Config) -> list[str]:
    """Return the predictors that are compared: at another commit, other libraries are the same."""
    names: list[str] = config.getoption("predictor")
    if has_other_environment(config):
        return names
    if is_asked_for(config):
        return [name for name in names if not is_of_other_library(name)]
    return []


def check(config: pytest.Config) -> None:
    """Refuse options with which nothing would be compared."""
    for name, _ in config.getoption("baseline_set") or ():
        if name in IMPORTING or name.startswith(("PYTHONUSER", "PYTHONNOUSER")):
            raise pytest.UsageError(
                f"--baseline-set: {name} chooses what is imported, and both sides would import the "
                "same: name other code by --baseline, and another environment by --baseline-python"
            )
    for option in ("codspeed", "numprocesses", "tx", "benchmark_skip", "benchmark_disable"):
        if config.getoption(option, None):
            name = "-n" if option == "numprocesses" else f"--{option.replace('_', '-')}"
            raise pytest.UsageError(f"--baseline measures, and {name} does not: leave one out")
    if config.getoption("benchmark_cprofile", None):
        raise pytest.UsageError(
            "--benchmark-cprofile profiles this process, and --baseline measures in others: leave "
            "one out"
        )
    if not compared(config):
        raise pytest.UsageError(
            f"--baseline compares {' and '.join(OF_PACKAGE)}, and predictors of your own, with "
            "what they were: choose one as --predictor, or change the libraries with "
            "--baseline-with"
        )
    if not (hasattr(signal, "SIGSTOP") and hasattr(os, "waitid")):
        raise pytest.UsageError(
            "--baseline freezes processes (SIGSTOP, waitid), which this system cannot: use Linux, "
            "or macOS with Python 3.13 or newer"
        )


def cases(config: pytest.Config, items: list[pytest.Item]) -> Counter[str]:
    """Return how many cases of each predictor are compared."""
    marks = [item.get_closest_marker("benchmark") for item in items]
    names = [mark.kwargs.get("group", "").partition(" ")[0] for mark in marks if mark]
    return Counter(name for name in names if name in compared(config))


def handle_signals(config: pytest.Config) -> None:
    """Let SIGTERM end the run as an interrupt does, and see how children end, until it is over."""
    # Python would end without removing what is temporary.
    earlier = signal.signal(signal.SIGTERM, lambda *_: pytest.exit("SIGTERM", 128 + signal.SIGTERM))
    # Whoever started pytest may ignore SIGCHLD: all children would seem to end with status 0.
    of_children = signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def put_back() -> None:
        signal.signal(signal.SIGTERM, earlier)
        signal.signal(signal.SIGCHLD, of_children)

    config.add_cleanup(put_back)


def line_writer(config: pytest.Config) -> Callable[[str], None]:
    """Return what writes a line to the terminal, whichever plugin has it."""
    terminalreporter = config.pluginmanager.get_plugin("terminalreporter")
    return terminalreporter.write_line if terminalreporter else print


def make_gate(config: pytest.Config, items: list[pytest.Item]) -> Gate:
    if is_main():
        handle_signals(config)
    names, asked = compared(config), config.getoption
    try:
        baseline = Baseline(
            names, asked("baseline"), asked("baseline_with") or (), asked("baseline_python"),
            dict(asked("baseline_set") or ()), line_writer(config),
            asked("baseline_requirements") or (),
        )  # fmt: skip
    except BaselineError as error:
        raise pytest.UsageError(str(error)) from error
    fails = [Verdict.SLOWER]
    if asked("undecided") == "fail":
        fails.append(Verdict.UNDECIDED)
    sides = Sides(baseline, collects=not asked("benchmark_disable_gc", False))
    config.add_cleanup(sides.close)
    return Gate(
        sides, asked("max_slowdown"), cases(config, items), tuple(fails),
        asked("baseline_seconds"), max_differing=asked("max_differing"),
    )  # fmt: skip
