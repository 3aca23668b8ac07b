"""A predictor that is built once from a model and then used for many batches.

The formula (``formula.py``) leaves most of the machine unused when a model has many features.
OpenBLAS shares a product among the cores by its rows and columns, never along the features, so a
small batch keeps few of them busy. And before it multiplies, it copies both operands into a layout
of its own, which costs as much as the product itself when each weight is used only a few times.
`LinearPredictor` hands such models to a kernel of its own (``screened.py``), and others to BLAS in
the better order of operands (``blas.py``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .blas import BlasModel
from .formula import Labels
from .from_sklearn import weights_of
from .kernel import kernel
from .screened import COPIED, ScreenedModel
from .validation import Array, as_examples, as_intercept, as_weights


class LinearPredictor:
    """A linear classifier built once from its weights, for many calls of `predict`.

    Many threads may call it at once. It pickles, works in forked processes, and uses as many cores
    as the calling thread may, or as ``OPENBLAS_NUM_THREADS``, ``OMP_NUM_THREADS`` or threadpoolctl
    say.

    Parameters
    ----------
    coef : array_like of shape (n_classes, n_features)
        Weights: float32, float64 or integers. Two classes at least. They are copied.
    intercept : array_like of shape (n_classes,), optional
        Added to the scores.

    Raises
    ------
    TypeError, ValueError
        As `linpredict.predict`; also if there is one class only, or if `intercept` has another
        shape than (n_classes,).

    Warns
    -----
    RuntimeWarning
        If the kernel's compiler fails: BLAS computes in its place.

    See Also
    --------
    of : Make one from a trained classifier of scikit-learn, with that one's labels.
    """

    def __init__(self, coef: ArrayLike, intercept: ArrayLike | None = None) -> None:
        coef = as_weights(coef)
        if len(coef) < 2:
            raise ValueError(
                f"weights must have a row for each of two classes at least, not shape {coef.shape}:"
                " of a trained binary classifier, use LinearPredictor.of(classifier)"
            )
        self._shape: tuple[int, int] = coef.shape
        self._intercept = None if intercept is None else as_intercept(intercept, coef).copy()
        self._dtype = dtype = np.result_type(coef, np.float32)
        coef = coef.astype(dtype, copy=False)
        self._model: ScreenedModel | BlasModel
        if suits_kernel(*self._shape, dtype) and (compiled := kernel()).label:
            self._model = ScreenedModel(coef, self._intercept, compiled)
            if self._model.in_range:
                return
        self._model = BlasModel(coef, self._intercept)

    @property
    def precision(self) -> np.dtype[Any]:
        """The dtype in which (nearly) all scores are computed: int16 on the kernel."""
        return self._model.precision

    @property
    def in_doubt(self) -> float | None:
        """The share of examples that `precision` left in doubt; None if it labelled none."""
        return self._model.in_doubt

    @property
    def nbytes(self) -> int:
        """Bytes of the weights as they are kept."""
        return self._model.nbytes

    @staticmethod
    def of(classifier: Any) -> LinearPredictor:
        """Return a predictor that labels as a trained classifier of scikit-learn does.

        Parameters
        ----------
        classifier : object
            A linear classifier with ``coef_``, ``intercept_`` and ``classes_``. A single row of
            ``coef_`` tells two classes apart: by whether its score is greater than 0.

        Returns
        -------
        LinearPredictor
            Its `predict` returns elements of ``classes_``. Of a data frame it wants the columns in
            the order of ``feature_names_in_``. NaN and infinity, which scikit-learn refuses, have
            a label like any other value.

        Raises
        ------
        TypeError
            If the classifier is not a linear one, or not trained.
        ValueError
            If its label is not that of the highest score: it has several outputs, a row of weights
            for each pair of classes, or a threshold. Its own `predict` tells by some examples.
        """
        names = getattr(classifier, "feature_names_in_", None)
        return _Labeller(*weights_of(classifier), names)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle what it was made from: another machine has another kernel, or none."""
        return {"coef": self._model.coef, "intercept": self._intercept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Build it anew: those weights that Dask sends, for example, may begin at any address."""
        LinearPredictor.__init__(self, **state)

    def predict(self, x: ArrayLike) -> Labels:
        """Label each example with the class of the highest score.

        Parameters
        ----------
        x : array_like of shape (n_samples, n_features)
            Examples: float32, float64 or integers. One example ``v`` is ``v.reshape(1, -1)``.

        Returns
        -------
        ndarray of shape (n_samples,), dtype intp
            As `linpredict.predict`. Two classes whose scores differ by no more than rounding may
            change places, because the products are summed in another order: on the kernel always
            in the same one and in float64, whatever model and examples are of.

        Raises
        ------
        TypeError, ValueError
            As `linpredict.predict`.
        """
        # Checks that all pass are quick: the smallest models take 3 µs a call.
        if type(x) is not np.ndarray or x.dtype is not self._dtype or x.ndim != 2:
            x = as_examples(x, self._shape)
        elif x.shape[1] != self._shape[1]:
            as_examples(x, self._shape)
        model, n_samples = self._model, len(x)
        if n_samples <= model.max_samples and (8 * x.size <= COPIED or model.reads(x)):
            return model.labels(x)
        # Pieces, so that scores, and examples that must be copied, take little memory.
        step = model.max_samples
        if not model.reads(x):
            step = min(step, COPIED // max(1, 8 * x.shape[1]) + 1)
        pieces = [x[start : start + step] for start in range(0, n_samples, step)]
        return np.concatenate([model.labels(piece) for piece in pieces])


class _Labeller(LinearPredictor):
    """A predictor whose labels are the classes, not the numbers of their rows."""

    def __init__(self, coef: Array, intercept: Array, classes: Array, names: Any) -> None:
        super().__init__(coef, intercept)
        self._classes, self._names = classes, None if names is None else [*names]

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "classes": self._classes, "names": self._names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        _Labeller.__init__(self, **state)

    def predict(self, x: ArrayLike) -> Array:
        columns = getattr(x, "columns", None)
        if self._names and columns is not None and [*columns] != self._names:
            raise ValueError(
                "the columns must be those of the training, in their order: pass "
                "x[classifier.feature_names_in_]"
            )
        labels: Array = self._classes[super().predict(x)]
        return labels


def suits_kernel(n_classes: int, n_features: int, dtype: np.dtype[Any]) -> bool:
    """Tell whether the kernel is faster than BLAS in the better order of operands.

    It reads half the bytes of float32, or a quarter of those of float64. In float64 it is faster,
    whatever kernels BLAS has, from 16 to 1,024 classes, from 2,048 features and from 3 MiB of
    weights on; in float32 from 32 to 256 classes and from 8 MiB of weights on. (Smaller ones of
    float32 it is from 2 examples on, but takes 1.0 to 1.7 times as long for one.)
    """
    nbytes = n_classes * n_features * dtype.itemsize
    if dtype == np.float64:
        return 16 <= n_classes <= 1024 and n_features >= 2048 and nbytes >= 3 * 2**20
    return 32 <= n_classes <= 256 and nbytes >= 2**23
