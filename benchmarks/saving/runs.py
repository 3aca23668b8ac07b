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
    data: Sequence[Figure] = ()  # of each round, where the file has them


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


class Point(CaseRecord, kw_only=True):
    """A batch size of a predictor in a run; of a baseline, without what the gate found."""

    throughput: float  # predictions per second at the median latency
    q1: float  # of the latencies in seconds, as q3; their median is p50
    q3: float
    rounds: Sequence[float] = ()  # the latency of each in seconds, where the file has them

    @classmethod
    def of_stats(cls, record: CaseRecord, stats: Stats) -> Point:
        saved = msgspec.structs.asdict(record)
        saved |= {"throughput": record.batch_size / stats.median, "p50": stats.median}
        return cls(**saved, q1=stats.q1, q3=stats.q3, rounds=stats.data)

    @classmethod
    def of_rounds(cls, record: CaseRecord, rounds: Sequence[float]) -> Point:
        q1, median, q3 = map(float, np.percentile(rounds, (25, 50, 75)))
        p95 = percentile(rounds, 95)
        return cls.of_stats(msgspec.structs.replace(record, p95=p95), Stats(q1, median, q3, rounds))


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
    blas_kernels: str
    numpy: str
    blas: str
    python: str
    kernel: str
    variables: str

    @classmethod
    def of(cls, info: dict[str, Any]) -> Machine:
        """Say what pytest-benchmark's ``machine_info`` tells."""

        def known(*keys: str, of: str = "") -> str:
            value: Any = info
            for key in keys:
                value = value.get(key) if isinstance(value, dict) else None
            return f"{of}{value}" if value else ""

        node, cores = known("node") or "unknown machine", known("usable_cores")
        cpu = re.sub(r"\((R|TM)\)| CPU(?= @)| \d+-Core| Processor", "", known("cpu", "brand_raw"))
        python = known("python_implementation").replace("CPython", "") or "Python"
        environment = info.get("environment")
        variables = environment.items() if isinstance(environment, dict) else ()
        return cls(
            node=node,
            cpu=cpu or known("machine") or node,
            cores=f"{cores} core{'' if cores == '1' else 's'}" if cores else "",
            blas_kernels=known("blas", "architecture", of="BLAS for "),
            numpy=known("numpy_version", of="NumPy "),
            blas=f"{known('blas', 'name')} {known('blas', 'version')}".strip(),
            python=known("python_version", of=f"{python} ") + known("python_abiflags"),
            kernel=known("kernel", of="kernel "),
            variables=" ".join(f"{name}={value}" for name, value in variables),
        )

    @property
    def hardware(self) -> str:
        """What results depend on that no commit changes."""
        return ", ".join(filter(None, (self.cpu, self.cores)))

    @property
    def software(self) -> tuple[str, ...]:
        """What else they depend on."""
        return self[3:]


@dataclass(frozen=True)
class Run:
    """A saved run."""

    path: Path
    commit: str  # short, with a ``+`` where there were changes
    time: datetime  # of the commit; where none is known, of the measurement
    machine: Machine
    lines: tuple[Line, ...]
    measured: datetime

    @property
    def order(self) -> tuple[datetime, datetime]:
        """By commit; those of one commit as they were measured."""
        return self.time, self.measured

    @property
    def judged(self) -> list[tuple[CaseRecord, GateRecord]]:
        """The cases that the gate judged, and what it found."""
        return [(case, case.gate) for line in self.lines for case in line.cases if case.gate]


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
    commit = short(about.commit_info.id)
    if about.commit_info.dirty:
        commit += "+"
    return Run(path, commit, time, Machine.of(about.machine_info), lines, measured)


def read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes(), parse_constant=float)
    except OSError as error:
        raise UnusableRunError(error.strerror or str(error)) from error
    except (ValueError, RecursionError) as error:  # no text, a long number, deeply nested
        raise UnusableRunError(f"is not JSON, or is cut off: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("benchmarks"), list):
        raise UnusableRunError("is JSON, but not of pytest-benchmark: it has no list 'benchmarks'")
    return content


def lines_of(rows: list[Any]) -> tuple[Line, ...]:
    """Return the lines that pytest-benchmark's rows make, those of other suites left out."""
    lines: dict[tuple[str, str, str], dict[int, Point]] = {}
    for i, row in enumerate(rows):
        info = row.get("extra_info") if isinstance(row, dict) else None
        if not isinstance(info, dict) or "predictor" not in info:
            continue
        benchmark = converted(row, Benchmark, f"benchmarks[{i}]")
        case, stats = benchmark.extra_info, benchmark.stats
        if "latency_floor" in info:
            case.limit = converted(info, Limit, f"benchmarks[{i}].extra_info")
        line = lines.setdefault((case.predictor, case.workload, ""), {})
        if case.batch_size in line:
            raise UnusableRunError(
                f"has {case.predictor}, batch size {case.batch_size}, more than once"
            )
        if not stats.q1 <= stats.median <= stats.q3:
            raise UnusableRunError(
                f"has quartiles out of order: {stats.q1}, {stats.median}, {stats.q3}"
            )
        if case.gate:  # by the pairs: what pytest-benchmark has are fewer
            current, baseline = zip(*case.gate.pairs, strict=True)
            line[case.batch_size] = Point.of_rounds(case, current)
            older = lines.setdefault((case.predictor, case.workload, short(case.gate.commit)), {})
            not_judged = msgspec.structs.replace(case, gate=None, limit=None)
            older[case.batch_size] = Point.of_rounds(not_judged, baseline)
        else:
            line[case.batch_size] = Point.of_stats(case, stats)
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


def short(commit: str) -> str:
    """Shorten a commit's id as git does."""
    return re.sub(r"^([0-9a-f]{7})[0-9a-f]+$", r"\1", commit)
