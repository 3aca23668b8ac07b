"""Saved runs: what ``pytest benchmarks/`` wrote with ``--benchmark-json``, read and checked."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np

from benchmarks.saving.limit import Figure, Limit
from benchmarks.saving.record import CaseRecord, GateRecord, percentile

T = TypeVar("T")


class UnusableRunError(ValueError):
    """What a file lacks to be drawn."""


class Stats(msgspec.Struct):
    """Statistics of pytest-benchmark's, in seconds, of which these are read."""

    q1: Figure
    median: Figure
    q3: Figure
    data: list[Figure] | None = None


class Benchmark(msgspec.Struct):
    """A benchmark of pytest-benchmark's."""

    stats: Stats
    extra_info: CaseRecord


class Commit(msgspec.Struct):
    """A commit; its time is no text outside of a repository."""

    id: str
    dirty: Any = False
    time: Any = None


class About(msgspec.Struct):
    """When, where and of which commit a file is."""

    datetime: str
    commit_info: Commit
    machine_info: dict[str, Any]


@dataclass(frozen=True)
class Point:
    """A batch size of a predictor in a run."""

    batch_size: int
    median: float  # of the latencies in seconds, as q1, q3 and p95
    q1: float
    q3: float
    p95: float | None = None  # of 20 rounds or more
    rounds: Sequence[float] = ()  # the latency of each in seconds, where the file has them
    record: CaseRecord | None = None  # what else was saved; nothing of a baseline

    @property
    def limit(self) -> Limit | None:
        """The limit, where the file has it."""
        return self.record.limit if self.record else None

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


class Machine(NamedTuple):
    """What a run ran on, each part in words for a plot, and empty where its file does not say."""

    node: str
    cpu: str
    cores: str
    kernels: str  # of the BLAS
    numpy: str
    blas: str
    python: str
    kernel: str
    variables: str

    @property
    def hardware(self) -> str:
        """What results depend on that no commit changes."""
        return ", ".join(filter(None, (self.cpu, self.cores)))

    @property
    def software(self) -> tuple[str, ...]:
        """What else they depend on."""
        return self.kernels, self.numpy, self.blas, self.python, self.kernel, self.variables


@dataclass(frozen=True)
class Run:
    """A saved run."""

    path: Path
    commit: str  # short, with a ``+`` where there were changes
    time: datetime  # of the commit; where none is known, of the measurement
    machine: Machine
    lines: tuple[Line, ...]
    measured: datetime | None = None

    @property
    def order(self) -> tuple[datetime, datetime]:
        """By commit; those of one commit as they were measured."""
        return self.time, self.measured or self.time

    @property
    def judged(self) -> list[tuple[CaseRecord, GateRecord]]:
        """The cases that the gate judged, and what it found."""
        records = [point.record for line in self.lines for point in line.cases]
        return [(record, record.gate) for record in records if record and record.gate]


def read_run(path: Path) -> Run:
    """Read a run that ``pytest benchmarks/`` saved.

    Raises
    ------
    UnusableRunError
        If it cannot be read, is not pytest-benchmark's JSON, or has no case of this suite.
    """
    content = read_json(path)
    lines = lines_of(content["benchmarks"])
    about = converted(content, About)
    try:
        measured = moment(about.datetime)
    except ValueError as error:
        raise UnusableRunError(f"has no valid 'datetime': {error}") from error
    try:
        time = moment(about.commit_info.time)
    except (TypeError, ValueError):  # outside of a repository
        time = measured
    return Run(
        path=path,
        commit=short(about.commit_info.id) + "+" * bool(about.commit_info.dirty),
        time=time,
        machine=described(about.machine_info),
        lines=lines,
        measured=measured,
    )


def read_json(path: Path) -> dict[str, Any]:
    """Read a file of pytest-benchmark's: JSON with a list ``benchmarks``."""
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
    return content


