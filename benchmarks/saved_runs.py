"""Saved runs: what ``pytest benchmarks/`` wrote with ``--benchmark-json``, read and checked."""

from __future__ import annotations

import json
import math
import os
import re
import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.roofline import ITEMSIZE, Roofline


class UnusableRunError(ValueError):
    """What a file lacks to be drawn."""


@dataclass(frozen=True)
class Judged:
    """What the gate saved with a case: pairs of durations in seconds, current and baseline."""

    commit: str
    pairs: tuple[tuple[float, float], ...]
    turns: tuple[int, int]  # as `benchmarks.gate.decision.judge` takes them
    max_slowdown: float
    seconds: float | None = None
    differences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Point:
    """A batch size of a predictor in a run.

    Parameters
    ----------
    batch_size : int
        Examples of a batch.
    median, q1, q3, p95 : float
        Latencies in seconds; p95 where there are 20 rounds or more.
    limit : float, optional
        The least possible latency on the machine, in seconds.
    limit_name : str
        ``"limit"``, or ``"NumPy's best"`` where other libraries may exceed it.
    rounds : tuple of float
        The latency of each round in seconds, where the file has them.
    judged : Judged, optional
        What the gate found.
    roofline : Roofline, optional
        The machine's ceilings, where the file has them.
    """

    batch_size: int
    median: float
    q1: float
    q3: float
    p95: float | None = None
    limit: float | None = None
    limit_name: str = "NumPy's best"
    rounds: tuple[float, ...] = ()
    judged: Judged | None = None
    roofline: Roofline | None = None

    @property
    def throughput(self) -> float:
        """Predictions per second."""
        return self.batch_size / self.median


@dataclass(frozen=True)
class Line:
    """A predictor in a run, or the one it was compared with: its cases, in order of batch size."""

    predictor: str
    workload: str
    cases: tuple[Point, ...]
    baseline: str = ""  # the commit compared with, if it is that one's line


@dataclass(frozen=True)
class Run:
    """A saved run.

    Parameters
    ----------
    path : Path
        Its file.
    commit : str
        Short, with a ``+`` where there were changes.
    time : datetime
        Of the commit; where none is known, of the measurement.
    machine : tuple of str
        What it ran on, by `described`.
    lines : tuple of Line
        What was measured.
    measured : datetime, optional
        Of the measurement.
    """

    path: Path
    commit: str
    time: datetime
    machine: tuple[str, ...]
    lines: tuple[Line, ...]
    measured: datetime | None = None

    @property
    def order(self) -> tuple[datetime, datetime]:
        """By commit; those of one commit as they were measured."""
        return self.time, self.measured or self.time

    @property
    def hardware(self) -> str:
        """What results depend on that no commit changes."""
        return ", ".join(filter(None, self.machine[1:3]))


