"""The record of a case: what is saved with it as pytest-benchmark's ``extra_info``, and read again.

With `benchmarks.saving.limit`, whose figures lie beside the others, it names all of these keys.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import numpy as np

from benchmarks.saving.limit import Count, Dtype, Figure, Limit, Precision, ReadAs

DISTURBED = 0.05  # of the rounds, from which on a median is marked
# Rounds for a percentile to mean something. The greatest of 459 is above their 99th percentile with
# a chance of 99 % (1 - 0.99^459); of fewer, no round may be.
LEAST_ROUNDS = {95: 20, 99: 459}


class Verdict(StrEnum):
    """What became of a case, or why it was not judged."""

    SLOWER = "slower"
    UNDECIDED = "undecided"
    SAME = "same"
    FASTER = "faster"
    FAILED = "failed"
    NEW = "new"
    NOT_COMPARED = "not compared"


CHANGED = Verdict.SLOWER, Verdict.FASTER


class Blamed(msgspec.Struct, kw_only=True):
    """What a part of what differs does alone: the current side against itself with that part."""

    what: str
    together: bool = False  # several distributions at once
    dragged: list[str] = []  # what else had to be as in the baseline
    ratio: Figure | None = None  # None where it could not be measured, for a reason
    interval: tuple[Figure | None, Figure | None] = (None, None)
    verdict: Verdict | None = None  # at half of the case's threshold
    reason: str = ""

    def of(self, gate: GateRecord) -> Blamed:
        """Return it with what the gate found of it."""
        return msgspec.structs.replace(
            self, ratio=gate.ratio, interval=gate.interval, verdict=gate.verdict
        )


class GateRecord(msgspec.Struct, kw_only=True):
    """What the gate found of a case."""

    commit: str  # what it was compared with
    pairs: Annotated[list[tuple[Figure, Figure]], msgspec.Meta(min_length=2)]  # current, baseline
    n_builds: Count  # pairs of processes that took turns
    turn: Count  # pairs of durations of each turn
    max_slowdown: Figure
    confidence: float = 0.0  # of the interval
    seconds: Figure | None = None  # which the case took
    ratio: float = math.nan  # median of the pairs' ratios, current over baseline
    interval: tuple[Figure | None, Figure | None] = (None, None)  # None: too few pairs for it
    at_most: Figure | None = None  # the ratio, as certain as the verdict "same" must be
    verdict: Verdict = Verdict.UNDECIDED
    sides: dict[str, dict[str, Any]] = {}  # what is known of ``current`` and ``baseline``
    differences: list[str] = []  # between them
    replaced: tuple[int, int] = (0, 0)  # processes slower than their equals: current, baseline
    differing: tuple[int, int] = (0, 0)  # rows that the sides answer otherwise to, of how many
    max_differing: Figure = 0.01
    blame: list[Blamed] = []

    @property
    def did_it(self) -> list[Blamed]:
        """What makes the case slower or faster alone."""
        return [one for one in self.blame if one.verdict in CHANGED and not one.together]

    @property
    def left(self) -> float:
        """What of the ratio no difference alone explains.

        It is 1 where the intervals admit that, or where it is within half of the threshold.
        """
        low, high = self.interval
        for one in self.did_it:
            least, most = one.interval
            low = low / most if low and most else None
            high = high / least if high and least else None
        if (low or 0) <= 1 <= (high or math.inf):
            return 1.0
        left = self.ratio / math.prod(one.ratio or 1 for one in self.did_it)
        return left if abs(math.log(left)) > math.log(1 + self.max_slowdown) / 2 else 1.0

    @property
    def has_other_answers(self) -> bool:
        """Whether the sides answer otherwise to more rows than may differ."""
        n, of = self.differing
        return n > self.max_differing * of


class CaseId(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A predictor, a batch size, and the workload; see `benchmarks.measuring.workload.Workload`."""

    predictor: str
    batch_size: Count
    n_samples: Count
    n_classes: Count | None = None
    n_features: Count | None = None
    dtype: Dtype | None = None
    examples: str | None = None
    weights: str | None = None

    def __post_init__(self) -> None:
        if not ((self.n_classes and self.n_features and self.dtype) or self.examples):
            raise ValueError("needs n_classes, n_features and dtype, or examples")

    def as_saved(self) -> dict[str, Any]:
        saved: dict[str, Any] = msgspec.to_builtins(self)  # without what is not known
        return saved

    @property
    def starts(self) -> range:
        """Where its batches begin among the examples."""
        return range(0, self.n_samples - self.batch_size + 1, self.batch_size)

    @property
    def name(self) -> str:
        return f"{self.predictor}, batch {self.batch_size}"

    @property
    def workload(self) -> str:
        own = [f"{key} {name}" for key in ("weights", "examples") if (name := getattr(self, key))]
        if not self.n_classes:
            return own[0]
        random = f"{self.n_classes:,} classes × {self.n_features:,} features × {self.n_samples:,} "
        return ", ".join([f"{random}samples", str(self.dtype), *own])


class CaseRecord(CaseId, kw_only=True):
    """What was measured of a case; None where it was not, or was not saved."""

    throughput: Figure | None = None  # predictions per second at the median latency
    p50: float = math.nan  # seconds, as p95 and p99
    p95: Figure | None = None
    p99: Figure | None = None
    precision: Precision | None = None  # in which the predictor computes
    read_as: ReadAs | None = None  # its weights, if not in that
    disturbed: Figure | None = None  # the part of its rounds, or of two looks at the pace
    in_doubt: float | None = None  # the part of all that it had labelled until then
    differing: Figure | None = None  # the part of the answers that depend on the batch
    limit: Limit | None = None  # saved flat, as the other figures
    gate: GateRecord | None = None

    @classmethod
    def of(cls, case: CaseId, latencies: Sequence[float]) -> CaseRecord:
        """Return the record of a case by the seconds of its rounds."""
        median = statistics.median(latencies)
        return cls(
            **msgspec.structs.asdict(case),
            throughput=case.batch_size / median,
            p50=median,
            p95=percentile(latencies, 95),
            p99=percentile(latencies, 99),
        )

    def as_saved(self) -> dict[str, Any]:
        saved = super().as_saved()
        saved.pop("limit", None)
        return saved | (self.limit.as_saved(self.batch_size) if self.limit else {})

    @property
    def is_disturbed(self) -> bool:
        return (self.disturbed or 0) > DISTURBED

    @property
    def of_limit(self) -> float | None:
        """The limit over the median, where there is a limit."""
        return self.limit.seconds(self.batch_size) / self.p50 if self.limit else None


def percentile(latencies: Sequence[float], percent: int) -> float | None:
    """Return a percentile, or None where there are too few rounds for it to mean something."""
    if len(latencies) < LEAST_ROUNDS[percent]:
        return None
    return float(np.percentile(latencies, percent))


def read_id(extra_info: Any) -> CaseId | None:
    """Return which case of this suite it is that pytest-benchmark has saved; None if it is none."""
    with suppress(msgspec.ValidationError):
        return msgspec.convert(extra_info, CaseId)
    return None
