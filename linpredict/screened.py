"""A model on the kernel: labels of float64 at the speed of float32.

Labels need the greatest score, not all scores. So the kernel computes them in float32, whatever
model and examples are of, with half the bytes of float64 to read and twice the multiplications at
once. A bound on the error then tells which classes may have the greatest score. Mostly it is one.
Where it is not, the scores of those few classes are computed in float64 from the weights as given,
always in the same order and each product rounded before it is added: a label depends on model and
example alone, not on the batch or the CPU (but see the end). GCC 12 and Clang 22 gave the same for
classes one rounding apart, with AVX-512, AVX2 and neither, and Clang for aarch64 (in qemu).

The bound. A score is summed over parts of p features in float32, over the n parts of a block in
float32, too, and over the blocks in float64. The product of feature k of a part, counted from 0, is
rounded no more than r = p - k + n + 2 times: weight and value when they become float32, their
product, each sum of its part from there on, and n - 1 sums of parts. With u = 2^-24 and γ(r) =
ru / (1 - ru), its error is at most γ(r) |w_k x_k| (Higham, "Accuracy and Stability of Numerical
Algorithms", 2002, lemma 3.1 and sections 3.1 and 4.2). Over all features, by Cauchy and Schwarz,
that is no more than γ'·‖r∘w‖·‖x‖ with the numbers r of roundings: ‖r∘w‖ is computed when the model
is built, ‖x‖ along with the scores. Together with what float64 rounds, and with underflow, whose
errors are at most 2^-125 for each feature (subnormal numbers may count as 0), it bounds the
difference between a score and that of float64. A class stays in question while its score plus its
bound reaches the greatest of all scores minus their bounds. On random data of the default size that
leaves 1.3 % of the examples in doubt; with sums over whole blocks it was 4.8 %.

A few examples take as long as it takes to read the weights. For them, weights are read as integers
of 16 bits, half the bytes of float32, times a scale for each class and block: ŵ = s·q with
s = max |w| / 32767, a number of float32, so that the product is exact. What is lost, δ = w - ŵ, is
known when the model is built. The error of a feature is at most (|δ| + γ(r) |ŵ|) |x|, and the norm
of the brackets stands in place of γ'·‖r∘w‖. Sums of blocks are multiplied by s in float64. On
random data of the default size 8 % of the examples are in doubt. A model that they would leave much
more in doubt is read in float32 alone.

What float32 cannot hold is left to BLAS: norms so great or small that squares or sums would over-
or underflow (within them, what is lost when a weight or value underflows is far less than the
rounding of γ), infinity and NaN. So is an example with many classes in question. BLAS sums in an
order of its own, here over blocks of features that are added up in order. A second bound, of
float64, tells which of its labels are certain, and what is not is decided as above; but for
infinity and NaN, its labels stand.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import lines
from .c.bindings import Kernel, Model
from .cores import n_threads
from .validation import Array

CLASSES = 16  # of a panel: a line of the caches in float32, as in model.h
# Lines of a block. 256 KiB stay in the caches next to a core (512 KiB on Zen 3).
LINES_OF_BLOCK = 4096
# Features of a block. At 64 classes, with half as many as 512, batches of 96 took 4 % longer.
LEAST_BLOCK, GREATEST_BLOCK = 64, 512
MAX_RANGES = 32  # of features, for as many cores; 64 took up to 3 % longer at 512 examples
BYTES_OF_SUMS = 2**23  # at once
FEW_PRODUCTS = 2**18  # of a call that one thread makes: a hand-over takes 5 to 10 µs
U32, U64 = 2.0**-24, 2.0**-53  # unit roundoff
LEAST_NORM, GREATEST_NORM = 2.0**-30, 2.0**60  # of r∘w; decide.h has those of the examples
# Times the error of float32: a few weights that are far greater than the others make integers of
# these useless. Of normal ones it is 7, or 11; the more examples in doubt, the less is gained.
MOST_LOST = 30
SKIPPED = 15  # times the examples of a call that left most to BLAS are labelled by it at once
OF_BLAS = 4096  # features of a product of BLAS: its error grows with their number
COPIED = 2**25  # bytes of examples that are copied, or converted, at once
TOO_MANY = -2  # classes in question, in place of a label, as in decide.h


class ScreenedModel:
    """A model on the kernel, of weights of float32 or float64, which are copied.

    A call labels `max_samples` at most. Of `n_screened` examples, float32 left `n_doubtful` in
    doubt. Where the weights are not `in_range`, the bound on the error does not hold for them, and
    labels may be wrong.
    """

    precision = np.dtype(np.float32)  # in which (nearly) all scores are computed

    def __init__(
        self, coef: Array, intercept: Array | None, kernel: Kernel, block: int | None = None
    ) -> None:
        self._kernel = kernel
        self.n_classes, self.n_features = coef.shape
        self._most = max(2, self.n_classes // 8)
        self.n_screened = self.n_doubtful = self._skip = 0
        self._norms_of_coef: Array | None = None  # when it is first needed

        growth, of_integers = self._pack(coef, block)
        with np.errstate(over="ignore"):
            self._norms = np.sqrt(growth.sum(axis=0))  # ‖r∘w‖: at least 4‖w‖
        # No label is that of a filled up line.
        self._offset = np.full(len(self._norms), -np.inf)
        self._offset[: self.n_classes] = 0 if intercept is None else intercept
        self.in_range = self._is_in_range()
        self._bound_errors(of_integers)
        for row in repeated(self.coef, self._norms, self._offset):
            self._offset[row] = -np.inf
        self._model.offset = self._offset.ctypes.data

    def _pack(self, coef: Array, block: int | None) -> tuple[Array, Array]:
        """Copy and pack weights; return the growth of errors, in float32 and of integers."""
        n_panels = -(-self.n_classes // CLASSES)
        block = min(GREATEST_BLOCK, block or max(LEAST_BLOCK, LINES_OF_BLOCK // n_panels // 8 * 8))
        n_blocks = -(-self.n_features // block)
        n_ranges = max(1, min(MAX_RANGES, n_blocks))
        self.max_samples = max(1, BYTES_OF_SUMS // (n_ranges * (n_panels * CLASSES + 8) * 8))
        if any(step % coef.itemsize for step in coef.strides) or not coef.flags.aligned:
            coef = coef.copy()
        # Elsewhere every vector would touch two lines: 15 to 25 % of the time.
        self._lines = lines.empty((n_blocks, n_panels, block, CLASSES), np.float32)
        self._integers: Array | None = lines.empty(self._lines.shape, np.int16)
        self.coef = lines.empty(coef.shape, coef.dtype)  # as given
        growth, of_integers, self._scales = np.zeros((3, n_blocks, n_panels * CLASSES))
        self._model = Model(
            self.coef.ctypes.data, self._lines.ctypes.data, self._integers.ctypes.data,
            self._scales.ctypes.data, is_wide=coef.itemsize == 8, n_classes=self.n_classes,
            n_features=self.n_features, n_panels=n_panels, block=block, n_blocks=n_blocks,
            n_ranges=n_ranges,
        )  # fmt: skip
        row, column = (step // coef.itemsize for step in coef.strides)
        self._kernel.pack(
            self._model, coef.ctypes.data, row, column, 1.0001 * U32,
            growth.ctypes.data, of_integers.ctypes.data, n_threads(),
        )  # fmt: skip
        return growth, of_integers

    def _bound_errors(self, of_integers: Array) -> None:
        """Bound the error of each class, and leave integers that lose too much."""
        finite = np.isfinite(self._offset)
        self._of_offset = np.where(finite, 4 * U64 * np.abs(self._offset), 0.0)
        # 1.0001: γ(r)/(ru) for r up to 134, and the rounding of the norms themselves.
        float64 = 8 * self.n_features * U64
        self._error = (1.0001 * U32 + float64) * self._norms
        with np.errstate(all="ignore"):
            self._error_of_integers = (
                1.0001 * np.sqrt(of_integers.sum(axis=0)) + float64 * self._norms
            )
            if not (self._error_of_integers <= MOST_LOST * self._error).all():
                self._integers, self._model.integers = None, None
        self._rounding = self._of_offset + self.n_features * 2.0**-125
        self._model.error = self._error.ctypes.data
        self._model.error_of_integers = self._error_of_integers.ctypes.data
        self._model.rounding = self._rounding.ctypes.data

    def _is_in_range(self) -> bool:
        """Tell whether the bound holds for all classes; rows of zeros have no error at all."""
        norms, offset = self._norms[: self.n_classes], self._offset[: self.n_classes]
        zero, finite = norms == 0, np.isfinite(offset)
        within = zero | ((norms >= LEAST_NORM) & (norms <= GREATEST_NORM))
        fits = (finite | (offset == -np.inf)).all() and finite.any()  # -inf: a class never wins
        return bool(within.all() and fits and not self.coef[zero].any())

    @property
    def nbytes(self) -> int:
        """Bytes of the weights, packed and as given."""
        kept = self.coef, self._lines, self._integers
        return sum(weights.nbytes for weights in kept if weights is not None)

    @property
    def read_as(self) -> np.dtype[Any]:
        """The dtype in which weights are read for a few examples; for many, it is `precision`."""
        return np.dtype(np.int16) if self._integers is not None else self.precision

    @property
    def in_doubt(self) -> float | None:
        """The share of examples that float32 left in doubt."""
        return self.n_doubtful / self.n_screened if self.n_screened else None

    def reads(self, x: Array) -> bool:
        """Tell whether examples can be read where they are."""
        row, column = x.strides
        in_rows = column == x.itemsize and row % x.itemsize == 0 and x.flags.aligned
        return in_rows and x.dtype in (np.float32, np.float64)

    def labels(self, x: Array) -> NDArray[np.intp]:
        """Label `max_samples` examples or fewer, of any real dtype."""
        if self._skip:
            self._skip = max(0, self._skip - len(x))
            return self._labels_of_blas(x)
        if not self.reads(x):
            x = np.array(x, np.result_type(x, np.float32), order="C")
        labels, _ = self.call(x)
        left_open, too_many = np.flatnonzero(labels < 0), labels == TOO_MANY
        if len(left_open):
            labels[left_open] = self._labels_of_blas(x[left_open])
            if 2 * np.count_nonzero(too_many) > len(x):
                self._skip = SKIPPED * len(x)
        return labels

    def call(self, x: Array, with_scores: bool = False) -> tuple[NDArray[np.intp], Array | None]:
        """Return the kernel's labels, negative where left open, and if asked float32's scores."""
        labels = np.empty(len(x), np.int64)
        scores = np.empty((len(x), self.n_classes)) if with_scores else None
        alone = len(x) * self._lines.size < FEW_PRODUCTS
        n_doubtful = self._kernel.label(
            self._model, *rows_of(x), self._most, 1 if alone else n_threads(),
            labels.ctypes.data, None if scores is None else scores.ctypes.data,
        )  # fmt: skip
        if n_doubtful < 0:
            raise MemoryError(f"no memory for the sums of {len(x)} examples")
        self.n_screened += len(x)
        self.n_doubtful += n_doubtful + int(np.count_nonzero(labels < 0))
        return labels.astype(np.intp, copy=False), scores

    def _labels_of_blas(self, x: Array) -> NDArray[np.intp]:
        """Label examples by products of BLAS in float64, and decide what these leave open."""
        scores, offset = np.zeros((len(x), self.n_classes)), self._offset[: self.n_classes]
        step = COPIED // (8 * OF_BLAS)  # examples that are converted at once
        with np.errstate(all="ignore"):
            for first in range(0, self.n_features, OF_BLAS):
                features = slice(first, first + OF_BLAS)
                w = self.coef[:, features].astype(np.float64, copy=False).T
                for start in range(0, len(x), step):
                    rows = slice(start, start + step)
                    scores[rows] += x[rows, features].astype(np.float64, copy=False) @ w
            scores += offset
            scores[:, offset == -np.inf] = -np.inf  # also where the score is infinite
        if not self.reads(x):
            x = np.ascontiguousarray(x, np.float64)
        return self._labels_of_scores(x, scores)

    def _labels_of_scores(self, x: Array, scores: Array) -> NDArray[np.intp]:
        """Label examples by scores of BLAS, and decide what these leave open."""
        labels: NDArray[np.intp] = scores.argmax(axis=1)
        with np.errstate(all="ignore"):
            if self._norms_of_coef is None:
                self._norms_of_coef = norms_of(self.coef)
            n = self.n_features
            # Roundings of a sum, of the product and of `decide`, with room for those of the norms.
            roundings = 2.5 * (OF_BLAS + n / OF_BLAS + n / (8 * MAX_RANGES) + 2 * MAX_RANGES)
            bounds = roundings * U64 * self._norms_of_coef * norms_of(x)[:, np.newaxis]
            bounds += self._of_offset[: self.n_classes]
            best = (scores - bounds).max(axis=1, keepdims=True)
            in_question = scores + bounds >= best  # not where anything is NaN
            left_open = (in_question.sum(axis=1) > 1) & np.isfinite(bounds).all(axis=1)
        labels[left_open] = self.decide(x[left_open], in_question[left_open])
        return labels

    def decide(self, x: Array, in_question: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Label each example with the best of its classes in question, by scores of float64."""
        labels, classes = np.empty(len(x), np.int64), in_question.nonzero()[1].astype(np.int64)
        n_classes = in_question.sum(axis=1, dtype=np.int64)
        end = n_classes.cumsum()
        questions = np.array([np.arange(len(x)), end - n_classes, end]).T.copy()  # as in decide.h
        if not self._kernel.decide(
            self._model, *rows_of(x), questions.ctypes.data, classes.ctypes.data, n_threads(),
            labels.ctypes.data,
        ):  # fmt: skip
            raise MemoryError(f"no memory for the scores of {len(x)} examples")
        return labels


def rows_of(x: Array) -> tuple[int, bool, int, int]:
    """Return what the kernel is told of examples."""
    return x.ctypes.data, x.itemsize == 8, x.strides[0] // x.itemsize, len(x)


def norms_of(a: Array) -> Array:
    """Return the Euclidean norms of rows, or more where their squares over- or underflow."""
    squares: Array = np.einsum("ij,ij->i", a, a, dtype=np.float64)
    norms = np.sqrt(squares)
    unsafe = (squares < 1e-280) | (squares > 1e280)
    norms[unsafe] = math.sqrt(a.shape[1]) * np.abs(a[unsafe]).max(axis=1)
    return norms


def repeated(coef: Array, norms: Array, offset: Array) -> Iterator[int]:
    """Yield the rows that equal an earlier one, and whose offset is no greater: they never win."""
    first: dict[tuple[float, int], int] = {}
    _, of_norm, count = np.unique(norms[: len(coef)], return_inverse=True, return_counts=True)
    for i in np.flatnonzero(count[of_norm] > 1).tolist():
        key = float(norms[i]), zlib.crc32(coef[i].tobytes())
        j = first.setdefault(key, i)
        if i != j and offset[i] <= offset[j] and np.array_equal(coef[i], coef[j]):
            yield i
