"""Labels of trained classifiers: those of scikit-learn, and what looks like them."""

import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from linpredict import LinearPredictor

W = np.array([[2.0, -1.0, 0.5], [-1.0, 1.0, 0.0], [0.0, 0.5, -2.0]])
B = np.array([0.5, -0.25, 1.0])
X = np.random.default_rng(0).standard_normal((50, 3))


class Sparse:
    """As much of `scipy.sparse` as ``sparsify()`` leaves in ``coef_``."""

    shape = W.shape

    def toarray(self) -> Any:
        return W


def trained(coef: Any, intercept: Any, classes: Any, **more: Any) -> SimpleNamespace:
    return SimpleNamespace(coef_=coef, intercept_=intercept, classes_=classes, **more)


@pytest.mark.parametrize("classes", [["no", "yes"], [-1, 1], [15, 5], [False, True]])
@pytest.mark.parametrize("coef", [W[:1], W[0], W[:1].astype("f4")])
@pytest.mark.parametrize("intercept", [B[:1], 0.5, 0.0])
def test_one_row_tells_two_classes_apart(coef: Any, intercept: Any, classes: list[Any]) -> None:
    labels = LinearPredictor.of(trained(coef, intercept, np.array(classes))).predict(X)
    is_second = X @ np.ravel(coef) + intercept > 0
    assert labels.tolist() == [classes[int(second)] for second in is_second]
    assert len(set(labels)) == 2


def test_a_score_of_zero_is_the_first_class() -> None:
    predictor = LinearPredictor.of(trained([[1, -1]], [0], ["a", "b"]))
    assert predictor.predict([[3, 3], [3, 2], [2, 3], [0, 0]]).tolist() == ["a", "b", "a", "a"]


@pytest.mark.parametrize("classes", [["setosa", "versicolor", "virginica"], [5, 15, 25]])
@pytest.mark.parametrize(
    ("coef", "intercept"), [(W, B), (W, 0.0), (W, np.zeros(1)), (W.tolist(), B), (Sparse(), B)]
)
def test_a_row_for_each_class(coef: Any, intercept: Any, classes: list[Any]) -> None:
    labels = LinearPredictor.of(trained(coef, intercept, classes)).predict(X)
    assert labels.tolist() == [classes[i] for i in (X @ W.T + intercept).argmax(1)]


def test_classes_are_pickled_and_copied() -> None:
    classes = np.array(["a", "b", "c"])
    predictor = LinearPredictor.of(trained(W.astype("f4"), B, classes))
    labels = predictor.predict(X).tolist()
    other = pickle.loads(pickle.dumps(predictor))
    classes[:] = "z"
    for x in (X, X.astype("f4")):
        assert predictor.predict(x).tolist() == other.predict(x).tolist() == labels


