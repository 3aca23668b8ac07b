"""Failure of a case whose predictor fails, and interrupts: what is said, and how the run ends."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gate.baseline import BaselineError, described
from benchmarks.gate.processes import WorkerError
from benchmarks.label_check import ChangedDataError
from benchmarks.predictors import PREDICTORS
from benchmarks.record import CaseId
from benchmarks.session import Session
from benchmarks.workload import Data

HERE = Path(__file__).parent


@contextmanager
def failing(
    run: Session, data: Data, benchmark: Any, case: CaseId, making: bool = False
) -> Generator[None]:
    """Let a case fail in a sentence, and end the run where it cannot go on.

    Where a predictor cannot be made, or changes what others are measured on, its other cases fail
    with the same sentence. The traceback of its own code is shown once.
    """
    predictor = case.predictor
    benchmark.has_error = True  # so that pytest-benchmark leaves out what was timed until then
    if predictor in run.broken:
        run.failed.append((predictor, case.batch_size))
        pytest.fail(run.broken[predictor], pytrace=False)
    try:
        yield
    except pytest.exit.Exception:
        raise
    except BaselineError as error:
        baseline = run.gate and run.gate.baseline
        message = f"baseline {baseline} cannot be measured: {case.name}: {error}"
        pytest.exit(message, pytest.ExitCode.USAGE_ERROR)
    except (Exception, SystemExit) as error:
        if isinstance(error, ConnectionError) and predictor in PREDICTORS:  # no cluster
            pytest.exit(f"{case.name}: {error}", pytest.ExitCode.USAGE_ERROR)
        sentence = f"{case.name}: {described(error)}"
        if isinstance(error, ChangedDataError):
            data.restore()
            sentence = f"{predictor} {error}: let it work on a copy"
        elif making:
            sentence = f"{predictor} cannot be made: {described(error)}"
        if making or isinstance(error, ChangedDataError):
            run.broken[predictor] = sentence
        first = predictor not in [name for name, _ in run.failed]
        run.failed.append((predictor, case.batch_size))
        shown = error.traceback if isinstance(error, WorkerError) else own_traceback(error)
        message = "\n".join([sentence, *shown * first])
        raise pytest.fail.Exception(message, pytrace=False) from None
    benchmark.has_error = False


def own_traceback(error: BaseException) -> list[str]:
    """Return the lines of a traceback from where it leaves this folder; none if it does not."""
    frames = error.__traceback__
    while frames and HERE in Path(frames.tb_frame.f_code.co_filename).parents:
        frames = frames.tb_next
    return [line.rstrip() for line in traceback.format_tb(frames)]


@contextmanager
def interruptible() -> Generator[None]:
    """Let an interrupt, or SIGTERM, end a run as one, wherever it comes.

    pytest raises TypeError in its place where what is interrupted has no line, as under Python 3.11
    the ends of loops have none, pytest-benchmark's among them.
    """
    try:
        yield
    except (KeyboardInterrupt, pytest.exit.Exception) as end:
        if None in [line for _, line in traceback.walk_tb(end.__traceback__)]:
            raise copy.copy(end) from None  # from here alone
        raise