def read_run(path: Path) -> Run:
    """Read a run that ``pytest benchmarks/`` saved.

    Raises
    ------
    UnusableRunError
        If it cannot be read, is not pytest-benchmark's JSON, or has no case of this suite.
    """
    try:
        content = json.loads(path.read_bytes(), parse_constant=float)
    except OSError as error:
        raise UnusableRunError(error.strerror or str(error)) from error
    except json.JSONDecodeError as error:
        raise UnusableRunError(f"is not JSON, or is cut off: {error}") from error
    except (ValueError, RecursionError) as error:  # not text, a number too long, nested too deep
        raise UnusableRunError(f"is not JSON: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("benchmarks"), list):
        raise UnusableRunError("is JSON, but not of pytest-benchmark: it has no list 'benchmarks'")

    lines: dict[tuple[str, str, str], dict[int, Point]] = {}
    for benchmark in content["benchmarks"]:
        info = benchmark.get("extra_info") if isinstance(benchmark, dict) else None
        if not isinstance(info, dict) or "predictor" not in info:
            continue  # of another suite
        predictor = field(info, "predictor", str)
        n_classes, n_features, n_samples = (
            field(info, f"n_{name}", int) for name in ("classes", "features", "samples")
        )
        workload = (
            f"{n_classes:,} classes × {n_features:,} features × {n_samples:,} samples, "
            f"{field(info, 'dtype', str)}"
        )
        line = lines.setdefault((predictor, workload, ""), {})
        batch_size = field(info, "batch_size", int)
        if batch_size in line:
            raise UnusableRunError(f"has {predictor}, batch size {batch_size}, more than once")
        stats = field(benchmark, "stats", dict)
        q1, median, q3 = (field(stats, name, float) for name in ("q1", "median", "q3"))
        if not q1 <= median <= q3:
            raise UnusableRunError(f"has quartiles out of order: {q1}, {median}, {q3}")
        p95, limit = (
            field(info, name, float) if name in info else None for name in ("p95", "latency_floor")
        )
        limit_name = str(info.get("latency_floor_name", Point.limit_name))
        rounds = durations(stats["data"], "data") if stats.get("data") else ()
        line[batch_size] = Point(batch_size, median, q1, q3, p95, limit, limit_name, rounds)
        if "bandwidth" in info:
            line[batch_size] = replace(line[batch_size], roofline=read_roofline(info, limit_name))
        if "gate" in info:  # both by the pairs: pytest-benchmark also timed what collects these
            judged = read_gate(field(info, "gate", dict))
            current, baseline = zip(*judged.pairs, strict=True)
            line[batch_size] = replace(of_rounds(batch_size, current), judged=judged)
            older = lines.setdefault((predictor, workload, judged.commit), {})
            older[batch_size] = of_rounds(batch_size, baseline)
    if not lines:
        raise UnusableRunError("has no case of this suite: save a run of pytest benchmarks/")

    commit_info = field(content, "commit_info", dict)
    machine = field(content, "machine_info", dict)
    try:
        measured = moment(field(content, "datetime", str))
    except ValueError as error:
        raise UnusableRunError(f"has no valid 'datetime': {error}") from error
    try:
        time = moment(commit_info["time"])
    except (KeyError, TypeError, ValueError):  # outside of a repository
        time = measured
    return Run(
        path=path,
        commit=short(field(commit_info, "id", str)) + "+" * bool(commit_info.get("dirty")),
        time=time,
        machine=described(machine),
        lines=tuple(
            Line(predictor, workload, tuple(cases[size] for size in sorted(cases)), baseline)
            for (predictor, workload, baseline), cases in lines.items()
        ),
        measured=measured,
    )


def moment(text: str) -> datetime:
    """Read a time; one without a zone is taken for UTC."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def described(machine: dict[str, Any]) -> tuple[str, ...]:
    """Say what a run ran on, as far as its file does: the machine's name, its CPU, and the rest."""

    def part(name: str, key: str) -> str:
        section = machine.get(name)
        return str(section.get(key) or "") if isinstance(section, dict) else ""

    def known(text: str, value: object) -> str:
        return text.format(value) if value else ""

    environment = machine.get("environment")
    variables = environment.items() if isinstance(environment, dict) else ()
    node, cores = str(machine.get("node", "unknown machine")), machine.get("usable_cores")
    python = str(machine.get("python_implementation") or "Python").replace("CPython", "Python")
    return (
        node,
        re.sub(r"\((R|TM)\)| CPU(?= @)| \d+-Core| Processor", "", part("cpu", "brand_raw")) or node,
        known("{} core" if cores == 1 else "{} cores", cores),
        known("BLAS for {}", part("blas", "architecture")),
        known("NumPy {}", machine.get("numpy_version")),
        " ".join(filter(None, (part("blas", "name"), part("blas", "version")))),
        known(f"{python} {{}}", machine.get("python_version")),
        known("kernel {}", machine.get("kernel")),
        " ".join(f"{name}={value}" for name, value in variables),
    )


def read_roofline(info: dict[str, Any], name: str) -> Roofline:
    """Return the ceilings that were saved with a case."""
    for key in ("dtype", "precision"):
        if field(info, key, str) not in ITEMSIZE:
            raise UnusableRunError(
                f"has no valid {key!r}: expected {' or '.join(ITEMSIZE)}, not {info[key]!r:.40}"
            )
    return Roofline(
        info["n_classes"], info["n_features"], info["dtype"], info["precision"], name,
        field(info, "bandwidth", float), field(info, "flop_rate", float),
    )  # fmt: skip


def read_gate(gate: dict[str, Any]) -> Judged:
    """Return what the gate saved with a case."""
    pairs = field(gate, "pairs", list)
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise UnusableRunError("has no valid 'pairs': expected two durations in each")
    current, baseline = (durations([pair[i] for pair in pairs], "pairs") for i in range(2))
    if len(pairs) < 2:
        raise UnusableRunError("has no valid 'pairs': expected two or more")
    before = {"n_builds": 3, "turn": 8}  # what they were before they were saved
    return Judged(
        commit=short(field(gate, "commit", str)),
        pairs=tuple(zip(current, baseline, strict=True)),
        turns=(field(before | gate, "n_builds", int), field(before | gate, "turn", int)),
        max_slowdown=field({"max_slowdown": 0.05} | gate, "max_slowdown", float),
        seconds=field(gate, "seconds", float) if "seconds" in gate else None,
        differences=tuple(map(str, field({"differences": []} | gate, "differences", list))),
    )


def durations(values: Any, name: str) -> tuple[float, ...]:
    """Return the durations of a list after checking them."""
    if not isinstance(values, list):
        raise UnusableRunError(f"has no valid {name!r}: expected a list, not {values!r:.40}")
    return tuple(field({name: value}, name, float) for value in values)


def of_rounds(batch_size: int, rounds: tuple[float, ...]) -> Point:
    """Return a case by the durations of its rounds."""
    q1, median, q3 = statistics.quantiles(rounds, n=4, method="inclusive")
    p95 = statistics.quantiles(rounds, n=20, method="inclusive")[-1] if len(rounds) >= 20 else None
    return Point(batch_size, median, q1, q3, p95, rounds=rounds)


def short(commit: str) -> str:
    """Shorten a commit's id as git does."""
    return re.sub(r"^([0-9a-f]{7})[0-9a-f]+$", r"\1", commit)


def field(record: dict[str, Any], name: str, kind: type[Any]) -> Any:
    """Return a field of the JSON after checking what it is; numbers must be positive and finite."""
    value: Any = record.get(name)
    if kind is float and type(value) is int:
        value = float(value) if abs(value) < 1e300 else math.inf
    if type(value) is not kind:
        raise UnusableRunError(
            f"has no valid {name!r}: expected {kind.__name__}, not {value!r:.40}"
        )
    if kind in (int, float) and not 0 < value < 1e18:
        raise UnusableRunError(
            f"has no valid {name!r}: expected a positive number, not {value!r:.40}"
        )
    return value


def read_runs(paths: Iterable[Path]) -> tuple[list[Run], int]:
    """Read saved runs, each once; say on stderr which cannot be used.

    Returns
    -------
    list of Run
        Those that can.
    int
        The exit status: 0, or 2 where one cannot.
    """
    runs, status = [], 0
    for path in {os.path.realpath(path): path for path in paths}.values():
        try:
            runs.append(read_run(path))
        except UnusableRunError as error:
            print(f"{path}: {error}", file=sys.stderr)
            status = 2
    return runs, status
