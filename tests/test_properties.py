"""Labels are right whatever the weights and examples hold, and however they lie in memory."""

import math
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmarks.array_types import Array
from linpredict import LinearPredictor, predict
from linpredict.screened import ScreenedModel
from tests.helpers.labels import assert_right

SPECIAL = (math.inf, -math.inf, math.nan, 0.0, -0.0, 5e-324, 1e-45, 1.0, -1.0, 1e30, 1e300, -1e300)


def read_only(a: Array) -> Array:
    a = a.copy()
    a.flags.writeable = False
    return a


def memory_mapped(a: Array) -> Array:
    if not a.size:
        return a
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.npy")
        np.save(path, a)
        return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


# Functions that return equal values that lie differently in memory.
LAYOUTS: tuple[Callable[[Array], Array], ...] = (
    lambda a: a,
    np.asfortranarray,
    lambda a: np.repeat(np.repeat(a, 2, axis=0), 3, axis=1)[::2, ::3],
    lambda a: np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1],
    lambda a: np.frombuffer(b"\0" + a.tobytes(), "u1")[1:].view(a.dtype).reshape(a.shape),
    lambda a: a.astype(a.dtype.newbyteorder()),
    read_only,
    memory_mapped,
)


@st.composite
def models(draw: st.DrawFn) -> tuple[Array, Array, Array | None]:
    """Draw weights, examples and intercept: some special values, some equal rows, any layout."""
    n_classes = draw(st.one_of(st.integers(2, 5), st.integers(31, 70)))
    n_features = draw(st.one_of(st.integers(0, 20), st.integers(20, 140)))
    n_samples = draw(st.one_of(st.integers(0, 5), st.integers(6, 40)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtypes = draw(st.tuples(*[st.sampled_from(["float32", "float64"])] * 2))
    arrays = []
    for shape, dtype in zip(
        ((n_classes, n_features), (n_samples, n_features)), dtypes, strict=True
    ):
        a = rng.standard_normal(shape)
        if draw(st.booleans()):
            a = np.round(a)  # exact ties
        if len(a) and draw(st.booleans()):
            a = a[rng.integers(0, len(a), len(a))]  # equal rows
        if a.size:
            for value in draw(st.lists(st.sampled_from(SPECIAL), max_size=3)):
                a[rng.integers(0, shape[0]), rng.integers(0, n_features)] = value
        with np.errstate(over="ignore"):
            arrays.append(draw(st.sampled_from(LAYOUTS))(a.astype(dtype)))
    intercept = draw(
        st.none() | hnp.arrays("float64", n_classes, elements=st.integers(-3, 3).map(float))
    )
    return arrays[0], arrays[1], intercept


def by_predictor(w: Array, x: Array, intercept: Array | None) -> Array:
    return LinearPredictor(w, intercept).predict(x)


def by_kernel(w: Array, x: Array, intercept: Array | None) -> Array:
    # Blocks of 32 features make a model of a hundred as ragged as a large one.
    small = mock.patch("linpredict.predictor.ScreenedModel", partial(ScreenedModel, block=32))
    with mock.patch("linpredict.predictor.suits_kernel", return_value=True), small:
        return by_predictor(w, x, intercept)


@pytest.mark.parametrize(
    "labels_of",
    [predict, by_predictor, by_kernel],
    ids=["formula", "BLAS", "kernel"],
)
@settings(max_examples=500, deadline=None)
@given(models())
def test_labels(labels_of: Callable[..., Array], model: tuple[Array, Array, Array | None]) -> None:
    w, x, intercept = model
    with np.errstate(all="ignore"):
        assert_right(w, x, labels_of(w, x, intercept), intercept)
