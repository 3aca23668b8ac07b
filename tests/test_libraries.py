"""Other libraries: labels as precise as the workload asks for, on no more cores than it may use."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.array_types import Array, Predict
from benchmarks.errors import UnavailableError, WrongLabelsError
from benchmarks.measuring.data import Data, weights
from benchmarks.measuring.labels import check_near_ties, near_ties
from benchmarks.measuring.warm_up import warm_up
from benchmarks.measuring.workload import Workload
from benchmarks.predictors import by_name
from benchmarks.predictors.libraries import choose_fastest
from linpredict import predict
from tests.helpers.processes import ENVIRONMENT


def rounded(a: Array, bits: int) -> Array:
    """Return values of so many binary digits: 8 for bfloat16, 11 for float16, 24 for float32."""
    mantissa, exponent = np.frexp(a)
    found: Array = np.ldexp(np.round(np.ldexp(mantissa, bits)), exponent - bits)
    return found


def in_digits(bits: int, coef: Array, x: Array) -> Array:
    return predict(rounded(coef, bits).astype(coef.dtype), rounded(x, bits).astype(x.dtype))


def in_float64(coef: Array, x: Array) -> Array:
    return predict(coef.astype(np.float64), x.astype(np.float64))


def one_by_one(coef: Array, x: Array) -> Array:
    """Add the products in order, the least precise way that is right."""
    return np.array([np.cumsum(coef * example, axis=1)[:, -1].argmax() for example in x])


def screened(coef: Array, x: Array) -> Array:
    """Decide in float64 between the classes that float32 leaves."""
    coarse = x.astype(np.float32) @ coef.astype(np.float32).T
    scores = np.where(coarse >= coarse.max(axis=1, keepdims=True) - 1e-2, x @ coef.T, -np.inf)
    return np.asarray(scores.argmax(axis=1))


class Stale:
    """Labels of the batch before, or of the first one of a size."""

    def __init__(self, first: bool) -> None:
        self.first = first
        self.known: dict[int, Array] = {}

    def __call__(self, coef: Array, x: Array) -> Array:
        labels = predict(coef, x)
        known = self.known.setdefault(len(x), labels)
        if not self.first:
            self.known[len(x)] = labels
        return known


def warmed_up(
    predict_from: Callable[[Array, Array], Array], batch_size: int, workload: Workload
) -> None:
    data = Data.of(workload)
    starts = workload.case("", batch_size).starts
    warm_up(lambda x: predict_from(data.coef, x), data, starts)


@pytest.mark.parametrize("batch_size", [1, 3, 64, 128])
@pytest.mark.parametrize("shape", [(64, 400), (5, 40), (2, 2)])
@pytest.mark.parametrize(
    ("dtype", "bits"), [("float32", 8), ("float32", 11), ("float64", 24), ("float64", 8)]
)
def test_less_precision_is_refused(
    dtype: str, bits: int, shape: tuple[int, int], batch_size: int
) -> None:
    coef = weights(Workload(*shape, 1, dtype))
    with pytest.raises(WrongLabelsError, match=f"less precise than {dtype}"):
        check_near_ties(lambda x: in_digits(bits, coef, x), coef, batch_size)


def test_warming_up_refuses_less_precision() -> None:
    with pytest.raises(WrongLabelsError, match="less precise than float64"):
        warmed_up(lambda *a: in_digits(24, *a), 128, Workload(5, 40, 256))


@pytest.mark.parametrize("batch_size", [1, 64, 128])
@pytest.mark.parametrize("first", [True, False])
def test_labels_of_an_earlier_batch_are_refused(first: bool, batch_size: int) -> None:
    with pytest.raises(WrongLabelsError):
        warmed_up(Stale(first), batch_size, Workload(5, 40, 256))


@pytest.mark.parametrize("batch_size", [1, 100])
@pytest.mark.parametrize("shape", [(64, 400), (2, 2), (1, 3), (3, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("predict_from", [predict, in_float64, one_by_one, screened])
def test_right_labels_are_accepted(
    predict_from: Callable[[Array, Array], Array],
    dtype: str,
    shape: tuple[int, int],
    batch_size: int,
) -> None:
    warmed_up(predict_from, batch_size, Workload(*shape, 128, dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_near_ties_have_the_formulas_labels(dtype: str) -> None:
    coef = weights(Workload(64, 400, 1, dtype))
    (x, labels), *others = near_ties(coef, 1000)
    assert not others
    assert x.shape == (64, 400)
    assert x.dtype == dtype
    assert (np.count_nonzero(x, axis=1) == [2] * 8 + [0] * 56).all()
    assert (labels == (x.astype("longdouble") @ coef.astype("longdouble").T).argmax(1)).all()
    assert (labels[0:8:2] != labels[1:8:2]).all()


# Threads of this process that compute in a second of calls, apart from those that wait.
COMPUTING = """if True:
    import os, sys, time
    import numpy as np
    from benchmarks import errors
    from benchmarks.predictors import by_name, libraries
    name, *quota = sys.argv[1:]
    if quota:
        libraries.n_threads = lambda: int(quota[0])

    def seconds():
        found = {}
        for thread in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{thread}/schedstat") as file:
                found[thread] = int(file.read().split()[0]) / 1e9
        return found

    coef = np.random.default_rng(0).standard_normal((64, 20_000), dtype="float32")
    try:
        predict = by_name.make(name, coef)
    except errors.UnavailableError as reason:
        sys.exit(f"unavailable: {reason}")
    predict(coef)
    before, end = seconds(), time.monotonic() + 0.5
    while time.monotonic() < end:
        predict(coef)
    used = sorted(s - before.get(thread, 0) for thread, s in seconds().items())
    print(sum(s > used[-1] / 4 for s in used))
    print(len(set().union(*(os.sched_getaffinity(int(t)) for t in os.listdir("/proc/self/task")))))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("peer", "how"),
    [
        *((peer, "quota") for peer in ("torch", "onnxruntime", "openvino", "jax")),
        *((peer, "OMP_NUM_THREADS") for peer in ("onnxruntime", "jax")),
        ("onnxruntime", "affinity"),
    ],
)
def test_peer_leaves_other_cores_alone(peer: str, how: str) -> None:
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        pytest.skip("there is one core")
    pinned = ["taskset", "--cpu-list", str(min(cores))] if how == "affinity" else []
    asked = {"OMP_NUM_THREADS": "1"} if how == "OMP_NUM_THREADS" else {}
    quota = ["1"] if how == "quota" else []
    done = subprocess.run(
        [*pinned, sys.executable, "-c", COMPUTING, peer, *quota],
        cwd=Path(__file__).parents[1], env=ENVIRONMENT | asked, capture_output=True, text=True,
    )  # fmt: skip
    if done.stderr.startswith("unavailable: "):
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    computing, visible = map(int, done.stdout.split())
    assert computing == 1
    assert visible == (1 if pinned else len(cores))


