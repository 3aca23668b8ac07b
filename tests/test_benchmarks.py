"""``pytest benchmarks/`` as its users run it, with small workloads, in processes of its own."""

import importlib.util
import json
import os
import re
import shlex
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest

from benchmarks.checks import memory
from benchmarks.errors import WrongLabelsError
from benchmarks.evidence.gate_error_rates import copy_work_tree
from benchmarks.gate.judge import bounds
from benchmarks.measuring.data import PER_STREAM, examples, fill, weights
from benchmarks.measuring.labels import check
from benchmarks.measuring.machine import available_memory
from benchmarks.measuring.pace import Pace
from benchmarks.measuring.rounds import DRAWN
from benchmarks.measuring.workload import Workload
from benchmarks.workers.processes import PROCESS_NBYTES
from linpredict import predict
from tests.helpers.processes import ENVIRONMENT, heed_interrupts, size_of_files
from tests.helpers.suite import CASE, ROOT, SMALL, run, saved


def test_default_cases() -> None:
    listing = run("--collect-only", "-q", defaults=()).stdout
    cases = [f"{name}-{2**i}" for i in range(11) for name in ("formula", "packed")]
    assert listing.splitlines()[:22] == [f"{CASE}[{case}]" for case in cases]


def test_saved_figures(tmp_path: Path) -> None:
    names = "packed", "formula"
    cases = saved(
        tmp_path, *(f"--predictor={name}" for name in names), "--batch-sizes=8,1",
        "--dtype=float32", "--benchmark-min-rounds=500",
    )["benchmarks"]  # fmt: skip
    assert [case["param"] for case in cases] == [
        f"{name}-{size}-5x40x32-float32" for size in (1, 8) for name in names
    ]
    for case in cases:
        info, data = case["extra_info"], case["stats"]["data"]
        expected = {
            "predictor": case["params"]["predictor"],
            "batch_size": case["params"]["batch_size"],
            "n_classes": 5,
            "n_features": 40,
            "n_samples": 32,
            "dtype": "float32",
            "throughput": info["batch_size"] / np.median(data),
            "p50": np.median(data),
            "p95": np.quantile(data, 0.95),
            "p99": np.quantile(data, 0.99),
            "latency_floor": max(
                info["bytes"] / info["bandwidth"], info["flops"] / info["flop_rate"]
            ),
            "precision": "float32",
            "bandwidth": info["bandwidth"],
            "flop_rate": info["flop_rate"],
            "bytes": 4 * 40 * (5 + info["batch_size"]),
            "flops": 2 * 40 * 5 * info["batch_size"],
        }
        info.pop("disturbed", None)
        assert info == pytest.approx(expected)
        assert 0 < info["latency_floor"] < 1


def test_cases_are_marked_in_which_all_cores_were_slower(tmp_path: Path) -> None:
    rates = iter([1.0, 1.0, 1.0, *[0.5] * 100])
    at_rest = patch("benchmarks.measuring.pace.rest", lambda: True)
    with at_rest, patch("benchmarks.session.Pace", lambda _: Pace(rates.__next__)):
        rows = saved(tmp_path, "--predictor=formula", "--batch-sizes=1,2,4")["benchmarks"]
    assert rows[1]["extra_info"]["disturbed"] >= 0.5  # after it
    assert rows[2]["extra_info"]["disturbed"] == 1


@pytest.mark.alone
@pytest.mark.parametrize(("batch_size", "seconds"), [(1, 1), (64, 2)])
def test_median_is_within_2_percent_of_a_bare_loop(
    tmp_path: Path, batch_size: int, seconds: int
) -> None:
    """It fails where calls are shown to differ by more: by chance in less than 1 of 1,000 runs."""
    log = tmp_path / "loops.json"
    (case,) = saved(
        tmp_path, "--classes=64", "--features=131072",  # more than caches hold
        f"--samples={batch_size}", f"--batch-sizes={batch_size}",
        f"--benchmark-max-time={seconds}", "--benchmark-precision=0.0001",
        "--predictor=tests.predictors:beside_a_bare_loop",
        environment={"LOOPS": str(log)},
    )["benchmarks"]  # fmt: skip
    rounds = case["stats"]["data"]
    loops = json.loads(log.read_text())[-len(rounds) :]
    ratios = np.sort(
        [
            duration / statistics.median(beside)
            for duration, held, beside in zip(rounds, loops, loops[1:], strict=False)
            if beside and not held
        ]
    )
    low, high = bounds(ratios, 0.0005)
    assert len(ratios) >= 20
    assert low < 1.02, (low, high)
    assert high > 0.98, (low, high)


