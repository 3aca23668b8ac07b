"""Failure of a case whose predictor fails, and interrupts: what is said, and how the run ends."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.errors import (
    BaselineError,
    CannotBeMadeError,
    ChangedDataError,
    ClusterError,
    UnavailableError,
    WorkerError,
    WrongLabelsError,
    described,
)
from benchmarks.measuring.data import Data
from benchmarks.own.answers import OwnExamples
from benchmarks.own.served import AnswerError
from benchmarks.predictors.by_name import PREDICTORS
from benchmarks.saving.record import CaseId
from benchmarks.session import Session

HERE = Path(__file__).parent


@contextmanager
def failing(
    run: Session, data: Data | OwnExamples, benchmark: Any, case: CaseId
) -> Generator[None]:
    """Let a case fail in a sentence, and end the run where it cannot go on.

    Where a predictor cannot be made, or changes what others are measured on, its other cases fail
    with the same sentence. The traceback of its own code is shown once.
    """
    try:
        if case.predictor in run.refused:
            raise run.refused[case.predictor]
        yield
    except UnavailableError as reason:
        run.refused[case.predictor] = reason
        pytest.skip(str(reason))
    except BaselineError as error:
        baseline = run.gate and run.gate.sides.baseline
        message = f"baseline {baseline} cannot be measured: {case.name}: {error}"
        pytest.exit(message, pytest.ExitCode.USAGE_ERROR)
    except ClusterError as error:
        pytest.exit(f"{case.name}: {error}", pytest.ExitCode.USAGE_ERROR)
    except pytest.exit.Exception:
        raise
    except pytest.fail.Exception:  # of a plugin, as for a time limit
        run.failed.append((case.predictor, case.batch_size))
        raise
    except (Exception, SystemExit) as error:
        benchmark.has_error = True  # pytest-benchmark leaves out what was timed
        cause: BaseException = error
        sentence = f"{case.name}: {described(error)}"
        if isinstance(error, ChangedDataError):
            if case.predictor not in run.refused:  # nor in a case before
                data.restore()
            sentence = f"{case.predictor} {error}: let it work on a copy"
        elif isinstance(error, WrongLabelsError) and data.weights:
            if case.predictor not in PREDICTORS:
                sentence += "; a model that has its own weights is measured on --examples"
        elif isinstance(error, CannotBeMadeError):
            cause, sentence = error.__cause__ or error, str(error)
        if isinstance(error, (ChangedDataError, CannotBeMadeError)):
            run.refused[case.predictor] = error
        lines = [sentence]
        if case.predictor not in [predictor for predictor, _ in run.failed]:
            lines += cause.traceback if isinstance(cause, WorkerError) else own_traceback(cause)
        run.failed.append((case.predictor, case.batch_size))
        raise pytest.fail.Exception("\n".join(lines), pytrace=False) from None


def own_traceback(error: BaseException) -> list[str]:
    """Return the lines of a traceback from where it leaves this folder; none if it does not."""
    while isinstance(error, (WrongLabelsError, AnswerError)) and error.__cause__:
        error = error.__cause__
    frames = error.__traceback__
    while frames and HERE in Path(frames.tb_frame.f_code.co_filename).parents:
        frames = frames.tb_next
    return [line.rstrip() for line in traceback.format_tb(frames)]


@contextmanager
def interruptible() -> Generator[None]:
    """Let an interrupt, or SIGTERM, end a run as one, wherever it comes.

    pytest raises TypeError in its place where what is interrupted has no line, as the ends of loops
    have none under Python 3.11 (``findings/pytest_interrupt_without_lines.sh``).
    """
    try:
        yield
    except (KeyboardInterrupt, pytest.exit.Exception) as end:
        if None in [line for _, line in traceback.walk_tb(end.__traceback__)]:
            raise copy.copy(end) from None  # from here alone
        raise
