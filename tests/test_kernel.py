"""What can go wrong with a compiler and what it makes; a program goes on with BLAS."""

import os
import platform
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from linpredict.c.compile import find_compilers

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel is for Linux")

CODE = """
import os
import numpy as np
from linpredict import LinearPredictor, predict, predictor
from linpredict.c import bindings, compile
predictor.suits_kernel = lambda *_: True
compiler.PATIENCE = float(os.environ.get("PATIENCE", 60))
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


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the kernel, once for those who begin with one that is kept."""
    home = tmp_path_factory.mktemp("home")
    run(home)
    return home


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "home"))


def kept(home: Path) -> list[Path]:
    return sorted((home / "cache" / "linpredict").iterdir())


def is_kernel(done: subprocess.CompletedProcess[str]) -> bool:
    return "-bit vectors" in done.stdout and not done.stderr


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_kept_and_found_again(tmp_path: Path) -> None:
    assert is_kernel(run(tmp_path))
    (file,) = kept(tmp_path)
    before = file.stat()
    assert is_kernel(run(tmp_path))
    assert [path.stat() for path in kept(tmp_path)] == [before] or len(kept(tmp_path)) == 1
    assert file.stat().st_mtime_ns == before.st_mtime_ns


def test_another_compiler_or_flag_makes_another_file(home: Path) -> None:
    compiler = find_compilers()[0][0]
    assert is_kernel(run(home, CC=script(home / "mine", f'exec {compiler} "$@"')))
    assert is_kernel(run(home, LINPREDICT_CFLAGS="-O1"))
    assert len(kept(home)) == 3


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_a_file_that_is_cut_off_is_made_again(home: Path, size: int) -> None:
    (file,) = kept(home)
    content = file.read_bytes()
    file.write_bytes(content[:size])
    assert is_kernel(run(home))
    assert len(file.read_bytes()) == len(content)


def test_a_folder_that_others_may_write_to_is_not_used(home: Path) -> None:
    (file,) = kept(home)
    file.write_bytes(b"not ours")
    file.parent.chmod(0o777)
    assert is_kernel(run(home))
    assert file.read_bytes() == b"not ours"


def test_a_file_that_others_may_write_to_is_not_used(home: Path) -> None:
    (file,) = kept(home)
    file.chmod(0o666)
    assert is_kernel(run(home))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_without_a_folder(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert is_kernel(run(tmp_path))


def test_processes_that_compile_at_once(tmp_path: Path) -> None:
    variables = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "LINPREDICT_CFLAGS": "-O0"}
    environment = os.environ | variables
    command = [sys.executable, "-c", CODE]
    processes = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        assert "-bit vectors" in process.communicate(timeout=60)[0]
        assert process.returncode == 0
    assert len(kept(tmp_path)) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("echo 'error: no luck' >&2; exit 3", "failed with status 3: error: no luck"),
        ("exit 0", "cannot be used"),
        ('while [ "$1" != -o ]; do shift; done; echo nothing > "$2"', "cannot be used"),
        ("sleep 100 & sleep 100", "took more than 1 s"),
    ],
)
def test_bad_compiler(tmp_path: Path, text: str, reason: str) -> None:
    done = run(
        tmp_path, CC=script(tmp_path / "bad", text), PATIENCE="1" if "sleep" in text else "60"
    )
    assert done.stdout.startswith("none: ")
    assert reason in done.stdout
    # At the line that makes the predictor.
    assert done.stderr.startswith("<string>:8: RuntimeWarning: linpredict uses BLAS in place of")
    assert done.stderr.count("RuntimeWarning") == 1


@pytest.mark.parametrize("variable", ["CC", "LINPREDICT_CFLAGS"])
def test_quotation_that_does_not_end(tmp_path: Path, variable: str) -> None:
    done = run(tmp_path, **{variable: "cc 'one"})
    assert done.stdout.startswith(f"none: {variable} cannot be read (No closing quotation)")
    assert done.stderr.count("RuntimeWarning") == 1


def test_zig_of_another_python(tmp_path: Path) -> None:
    python = script(tmp_path / "python", f'shift 3; exec {find_compilers()[0][0]} "$@"')
    assert is_kernel(run(tmp_path, CC=f"{python} -m ziglang cc"))


def test_wrong_scores(tmp_path: Path) -> None:
    done = run(tmp_path, LINPREDICT_CFLAGS="-DMULTIPLY_BY=2")
    assert is_kernel(done)  # a flag that does nothing
    compiler = find_compilers()[0][0]
    wrong = script(
        tmp_path / "wrong",
        'for a; do case $a in *.c) sed "s/+= WIDE(/-= WIDE(/" $a > '
        f"{tmp_path}/kernel.c;; esac; done\n"
        f"{compiler} -I {ROOT}/linpredict -x c {tmp_path}/kernel.c "
        '$(echo "$@" | sed "s/ [^ ]*kernel.c / /")',
    )
    done = run(tmp_path, CC=wrong)
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
    packed = ScreenedModel(w, None, kernel())
    labels, scores = packed.call(x, exact=False, with_scores=True)
    assert scores is not None
    for n in range(1, 30):
        some_labels, some_scores = packed.call(x[:n], exact=False, with_scores=True)
        np.testing.assert_array_equal(some_scores, scores[:n])
        np.testing.assert_array_equal(some_labels, labels[:n])
