"""Errors of predictors, of processes and of baselines, each a sentence that a user reads."""

from __future__ import annotations

from collections.abc import Sequence


class WrongLabelsError(ValueError):
    """A predictor's labels are not those of the formula."""


class ChangedDataError(ValueError):
    """A predictor changed the weights or examples, which others use, too."""


class UnavailableError(Exception):
    """A predictor cannot run on this machine."""


class CannotBeMadeError(Exception):
    """A predictor's code failed before its first call."""


class ClusterError(Exception):
    """A cluster of machines cannot be reached, or has lost its workers: nothing can be measured."""


class WorkerError(Exception):
    """A worker process failed, or its predictor did.

    `traceback` are lines, through the predictor's code; `missing` is the module, if one is missing.
    """

    def __init__(
        self, message: str, traceback: Sequence[str] = (), missing: str | None = None
    ) -> None:
        super().__init__(message)
        self.traceback, self.missing = list(traceback), missing


class LackingError(WorkerError):
    """The code of a side of a comparison does not have the predictor."""


class BaselineError(ValueError):
    """A baseline cannot be measured."""


def not_installed(module: str | None, extra: str) -> UnavailableError:
    """Return the error of a predictor whose library, of an extra of pyproject.toml, is missing."""
    return UnavailableError(f"{module} is not installed: pip install -e '.[{extra}]'")


def described(error: BaseException) -> str:
    """Describe an exception of a predictor's code in a line."""
    message = " ".join(str(error).split())
    ours = WrongLabelsError, ChangedDataError, UnavailableError, ClusterError, WorkerError
    if isinstance(error, ours):
        return message
    return f"{type(error).__name__}: {message or 'no message'}"
