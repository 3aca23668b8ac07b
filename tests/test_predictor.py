"""Labels of the formula and of the predictor."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from linpredict import LinearPredictor, predict

Array = NDArray[Any]

both = pytest.mark.parametrize(
    "labels_of",
    [predict, lambda w, x: LinearPredictor(w).predict(x)],
    ids=["predict", "LinearPredictor"],
)
LabelsOf = Callable[[Any, Any], Array]


def assert_right(w: Array, x: Array, labels: Array, intercept: Array | None = None) -> None:
    """Each label's score, in higher precision, is within the rounding bound of the best.

    The bound is that of an inner product of n terms, n·u·Σ|w_j x_j| to first order (Higham,
    "Accuracy and Stability of Numerical Algorithms", section 3.1), for the two scores compared,
    with one more rounding for the intercept.
    """
    assert labels.shape == (len(x),)
    assert labels.dtype == np.intp
    wide = np.longdouble
    u = np.finfo(np.result_type(w, x, np.float32)).eps / 2
    b = np.zeros(len(w), wide) if intercept is None else intercept.astype(wide)
    scores = x.astype(wide) @ w.astype(wide).T + b
    sizes = np.abs(x).astype(wide) @ np.abs(w).astype(wide).T + np.abs(b)
    rows = np.arange(len(x))
    bound = 2 * (w.shape[1] + 1) * u * sizes.max(axis=1, initial=0)
    assert (scores.max(axis=1) - scores[rows, labels] <= bound).all()


def draw(shape: tuple[int, int], dtype: str, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@both
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("n_classes", "n_features", "n_samples"),
    [
        (1, 1, 1),
        (2, 3, 5),
        (10, 784, 64),
        (3, 100_003, 7),
        (1000, 64, 33),
        (5, 0, 4),
        (64, 4096, 0),
    ],
)
def test_labels(
    labels_of: LabelsOf, dtype: str, n_classes: int, n_features: int, n_samples: int
) -> None:
    w = draw((n_classes, n_features), dtype)
    x = draw((n_samples, n_features), dtype, seed=1)
    assert_right(w, x, labels_of(w, x))


@both
@pytest.mark.parametrize(
    "layout",
    [
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: np.repeat(a, 3, axis=1)[:, ::3],
        lambda a: a[::-1, ::-1],
        lambda a: np.frombuffer(b"\0" + a.tobytes(), "u1")[1:].view(a.dtype).reshape(a.shape),
    ],
    ids=["fortran", "rows", "columns", "reversed", "unaligned"],
)
def test_views(labels_of: LabelsOf, layout: Callable[[Array], Array]) -> None:
    w, x = draw((7, 300), "float64"), draw((20, 300), "float64", seed=1)
    assert_right(layout(w), layout(x), labels_of(layout(w), layout(x)))


@both
def test_first_of_equal_scores_wins(labels_of: LabelsOf) -> None:
    assert labels_of([[1, 0], [2, 0], [2, 0]], [[1, 5], [-1, 5], [0, 5]]).tolist() == [1, 0, 0]


@both
def test_nan_is_the_highest_score(labels_of: LabelsOf) -> None:
    w = np.array([[1.0], [3.0], [np.nan], [np.nan]])
    assert labels_of(w, np.array([[1.0], [2.0]])).tolist() == [2, 2]
    assert labels_of(w[:2], np.array([[np.nan], [1.0]])).tolist() == [0, 1]


@both
def test_integers_do_not_wrap_around(labels_of: LabelsOf) -> None:
    w, x = np.array([[1, 1], [100, 100]], "int8"), np.array([[100, 100]], "int8")
    assert labels_of(w, x).tolist() == [1]


@both
def test_mixed_dtypes_are_scored_in_the_wider_one(labels_of: LabelsOf) -> None:
    w = np.array([[1.0], [1.0 + 1e-12]])
    assert labels_of(w, np.array([[1.0]], "float32")).tolist() == [1]


@both
@pytest.mark.parametrize(
    ("w", "x", "error", "message"),
    [
        (np.ones((2, 3)), np.ones(3), ValueError, r"\(2, 3\).*\(3,\).*x\.reshape\(1, -1\)"),
        (np.ones((2, 3)), np.ones((4, 5)), ValueError, r"\(2, 3\), not \(4, 5\)"),
        (np.ones((2, 3)), np.ones((4, 3, 1)), ValueError, r"\(2, 3\), not \(4, 3, 1\)"),
        (np.ones((2, 3)), 1.0, ValueError, r"\(2, 3\), not \(\)"),
        (np.ones(3), np.ones((1, 3)), ValueError, r"\(n_classes, n_features\), not \(3,\)"),
        (np.ones((0, 3)), np.ones((1, 3)), ValueError, "one class"),
        ([[1.0, 2.0], [3.0]], np.ones((1, 2)), ValueError, "weights.*rectangular"),
        (np.ones((2, 3)), np.ones((4, 3), complex), TypeError, "examples.*complex128"),
        (np.ones((2, 3), "float16"), np.ones((4, 3)), TypeError, "weights.*float16"),
        (np.ones((2, 3), bool), np.ones((4, 3)), TypeError, "weights.*bool"),
        (np.ones((2, 3)), [["a", "b", "c"]], TypeError, "examples.*<U1"),
        (np.ones((2, 3)), None, TypeError, "examples.*object"),
    ],
)
def test_bad_input(
    labels_of: LabelsOf, w: Any, x: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        labels_of(w, x)


def test_intercept() -> None:
    w, x = draw((6, 50), "float64"), draw((40, 50), "float64", seed=1)
    intercept = 10 * draw((1, 6), "float64", seed=2)[0]
    labels = LinearPredictor(w, intercept).predict(x)
    assert_right(w, x, labels, intercept)
    assert (labels != predict(w, x)).any()


@pytest.mark.parametrize("intercept", [np.ones(3), np.ones((2, 1)), 1.0])
def test_intercept_of_another_shape(intercept: Any) -> None:
    with pytest.raises(ValueError, match=r"intercept must have shape \(2,\).*\(2, 3\)"):
        LinearPredictor(np.ones((2, 3)), intercept)


def test_weights_are_copied() -> None:
    w, intercept = np.eye(3), np.zeros(3)
    predictor = LinearPredictor(w, intercept)
    w[:] = 0
    intercept[2] = 9
    assert predictor.predict(np.eye(3)).tolist() == [0, 1, 2]


def test_pickle() -> None:
    w, x = draw((6, 50), "float32"), draw((40, 50), "float32", seed=1)
    predictor = LinearPredictor(w, np.arange(6))
    copy = pickle.loads(pickle.dumps(predictor))
    assert (copy.predict(x) == predictor.predict(x)).all()
