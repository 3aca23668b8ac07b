"""Models and examples for ``--predictor tests.models:NAME --examples tests.models:NAME``."""

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import numpy as np

from benchmarks.array_types import Array

W = np.random.default_rng(0).standard_normal((4, 12))
X = np.random.default_rng(1).standard_normal((64, 12)).astype("float32")
NAMES = np.array(["no", "perhaps", "yes", "certainly"])
TEXTS = ["word " * (i % 7) for i in range(40)]


class Model:
    def predict(self, x: Array) -> Array:
        return np.asarray(NAMES[(x @ W.T).argmax(axis=1)])

    def predict_proba(self, x: Array) -> Array:
        scores = np.exp(x @ W.T)
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))


class Callable:
    def __call__(self, *arguments: Any) -> Any:
        return Model().predict(*arguments)


class NeedsPath:
    def __init__(self, path: str) -> None: ...

    def predict(self, x: Array) -> Array:
        return x


model, instance, made = Model(), Callable(), partial(Model)
session = object()


def function(x: Array) -> Array:
    return model.predict(x)


def factory() -> Model:
    return Model()


@cache
def cached() -> Model:
    return Model()


def useless() -> object:
    return session


def factory_with_path(path: str) -> Model:
    return Model()


def depends_a_little(x: Array) -> Array:
    """In one pass one of 64 rows, the last one, has another answer."""
    labels = (x @ W.T).argmax(axis=1)
    labels[63:] = 9
    return np.asarray(labels)


def standardising(x: Array) -> Array:
    x -= 1
    return np.asarray(x.argmax(axis=1))


def one_too_few(x: Array) -> Array:
    return x[1:, 0]


def wants_columns(x: Any) -> Any:
    return x["age"]


def examples() -> Array:
    return X


def failing() -> Array:
    raise KeyError("rows")


def generator() -> Iterator[Array]:
    yield from X


class Frame:
    """Rows as a data frame of pandas has them."""

    columns = ("age", "city")

    def __init__(self, age: Array, city: Array) -> None:
        self._columns = {"age": age, "city": city}

    def __len__(self) -> int:
        return len(self._columns["age"])

    def __getitem__(self, name: str) -> Array:
        return self._columns[name]

    @property
    def iloc(self) -> Any:
        return Rows(self)


class Rows:
    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def __getitem__(self, rows: slice) -> Frame:
        return Frame(*(self._frame[name][rows] for name in self._frame.columns))


frame = Frame(np.arange(30), np.array(["Bern", "Oslo", "Rome"] * 10, dtype=object))


class Sparse:
    """A matrix as SciPy's CSR: it has no length."""

    shape = (5, 3)
    dtype = np.dtype("float64")
    data, indices, indptr = np.ones(5), np.arange(5) % 3, np.arange(6)

    def __len__(self) -> int:
        raise TypeError("sparse array length is ambiguous")


def by_weights(coef: Array, intercept: Any = 0) -> Any:
    return lambda x: (x @ coef.T + intercept).argmax(axis=1)


def without_intercept(coef: Array, intercept: Array) -> Any:
    return by_weights(coef)


class Classifier:
    """A trained linear classifier."""

    coef_, intercept_, classes_ = W, np.array([0.0, 3.0, -1.0, 2.0]), NAMES

    def predict(self, x: Array) -> Array:
        return np.asarray(NAMES[(x @ W.T + self.intercept_).argmax(axis=1)])


classifier = Classifier()
