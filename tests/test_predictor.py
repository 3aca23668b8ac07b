"""Labels of the formula and of the predictor."""

import os
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.array_types import Array
from benchmarks.measuring.labels import check
from benchmarks.measuring.workload import Workload
from linpredict import LinearPredictor, predict
from linpredict.cores import usable_cores
from linpredict.kernel import kernel
from tests.helpers.labels import assert_right

# Ragged panels and blocks.
MODEL = (65, 70_001)
SPARSE = type("csr_array", (), {"toarray": None})()


@pytest.fixture(params=["kernel", "BLAS"])
def computed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have all models computed by the kernel, or by BLAS."""
    by_kernel = request.param == "kernel"
    if by_kernel and kernel().label is None:
        pytest.skip("there is no kernel")
    monkeypatch.setattr("linpredict.predictor.suits_kernel", lambda *_: by_kernel)
    return str(request.param)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.usefixtures("computed")
def test_what_blas_reads_begins_at_a_line(dtype: type) -> None:
    """Otherwise one example of 8 × 4096 took up to 1.27 times as long."""
    for n_features in range(100, 2000, 97):
        coef = LinearPredictor(np.ones((8, n_features), dtype))._model.coef
        assert coef.ctypes.data % 64 == 0


both = pytest.mark.parametrize(
    "labels_of",
    [predict, lambda w, x: LinearPredictor(w).predict(x)],
    ids=["predict", "LinearPredictor"],
)
LabelsOf = Callable[[Any, Any], Array]


def draw(shape: tuple[int, int], dtype: str, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def test_the_default_workload_is_served_by_the_kernel() -> None:
    if kernel().label is None:
        pytest.skip("there is no kernel")
    workload = Workload()
    w = np.ones((workload.n_classes, workload.n_features), workload.dtype)
    assert LinearPredictor(w).precision == np.int16  # BLAS would compute in float64


@both
@pytest.mark.parametrize(
    ("w", "x", "labels"),
    [
        ([[1, 0], [2, 0], [2, 0]], [[1, 5], [-1, 5], [0, 5]], [1, 0, 0]),
        ([[1.0], [3.0], [np.nan], [np.nan]], [[1.0], [2.0]], [2, 2]),
        ([[1.0], [3.0]], [[np.nan], [1.0]], [0, 1]),
        (np.array([[1, 1], [100, 100]], "int8"), np.array([[1, 1]], "int8"), [1]),
        ([[1.0], [1.0 + 1e-12]], np.array([[1.0]], "float32"), [1]),
    ],
    ids=["the first of equals", "NaN of weights", "NaN of examples", "no overflow", "wider dtype"],
)
def test_labels(labels_of: LabelsOf, w: Any, x: Any, labels: list[int]) -> None:
    assert labels_of(w, x).tolist() == labels


@both
@pytest.mark.parametrize(
    ("w", "x", "error", "message"),
    [
        (np.ones((2, 3)), np.ones(3), ValueError, r"\(2, 3\).*\(3,\).*x\.reshape\(1, -1\)"),
        (np.ones((2, 3)), np.ones((4, 5)), ValueError, r"\(2, 3\), not \(4, 5\)"),
        (np.ones((2, 3)), np.ones((4, 3, 1)), ValueError, r"\(2, 3\), not \(4, 3, 1\)"),
        (np.ones((2, 3)), 1.0, ValueError, r"\(2, 3\), not \(\)"),
        (np.ones(3), np.ones((1, 3)), ValueError, r"\(n_classes, n_features\), not \(3,\)"),
        (np.ones((0, 3)), np.ones((1, 3)), ValueError, "one class"),
        ([[1.0, 2.0], [3.0]], np.ones((1, 2)), ValueError, "weights.*rectangular"),
        (np.ones((2, 3)), np.ones((4, 3), complex), TypeError, "examples.*complex128"),
        (np.ones((2, 3), "float16"), np.ones((4, 3)), TypeError, "weights.*float16"),
        (np.ones((2, 3), bool), [[0]], TypeError, r"weights.*bool: pass weights.astype\(float\)"),
        (np.ones((2, 3)), [["a", "b", "c"]], TypeError, "examples.*<U1"),
        (np.ones((2, 3)), None, TypeError, r"object: pass examples.astype\(float\)"),
        (np.ones((2, 3)), SPARSE, TypeError, r"object: pass examples.toarray\(\)"),
    ],
)
def test_bad_input(
    labels_of: LabelsOf, w: Any, x: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        labels_of(w, x)


def test_one_class() -> None:
    assert predict(np.ones((1, 3)), np.ones((4, 3))).tolist() == [0] * 4
    with pytest.raises(ValueError, match=r"LinearPredictor\.of\(classifier\)"):
        LinearPredictor(np.ones((1, 3)))


@pytest.mark.parametrize("intercept", [np.ones(3), np.ones((2, 1)), 1.0])
def test_intercept_of_another_shape(intercept: Any) -> None:
    with pytest.raises(ValueError, match=r"intercept must have shape \(2,\).*\(2, 3\)"):
        LinearPredictor(np.ones((2, 3)), intercept)


@pytest.mark.parametrize("shape", [(3, 3), MODEL])
def test_weights_are_copied_and_left_alone(shape: tuple[int, int]) -> None:
    w, x = draw(shape, "float64"), draw((5, shape[1]), "float64", seed=1)
    before = w.copy()
    predictor = LinearPredictor(w, np.zeros(len(w)))
    labels = predictor.predict(x)
    assert (w == before).all()
    w[:] = 0
    assert (predictor.predict(x) == labels).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("with_intercept", [False, True])
@pytest.mark.parametrize(("n_classes", "n_features"), [(3, 50), (1000, 64), MODEL, (256, 2**14)])
@pytest.mark.usefixtures("computed")
def test_labels_of_models(
    dtype: str, n_classes: int, n_features: int, with_intercept: bool
) -> None:
    w, x = draw((n_classes, n_features), dtype), draw((150, n_features), dtype, seed=1)
    intercept = 100 * draw((1, n_classes), dtype, seed=2)[0] if with_intercept else None
    predictor = LinearPredictor(w, intercept)
    for n_samples in (0, 1, 2, 3, 8, 9, 16, 17, 150):
        batch = x[:n_samples]
        check(w, batch, predictor.predict(batch), predict(w, batch, intercept), 0, intercept)
    assert_right(w, x[:3], predictor.predict(x[:3]), intercept)


@pytest.mark.parametrize(
    "layout",
    [
        np.asfortranarray,
        lambda x: x.astype(">f8"),
        lambda x: np.rint(9 * x).astype(int),
        lambda x: np.broadcast_to(x[:1], x.shape),
    ],
    ids=["fortran", "big-endian", "integers", "repeated"],
)
@pytest.mark.usefixtures("computed")
def test_any_examples(layout: Callable[[Array], Array]) -> None:
    w, x = draw(MODEL, "float64"), layout(draw((20, MODEL[1]), "float64", seed=1))
    predictor = LinearPredictor(w)
    assert_right(w, x, predictor.predict(x))
    assert (predictor.in_doubt or 0) < 0.5  # examples that are read wrongly are left to BLAS


@pytest.mark.usefixtures("computed")
def test_nan_and_infinity(recwarn: pytest.WarningsRecorder) -> None:
    w, x = draw(MODEL, "float64"), draw((3, MODEL[1]), "float64", seed=1)
    x[1, 7] = np.nan
    x[2, 70_000] = np.inf
    assert LinearPredictor(w).predict(x).tolist() == predict(w, x).tolist()
    assert not recwarn.list


def in_new_process(code: str, **environment: str) -> str:
    """Run code that finds a tiled predictor, its examples and its labels, and return its output."""
    preamble = f"""
