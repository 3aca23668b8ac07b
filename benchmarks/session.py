"""One run of ``pytest benchmarks/``: what its cases share, and what they found."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pytest

from benchmarks.array_types import Array, Predict
from benchmarks.errors import (
    BaselineError,
    CannotBeMadeError,
    ChangedDataError,
    ClusterError,
    UnavailableError,
    WrongLabelsError,
    described,
)
from benchmarks.gate.blame import Blame
from benchmarks.gate.gate import Gate
from benchmarks.gate.sides import Compared
from benchmarks.measuring.ceilings import Ceilings, InC
from benchmarks.measuring.data import Data
from benchmarks.measuring.pace import Pace
from benchmarks.measuring.timing import rest
from benchmarks.own.answers import Answers, OwnExamples
from benchmarks.predictors import by_name
from benchmarks.saving.limit import Limit
from benchmarks.saving.record import CaseRecord
from linpredict.c.compile import CompilerError, NoCompilerError

FIRST = 0.1  # seconds to measure ceilings before the first case
PART = 0.05  # of a case's time, to measure them after it


@dataclass
class Session:
    """A run."""

    blas: dict[str, Any]  # NumPy's, found before any other's
    compared: list[str]  # predictors that the gate compares
    gate: Gate | None = None
    begun: set[str] = field(default_factory=set)  # names of cases
    cases: list[CaseRecord] = field(default_factory=list)  # that were measured, in order
    paces: dict[str, tuple[float, float]] = field(default_factory=dict)  # before and after a case
    failed: list[tuple[str, int]] = field(default_factory=list)  # predictors and batch sizes
    is_whole: bool = False  # whether the last case has ended
    # What a predictor's other cases end with, too.
    refused: dict[str, Exception] = field(default_factory=dict)
    _predictors: dict[str, tuple[Predict, Data | Answers]] = field(default_factory=dict)
    _compared: dict[str, Compared | None] = field(default_factory=dict)
    # By what predictors compute and read weights in; None where nothing can be compiled.
    _ceilings: dict[tuple[np.dtype[Any], np.dtype[Any] | None], Ceilings | None] = field(
        default_factory=dict
    )

    def predictor(self, name: str, data: Data | OwnExamples) -> tuple[Predict, Data | Answers]:
        """Return a predictor in this process, and what its answers are checked by.

        It is made when first asked for.

        Raises
        ------
        UnavailableError
            If it cannot run here, because its library is not installed, say.
        ChangedDataError, CannotBeMadeError
            If it changed the data, or its code failed.
        """
        if name not in self._predictors:
            with making(name):
                if name == "packed" and data.weights and len(data.weights[0]) < 2:
                    raise UnavailableError("packed tells two classes apart, or more")
                cores = usable()
                predict = by_name.make(name, *data.weights)
                checks = data.checks_for(predict)
                if cores != usable():  # set for the whole process, and so for others
                    os.sched_setaffinity(0, cores)
                data.check_unchanged()
            self._predictors[name] = predict, checks
        return self._predictors[name]

    def processes(
        self, name: str, data: Data | OwnExamples, say: Callable[[str], None]
    ) -> Compared | None:
        """Return a predictor's processes, where it is compared and the baseline has it.

        They are made when first asked for; what is raised is that of `predictor`.
        """
        if name not in self._compared:
            found = None
            if self.gate and name in self.compared:
                with making(name):
                    found = self.gate.start(by_name.find(name, bool(data.weights)), say)
            self._compared[name] = found
        return self._compared[name]

    def blame(self, say: Callable[[str], None]) -> None:
        """Find which of the things that differ made cases slower or faster, after all of them."""
        if self.gate and self.is_whole:
            Blame(self.gate, self._compared, say).search(self.cases)
        elif self.gate:
            say("--blame: nothing is looked for, as the run ended before its last case")

    def ceilings(
        self, precision: np.dtype[Any], read_as: np.dtype[Any] | None, coef: Array
    ) -> Ceilings | None:
        """Return the ceilings for such predictors, measured once; None without a compiler."""
        key = precision, read_as
        if key not in self._ceilings:
            self._ceilings[key] = None  # a compiler that fails is asked once
            with suppress(CompilerError, NoCompilerError):
                ceilings = Ceilings(coef, precision, read_as)
                rest()
                ceilings.measure(FIRST)
                self._ceilings[key] = ceilings
        return self._ceilings[key]

    @property
    def limits(self) -> list[Limit]:
        """The limits, by all that was measured until now."""
        return [ceilings.limit for ceilings in self._ceilings.values() if ceilings]

    @cached_property
    def pace(self) -> Pace:
        """The pace of all cores, which is always the same without a compiler."""
        with suppress(CompilerError, NoCompilerError):
            return Pace(InC(np.dtype(np.float64)).multiply_add_rate)
        return Pace(lambda: 1.0)

    def finish(self) -> None:
        """Give each record its limit, and mark those in which all cores were slower."""
        limits = {(limit.precision, limit.read_as): limit for limit in self.limits}
        for record in self.cases:
            if record.precision and not record.gate:
                record.limit = limits.get((record.precision, record.read_as))
            if paces := self.paces.get(record.name):
                low = sum(map(self.pace.is_low, paces)) / len(paces)
                record.disturbed = max(record.disturbed or 0, low) or None


@contextmanager
def making(name: str) -> Generator[None]:
    """Raise what a predictor's code fails with as a `CannotBeMadeError`."""
    try:
        yield
    except (BaselineError, ChangedDataError, ClusterError, UnavailableError, pytest.exit.Exception):
        raise
    except (Exception, SystemExit) as error:
        what = "measured" if isinstance(error, WrongLabelsError) else "made"
        raise CannotBeMadeError(f"{name} cannot be {what}: {described(error)}") from error


def usable() -> set[int]:
    """Return the cores that this thread may run on; none where the system does not tell."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


SESSION = pytest.StashKey[Session]()