def lines_of(rows: list[Any]) -> tuple[Line, ...]:
    """Return the lines that pytest-benchmark's rows make, those of other suites left out."""
    lines: dict[tuple[str, str, str], dict[int, Point]] = {}
    for i, row in enumerate(rows):
        info = row.get("extra_info") if isinstance(row, dict) else None
        if not isinstance(info, dict) or "predictor" not in info:
            continue  # of another suite
        benchmark = converted(row, Benchmark, f"benchmarks[{i}]")
        record, stats = benchmark.extra_info, benchmark.stats
        if "latency_floor" in info:
            record.limit = converted(info, Limit, f"benchmarks[{i}].extra_info")
        line = lines.setdefault((record.predictor, record.workload, ""), {})
        if record.batch_size in line:
            raise UnusableRunError(
                f"has {record.predictor}, batch size {record.batch_size}, more than once"
            )
        if not stats.q1 <= stats.median <= stats.q3:
            raise UnusableRunError(
                f"has quartiles out of order: {stats.q1}, {stats.median}, {stats.q3}"
            )
        if gate := record.gate:  # by the pairs: what pytest-benchmark has are fewer
            current, baseline = zip(*gate.pairs, strict=True)
            line[record.batch_size] = of_rounds(record.batch_size, current, record)
            older = lines.setdefault((record.predictor, record.workload, short(gate.commit)), {})
            older[record.batch_size] = of_rounds(record.batch_size, baseline)
        else:
            line[record.batch_size] = Point(
                record.batch_size, stats.median, stats.q1, stats.q3, record.p95, stats.data or (),
                record,
            )  # fmt: skip
    if not lines:
        raise UnusableRunError("has no case of this suite: save a run of pytest benchmarks/")
    return tuple(
        Line(predictor, workload, tuple(cases[size] for size in sorted(cases)), baseline)
        for (predictor, workload, baseline), cases in lines.items()
    )


def converted(value: Any, kind: type[T], name: str = "") -> T:
    """Return a part of the JSON as what it must be, or say what in it is wrong."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        where = (name + where.rstrip("`")).lstrip(".")
        what = what[0].lower() + what[1:]
        subject = f"has no valid {where!r}" if where else "is not pytest-benchmark's"
        raise UnusableRunError(f"{subject}: {what}") from error


def moment(text: str) -> datetime:
    """Read a time; one without a zone is taken for UTC."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def described(machine: dict[str, Any]) -> Machine:
    """Say what a run ran on, as far as its file does."""

    def part(name: str, key: str) -> str:
        section = machine.get(name)
        return str(section.get(key) or "") if isinstance(section, dict) else ""

    def known(text: str, value: object) -> str:
        return text.format(value) if value else ""

    environment = machine.get("environment")
    variables = environment.items() if isinstance(environment, dict) else ()
    node, cores = str(machine.get("node", "unknown machine")), machine.get("usable_cores")
    python = str(machine.get("python_implementation") or "Python").replace("CPython", "Python")
    cpu = re.sub(r"\((R|TM)\)| CPU(?= @)| \d+-Core| Processor", "", part("cpu", "brand_raw"))
    return Machine(
        node=node,
        cpu=cpu or node,
        cores=known("{} core" if cores == 1 else "{} cores", cores),
        kernels=known("BLAS for {}", part("blas", "architecture")),
        numpy=known("NumPy {}", machine.get("numpy_version")),
        blas=" ".join(filter(None, (part("blas", "name"), part("blas", "version")))),
        python=known(f"{python} {{}}", machine.get("python_version")),
        kernel=known("kernel {}", machine.get("kernel")),
        variables=" ".join(f"{name}={value}" for name, value in variables),
    )


def of_rounds(batch_size: int, rounds: Sequence[float], record: CaseRecord | None = None) -> Point:
    """Return a point by the durations of its rounds."""
    q1, median, q3 = map(float, np.percentile(rounds, (25, 50, 75)))
    return Point(batch_size, median, q1, q3, percentile(rounds, 95), rounds, record)


def short(commit: str) -> str:
    """Shorten a commit's id as git does."""
    return re.sub(r"^([0-9a-f]{7})[0-9a-f]+$", r"\1", commit)


def read_runs(paths: Iterable[Path]) -> tuple[list[Run], int]:
    """Read saved runs, each once; the status is 2 where one cannot be used, as stderr says."""
    runs, status = [], 0
    for path in {os.path.realpath(path): path for path in paths}.values():
        try:
            runs.append(read_run(path))
        except UnusableRunError as error:
            print(f"{path}: {error}", file=sys.stderr)
            status = 2
    return runs, status
