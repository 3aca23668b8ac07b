"""Labels of float64 found by integers of 16 bits: each claim of ``linpredict/screened.py``."""

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


def lost_in_integers(x: Array, block: int = 512) -> Array:
    """Return the norms of what integers lose: a part is each 16th feature of a block."""
    squares = np.zeros(len(x), "longdouble")
    for first in range(0, x.shape[1], block):
        for part in range(first, first + 16):
            values = x[:, part : first + block : 16].astype("longdouble")
            scale = np.sqrt((values**2).sum(axis=1, keepdims=True)) * 1.0001 / 32700 + 2.0**-70
            squares += ((values - np.rint(values / scale) * scale) ** 2).sum(axis=1)
    return np.sqrt(squares)


@pytest.mark.parametrize("dtypes", [("float64",) * 2, ("float64", "float32"), ("float32",) * 2])
@pytest.mark.parametrize("scale", [1.0, 2.0**-25, 2.0**30])
@pytest.mark.parametrize("values", ["normal", "positive", "growing", "cancelling", "heavy"])
def test_error_stays_within_the_bound(values: str, scale: float, dtypes: tuple[str, str]) -> None:
    w, x = normal(SHAPE), normal((9, SHAPE[1]), seed=1)
    if values == "positive":  # all roundings of a sum go the same way
        w, x = abs(w), abs(x)
    elif values == "growing":
        w *= np.logspace(-20, 0, SHAPE[1])
        x *= np.logspace(0, -20, SHAPE[1])
    elif values == "cancelling":
        x[:, 1::2], w[:, 1::2] = -x[:, :-1:2], w[:, :-1:2]
    elif values == "heavy":
        w[:, ::1000] *= 100
        x[:, ::700] *= 100
    w, x = (w * scale).astype(dtypes[0]), (x / scale).astype(dtypes[1])
    model = ScreenedModel(w, None, kernel())
    _, scores = model.call(x, with_scores=True)
    assert scores is not None
    wide = w.astype("longdouble")
    is_common = 2 * wide.sum(axis=0) ** 2 > len(w) * (wide**2).sum(axis=0)
    assert is_common.any() == (values == "positive")
    exact = x.astype("longdouble") @ (wide - is_common * wide.mean(axis=0)).T
    norms = np.sqrt((x.astype("longdouble") ** 2).sum(axis=1, keepdims=True))
    of_class = (array[0, : len(w)] for array in (model._error, model._norm))
    bounds = sum(map(np.multiply, of_class, (norms, lost_in_integers(x)[:, np.newaxis])))
    assert model.in_range
    assert (abs(scores - exact) <= bounds + model._rounding[: len(w)]).all()
    assert values == "growing" or (abs(scores - exact) > bounds / 1000).any()


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
def test_bound_of_weights_is_no_greater_than_need_be(
    factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All weights of the first class are rounded down by 0.49, those of the second up by as much.

    The scale is 1, and what makes it so is multiplied by 0. A third class keeps the first two from
    having much in common. Of each part, 22 values of the example are 1: integers lose next to
    nothing of these. Half the bound gives a wrong label.
    """
    w = np.repeat([[10.49], [10.51], [-21.0]], 512, axis=1)
    w[:, 0] = 32767, -32767, 32767
    x = np.ones((1, 512))
    x[:, : 10 * 16] = 0
    multiply_bounds(factor, monkeypatch)
    predictor = LinearPredictor(w, np.array([12.0, 0.0, 0.0]))
    assert predictor.predict(x).tolist() == [0 if factor == 1 else 1]


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_bound_of_examples_is_no_greater_than_need_be(
    factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each part, the first value makes the scale, 0.997, and the others are rounded by 0.49.

    The first class loses by it, the second wins as much. Half the bound gives a wrong label.
    """
    x = np.full((1, 512), 10.49 * 32600 * 1.0001 / 32700)
    x[:, :16] = 32600
    w = np.ones((2, 512))
    w[1] = -1
    w[:, :16] = 0
    multiply_bounds(factor, monkeypatch)
    predictor = LinearPredictor(w, np.array([0.0, 2 * x[0, 16:].sum() - 20]))
    assert predictor.predict(x).tolist() == [0 if factor == 1 else 1]


def multiply_bounds(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    init = ScreenedModel.__init__

    def other(self: ScreenedModel, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self._error *= factor
        self._norm *= factor

    monkeypatch.setattr(ScreenedModel, "__init__", other)


def test_greatest_sums_of_integers_do_not_overflow() -> None:
    """All products of a part are equal, and then all are of its first feature."""
    for kept in (512, 16):
        w, x = np.ones((2, 2, 512))
        w[1], w[:, kept:], x[:, kept:] = -1, 0, 0
        assert LinearPredictor(w).predict(x * [[1], [-1]]).tolist() == [0, 1]


@pytest.mark.parametrize("zeros", [slice(600), slice(3, None, 16), slice(1, None)])
def test_near_ties_of_sparse_examples(zeros: slice) -> None:
    """Also where all features of a part are 0, or those of all blocks but one."""
    w, x = near_ties(1e-9)
    x[:, zeros] = 0
    predictor = LinearPredictor(w)
    assert_right(w, x, predictor.predict(x))
    assert predictor.in_doubt == 1


@pytest.mark.parametrize("exponent", [0, -6, -12, -15])
def test_labels_are_those_of_all_sums_in_float64(exponent: int) -> None:
    """Also where the last features hardly count, and classes are one rounding apart."""
    w, x = near_ties(0.0)
    w[1::2, ::7] = np.nextafter(w[1::2, ::7], np.inf)
    x[:, SHAPE[1] // 4 :] *= 10.0**exponent
    model = ScreenedModel(w, None, kernel())
    labels = model.decide(x, np.ones((len(x), len(w)), np.bool_))
    assert model.labels(x).tolist() == labels.tolist()


@pytest.mark.parametrize("features", [slice(5), slice(-5, None)])
def test_classes_that_differ_in_a_few_features(features: slice) -> None:
    """A class is left only if its other features cannot make up for it."""
    w, x = near_ties(0.0)
    w[1::2, features] += 1e-5 * normal((len(w) // 2, 5), seed=2)
    predictor = LinearPredictor(w)
    assert_right(w, x, predictor.predict(x))
    assert predictor.in_doubt == 1


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
    assert predictor.precision == np.int16
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
    w = normal((1, SHAPE[1])) * (1 + 1e-15 * np.arange(SHAPE[0]))[:, None]
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
    narrow = w.astype("float32")
    for dtype, least in (("float64", 1.25), ("float32", 1.5)):
        predictor = LinearPredictor(w.astype(dtype))
        assert predictor.precision == np.int16
        assert predictor.in_doubt is None
        of_weights = w.astype(dtype).nbytes
        assert least * of_weights <= predictor.nbytes < 1.3 * least * of_weights  # ragged panels
    for out_of_range in (1e-40 * w, 1e-40 * narrow):  # it is left to BLAS
        predictor_of_blas = LinearPredictor(out_of_range)
        assert predictor_of_blas.precision == out_of_range.dtype
        assert predictor_of_blas.nbytes == out_of_range.nbytes
    w[1], x[:30] = w[0], w[0]
    w[1, 0] += 1e-6
    predictor = LinearPredictor(w)
    predictor.predict(x)
    assert 0.1 <= predictor.in_doubt < 0.2  # type: ignore[operator]