def test_openvino_in_float64() -> None:
    with pytest.raises(UnavailableError, match="would compute float64 in float32: --dtype float32"):
        by_name.make("openvino", np.eye(3))


@pytest.mark.parametrize(("peer", "extra"), [("openvino", "peers-more"), ("sklearn", "peers")])
def test_extra_that_has_a_peer(monkeypatch: pytest.MonkeyPatch, peer: str, extra: str) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setitem(sys.modules, peer, None)
    monkeypatch.setattr("sys.meta_path", [])  # of which importlib.metadata asks for packages, too
    with pytest.raises(UnavailableError, match=rf"is not installed: pip install -e '.\[{extra}\]'"):
        by_name.make(peer, np.eye(3, dtype=np.float32))


def test_the_fastest_way_is_chosen_for_each_batch_size() -> None:
    calls: list[str] = []

    def way(name: str, fast_at: int) -> Predict:
        def predict(x: Array) -> Array:
            calls.append(name)
            time.sleep(0 if len(x) == fast_at else 0.02)
            return x

        return predict

    chosen = choose_fastest(way("a", 1), way("b", 2), way("c", 3))
    for n, name in ((1, "a"), (2, "b"), (3, "c"), (1, "a")):
        chosen(np.zeros(n))
        calls.clear()
        chosen(np.zeros(n))
        assert calls == [name]
