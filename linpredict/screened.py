"""A model on the kernel: labels of float64 at the speed of integers of 16 bits.

Labels need the greatest score, not all scores. So the kernel computes them from integers, whatever
model and examples are of, with a quarter of the bytes of float64 to read and up to four times the
multiplications at once. A bound on the error then tells which classes may have the greatest score.
Mostly it is one. Where it is not, the scores of those few classes are computed in float64 from the
weights as given, always in the same order and each product rounded before it is added: a label
depends on model and example alone, not on the batch or the CPU (but see the end). GCC 12 and Clang
22 gave the same for classes one rounding apart, with AVX-512, AVX2 and neither, and for aarch64 (in
qemu).

The integers. What the weights of a feature have in common, their mean, changes no label: it is
taken from them where it makes most of their squares. Then ŵ = s·q, with a scale s for each class
and block of features. An example is x̂ = t·p, with a scale t for each of the 16 parts of a block: a
part is every 16th feature, and t = ‖x‖ / 32,700 in it. The scales keep the norms of q and p in a
part below 65,603 and 32,703, so that all sums of products p·q in a part are below 2^31 (Cauchy and
Schwarz), and exact.

The bound. ŵ·x̂ - w·x = (ŵ - w)·x + ŵ·(x̂ - x), no more than ‖ŵ - w‖·‖x‖ + ‖ŵ‖·‖x̂ - x‖. ‖ŵ - w‖ and
‖ŵ‖ are computed when the model is built, the norms of x and x̂ - x along with the scores. What is
rounded besides, with u = 2^-24: values three times as they become integers (as they become float32,
the inverse of t, the product with it); a part's sum and its product with t; 15 sums of parts; where
the compiler has floats for integers, each of 32 sums. That is r = 52 times at most, γ(r) = ru / (1
- ru) of Σ|ŵ_k x̂_k| (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, lemma 3.1 and
sections 3.1 and 4.2), no more than 54·u·‖ŵ‖·‖x‖. Together with what float64 rounds, and with
underflow, whose errors are at most 2^-125 for each feature (subnormal numbers may count as 0), it
bounds the difference between a score and that of float64. A class stays in question while its score
plus its bound reaches the greatest of all scores minus their bounds. On random data of the default
size that leaves 17 % of the examples in doubt, of trained models of text and images up to 3 %.

Float64 takes a quarter of the features at a time. After each, the scores of these and the
integers' of the others tell which classes are still in question, by the bounds of the others.

What float32 cannot hold is left to BLAS: examples with norms so great or small that squares or sums
would over- or underflow, infinity and NaN. So is an example with many classes in question. BLAS
sums in an order of its own, here over blocks of features that are added up in order. A second
bound, of float64, tells which of its labels are certain, and what is not is decided as above; but
for infinity and NaN, its labels stand.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from . import lines
from .c.bindings import Kernel, Model
from .cores import n_threads
from .validation import Array

CLASSES = 16  # of a panel: a line of the caches in pairs of integers, as in model.h
LINES_OF_BLOCK = 8192  # 256 KiB: they stay in the caches next to a core (512 KiB on Zen 3)
GREATEST_BLOCK, LEAST_BLOCK = 512, 128  # features
MAX_RANGES = 32  # of features, for as many cores; 64 took up to 3 % longer at 512 examples
BYTES_OF_SUMS = 2**23  # at once
FEW_PRODUCTS = 2**18  # of a call that one thread makes: a hand-over takes 5 to 10 µs
U32, U64 = 2.0**-24, 2.0**-53  # unit roundoff
ROUNDINGS = 54  # of a product in float32, at most: see above
MOST_LOST = 2.0**-10  # of ‖ŵ‖, beyond which weights are too small or great; others lose a third
SKIPPED = 15  # times the examples of a call that left most to BLAS are labelled by it at once
OF_BLAS = 4096  # features of a product of BLAS: its error grows with their number
COPIED = 2**25  # bytes of examples that are copied, or converted, at once
TOO_MANY = -2  # classes in question, in place of a label, as in decide.h


class ScreenedModel:
    """A model on the kernel, of weights of float32 or float64, which are copied.

    A call labels `max_samples` at most. Of `n_screened` examples, integers left `n_doubtful` in
    doubt. Where the weights are not `in_range`, the bound on the error does not hold for them, and
    labels may be wrong.
    """

    precision = np.dtype(np.int16)  # in which (nearly) all scores are computed

    def __init__(
        self, coef: Array, intercept: Array | None, kernel: Kernel, block: int | None = None
    ) -> None:
        self._kernel = kernel
        self.n_classes, self.n_features = coef.shape
        self._most = max(2, self.n_classes // 8)
        self.n_screened = self.n_doubtful = self._skip = 0
        self._norms_of_coef: Array | None = None  # when it is first needed

        lost = self._pack(coef, block)
        # No label is that of a filled up line.
        self._offset = np.full(self._scales.shape[1], -np.inf)
        self._offset[: self.n_classes] = 0 if intercept is None else intercept
        finite = np.isfinite(self._offset)
        self._of_offset = np.where(finite, 4 * U64 * np.abs(self._offset), 0.0)
        self._rounding = self._of_offset + self.n_features * 2.0**-125
        fits = (finite | (self._offset == -np.inf)).all()  # -inf: a class never wins
        hold = (lost[0] <= MOST_LOST * self._norm[0]).all()  # not what is infinite, or NaN
        self.in_range = bool(hold and fits and finite.any())
        for row in repeated(self.coef, self._norm[0], self._offset):
            self._offset[row] = -np.inf
        self._model.error, self._model.norm = self._error.ctypes.data, self._norm.ctypes.data
        self._model.offset = self._offset.ctypes.data
        self._model.rounding = self._rounding.ctypes.data

    def _pack(self, coef: Array, block: int | None) -> Array:
        """Copy and pack weights, bound errors, of all ranges and of each; return what is lost."""
        n_panels = -(-self.n_classes // CLASSES)
        if block is None:
            block = GREATEST_BLOCK
            while block > LEAST_BLOCK and n_panels * block // 2 > LINES_OF_BLOCK:
                block //= 2
        n_blocks = max(1, -(-self.n_features // block))
        self._n_ranges: int = min(MAX_RANGES, n_blocks)
        self.max_samples = max(1, BYTES_OF_SUMS // (self._n_ranges * (n_panels * CLASSES + 16) * 8))
        if any(step % coef.itemsize for step in coef.strides) or not coef.flags.aligned:
            coef = coef.copy()
        # Elsewhere every vector would touch two lines: 15 to 25 % of the time.
        self._integers = lines.empty((n_blocks, n_panels, block, CLASSES), np.int16)
        self.coef = lines.empty(coef.shape, coef.dtype)  # as given
        squares = np.zeros((2, n_blocks, n_panels * CLASSES))
        of_common = np.zeros((n_blocks, 1))
        self._scales = np.empty(squares.shape[1:])
        self._model = Model(
            self.coef.ctypes.data, self._integers.ctypes.data, self._scales.ctypes.data,
            is_wide=coef.itemsize == 8, n_classes=self.n_classes, n_features=self.n_features,
            n_panels=n_panels, block=block, n_blocks=n_blocks, n_ranges=self._n_ranges,
        )  # fmt: skip
        row, column = (step // coef.itemsize for step in coef.strides)
        self._kernel.pack(
            self._model, coef.ctypes.data, row, column,
            *(array.ctypes.data for array in (*squares, of_common)), n_threads(),
        )  # fmt: skip
        with np.errstate(all="ignore"):
            lost, self._norm = map(self._norms_of_ranges, squares)
            self._error = lost + ROUNDINGS * U32 * self._norm
            given = lost + self._norm + self._norms_of_ranges(of_common)  # at most
            self._error += self._roundings() * U64 * given
        return lost

    def _norms_of_ranges(self, squares: Array) -> Array:
        """Return the norms of all features, and of those of each range, from squares of blocks."""
        first_blocks = np.arange(self._n_ranges) * len(squares) // self._n_ranges
        of_ranges = np.add.reduceat(squares, first_blocks)
        # 1.0001: what is rounded in these, and in the norms of examples.
        norms: Array = 1.0001 * np.sqrt(np.vstack([of_ranges.sum(axis=0), of_ranges]))
        return norms

    def _roundings(self, others: float = 0.0) -> float:
        """Return how often products are rounded in float64: by `decide`, and by others."""
        of_range = self.n_features / self._n_ranges
        of_decide: float = of_range / 8 + GREATEST_BLOCK + 2 * MAX_RANGES
        return 2.5 * (of_decide + others)  # with room for the norms' own

    @property
    def nbytes(self) -> int:
        """Bytes of the weights, packed and as given."""
        return self.coef.nbytes + self._integers.nbytes

    @property
    def in_doubt(self) -> float | None:
        """The share of examples that integers left in doubt."""
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
        """Return the kernel's labels, negative where left open, and if asked the scores."""
        labels = np.empty(len(x), np.int64)
        scores = np.empty((len(x), self.n_classes)) if with_scores else None
        alone = len(x) * self._integers.size < FEW_PRODUCTS
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
            roundings = self._roundings(OF_BLAS + self.n_features / OF_BLAS)
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
