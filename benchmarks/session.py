"""What the parts of one run of ``pytest benchmarks/`` share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from benchmarks.ceilings import Ceilings
from benchmarks.gate.pairs import Gate


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
    cases : list of dict
        The ``extra_info`` of each measured case, in order.
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
    cases: list[dict[str, Any]] = field(default_factory=list)
    is_whole: bool = False
    is_summed_up: bool = False
    broken: dict[str, str] = field(default_factory=dict)
    failed: list[tuple[str, int]] = field(default_factory=list)

    def earlier(self, info: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the earlier attempts at a case that a plugin runs again."""
        keys = ("predictor", "batch_size")
        return [case for case in self.cases if all(case[key] == info[key] for key in keys)]


SESSION = pytest.StashKey[Session]()