import os, threading
import numpy as np
from linpredict import LinearPredictor, predictor as module, cores
module.suits_kernel = lambda *_: True
rng = np.random.default_rng(0)
w, x = rng.standard_normal({MODEL}), rng.standard_normal((20, {MODEL[1]}))
predictor = LinearPredictor(w)
labels = predictor.predict(x)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", preamble + textwrap.dedent(code)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_scores_do_not_depend_on_the_number_of_threads() -> None:
    code = """
    import hashlib
    scores = [predictor._model.call(x, True)[1].tobytes() for _ in range(3)]
    scores = [hashlib.sha256(each).hexdigest() for each in scores]
    os.environ["OMP_NUM_THREADS"] = "3"  # as Dask does, for its workers; too late for this one
    print(cores.n_threads(), *set(scores))
    """
    one = in_new_process(code, OMP_NUM_THREADS="1").split()
    all_cores = in_new_process(code, OMP_NUM_THREADS="", OPENBLAS_NUM_THREADS="").split()
    assert one[0] == "1"
    assert int(all_cores[0]) == usable_cores()
    assert len(one) == len(all_cores) == 2
    assert one[1] == all_cores[1]


def test_affinity_is_obeyed() -> None:
    code = "print(cores.n_threads(), len(os.listdir('/proc/self/task')))"
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert in_new_process(code).split() == ["1", "1"]
    finally:
        os.sched_setaffinity(0, before)


