"""A kernel that is missing or wrong, or compiled for other CPUs; a program goes on with BLAS."""

import platform
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.array_types import Array
from linpredict import LinearPredictor, predict
from linpredict.c import bindings
from linpredict.c.bindings import Kernel
from linpredict.kernel import kernel
from linpredict.screened import ScreenedModel
from tests.helpers.processes import executable


@pytest.fixture
def find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Kernel]:
    """Return what finds the kernel, each time anew, also for predictors of any size."""
    kernel()  # this machine's own, which other tests use, too
    for variable in ("CC", "LINPREDICT_KERNEL", "LINPREDICT_CFLAGS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("linpredict.predictor.suits_kernel", lambda *_: True)
    monkeypatch.setattr("linpredict.predictor.kernel", kernel.__wrapped__)
    return kernel.__wrapped__


@pytest.mark.usefixtures("find")
def test_a_compiler_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", executable(tmp_path / "bad", "echo 'error: no luck' >&2; exit 3"))
    w, x = np.random.default_rng(0).standard_normal((2, 40, 100))
    message = "linpredict uses BLAS in place of its kernel: .*/bad failed with status 3: error: no"
    with pytest.warns(RuntimeWarning, match=message) as caught:
        labels = LinearPredictor(w).predict(x)
    assert labels.tolist() == predict(w, x).tolist()
    (warning,) = caught
    assert warning.filename == __file__
    line = Path(__file__).read_text().splitlines()[warning.lineno - 1]
    assert line.strip() == "labels = LinearPredictor(w).predict(x)"


def test_wrong_scores(
    find: Callable[[], Kernel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = Path(bindings.__file__).parent
    for file in sources.glob("*.[ch]"):
        (tmp_path / file.name).write_text(file.read_text().replace("+= WIDE(", "-= WIDE("))
    monkeypatch.setattr(bindings, "__file__", str(tmp_path / "bindings.py"))
    monkeypatch.setenv("LINPREDICT_CFLAGS", "-O0")  # compiled in half the time
    with pytest.warns(RuntimeWarning, match="computes wrong scores"):
        assert find().label is None


def test_off_and_without_a_compiler(
    find: Callable[[], Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ziglang", None)
    monkeypatch.setenv("PATH", "")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert str(find()).startswith("none: no C compiler: ")
        monkeypatch.setenv("LINPREDICT_KERNEL", "off")
        assert str(find()) == "none: LINPREDICT_KERNEL=off is set"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="these are levels of x86-64")
@pytest.mark.parametrize(
    ("level", "bits"), [("x86-64", 128), ("sandybridge", 128), ("x86-64-v3", 256)]
)
def test_other_cpus(
    find: Callable[[], Kernel], level: str, bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if level != "x86-64" and " avx2 " not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this CPU has no AVX2")
    monkeypatch.setenv("LINPREDICT_CFLAGS", f"-march={level}")
    found = find()  # its scores are right
    assert found.vector_bits == bits, found.reason
    # So are its labels, also where rounding decides between two classes.
    for dtype in ("float32", "float64"):
        w = np.repeat(np.random.default_rng(0).standard_normal((20, 5003)), 2, axis=0).astype(dtype)
        w[1::2] = np.nextafter(w[::2], np.inf)
        x = np.random.default_rng(1).standard_normal((200, 5003)).astype(dtype)
        here = ScreenedModel(w, None, kernel()).labels(x)
        np.testing.assert_array_equal(ScreenedModel(w, None, found).labels(x), here)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scores_do_not_depend_on_the_batch(dtype: str) -> None:
    if kernel().label is None:
        pytest.skip("there is no kernel")
    w = np.random.default_rng(0).standard_normal((40, 5003)).astype(dtype)
    x = np.random.default_rng(1).standard_normal((30, 5003)).astype(dtype)
    model = ScreenedModel(w, None, kernel())

    def scores(n: int) -> Array:
        _, found = model.call(x[:n], with_scores=True)
        assert found is not None
        return found

    of_all = scores(30)
    for n in (*range(1, 9), *range(25, 30)):
        np.testing.assert_array_equal(scores(n), of_all[:n])
