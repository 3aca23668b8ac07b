"""Labels of float64 found in float32: each claim of ``linpredict/screened.py``."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

from benchmarks.array_types import Array
from linpredict import LinearPredictor
from linpredict.kernel import kernel
from linpredict.screened import SKIPPED, ScreenedModel
from tests.helpers.labels import assert_right

pytestmark = pytest.mark.skipif(kernel().label is None, reason="there is no kernel")
SHAPE = (40, 5003)  # ragged panels and blocks


@pytest.fixture(autouse=True)
def on_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("linpredict.predictor.suits_kernel", lambda *_: True)


def normal(shape: tuple[int, ...], seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def calls_of(method: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which the number of examples of each later call of a method is added."""
    calls: list[int] = []
    call = getattr(ScreenedModel, method)

    def noted(self: ScreenedModel, x: Array) -> Any:
        calls.append(len(x))
        return call(self, x)

    monkeypatch.setattr(ScreenedModel, method, noted)
    return calls


@pytest.mark.parametrize("n_samples", [3, 30])  # by integers, and by float32
@pytest.mark.parametrize("dtypes", [("float64",) * 2, ("float64", "float32"), ("float32",) * 2])
@pytest.mark.parametrize("scale", [1.0, 2.0**-25, 2.0**30])
@pytest.mark.parametrize("values", ["normal", "positive", "growing", "cancelling"])
def test_error_stays_within_the_bound(
    values: str, scale: float, dtypes: tuple[str, str], n_samples: int
) -> None:
    w, x = normal(SHAPE), normal((n_samples, SHAPE[1]), seed=1)
    if values == "positive":  # all roundings of a sum go the same way
        w, x = abs(w), abs(x)
    elif values == "growing":
        w *= np.logspace(-20, 0, SHAPE[1])
        x *= np.logspace(0, -20, SHAPE[1])
    elif values == "cancelling":
        x[:, 1::2], w[:, 1::2] = -x[:, :-1:2], w[:, :-1:2]
    w, x = (w * scale).astype(dtypes[0]), (x / scale).astype(dtypes[1])
    model = ScreenedModel(w, None, kernel())
    _, scores = model.call(x, with_scores=True)
    exact = x.astype("longdouble") @ w.astype("longdouble").T
    norms = np.sqrt((x.astype("longdouble") ** 2).sum(axis=1, keepdims=True))
    error = model._error_of_integers if n_samples == 3 else model._error
    bounds = error[: len(w)] * norms + model._rounding[: len(w)]
    assert model.in_range
    assert (abs(scores - exact) <= bounds).all()
    if n_samples == 3 and values == "normal":
        assert (abs(scores - exact) > model._error[: len(w)] * norms / 50).any()  # it was integers


