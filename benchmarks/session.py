"""State of one run of ``pytest benchmarks/``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from benchmarks.ceilings import Ceilings
from benchmarks.gate.pairs import Gate
from benchmarks.record import CaseId, CaseRecord


@dataclass
class Session:
    """A run.

    Parameters
    ----------
    blas : dict
        NumPy's BLAS, as `benchmarks.machine.blas_info` found it before other libraries were loaded.
    gate : Gate, optional
        Compares with ``--baseline``.
    ceilings : dict of str to Ceilings
        What measures the least possible latency, by the precision of predictors.
    cases : list of CaseRecord
        What was measured, in order.
    is_whole : bool
        Whether the last case has ended.
    is_summed_up : bool
        Whether the summary has been printed.
    broken : dict
        By predictor, the sentence with which its other cases fail, too.
    failed : list of (str, int)
        The predictors and batch sizes that could not be measured.
    """

    blas: dict[str, Any]
    gate: Gate | None = None
    ceilings: dict[str, Ceilings] = field(default_factory=dict)
    cases: list[CaseRecord] = field(default_factory=list)
    is_whole: bool = False
    is_summed_up: bool = False
    broken: dict[str, str] = field(default_factory=dict)
    failed: list[tuple[str, int]] = field(default_factory=list)
    _extra_infos: dict[str, dict[str, Any]] = field(default_factory=dict)

    def has(self, case: CaseId) -> bool:
        """Tell whether a case was measured before: some plugin runs it again."""
        return case.name in self._extra_infos

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
