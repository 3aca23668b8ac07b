"""What people serve: examples and a model of their own, and whether its answers agree.

It runs under CPython 3.9 or newer with NumPy alone, as ``worker.py`` does, which loads it.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

# Numbers are the same up to so much of themselves, and of the median answer: sums in float32 in
# another order differ by about 1e-6 of their terms.
TOLERANCE = 1e-4
BLOCK = 1024  # rows whose values are looked at together
WAYS = "a function predict(X), an object with predict, or a factory without arguments"


class AnswerError(ValueError):
    """What a model returned is not one answer for each row."""


class MissingError(Exception):
    """There is no such module, or it has no such name."""


class Description(NamedTuple):
    """What examples are; `digest` is that of their values, "" where they have none."""

    kind: str
    n_rows: int
    n_columns: int | None
    dtype: str
    digest: str

    def __str__(self) -> str:
        """Name them in a few characters, as in ``ndarray-1797x64-float64-1a2b3c4d``."""
        shape = f"{self.n_rows}" + (f"x{self.n_columns}" if self.n_columns else "")
        return "-".join(filter(None, (self.kind, shape, self.dtype, self.digest)))


def find(module: str, path: str) -> Any:
    """Return what a module has by a name, or by a path such as ``model.predict_proba``.

    Raises
    ------
    MissingError
        If there is no such module, or it has no such name.
    """
    try:
        imported = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):
            raise MissingError(f"there is no module {error.name}") from error
        raise
    try:
        return attrgetter(path)(imported)
    except AttributeError as error:
        raise MissingError(f"{module} has no {path}") from error


def is_called_without_arguments(found: Any) -> bool:
    """Tell whether it is a class or a function that needs no arguments, and no method."""
    is_function = inspect.isroutine(found) or isinstance(found, partial)
    if inspect.ismethod(found) or not (
        is_function or inspect.isclass(found) or hasattr(found, "__wrapped__")
    ):
        return False
    try:
        inspect.signature(found).bind()
    except (TypeError, ValueError):  # it needs some, or does not tell
        return False
    return True


def predictor_of(found: Any, name: str) -> Callable[[Any], Any]:
    """Return what predicts: `found` itself, its method, or those of what it returns."""
    is_model = hasattr(found, "predict") and not inspect.isclass(found)
    made = found() if not is_model and is_called_without_arguments(found) else found
    predict = getattr(made, "predict", made)
    if inspect.isclass(made):
        raise TypeError(f"{name} is {kind(made)}, which needs arguments: expected {WAYS}")
    if not callable(predict):
        what = "is" if made is found else "returned what is"
        raise TypeError(f"{name} {what} {kind(made)}, expected {WAYS}")
    return predict  # type: ignore[no-any-return]


def kind(value: Any) -> str:
    """Say what a value is."""
    is_class = inspect.isclass(value)
    return f"the class {value.__name__}" if is_class else f"of type {type(value).__name__}"


def load_examples(source: str) -> Any:
    """Return examples: those of a file X.npy, mapped, or what package.module:name is or returns.

    What is written to mapped ones stays in this process.

    Raises
    ------
    ValueError
        If they have no rows that can be taken by slice.
    """
    if source.endswith(".npy"):
        try:
            examples = np.asarray(np.load(source, mmap_mode="c", allow_pickle=False))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ValueError(f"it is no array that can be mapped: {reason}") from error
    else:
        module, _, path = source.partition(":")
        if not (module and path):
            raise ValueError("it is neither a file X.npy nor package.module:name")
        examples = find(module, path)
        if is_called_without_arguments(examples):
            examples = examples()
    try:
        n = n_rows(examples)
        if n < 1 or n_rows(batch(examples, 0, 1)) != 1:
            raise ValueError("it has no rows")
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"it is {kind(examples)}, whose rows no slice takes ({reason}): expected an array, a "
            "CSR matrix, a data frame, a list or a tensor, or a function without arguments that "
            "returns one"
        ) from error
    return examples


def n_rows(examples: Any) -> int:
    """Return how many rows examples have; a sparse matrix has no length."""
    shape = getattr(examples, "shape", None)
    return int(shape[0]) if shape else len(examples)


def batch(examples: Any, start: int, stop: int) -> Any:
    """Return some rows, by position; the index of a data frame of pandas may be anything."""
    return getattr(examples, "iloc", examples)[start:stop]


def described(examples: Any) -> Description:
    """Say what examples are."""
    shape = getattr(examples, "shape", ())
    if names := column_names(examples):
        dtypes = {str(getattr(examples[name], "dtype", "")) for name in names}
        dtype = dtypes.pop() if len(dtypes) == 1 else "mixed"
    elif hasattr(examples, "dtype"):
        dtype = str(examples.dtype)
    else:
        dtype = type(batch(examples, 0, 1)[0]).__name__
    return Description(
        kind=type(examples).__name__,
        n_rows=n_rows(examples),
        n_columns=int(np.prod(shape[1:])) if len(shape) > 1 else None,
        dtype=re.sub(r"[^\w.]+", "_", dtype.replace("torch.", "")),
        digest=digest(examples),
    )


def column_names(examples: Any) -> list[Any]:
    """Return the names of a data frame's columns, as pandas, Polars or Arrow have them."""
    return list(getattr(examples, "column_names", getattr(examples, "columns", ())))