@pytest.mark.parametrize(
    ("classifier", "error", "message"),
    [
        (SimpleNamespace(coef_=W, intercept_=B), TypeError, "no classes_.*not a regressor"),
        (SimpleNamespace(classes_=[0, 1]), TypeError, "no coef_.*after fit.*pipeline"),
        (trained(W, B, [0, 1, 2], decision_function_shape="ovr"), ValueError, "pair.*LinearSVC"),
        (trained(np.ones((6, 3)), np.ones(6), range(4)), ValueError, r"4 classes.*\(6, 3\)"),
        (trained(W, B[:2], range(3)), ValueError, r"3 classes.*\(3, 3\) and \(2,\)"),
        (trained(W[0], B, range(3)), ValueError, r"3 classes.*\(3,\) and \(3,\)"),
        (trained(W[:1], B[:1], [7]), ValueError, "one class only"),
        (trained(W, B, [np.arange(2), np.arange(3)]), ValueError, "several outputs"),
        (trained(W, B, np.ones((3, 2))), ValueError, "several outputs"),
        (trained(W, B, range(3), predict=lambda x: [[1, 0, 1]]), ValueError, "several labels"),
        (trained(W, B, range(3), predict=lambda x: [0]), ValueError, "threshold"),
        (trained(W, B, range(3), predict=lambda x: x[:, 9]), ValueError, "label an array.*index 9"),
        (trained(W.astype(complex), B, range(3)), TypeError, "coef_ must be float32"),
    ],
)
def test_refused(classifier: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        LinearPredictor.of(classifier)


@pytest.mark.parametrize("seed", range(5))
def test_other_rules_are_refused(seed: int) -> None:
    """What labels zeros like the highest score, and other examples otherwise."""
    rng = np.random.default_rng(seed)
    w, b = rng.standard_normal((4, 3)), np.array([0.3, 0.2, 0.1])
    u, c = rng.standard_normal((1, 4)), np.array([-1.0])
    of_rows = trained(w.reshape(3, 4), b, range(3), predict=lambda x: (x @ w + b).argmax(1))
    careful = trained(u, c, range(2), predict=lambda x: (x @ u[0] + c > 1.4).astype(int))
    second = trained(u, 0 * c, range(2), predict=lambda x: (x @ u[0] >= 0).astype(int))
    for classifier in (of_rows, careful, second):
        with pytest.raises(ValueError, match="otherwise than by the highest score"):
            LinearPredictor.of(classifier)


def test_columns_in_another_order_are_refused() -> None:
    class Frame(np.ndarray):
        columns = ("b", "a", "c")

    predictor = LinearPredictor.of(
        trained(W, B, range(3), feature_names_in_=np.array(["a", "b", "c"]))
    )
    frame = X.view(Frame)
    with pytest.raises(ValueError, match="those of the training, in their order"):
        pickle.loads(pickle.dumps(predictor)).predict(frame)
    frame.columns = ("a", "b", "c")
    assert (predictor.predict(frame) == predictor.predict(X)).all()


@pytest.mark.filterwarnings("ignore:Liblinear failed to converge")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    ("module", "name", "options"),
    [
        ("linear_model", "LogisticRegression", {}),
        ("linear_model", "LogisticRegression", {"fit_intercept": False}),
        ("linear_model", "SGDClassifier", {}),
        ("linear_model", "Perceptron", {}),
        ("linear_model", "RidgeClassifier", {}),
        ("linear_model", "RidgeClassifier", {"fit_intercept": False}),
        ("svm", "LinearSVC", {}),
        ("svm", "LinearSVC", {"multi_class": "crammer_singer"}),
        ("svm", "SVC", {"kernel": "linear"}),
        ("svm", "NuSVC", {"kernel": "linear"}),
        ("discriminant_analysis", "LinearDiscriminantAnalysis", {}),
    ],
)
def test_scikit_learn(
    module: str, name: str, options: dict[str, Any], n_classes: int, dtype: str
) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = datasets.make_classification(
        100, 20, n_informative=8, n_classes=n_classes, random_state=0
    )
    x, y = x.astype(dtype), np.array(["c", "b", "a"])[y]
    classifier = getattr(pytest.importorskip(f"sklearn.{module}"), name)(**options).fit(x, y)
    if name in ("SVC", "NuSVC") and n_classes > 2:
        with pytest.raises(ValueError, match="pair"):
            LinearPredictor.of(classifier)
        return
    assert (LinearPredictor.of(classifier).predict(x) == classifier.predict(x)).all()
    if hasattr(classifier, "sparsify"):
        classifier.sparsify()
        assert (LinearPredictor.of(classifier).predict(x) == classifier.predict(x)).all()


def test_scikit_learn_of_several_outputs() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    from sklearn.linear_model import RidgeClassifier

    for n_classes in (2, 3):
        x, y = datasets.make_multilabel_classification(100, n_classes=n_classes, random_state=0)
        with pytest.raises(ValueError, match="several labels"):
            LinearPredictor.of(RidgeClassifier().fit(x, y))
