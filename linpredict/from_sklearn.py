"""The weights, intercept and classes of a trained classifier, as scikit-learn's have them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .validation import Array, as_real

N_EXAMPLES = 16  # whose labels are compared with the classifier's, on either side of a boundary


def weights_of(classifier: Any) -> tuple[Array, Array, Array]:
    """Return a row of weights for each class, their intercepts, and the classes' labels.

    Whatever would be labelled otherwise than by ``classifier.predict`` is refused.
    """
    name = type(classifier).__name__
    for attribute in ("coef_", "intercept_", "classes_"):
        if not hasattr(classifier, attribute):
            raise TypeError(
                f"{name} has no {attribute}: pass a linear classifier itself, after fit, "
                "not a regressor, and of a pipeline or a search the classifier in it"
            )
    coef = classifier.coef_
    coef = np.atleast_2d(as_real("coef_", coef.toarray() if hasattr(coef, "toarray") else coef))
    intercept = as_real("intercept_", classifier.intercept_)
    try:
        classes = np.array(classifier.classes_)
    except ValueError:  # one array for each of several outputs
        classes = np.empty((0, 0))
    if classes.ndim != 1:
        raise ValueError(f"{name} has several outputs: pass a classifier of one")
    n_classes = len(classes)
    if n_classes < 2:
        raise ValueError(f"{name} has one class only: every label would be the same")
    if n_classes > 2 and hasattr(classifier, "decision_function_shape"):
        raise ValueError(
            f"{name} has a row of weights for each pair of its {n_classes} classes, and they vote: "
            "train LinearSVC, or another classifier with a row for each class"
        )
    if len(coef) == 1 and n_classes == 2:
        # The second class is where the score is greater than 0, the score of weights of 0.
        coef = np.concatenate((np.zeros_like(coef), coef))
        intercept = np.concatenate((np.zeros(intercept.size, intercept.dtype), intercept.ravel()))
    if intercept.size == 1:  # 0.0, without an intercept
        intercept = np.full(n_classes, intercept)
    if coef.ndim != 2 or len(coef) != n_classes or intercept.shape != (n_classes,):
        raise ValueError(
            f"{name} must have a row of coef_ and a value of intercept_ for each of its "
            f"{n_classes} classes, not shapes {np.shape(classifier.coef_)} and "
            f"{np.shape(classifier.intercept_)}"
        )
    check(classifier, coef, intercept, classes)
    return coef, intercept, classes


def check(classifier: Any, coef: Array, intercept: Array, classes: Array) -> None:
    """Refuse a classifier that labels some examples otherwise than by the highest score.

    They are zeros, whose scores are exact also where they are equal, and examples close to the
    boundary of two classes on either side, where a threshold, or weights in another order, show.
    """
    if not hasattr(classifier, "predict"):
        return
    name = type(classifier).__name__
    w, b = coef.astype(np.float64), intercept.astype(np.float64)
    x = np.concatenate((np.zeros((1, w.shape[1])), near_boundaries(w, b))).astype(coef.dtype)
    try:
        with warnings.catch_warnings():  # of features' names, which an array lacks
            warnings.simplefilter("ignore")
            labels = np.asarray(classifier.predict(x))
    except Exception as error:
        raise ValueError(f"{name} cannot label an array of shape {x.shape}: {error}") from error
    scores = x @ w.T + b
    second, best = np.sort(scores, axis=1)[:, -2:].T
    rounding = 1e-5 * (np.abs(x) @ np.abs(w).max(axis=0) + np.abs(b).max())
    told = best - second > rounding
    told[0] = True
    if labels.shape != (len(x),) or (labels != classes[scores.argmax(axis=1)])[told].any():
        raise ValueError(
            f"{name} labels otherwise than by the highest score alone: it may have several labels "
            "for each example, a threshold, weights in another order, or another rule for ties"
        )


def near_boundaries(w: Array, b: Array) -> Array:
    """Return examples on either side of the boundary of two classes, a thousandth away from it."""
    x = np.random.default_rng(0).standard_normal((N_EXAMPLES, w.shape[1]))
    second, best = np.argsort(x @ w.T + b, axis=1)[:, -2:].T
    normal = w[best] - w[second]
    squares = (normal**2).sum(axis=1, keepdims=True)
    squares[squares == 0] = 1.0
    gap = ((x * normal).sum(axis=1) + b[best] - b[second])[:, np.newaxis]
    x -= gap / squares * normal
    away = 1e-3 * np.linalg.norm(x, axis=1, keepdims=True) * normal / np.sqrt(squares)
    return np.concatenate((x + away, x - away))
