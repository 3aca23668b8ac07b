"""Check of a predictor's labels against the formula's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.array_types import Array, Predict
from benchmarks.errors import ChangedDataError, WrongLabelsError

CANDIDATES = 256  # pairs of features among which near ties are sought
TIES = 4  # of two examples each, of which a less precise dtype gets one wrong
AT_MOST = 64  # examples of a batch of near ties, so that they take little memory


def check(
    coef: Array,
    x: Array,
    labels: Array,
    expected: Array,
    start: int = 0,
    intercept: Array | None = None,
) -> None:
    """Compare labels with the formula's, which are `expected`; errors count examples from `start`.

    A label is right when its score is as high as the best one up to rounding: a predictor may sum
    in any order. The bound is that of Higham and Mary, "A new approach to probabilistic rounding
    error analysis" (SIAM J. Sci. Comput. 41, 2019), for inner products of n terms, with λ = 6:
    6·√n·u·Σ|w_j x_j| for each of the two scores compared. Features that are zero are no terms.

    Raises
    ------
    WrongLabelsError
        If one is wrong: it names the first.
    ChangedDataError
        If the formula's is wrong by these weights and examples: they are no longer what they were.
    """
    labels = np.asarray(labels)
    if labels.shape != (len(x),) or labels.dtype.kind not in "iu":
        raise WrongLabelsError(
            f"expected integer labels of shape ({len(x)},), "
            f"not {labels.dtype} of shape {labels.shape}"
        )
    for i in np.flatnonzero(labels != expected):
        label, best = labels[i], expected[i]
        if not 0 <= label < len(coef):
            raise WrongLabelsError(
                f"example {start + i} has label {label}, expected 0 to {len(coef) - 1}"
            )
        products = coef[[label, best]].astype(np.float64) * x[i]
        if intercept is not None:
            products = np.column_stack((products, intercept[[label, best]]))
        score, best_score = products.sum(axis=1)
        u = np.finfo(coef.dtype).eps / 2
        n_terms = np.count_nonzero(x[i]) + (intercept is not None)
        bound = 6 * np.sqrt(n_terms) * u * np.abs(products).sum()
        if score - best_score > bound:
            raise ChangedDataError(
                f"changed weights or examples in place: example {start + i} now has label {label} "
                f"(score {score:.9g}), and had {best} (score {best_score:.9g})"
            )
        if not best_score - score <= bound:
            raise WrongLabelsError(
                f"example {start + i} has label {label} (score {score:.9g}), "
                f"the formula gives {best} (score {best_score:.9g})"
            )


def check_near_ties(
    predict: Predict, coef: Array, batch_size: int, intercept: Array | None = None
) -> None:
    """Compare a predictor's labels with the formula's where the two best scores are close.

    Raises
    ------
    WrongLabelsError
        If one is wrong, as with less precision than that of the weights, or with labels of
        another batch.
    """
    for x, expected in near_ties(coef, batch_size, intercept):
        try:
            check(coef, x, predict(x), expected, intercept=intercept)
        except WrongLabelsError as error:
            raise WrongLabelsError(
                f"less precise than {coef.dtype}, or labels of another batch: where the two best "
                f"scores are close, {error}"
            ) from None


def near_ties(
    coef: Array, batch_size: int, intercept: Array | None = None
) -> Iterator[tuple[Array, Array]]:
    """Yield batches that a less precise dtype gets wrong, and the labels of their examples.

    They have `batch_size` examples, `AT_MOST` at most; those that are no near ties are zeros. For
    one class or one feature there are none.

    In the workload's examples rounding the terms to bfloat16 is no more than the rounding that a
    sum of as many terms allows, and changes few labels. These examples have two features, 1 and c,
    where the scores of two classes cross: below c one is best and above c the other. The scores
    differ by u**0.75 of their terms, where the dtype rounds by u: 2**-18 of them for float32, which
    rounds by 2**-24 (bfloat16 by 2**-9), and 2**-40 for float64. An intercept takes the place of
    the first feature.
    """
    rng, each = np.random.default_rng(0), np.arange(CANDIDATES)
    j, k = rng.integers(coef.shape[1], size=(2, CANDIDATES))
    sign = rng.choice((-1.0, 1.0), CANDIDATES)
    v, w = coef[:, j].astype(np.float64), coef[:, k] * sign
    tells = intercept is not None and np.ptp(intercept) > 0
    if intercept is not None and tells:
        v = np.repeat(intercept[:, np.newaxis].astype(np.float64), CANDIDATES, axis=1)
    best = v.argmax(axis=0)  # for c = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        c = (v[best, each] - v) / (w - w[best, each])  # where each other class has its score
        c[~(c > 0)] = np.inf
        second = c.argmin(axis=0)
        c = c[second, each]
        gap = v[best, each] - v[second, each]
        terms = sum(abs(v[i, each]) + c * abs(w[i, each]) for i in (best, second))
    found = np.flatnonzero((j != k) & (c > 1 / 4) & (c < 4) & (gap > terms / 16))[:TIES]
    offset = (np.finfo(coef.dtype).eps / 2) ** 0.75 * terms / gap
    examples = []
    for i in found:
        examples += [(i, 1 - offset[i], best[i]), (i, 1 + offset[i], second[i])]
    n = min(batch_size, AT_MOST)
    for start in range(0, len(examples), n):
        x, labels = np.zeros((n, coef.shape[1]), coef.dtype), np.zeros(n, np.intp)
        if intercept is not None:
            labels[:] = intercept.argmax()
        for row, (i, factor, label) in enumerate(examples[start : start + n]):
            x[row, j[i]] = not tells
            x[row, k[i]] = sign[i] * c[i] * factor
            labels[row] = label
        yield x, labels
