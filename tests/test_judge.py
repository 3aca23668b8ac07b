"""The test of the pairs: its error rates, its interval and its verdicts."""

import itertools

import numpy as np
import pytest

from benchmarks.gate.judge import bounds, compare, few_heads, heeding, judge


@pytest.mark.parametrize("alpha", [0.0001, 0.01, 0.25, 0.7])
@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_few_heads(n: int, alpha: float) -> None:
    heads = [sum(coins) for coins in itertools.product((False, True), repeat=n)]
    chances = [np.mean(np.array(heads) <= k) for k in range(n + 1)]
    assert few_heads(n, alpha) == sum(chance <= alpha for chance in chances) - 1


def test_few_heads_of_many_coins() -> None:
    # Half the coins less 3.09 standard deviations: the 0.1 % quantile of a normal variable.
    assert few_heads(4000, 0.001) == pytest.approx(2000 - 3.09 * 4000**0.5 / 2, abs=2)


@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.1])
def test_interval_is_the_inverted_test(alpha: float) -> None:
    rng = np.random.default_rng(1)
    for n in (3, 7, 16, 25):
        ratios = np.sort(np.exp(rng.standard_t(2, n)))
        low, high = bounds(ratios, alpha)
        near = [low * (1 - 1e-9), low * (1 + 1e-9), high * (1 - 1e-9), high * (1 + 1e-9)]
        for value in (*np.geomspace(0.01, 100, 41), *(v for v in near if 0 < v < np.inf)):
            below, above = (ratios < value).sum(), (ratios > value).sum()
            assert (below <= few_heads(n, alpha)) == (value <= low)
            assert (above <= few_heads(n, alpha)) == (value >= high)


@pytest.mark.parametrize(
    ("ratio", "n", "verdict"),
    [
        (1.0, 24, "same"),
        (1.04, 24, "same"),
        (1.08, 24, "slower"),
        (0.9, 24, "faster"),
        (0.97, 24, "same"),
        (1.05, 24, "undecided"),
        (2.0, 5, "undecided"),
    ],
)
def test_verdict(ratio: float, n: int, verdict: str) -> None:
    rng = np.random.default_rng(3)
    old = np.exp(rng.normal(0, 1, n))  # the machine moves by more than the versions differ
    new = ratio * old * np.exp(rng.normal(0, 0.01, n))
    result = judge([*zip(new, old, strict=True)], (1, 8), 1.05, false_alarm=0.001, miss=0.01)
    assert result.verdict == verdict
    assert result.low <= ratio <= result.at_most <= result.high
    assert result.ratio == pytest.approx(ratio, rel=0.01)


def test_one_bad_build_is_no_slowdown() -> None:
    def verdict(*slowdowns: float) -> str:
        pairs = [(slowdowns[i // 4 % len(slowdowns)], 1.0) for i in range(96)]
        return judge(pairs, (len(slowdowns), 4), 1.05, 0.01, 0.01).verdict

    assert verdict(1.5, 1.5, 1.5) == "slower"
    assert verdict(1.5, 1.5, 1.0) == "undecided"
    assert verdict(1.0, 1.0, 1.0) == "same"
    assert verdict(1.0, 1.0, 1.5) == "undecided"  # the slow one must not be outvoted
    assert verdict(0.8, 0.8, 0.8) == "faster"
    assert verdict(0.8, 0.8, 1.0) == "same"
    assert compare(np.array([1.5] * 64 + [1.0] * 32), 1.05, 0.01, 0.01).verdict == "slower"


@pytest.mark.parametrize(
    ("ratio", "replaced", "verdict"),
    [
        (1.2, (0, 0), "slower"),
        (1.2, (2, 2), "slower"),
        (1.2, (2, 1), "slower"),  # although its slow ones were replaced
        (1.2, (0, 1), "undecided"),
        (1.0, (0, 1), "same"),
        (1.0, (1, 0), "undecided"),
        (0.8, (1, 0), "undecided"),
        (0.8, (0, 1), "faster"),
    ],
)
def test_replaced_processes_are_heeded(
    ratio: float, replaced: tuple[int, int], verdict: str
) -> None:
    found = judge([(ratio, 1.0)] * 96, (3, 4), 1.05, 0.01, 0.01)
    assert heeding(replaced, found).verdict == verdict
