"""What the command line names of the user's own: examples and weights."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from benchmarks.array_types import Array
from benchmarks.own import served
from benchmarks.own.importing import imported
from linpredict.from_sklearn import weights_of
from linpredict.validation import as_examples, as_intercept, as_weights


class Own(NamedTuple):
    """Examples, and weights with their intercept; None where they are random, or not there."""

    examples: Any = None
    description: served.Description | None = None  # of the examples
    coef: Array | None = None
    intercept: Array | None = None


NOTHING = Own()
OWN = pytest.StashKey[Own]()


def load(examples: str | None, weights: str | None) -> Own:
    """Return what two sources have: see the options --examples and --weights.

    Raises
    ------
    ValueError
        If they have none, or if the examples cannot be labelled by the weights.
    """
    found = coef = intercept = None
    option = f"--weights {weights}"
    try:
        if weights:
            coef, intercept = load_weights(weights)
        if examples:
            option = f"--examples {examples}"
            if ":" in examples and not is_file(examples):
                imported(examples)  # from the current folder first
            found = served.load_examples(examples)
        if found is not None and coef is not None:
            found = as_examples(found, coef.shape).astype(coef.dtype, copy=False)
    except Exception as error:  # what is named may be any code
        message = " ".join(str(error).split())
        if not isinstance(error, (OSError, TypeError, ValueError)):
            message = f"{type(error).__name__}: {message}"
        raise ValueError(f"{option}: {message}") from error
    return Own(found, None if found is None else served.described(found), coef, intercept)


def is_file(source: str) -> bool:
    return source.endswith((".npy", ".npz"))


def load_weights(source: str) -> tuple[Array, Array | None]:
    """Return weights (n_classes, n_features), of float32 or float64, and their intercept."""
    intercept = None
    if is_file(source):
        loaded = np.load(source, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            coef: Any = loaded
        elif "coef" in loaded:
            coef, intercept = loaded["coef"], loaded.get("intercept")
        else:
            raise ValueError(f"holds {', '.join(loaded)}: expected coef, and intercept if any")
    else:
        found = imported(source)
        if served.is_called_without_arguments(found):
            found = found()
        coef, intercept, _ = weights_of(found)
    coef = as_weights(coef)
    coef = np.ascontiguousarray(coef, np.result_type(coef, np.float32))
    return coef, None if intercept is None else as_intercept(intercept, coef).astype(coef.dtype)


def in_words(own: Own) -> tuple[str, str]:
    """Name examples and weights in a few characters; "" where they are random, or not there."""
    examples = str(own.description or "")
    weights = "" if own.coef is None else str(served.described(own.coef))
    if own.intercept is not None:
        weights += f".{served.described(own.intercept).digest}"
    return examples, weights