def test_without_a_terminal_something_is_said_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("benchmarks.conftest.QUIET", -1.0)
    monkeypatch.setattr(
        "benchmarks.test_predict.wait_for_calm", lambda patience: patience.say("waiting")
    )
    monkeypatch.setattr("benchmarks.test_predict.Watch.has_waited", lambda _: True)
    done = run("--predictor=formula", "--batch-sizes=1")
    assert "\n formula, batch 1: waiting" in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_run_leaves_earlier_ones(tmp_path: Path, sent: signal.Signals) -> None:
    path, storage = tmp_path / "run.json", tmp_path / "storage"
    options = (f"--benchmark-json={path}", f"--benchmark-storage=file://{storage}")
    storage.mkdir()
    earlier = path, storage / "earlier.json"
    for file in earlier:
        file.write_text("earlier")
    command = [sys.executable, "-m", "pytest", "benchmarks", "-v", *SMALL, *options]
    slow = ("--benchmark-autosave", "--batch-sizes=1,32", "--benchmark-min-rounds=20000")
    process = subprocess.Popen(
        [*command, *slow], cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True,
        preexec_fn=heed_interrupts,
    )  # fmt: skip
    assert process.stdout
    for line in process.stdout:
        if "[formula-1-" in line:
            break
    time.sleep(0.2)
    process.send_signal(sent)
    assert process.wait(60) not in (0, 1)
    process.stdout.close()
    assert [file.read_text() for file in earlier] == ["earlier", "earlier"]
    assert {file.name for file in tmp_path.iterdir()} == {"run.json", "storage"}


@pytest.mark.parametrize(
    ("predictor", "status", "said"),
    [("interrupted", 2, "KeyboardInterrupt"), ("terminated", 128 + signal.SIGTERM, "SIGTERM")],
)
def test_interrupt_where_code_has_no_line(predictor: str, status: int, said: str) -> None:
    one = {"OPENBLAS_NUM_THREADS": "1"}  # in a process of its own, which an interrupt ends
    done = run(f"--predictor=tests.predictors:{predictor}", environment=one)
    assert done.returncode == status, done.stdout
    assert said in done.stdout
    assert "TypeError" not in done.stdout + done.stderr


@pytest.mark.parametrize("n_blocks", [1, 8])
def test_full_disk_leaves_earlier_runs(tmp_path: Path, n_blocks: int) -> None:
    path = tmp_path / "run.json"
    earlier = b"earlier" * 8 * 1024
    path.write_bytes(earlier)
    with size_of_files(n_blocks * 1024):
        done = run(f"--benchmark-json={path}")
    assert done.returncode == 3
    assert "the run cannot be saved: [Errno 27]" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert path.read_bytes() == earlier
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


def test_no_more_rounds_than_the_precision_needs(tmp_path: Path) -> None:
    predictor = "--predictor=tests.predictors:wait_1_ms"
    options = ("--batch-sizes=32", predictor, "--benchmark-max-time=0.3")
    (case,) = saved(tmp_path, *options, "--benchmark-precision=0.99")["benchmarks"]
    assert case["stats"]["rounds"] == DRAWN
    assert {"p95", "p99"} & {*case["extra_info"]} == {"p95"}  # which needs 459
    (case,) = saved(tmp_path, *options, "--benchmark-precision=0.000001")["benchmarks"]
    assert case["stats"]["rounds"] > DRAWN


@pytest.mark.alone
def test_known_duration(tmp_path: Path) -> None:
    names = [f"tests.predictors:wait_{milliseconds}_ms" for milliseconds in (1, 10, 100)]
    options = ("--batch-sizes=32", "--benchmark-max-time=0.2")
    cases = saved(tmp_path, *options, *(f"--predictor={name}" for name in names))["benchmarks"]
    assert len(cases) == 3
    for case in cases:
        info, stats = case["extra_info"], case["stats"]
        seconds = int(info["predictor"].split("_")[1]) / 1000
        assert info["p50"] == stats["median"] == pytest.approx(seconds, rel=0.01)
        assert info["throughput"] * info["p50"] == pytest.approx(info["batch_size"])


def test_comparison_raises_no_warning(tmp_path: Path) -> None:
    """As one of pytest-benchmark's where what is saved of the machine differs in each run."""
    storage = f"--benchmark-storage=file://{tmp_path}"
    machine = saved(tmp_path, storage, "--benchmark-autosave")["machine_info"]
    assert machine["numpy_version"] == np.__version__
    assert machine["usable_cores"] >= 1
    assert machine["blas"]["name"]
    done = run(storage, "--benchmark-compare")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Comparing against benchmarks from" in done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()
    assert done.stdout.count("(NOW)") == 4