def test_fork_while_another_thread_predicts() -> None:
    code = """
    import warnings
    warnings.simplefilter("ignore")  # Python 3.12 warns of any fork beside threads
    def call():
        while not stop.is_set():
            predictor.predict(x)
    stop = threading.Event()
    other = threading.Thread(target=call)
    other.start()
    for _ in range(10):
        child = os.fork()
        if child == 0:
            wrong = (predictor.predict(x) != labels).any()
            alone = len(os.listdir("/proc/self/task")) < cores.n_threads()
            os._exit(int(wrong or alone))
        print(os.waitpid(child, 0)[1])
    stop.set()
    other.join()
    """
    assert in_new_process(code) == 10 * "0\n"


def test_many_threads_and_at_exit() -> None:
    code = """
    import atexit
    atexit.register(lambda: print((predictor.predict(x) == labels).all(), flush=True))
    wrong = []
    def call():
        for n in (20, 1, 13):
            if (predictor.predict(x[:n]) != labels[:n]).any():
                wrong.append(n)
    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print(wrong)
    """
    assert in_new_process(code) == "[]\nTrue\n"


@pytest.mark.parametrize("shape", [(6, 50), MODEL])
@pytest.mark.usefixtures("computed")
def test_pickled_buffers_may_begin_anywhere(shape: tuple[int, int]) -> None:
    w, x = draw(shape, "float64"), draw((20, shape[1]), "float64", seed=1)
    predictor = LinearPredictor(w, np.arange(len(w)))
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(predictor, protocol=5, buffer_callback=buffers.append)
    moved = [memoryview(b"." + bytes(buffer))[1:] for buffer in buffers]
    assert moved
    other = pickle.loads(pickled, buffers=moved)
    np.testing.assert_array_equal(other.predict(x), predictor.predict(x))


def resident(field: str) -> int:
    """Return the bytes of memory that this process has, or had at most; those of C, too."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split(f"{field}:")[1].split()[0])


@pytest.mark.parametrize(
    ("shape", "n_samples", "layout"),
    [
        (MODEL, 600, lambda x: x),
        (MODEL, 600, lambda x: np.broadcast_to(x[:1].astype("float32"), x.shape)),
        ((1000, 64), 100_000, lambda x: x),
        ((2, 64), 1_000_000, lambda x: x[:, ::-1]),
    ],
)
def test_extra_memory(
    shape: tuple[int, int], n_samples: int, layout: Callable[[Array], Array]
) -> None:
    w = np.ones(shape)
    x = layout(np.ones((n_samples, shape[1])))
    predictor = LinearPredictor(w)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: proc(5)
    except OSError as error:
        pytest.skip(f"the peak of memory cannot be reset: {error}")
    before = resident("VmRSS")
    predictor.predict(x)
    assert resident("VmHWM") - before < 64 * 2**20
