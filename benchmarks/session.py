"""One run of ``pytest benchmarks/``: what its cases share, and what they found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from benchmarks import predictors
from benchmarks.ceilings import Ceilings
from benchmarks.gate.pairs import Compared, Gate
from benchmarks.label_check import Predict
from benchmarks.peers import UnavailableError
from benchmarks.record import CaseRecord
from benchmarks.timing import rest
from benchmarks.workload import Data

FIRST = 0.1  # seconds to measure ceilings before the first case


@dataclass
class Session:
    """A run."""

    blas: dict[str, Any]  # NumPy's, as `benchmarks.machine.blas_info` found it before any other's
    gate: Gate | None = None
    ceilings: dict[str, Ceilings] = field(default_factory=dict)  # by the precision of predictors
    cases: list[CaseRecord] = field(default_factory=list)  # that were measured, in order
    is_whole: bool = False  # whether the last case has ended
    is_summed_up: bool = False
    broken: dict[str, str] = field(default_factory=dict)  # what a predictor's other cases fail with
    failed: list[tuple[str, int]] = field(default_factory=list)  # predictors and batch sizes
    _made: dict[str, Predict | Compared | UnavailableError] = field(default_factory=dict)
    _extra_infos: dict[str, dict[str, Any]] = field(default_factory=dict)

    def make(
        self, name: str, data: Data, is_compared: bool, say: Callable[[str], None]
    ) -> Predict | Compared:
        """Return a predictor, made when first asked for; or its processes, where it is compared.

        Raises
        ------
        UnavailableError
            If it cannot run here, because its library is not installed, say.
        """
        if name not in self._made:
            try:
                self._made[name] = self._make(name, data, is_compared, say)
            except UnavailableError as reason:
                self._made[name] = reason
        if isinstance(made := self._made[name], UnavailableError):
            raise made
        return made

    def _make(
        self, name: str, data: Data, is_compared: bool, say: Callable[[str], None]
    ) -> Predict | Compared:
        if name == "packed" and len(data.coef) < 2:
            raise UnavailableError("packed tells two classes apart, or more")
        if self.gate and is_compared and (found := self.gate.start(name, say)):
            return found  # else the baseline lacks it
        predict = predictors.make(name, data.coef[:])  # a view: its shape is its own
        data.check_unchanged()
        return predict

    def ceilings_at(self, precision: np.dtype[Any], data: Data) -> Ceilings:
        """Return what measures the machine's ceilings at a precision, and has done so once."""
        if precision.name not in self.ceilings:
            self.ceilings[precision.name] = Ceilings(data.coef, precision)
            rest()
            self.ceilings[precision.name].measure(FIRST)
        return self.ceilings[precision.name]

    def add(self, record: CaseRecord, extra_info: dict[str, Any]) -> None:
        """Note what was measured of a case, in place of an earlier attempt."""
        self.cases = [case for case in self.cases if case.name != record.name] + [record]
        self._extra_infos[record.name] = extra_info

    def finish(self) -> None:
        """Have pytest-benchmark save what was measured, with what the machine can do: all told."""
        for record in self.cases:
            if record.precision:
                record.roofline = self.ceilings[record.precision].roofline
            self._extra_infos[record.name].update(record.as_saved())


SESSION = pytest.StashKey[Session]()