def test_compare_command(tmp_path: Path) -> None:
    saved(tmp_path, "--predictor=packed")
    command = [sys.executable, "-m", "pytest_benchmark", "compare", str(tmp_path / "run.json")]
    for group_by in ("group", "fullname"):
        out = tmp_path / group_by
        options = (f"--group-by={group_by}", f"--csv={out}", f"--histogram={out}")
        done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert len([line for line in done.stdout.splitlines() if "batch size" in line]) == 2


def test_fields_that_other_tools_read(tmp_path: Path) -> None:
    content = saved(tmp_path, "--benchmark-min-rounds=1", "--benchmark-max-time=0.000001")
    # github-action-benchmark's extractPytestResult, and Bencher's python_pytest adapter.
    names = {case["fullname"] for case in content["benchmarks"]}
    assert len(names) == len(content["benchmarks"]) == 4
    assert content["commit_info"].keys() >= {"id", "time", "author_time"}
    for case in content["benchmarks"]:
        stats = case["stats"]
        assert stats["ops"] == pytest.approx(1 / stats["mean"])
        assert stats["stddev"] >= 0
        assert stats["rounds"] == len(stats["data"]) == 1


def test_tables_and_summary_have_their_order_whatever_that_of_the_run() -> None:
    sizes = [1, 2, 4, 8, 16, 32]
    reversing = SimpleNamespace(pytest_collection_modifyitems=lambda items: items.reverse())
    done = run(f"--batch-sizes={','.join(map(str, sizes))}", plugin=reversing)
    assert done.returncode == 0
    assert max(len(line) for line in done.stdout.splitlines() if "batch size" in line) <= 100
    assert "gate" not in done.stdout.replace(str(ROOT), "")
    for name in ("formula", "packed"):
        table = done.stdout.split(f"benchmark '{name} 5x40x32-float64'")[1].splitlines()[3:9]
        assert [int(line.split()[2]) for line in table] == sizes
    rows = re.findall(r"^(formula|packed) +(\d+)  ", done.stdout, re.MULTILINE)
    assert rows == [(name, str(size)) for name in ("formula", "packed") for size in sizes]


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("wrong_last", "batch 32: example 31 has label 0 (score"),
        (
            "too_many",
            "batch 32: expected integer labels of shape (32,), not int64 of shape (33,)",
        ),
        ("scores", "not float64 of shape (32, 5)"),
        ("minus_one", "example 0 has label -1, expected 0 to 4"),
        ("nothing", "returned a NoneType, expected a callable or an object with .predict"),
    ],
)
def test_wrong_predictor_fails(factory: str, message: str) -> None:
    done = run("--batch-sizes=32", f"--predictor=tests.predictors:{factory}")
    assert done.returncode == 1
    assert message in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--classes=0"], "--classes: '0' is not a positive integer"),
        (["--features=many"], "--features: 'many' is not a positive integer"),
        (["--samples=-1"], "--samples: '-1' is not a positive integer"),
        (
            ["--batch-sizes=1,,2"],
            "--batch-sizes: '1,,2' is not a list of positive integers like 1,8,64",
        ),
        (
            ["--batch-sizes=33", "--samples=32"],
            "--batch-sizes: 33 is larger than the number of samples, 32",
        ),
        (["--dtype=float16"], "--dtype: invalid choice: 'float16'"),
        (
            ["--predictor=nothing"],
            "--predictor: 'nothing' is not a predictor: choose from formula, packed",
        ),
        (
            ["--predictor=no.module:make"],
            "--predictor: 'no.module:make' cannot be imported: ModuleNotFound",
        ),
        (
            ["--predictor=math:make"],
            "--predictor: 'math:make' cannot be imported: math has no make",
        ),
        (
            ["--predictor=tests.models:model"],
            "'tests.models:model' is of type Model, expected factory(coef): to measure a model",
        ),
        (["--features=1000000000000"], "the workload needs 456,000,000,002,560 bytes"),
    ],
)
def test_bad_option(options: list[str], message: str) -> None:
    done = run(*options)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert message in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_memray_is_refused() -> None:
    def pytest_addoption(parser: pytest.Parser) -> None:
        parser.addoption("--memray", action="store_true")

    done = run("--memray", plugin=SimpleNamespace(pytest_addoption=pytest_addoption))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: --memray watches each allocation" in done.stderr


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        (["--benchmark-disable"], "4 passed"),
        (["--benchmark-skip"], "4 skipped"),
        (["-k", "packed"], "2 passed"),
        ([f"{ROOT}/{CASE}[packed-32-5x40x32-float64]"], "1 passed"),
        (["-n", "2"], "4 skipped"),
        (["--codspeed"], "4 benchmarked"),
    ],
)
def test_ways_to_run(options: list[str], outcome: str) -> None:
    done = run(*options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert outcome in done.stdout


def test_without_pytest_benchmark() -> None:
    done = run("-p", "no:benchmark", "-p", "no:codspeed")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "pytest-benchmark is needed" in done.stderr


@pytest.mark.parametrize(
    ("peer", "dtype"),
    [*((peer, "float64") for peer in ("sklearn", "torch", "onnxruntime", "jax")),
     ("openvino", "float32")],
)  # fmt: skip
def test_peer(peer: str, dtype: str) -> None:
    if not importlib.util.find_spec(peer):
        pytest.skip(f"{peer} is not installed")
    done = run("--batch-sizes=1,8,32", f"--predictor={peer}", f"--dtype={dtype}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_peer_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    names = "torch", "torch-cuda", "packed"
    done = run("-rs", *(f"--predictor={name}" for name in names))
    assert done.returncode == 0
    assert "2 passed, 4 skipped" in done.stdout
    assert "torch is not installed: pip install -e '.[peers]'" in done.stdout


def test_torch_without_a_device() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    assert "PyTorch finds no CUDA device" in run("-rs", "--predictor=torch-cuda").stdout


ENVIRONMENTS: dict[str, dict[str, str | None]] = {
    "no home, no display, one thread, warnings are errors": dict.fromkeys(
        ("MPLCONFIGDIR", "XDG_CACHE_HOME", "DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")
    ) | {
        "HOME": "/proc/none", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "error",
    },
    "ASCII, one core": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}  # fmt: skip


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_environment(tmp_path: Path, name: str) -> None:
    environment = {k: v for k, v in (ENVIRONMENT | ENVIRONMENTS[name]).items() if v is not None}
    path = tmp_path / "run.json"
    for command in (
        ["-m", "pytest", "benchmarks", *SMALL, "--batch-sizes=32", f"--benchmark-json={path}"],
        ["benchmarks/plot.py", str(path), "--latency-budget=20us", f"--out={tmp_path / 'plots'}"],
    ):
        one_core = ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0)))]
        done = subprocess.run(
            [*one_core * ("one core" in name), sys.executable, *command],
            cwd=ROOT, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Warning: " not in done.stdout + done.stderr
    info = json.loads(path.read_text())["machine_info"]
    assert "one core" not in name or info["usable_cores"] == 1
    if "one thread" in name and info["blas"]["name"] == "openblas":
        assert info["blas"]["threads"] == 1


def test_read_only_checkout(tmp_path: Path) -> None:
    tree, out = tmp_path / "tree", tmp_path / "out"
    copy_work_tree(tree)
    out.mkdir()
    options = (*SMALL, "--batch-sizes=32", f"--benchmark-json={out}/run.json")
    commands = [
        [sys.executable, "-m", "pytest", "benchmarks", *options],
        [sys.executable, "benchmarks/plot.py", f"{out}/run.json", f"--out={out}/plots"],
        ["touch", "new"],
    ]
    script = "; ".join(shlex.join(command) for command in commands)
    mount = 'mount --bind "$PWD" "$PWD" && mount -o remount,bind,ro "$PWD" && cd "$PWD"'
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "bash", "-c", f"{mount} || exit 77; {script}"],
        cwd=tree, env=ENVIRONMENT, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode == 77 or done.stderr.startswith("unshare:"):
        pytest.skip(f"nothing can be mounted here: {done.stderr}")
    assert "touch: cannot touch 'new': Read-only file system" in done.stderr
    assert "rror:" not in done.stderr
    assert "2 passed" in done.stdout
    assert (out / "plots" / "latency.png").exists()
    assert {file.name for file in tree.iterdir()}.isdisjoint({".benchmarks", "plots"})


