"""The answers of a model of the user's own, which may not depend on the batch."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from benchmarks.array_types import Array, Predict
from benchmarks.errors import ChangedDataError, WrongLabelsError
from benchmarks.own import served
from benchmarks.own.loading import Own


class OwnExamples:
    """Examples of the user's own, which a model of the user's own answers to."""

    weights: ClassVar[list[Array]] = []  # known of the model

    def __init__(self, source: str, own: Own, max_differing: float) -> None:
        assert own.description
        self.source, self.examples, self.max_differing = source, own.examples, max_differing
        self.n_samples, self._digest = own.description.n_rows, own.description.digest

    def batch(self, start: int, stop: int) -> Any:
        return served.batch(self.examples, start, stop)

    def checks_for(self, predict: Predict) -> Answers:
        """Return what a model's answers are checked by: those to all examples in one pass.

        Raises
        ------
        WrongLabelsError
            If there is not one for each of them.
        """
        with as_ours():
            return Answers(self, served.answers_of(predict, self.examples))

    def check_unchanged(self) -> None:
        """Look for changes of the examples.

        Raises
        ------
        ChangedDataError
            If there is one.
        """
        if served.digest(self.examples) != self._digest:
            raise ChangedDataError("changed the examples that it was given, in place")

    def restore(self) -> None:
        """Load them again. What a module holds stays changed, and others see it so."""
        self.examples = served.load_examples(self.source)
        self._digest = served.digest(self.examples)


class Answers:
    """What a model answered to all examples in one pass, and how many rows differ from it."""

    def __init__(self, data: OwnExamples, reference: Array) -> None:
        self._data, self._reference = data, reference
        self._magnitude = served.scale(reference)
        self.n_checked = data.n_samples  # as many as the time before timing allows
        self._compared, self._differing = np.zeros((2, data.n_samples), bool)

    def batch(self, start: int, stop: int) -> Any:
        return self._data.batch(start, stop)

    def check(self, answers: Any, start: int, stop: int) -> None:
        """Note which rows of a batch have another answer than in one pass.

        Raises
        ------
        WrongLabelsError
            If there is not one for each.
        """
        with as_ours():
            array = served.as_answers(answers, stop - start)
        rows = slice(start, stop)
        self._compared[rows] = True
        self._differing[rows] |= served.differing(array, self._reference[rows], self._magnitude)

    def check_near_ties(self, predict: Predict, batch_size: int) -> None:
        """There is no formula for somebody's model."""

    def check_unchanged(self, starts: Iterable[int] = (), batch_size: int = 0) -> None:
        """All of them are looked at, once a predictor is made."""

    def conclude(self) -> float | None:
        """Return the share of rows that differed since the last time; None if there were none.

        Raises
        ------
        WrongLabelsError
            If it is greater than --max-differing.
        """
        n, of = int(self._differing.sum()), int(self._compared.sum())
        self._compared[:] = self._differing[:] = False
        return checked_share(n, of, self._data.max_differing)


def checked_share(n: int, of: int, most: float) -> float | None:
    """Return the share of rows that differ, None if there are none; refuse more than `most`."""
    if n > most * of:
        raise WrongLabelsError(
            f"answers depend on the batch: those to {n:,} of {of:,} rows ({100 * n / of:.3g} %) "
            "differ from those to all examples in one pass, more than --max-differing "
            f"{100 * most:.3g} %: the model may keep something between calls, or change its "
            "examples in place"
        )
    return n / of if n else None


@contextmanager
def as_ours() -> Generator[None]:
    """Raise what is wrong with answers as the error that a wrong label is."""
    try:
        yield
    except served.AnswerError as error:
        raise WrongLabelsError(str(error)) from error