def digest(examples: Any) -> str:
    """Return a digest of the values, the same in each process; "" where they do not tell them.

    1 GB/s.
    """
    found = hashlib.blake2b(digest_size=4)
    try:
        for part in parts(examples):
            for start in range(0, len(part), BLOCK):
                found.update(content(part[start : start + BLOCK]))
    except Exception:  # a tensor on a device, say
        return ""
    return found.hexdigest()


def parts(examples: Any) -> list[Any]:
    """Return the arrays, or lists, that hold the values of examples."""
    if hasattr(examples, "indptr"):
        return [examples.data, examples.indices, examples.indptr]
    if names := column_names(examples):
        return [[str(name) for name in names], *(np.asarray(examples[name]) for name in names)]
    is_array = hasattr(examples, "__array__")
    return [np.asarray(examples) if is_array else list(batch(examples, 0, n_rows(examples)))]


def content(value: Any) -> Any:
    """Return the bytes that a value is told by."""
    if hasattr(value, "__array__") and np.asarray(value).dtype != object:
        return np.ascontiguousarray(value).reshape(-1).view(np.uint8)
    if isinstance(value, (list, np.ndarray)):
        return b"".join(bytes(content(each)) for each in value)
    if repr(value) == object.__repr__(value):  # where it lies
        raise TypeError(f"a {type(value).__name__} does not tell its value")
    return repr(value).encode(errors="surrogateescape") + b"\0"


def as_answers(returned: Any, n: int) -> Any:
    """Return answers as an array, one entry for each of `n` rows; a promise of them is awaited.

    Raises
    ------
    AnswerError
        If they are something else.
    """
    try:
        answers = np.asarray(returned)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise AnswerError(f"returned what is {kind(returned)}, no array: {reason}") from error
    if answers.ndim and len(answers) == n:
        return answers
    what = f"an array of shape {answers.shape}" if answers.ndim else f"what is {kind(returned)}"
    is_model = callable(returned) or hasattr(returned, "predict")
    hint = ": a factory must be one that is called without arguments" if is_model else ""
    raise AnswerError(
        f"returned {what} for {n} row{'s' * (n > 1)}, expected one entry for each{hint}"
    )


def answers_of(predict: Callable[[Any], Any], examples: Any) -> Any:
    """Return a model's answers to all examples in one pass, and those of objects as strings."""
    n = n_rows(examples)
    try:
        return plain(as_answers(predict(batch(examples, 0, n)), n))
    except AnswerError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        hint = ""
        tells = re.search("column|frame|string|text|decode|lower", reason, re.IGNORECASE)
        if isinstance(examples, np.ndarray) and (tells or not isinstance(error, ValueError)):
            hint = (
                ": where it wants a data frame or texts, give them as --examples "
                "package.module:name"
            )
        raise AnswerError(
            f"failed on all {n} rows of {described(examples)} ({type(error).__name__}: "
            f"{reason}){hint}"
        ) from error


def plain(answers: Any) -> Any:
    """Return answers without Python's objects, which are compared as strings."""
    return answers.astype(str) if answers.dtype == object else answers


def scale(reference: Any) -> float:
    """Return the median magnitude of answers that are numbers, in which `differing` is tolerant."""
    if reference.dtype.kind not in "fc" or not np.isfinite(reference).any():
        return 0.0
    return float(np.median(np.abs(reference[np.isfinite(reference)])))


def differing(answers: Any, reference: Any, magnitude: float) -> Any:
    """Tell which rows have another answer than the reference; floats within `TOLERANCE`."""
    answers = plain(answers)
    kinds = {answers.dtype.kind, reference.dtype.kind}
    if answers.shape != reference.shape or (len(kinds) > 1 and not kinds <= {*"biufc"}):
        return np.ones(len(reference), bool)
    if kinds & {"f", "c"}:
        same = np.isclose(
            answers, reference, rtol=TOLERANCE, atol=TOLERANCE * magnitude, equal_nan=True
        )
    else:
        same = np.asarray(answers == reference)
    return (~same).reshape(len(reference), -1).any(axis=1)