def test_wheel(tmp_path: Path) -> None:
    """It has the predictor, which needs NumPy alone."""
    tree, site = tmp_path / "tree", tmp_path / "site"
    copy_work_tree(tree)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", site, tree], check=True)
    code = """if True:
        import sys
        for name in ("pytest", "matplotlib", "psutil", "threadpoolctl", "platformdirs"):
            sys.modules[name] = None
        import numpy, linpredict
        print(linpredict.__file__)
        print(linpredict.LinearPredictor(numpy.eye(3)).predict(numpy.eye(3)))
    """
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=ENVIRONMENT | {"PYTHONPATH": str(site)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == [str(site / "linpredict" / "__init__.py"), "[0 1 2]"]
    assert (site / "linpredict" / "py.typed").exists()
    assert not (site / "benchmarks").exists()


def test_rounding_is_not_an_error() -> None:
    coef = np.ones((2, 1000), "float32")
    coef[1, 0] += np.finfo("float32").eps
    x = np.ones((1, 1000), "float32")
    check(coef, x, np.array([0]), np.array([1]))
    coef[1] = 1.5
    message = r"example 7 has label 0 \(score 1000\), the formula gives 1 \(score 1500\)"
    with pytest.raises(WrongLabelsError, match=message):
        check(coef, x, np.array([0]), np.array([1]), 7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_data_depends_on_the_seed_alone(monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    shape = (3, PER_STREAM - 1)
    values = fill(np.empty(shape, dtype), (1, 2))
    monkeypatch.setattr("benchmarks.measuring.data.usable_cores", lambda: 1)
    assert (values == fill(np.empty(shape, dtype), (1, 2))).all()
    assert (values != fill(np.empty(shape, dtype), (1, 3))).any()
    assert values.dtype == dtype
    assert abs(values.mean()) < 0.01
    assert abs(values.std() - 1) < 0.01


def test_data_holds_what_the_refusal_counts() -> None:
    workload = Workload(5, 4000, 100, "float32")
    arrays = weights(workload).nbytes + examples(workload).nbytes
    assert arrays <= workload.nbytes <= 1.1 * arrays
    assert weights(workload).nbytes == workload.weights_nbytes
    assert predict(weights(workload), examples(workload)).shape == (100,)


def test_memory_of_all_predictors_is_counted() -> None:
    workload = Workload(5, 4000, 32)
    data, copy = workload.nbytes, workload.weights_nbytes
    assert memory(workload, ["formula", "packed"], {}) == data + 4 * copy
    assert memory(workload, ["a:b", "torch"], {}) == data + 7 * copy
    single = Workload(5, 4000, 32, "float32")
    assert memory(single, ["packed"], {}) == single.nbytes + 2.5 * single.weights_nbytes
    of_processes = 6 * (2 * copy + PROCESS_NBYTES)
    assert memory(workload, ["packed", "torch"], {"packed": 6}) == data + of_processes + 5 * copy


def test_more_predictors_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    available = Workload(5, 4000, 32).nbytes + 6 * Workload(5, 4000, 32).weights_nbytes
    monkeypatch.setattr("benchmarks.checks.available_memory", lambda: available)
    options = ["--features=4000", "--batch-sizes=8", "--predictor=packed"]
    own = [f"--predictor=tests.predictors:{name}" for name in ("function", "slow", "scores")]
    assert run(*options, *own[:2]).returncode == 0
    done = run(*options, *own)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--classes or name fewer at --predictor" in done.stderr


@pytest.mark.parametrize("limit", ["-v", "-d"])
def test_memory_limit_below_what_is_needed(limit: str) -> None:
    command = shlex.join([sys.executable, "-m", "pytest", "benchmarks"])
    kib = 2_000_000
    done = subprocess.run(
        ["bash", "-c", f"ulimit {limit} {kib}; {command}"], cwd=ROOT, env=ENVIRONMENT,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    message = r"ERROR: the workload needs 2,819,620,864 bytes of memory and ([\d,]+) are available"
    (available,) = re.findall(message, done.stderr)
    assert 0 < int(available.replace(",", "")) < kib * 1024
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("limit", "usage"),
    [("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")],
)
def test_available_memory_obeys_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, usage: str
) -> None:
    (tmp_path / limit).write_text("5000\n")
    (tmp_path / usage).write_text("4000\n")
    stat = tmp_path / "memory.stat"
    stat.write_text("anon 3000\ninactive_file 700\n")
    monkeypatch.setattr("benchmarks.measuring.machine.control_groups", lambda kind: [tmp_path])
    assert available_memory() == 1700
    # What the system would free: files in use, the kernel's caches, those of the groups inside.
    stat.write_text("inactive_file 100\nactive_file 600\nslab_reclaimable 50\nshmem 70\n")
    assert available_memory() == 1750
    stat.write_text("inactive_file 1\ntotal_inactive_file 100\ntotal_active_file 300\n")
    assert available_memory() == 1400
    (tmp_path / limit).write_text("max\n")
    assert available_memory() > 1750
    (tmp_path / "memory.current").write_text("4000\n")
    (tmp_path / "memory.high").write_text("4500\n")
    assert available_memory() == 900


def test_one_class() -> None:
    done = run("--classes=1", "--features=1", "--samples=1", "--batch-sizes=1", "-rs")
    assert done.returncode == 0
    assert "packed tells two classes apart" in done.stdout