def near_ties(distance: float) -> tuple[Array, Array]:
    """Return pairs of classes of which the second is so much greater in one feature."""
    w = normal((SHAPE[0] // 2, SHAPE[1]))
    w = np.repeat(w, 2, axis=0)
    w[1::2] *= 1 + distance
    return w, normal((30, SHAPE[1]), seed=1)


@pytest.mark.parametrize("intercept", [None, np.linspace(-1e-9, 1e-9, SHAPE[0])])
@pytest.mark.parametrize("distance", [1e-9, 1e-10, 1e-13])
def test_near_ties_that_float32_cannot_see(distance: float, intercept: Array | None) -> None:
    w, x = near_ties(distance)
    predictor = LinearPredictor(w, intercept)
    assert_right(w, x, predictor.predict(x), intercept)
    assert predictor.in_doubt == 1


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_bound_is_no_greater_than_need_be(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each part, the first product is 1, and the others are close to half of its last digit.

    All of the first class's are lost, and all of the second's count twice: the error of both is 508
    roundings, of which the bound counts 536. Half the bound gives a wrong label.
    """
    u = 2.0**-24
    x = np.full((1, 512), 2.0**-12)
    w = np.array([[1 - 2.0**-10], [1 + 2.0**-10]]) * x
    w[:, ::128] = x[:, ::128] = 1
    multiply_bounds(factor, monkeypatch)
    predictor = LinearPredictor(w, np.array([0, -100 * u]))
    many = np.repeat(x, 30, axis=0)  # a few are labelled by integers
    assert predictor.predict(many).tolist() == [0 if factor == 1 else 1] * 30


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_bound_of_integers_is_no_greater_than_need_be(
    factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All weights of the first class are rounded down by 0.49, those of the second up by as much.

    The scale is 1, and what makes it so is multiplied by 0. Half the bound gives a wrong label.
    """
    x, w = np.ones((1, 512)), np.repeat([[10.49], [10.51]], 512, axis=1)
    w[:, 0], x[:, 0] = 32767, 0
    multiply_bounds(factor, monkeypatch)
    monkeypatch.setattr("linpredict.screened.MOST_LOST", 100)
    predictor = LinearPredictor(w, np.array([15.0, 0.0]))
    assert predictor.predict(x).tolist() == [0 if factor == 1 else 1]


def multiply_bounds(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    init = ScreenedModel.__init__

    def other(self: ScreenedModel, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self._error *= factor
        self._error_of_integers *= factor

    monkeypatch.setattr(ScreenedModel, "__init__", other)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_labels_depend_on_model_and_example_alone(dtype: str) -> None:
    w, x = near_ties(1e-16)  # equal or one rounding apart
    w[1::2] = np.nextafter(w[::2].astype(dtype), np.inf)
    w, x = w.astype(dtype), x.astype("float32").astype(dtype)
    predictor = LinearPredictor(w)
    labels = predictor.predict(x)
    one_by_one = [int(predictor.predict(x[i : i + 1])[0]) for i in range(len(x))]
    assert labels.tolist() == one_by_one
    assert labels[::-1].tolist() == predictor.predict(x[::-1]).tolist()
    assert labels.tolist() == LinearPredictor(w).predict(np.asfortranarray(x)).tolist()
    assert labels.tolist() == LinearPredictor(w).predict(x.astype("float64")).tolist()
    # BLAS, which sums in another order, leaves what is not certain to the same sums.
    model = predictor._model
    assert isinstance(model, ScreenedModel)
    assert labels.tolist() == model._labels_of_blas(x).tolist()


def test_classes_in_question_do_not_depend_on_each_other() -> None:
    w, x = near_ties(1e-16)
    best = LinearPredictor(w).predict(x)
    others = np.delete(w, np.setdiff1d(np.arange(len(w)), np.unique(best)), axis=0)
    assert np.array_equal(np.unique(best)[LinearPredictor(others).predict(x)], best)


@pytest.mark.parametrize(
    ("w_scale", "x_scale"),
    [
        (w, x)
        for w in (1e-300, 1e-40, 1e-8, 1.0, 1e15, 1e40)
        for x in (1e-300, 1e-40, 1e-20, 1e-9, 1.0, 1e15, 1e40, 1e300)
        if 1e-290 < w * x < 1e290  # scores neither under- nor overflow
    ],
)
@pytest.mark.parametrize("distance", [None, 1e-9])
def test_scales(w_scale: float, x_scale: float, distance: float | None) -> None:
    w, x = (normal(SHAPE), normal((30, SHAPE[1]), seed=1)) if not distance else near_ties(distance)
    w, x = w * w_scale, x * x_scale
    assert_right(w, x, LinearPredictor(w).predict(x))


def test_rows_of_different_scales() -> None:
    x = normal((60, SHAPE[1]), seed=1) * np.logspace(-200, 200, 60)[:, None]
    for exponents in ((-44, 40), (-8, 8)):
        w = normal(SHAPE) * np.logspace(*exponents, SHAPE[0])[:, None]
        assert_right(w, x, LinearPredictor(w).predict(x))


def test_values_that_float32_cannot_hold_are_left_to_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = calls_of("_labels_of_blas", monkeypatch)
    w, x = normal(SHAPE), normal((30, SHAPE[1]), seed=1)
    for row, value in enumerate((np.inf, np.nan, 1e200)):
        x[row, 7] = value
    x[3] *= 1e-30
    with np.errstate(all="ignore"):
        assert_right(w, x, LinearPredictor(w).predict(x))
    assert calls == [4]


def test_zeros() -> None:
    w, x = normal(SHAPE), np.zeros((30, SHAPE[1]))
    predictor = LinearPredictor(w, -np.arange(float(len(w)))[::-1])
    assert (predictor.predict(x) == len(w) - 1).all()
    assert (LinearPredictor(w).predict(x) == 0).all()
    assert predictor.in_doubt == 0
    x[5, 17] = 1e-200  # its square is 0
    assert_right(w, x, LinearPredictor(w).predict(x))
    w[::2] = 0
    assert_right(w, normal((9, SHAPE[1])), LinearPredictor(w).predict(normal((9, SHAPE[1]))))
    assert (LinearPredictor(np.zeros(SHAPE)).predict(normal((9, SHAPE[1]))) == 0).all()


def test_equal_classes_leave_no_doubt() -> None:
    w, x = near_ties(0.0)
    predictor = LinearPredictor(w)
    labels = predictor.predict(x)
    assert (labels % 2 == 0).all()
    assert_right(w, x, labels)
    assert predictor.in_doubt < 0.2  # type: ignore[operator]
    assert (LinearPredictor(np.ones(SHAPE)).predict(x) == 0).all()
    # A greater intercept makes the second one win, an equal one does not.
    intercept = np.tile([0.0, 1e-12], len(w) // 2)
    assert (LinearPredictor(w, intercept).predict(x) % 2 == 1).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_repeated_class_does_not_win_by_an_infinite_score(dtype: str) -> None:
    w, x = abs(normal(SHAPE)) + 1, np.ones((3, SHAPE[1]))
    w[2:] = w[1]
    x[0, 5], x[1, 6] = np.inf, -np.inf
    w, x = w.astype(dtype), x.astype(dtype)
    predictor = LinearPredictor(w)
    model = predictor._model
    assert isinstance(model, ScreenedModel)
    assert predictor.predict(x).tolist()[:2] == [0, 0]
    assert model._labels_of_blas(x).tolist()[:2] == [0, 0]


def test_class_of_which_the_intercept_is_minus_infinity() -> None:
    w, x = near_ties(1e-16)
    intercept = np.zeros(len(w))
    intercept[::4] = -np.inf
    predictor = LinearPredictor(w, intercept)
    labels = predictor.predict(x)
    assert (labels % 4 != 0).all()
    assert predictor.precision == np.float32
    assert labels.tolist() == [int(predictor.predict(x[i : i + 1])[0]) for i in range(len(x))]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_memory_of_examples_that_blas_labels(dtype: str) -> None:
    w, x = np.eye(40, 4096, dtype=dtype), np.ones((8000, 4096), "float32")
    x[:, 0] = np.nan
    predictor = LinearPredictor(w)
    tracemalloc.start()
    predictor.predict(x)
    predictor.predict(np.broadcast_to(np.int64(1), x.shape))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 128 * 2**20  # in float64 the examples would take 250


def test_many_classes_in_question_are_left_to_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = calls_of("_labels_of_blas", monkeypatch)
    w = normal((1, SHAPE[1])) * (1 + 1e-9 * np.arange(SHAPE[0]))[:, None]
    x = normal((30, SHAPE[1]), seed=1)
    predictor = LinearPredictor(w)
    assert_right(w, x, predictor.predict(x))
    assert calls == [30]
    calls_of_kernel = calls_of("call", monkeypatch)
    for _ in range(SKIPPED):  # it does not try in vain
        assert_right(w, x, predictor.predict(x))
    assert not calls_of_kernel
    predictor.predict(x)
    assert calls_of_kernel == [30]


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "float32", "float64", ">f8"])
def test_labels_of_float32_models_are_those_of_float64(dtype: str) -> None:
    w = normal(SHAPE).astype("float32")
    w[1::2] = w[::2] * np.float32(1 + 2.0**-22)
    x = np.rint(50 * normal((30, SHAPE[1]), seed=1)).astype(dtype)
    predictor = LinearPredictor(w)
    before = predictor.nbytes
    assert_right(w.astype("float64"), x.astype("float64"), predictor.predict(x))
    assert predictor.nbytes == before


def test_what_is_said_of_memory_precision_and_doubt() -> None:
    w, x = normal(SHAPE), normal((300, SHAPE[1]), seed=1)
    predictor = LinearPredictor(w)
    assert predictor.precision == np.float32
    assert predictor.in_doubt is None
    assert predictor.read_as == np.int16
    narrow = w.astype("float32")
    assert LinearPredictor(narrow).read_as == np.int16
    assert 2.5 * narrow.nbytes <= LinearPredictor(narrow).nbytes < 3.2 * narrow.nbytes
    for out_of_range in (1e-30 * w, 1e-30 * narrow):  # it is left to BLAS
        predictor_of_blas = LinearPredictor(out_of_range)
        assert predictor_of_blas.precision == predictor_of_blas.read_as == out_of_range.dtype
        assert predictor_of_blas.nbytes == out_of_range.nbytes
    heavy = LinearPredictor(w * np.where(np.arange(SHAPE[1]) % 1000, 1, 100))
    assert heavy.read_as == np.float32  # integers would leave nearly all in doubt
    assert heavy.nbytes < predictor.nbytes
    zeros = LinearPredictor(w * (np.arange(SHAPE[1]) % 10 == 0))
    assert zeros.read_as == np.int16
    assert 1.75 * w.nbytes <= predictor.nbytes < 2.2 * w.nbytes  # packed twice, and as given
    w[1], x[:30] = w[0], w[0]
    w[1, 0] += 1e-6
    predictor = LinearPredictor(w)
    predictor.predict(x)
    assert 0.1 <= predictor.in_doubt < 0.2  # type: ignore[operator]
