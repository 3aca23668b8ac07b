"""What can go wrong with a compiler and what it makes; a program goes on with BLAS."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from linpredict.c.compile import find_compilers
from tests.helpers.processes import executable

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel is for Linux")

CODE = """
import numpy as np
from linpredict import LinearPredictor, kernel, predict, predictor
predictor.suits_kernel = lambda *_: True
w, x = np.random.default_rng(0).standard_normal((2, 40, 100))
assert (LinearPredictor(w).predict(x) == predict(w, x)).all()
print(kernel.kernel())
"""


def run(home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("CC", "LINPREDICT_KERNEL")}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    environment |= {"LINPREDICT_CFLAGS": "-O0", **variables}  # compiled in half the time
    return subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, env=environment, capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip


def is_kernel(done: subprocess.CompletedProcess[str]) -> bool:
    return "-bit vectors" in done.stdout and not done.stderr


def test_bad_compiler(tmp_path: Path) -> None:
    done = run(tmp_path, CC=executable(tmp_path / "bad", "echo 'error: no luck' >&2; exit 3"))
    assert done.stdout == f"none: {tmp_path}/bad failed with status 3: error: no luck\n"
    # At the line that makes the predictor.
    assert done.stderr.startswith("<string>:6: RuntimeWarning: linpredict uses BLAS in place of")
    assert done.stderr.count("RuntimeWarning") == 1


def test_wrong_scores(tmp_path: Path) -> None:
    """A compiler that miscompiles: it subtracts where the kernel adds."""
    compiler = executable(
        tmp_path / "wrong",
        f"""n=$#; while [ $n -gt 0 ]; do
  case $1 in
    *.c) sed 's/+= WIDE(/-= WIDE(/' "$1" >{tmp_path}/kernel.c
         set -- "$@" -I {ROOT}/linpredict/c {tmp_path}/kernel.c ;;
    *) set -- "$@" "$1" ;;
  esac
  shift; n=$((n - 1))
done
exec {find_compilers()[0][0]} "$@\"""",
    )
    done = run(tmp_path, CC=compiler)
    assert "computes wrong scores" in done.stdout
    assert done.stderr.count("RuntimeWarning") == 1


def test_off_and_without_a_compiler(tmp_path: Path) -> None:
    done = run(tmp_path, LINPREDICT_KERNEL="off")
    assert (done.stdout, done.stderr) == ("none: LINPREDICT_KERNEL=off is set\n", "")
    code = "import importlib.util, shutil, sys; sys.modules['ziglang'] = None; "
    done = subprocess.run(
        [sys.executable, "-c", code + CODE.lstrip()], cwd=ROOT, capture_output=True, text=True,
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
    )  # fmt: skip
    if "ziglang" not in done.stdout:
        assert done.stdout.startswith("none: no C compiler: ")
        assert done.stderr == ""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="these are levels of x86-64")
@pytest.mark.parametrize(("level", "bits"), [("x86-64", 128), ("x86-64-v3", 256)])
def test_other_cpus(tmp_path: Path, level: str, bits: int) -> None:
    if bits == 256 and " avx2 " not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this CPU has no AVX2")
    done = run(tmp_path, LINPREDICT_CFLAGS=f"-march={level}")
    assert is_kernel(done)
    assert f"{bits}-bit vectors" in done.stdout


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scores_do_not_depend_on_the_batch(dtype: str) -> None:
    from linpredict.kernel import kernel
    from linpredict.screened import ScreenedModel

    if kernel().label is None:
        pytest.skip("there is no kernel")
    w = np.random.default_rng(0).standard_normal((40, 5003)).astype(dtype)
    x = np.random.default_rng(1).standard_normal((30, 5003)).astype(dtype)
    model = ScreenedModel(w, None, kernel())
    labels, scores = model.call(x, exact=False, with_scores=True)
    assert scores is not None
    for n in range(1, 30):
        some_labels, some_scores = model.call(x[:n], exact=False, with_scores=True)
        np.testing.assert_array_equal(some_scores, scores[:n])
        np.testing.assert_array_equal(some_labels, labels[:n])
