"""The gate: its statistics, its order of calls, and ``--baseline`` as its users run it."""

import importlib
import itertools
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark import utils

from benchmarks import baseline, gate
from benchmarks.gate import FEWEST
from benchmarks.gate_errors import interval, make_repository, table
from benchmarks.sign_test import Comparison, Pairs
from tests import ENVIRONMENT, heed_interrupts

Array = NDArray[Any]

# Calls of 0.1 ms and more, and a limit that a busy machine does not reach by chance.
WORKLOAD = ("--classes=20", "--features=20000", "--samples=32", "--batch-sizes=1,8")
LIMIT = "--max-slowdown=30%"


class Rounds:
    """What `Gate.measure` uses of pytest-benchmark's fixture."""

    def pedantic(
        self, target: Any, setup: Callable[[], Any], teardown: Callable[..., None], rounds: int
    ) -> None:
        self.rounds = rounds
        for _ in range(rounds):
            arguments, _ = setup()
            target(*arguments)
            teardown(*arguments)


def fake_gate(n_cases: int = 22, seconds: float | None = None) -> gate.Gate:
    fake: Any = type("Baseline", (), {"commit": "1234567890abcdef", "__str__": lambda _: "1234567"})
    return gate.Gate(fake(), 0.05, n_cases, seconds=seconds)


def sleeper(seconds: float, calls: list[tuple[str, int]], name: str) -> Callable[[Array], Array]:
    def predict(x: Array) -> Array:
        calls.append((name, x[0]))
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass
        return x

    return predict


def test_order_of_calls() -> None:
    calls: list[tuple[str, int]] = []
    result = fake_gate().measure(
        Rounds(),
        [sleeper(0.001, calls, "A")],
        [sleeper(0.001, calls, "B")],
        (np.array([i]) for i in itertools.count()),
        1,
    )
    n = len(result["pairs"])
    assert n >= FEWEST
    order = "".join(name for name, _ in calls)
    assert {order[i : i + 4] for i in range(0, 2 * n, 4)} == {"ABBA", "BAAB"}
    assert [batch for _, batch in calls] == [i for i in range(n) for _ in range(2)]


@pytest.mark.alone
def test_measures_until_it_is_decided() -> None:
    def measured(slowdown: float, seconds: float) -> dict[str, Any]:
        noise = itertools.cycle(np.random.default_rng(4).uniform(0.9, 1.1, 1000))
        calls: list[Any] = []

        def predict(x: Array) -> Array:
            return sleeper(0.001 * slowdown * next(noise), calls, "")(x)

        def older(x: Array) -> Array:
            return sleeper(0.001, calls, "")(x)

        return fake_gate(1, seconds).measure(
            Rounds(), [predict], [older], itertools.repeat(np.zeros(1)), 1
        )

    quick, slow = measured(3, 100), measured(1.08, 100)
    assert quick["verdict"] == slow["verdict"] == "slower"
    assert len(quick["pairs"]) == FEWEST < len(slow["pairs"])
    assert len(measured(1.05, 0)["pairs"]) == FEWEST
    assert measured(1.05, 0)["verdict"] == "undecided"


def test_error_rate_is_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    spent: list[float] = []

    def looked(
        pairs: Pairs, n_builds: int, threshold: float, false_alarm: float, miss: float
    ) -> Comparison:
        spent.append(false_alarm)
        assert miss == pytest.approx(false_alarm / rate * gate.MISS)
        return Comparison(1, 1, 1, 1, verdict)

    monkeypatch.setattr(gate, "judge", looked)
    shared = fake_gate(4, seconds=0.8)
    calls: list[Any] = []
    predict = [sleeper(0.001, calls, "")]
    batches = itertools.repeat(np.zeros(1))
    for n_left, verdict in ((4, "undecided"), (4, "slower"), (3, "same"), (3, "undecided")):
        spent.clear()
        rate = gate.FALSE_ALARM / n_left
        result = shared.measure(Rounds(), predict, predict, batches, 1)
        assert result["confidence"] == 1 - 2 * rate
        if verdict == "undecided":
            assert len(spent) > 2
            assert sum(spent) == pytest.approx(rate)
        else:
            assert spent == pytest.approx([gate.LOOK * rate])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of two commits, both with the package as it stands."""
    folder = tmp_path / "repository"
    folder.mkdir()
    make_repository(folder, 0)
    return folder


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def change(folder: Path, old: str, new: str, name: str = "__init__.py") -> None:
    path = folder / "linpredict" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def command(folder: Path, *options: str) -> tuple[list[str], dict[str, str]]:
    temporary = folder.parent / "temporary"
    temporary.mkdir(exist_ok=True)
    arguments = ["-p", "no:cacheprovider", "benchmarks", *WORKLOAD, LIMIT, *options]
    return [sys.executable, "-m", "pytest", *arguments], ENVIRONMENT | {"TMPDIR": str(temporary)}


def run(folder: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmarks of a repository, and see that they leave nothing behind."""
    before = [git(folder, "status", "--porcelain")] if (folder / ".git").exists() else []
    arguments, environment = command(folder, *options)
    done = subprocess.run(
        arguments, cwd=folder, env=environment | variables, capture_output=True, text=True
    )
    left_behind(folder)
    assert before == ([git(folder, "status", "--porcelain")] if before else [])
    assert "Traceback" not in done.stdout + done.stderr
    return done


def left_behind(folder: Path) -> None:
    assert not [p for p in (folder.parent / "temporary").iterdir() if "baseline" in p.name]
    if (folder / ".git").exists() and not (folder / ".git" / "shallow").exists():
        assert len(git(folder, "worktree", "list").splitlines()) == 1


def slow_down(folder: Path) -> None:
    """Put a slowdown into the work tree."""
    slower = folder.parent / "slower"
    slower.mkdir()
    make_repository(slower, 1.0)
    shutil.copytree(slower / "linpredict", folder / "linpredict", dirs_exist_ok=True)


@pytest.mark.alone
def test_unchanged_code_passes(repository: Path) -> None:
    summary = repository.parent / "summary.md"
    summary.write_text("what was there\n")
    path = repository.parent / "run.json"
    done = run(
        repository,
        "--baseline=HEAD~1",
        f"--benchmark-json={path}",
        GITHUB_STEP_SUMMARY=str(summary),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = re.search(r"gate passed against \w{7}, threshold 1\.3: .*", done.stdout)
    assert verdict
    assert summary.read_text().startswith(f"what was there\n### {verdict[0]}\n")
    assert summary.read_text().count("\n| ") == 5
    cases = json.loads(path.read_text())["benchmarks"]
    assert [case["param"].split("-20x")[0] for case in cases] == [
        f"{name}-{size}" for size in (1, 8) for name in ("formula", "packed")
    ]
    for case in cases:
        result = case["extra_info"]["gate"]
        assert result["commit"] == git(repository, "rev-parse", "HEAD~1").strip()
        assert len(result["pairs"]) >= FEWEST
        assert result["max_slowdown"] == 0.3
        assert result["verdict"] in ("same", "faster", "undecided")
        assert result["confidence"] == pytest.approx(1 - 2 * 0.01 / 4)
        low, high = result["interval"]
        assert low < result["ratio"] < high
        ratios = [new / old for new, old in result["pairs"]]
        assert result["ratio"] == pytest.approx(np.median(ratios))
        assert {low, high} <= {*ratios}
        assert (low < result["at_most"] < 1.3) == (result["verdict"] != "undecided")
    assert "gate" not in run(repository).stdout.replace(str(repository), "")


def test_progress_on_a_terminal(repository: Path) -> None:
    arguments, environment = command(repository, "--baseline=HEAD~1", "--batch-sizes=8")
    terminal, output = pty.openpty()
    with subprocess.Popen(arguments, cwd=repository, env=environment, stdout=output):
        os.close(output)
        shown = b"".join(iter(lambda: read(terminal), b"")).decode()
    os.close(terminal)
    said = re.findall(r"(\w+), batch 8: (\d+) pairs, at most (\d+) s left", shown)
    assert {name for name, _, _ in said} == {"formula", "packed"}
    left = [int(seconds) for _, _, seconds in said]
    assert left == sorted(left, reverse=True)
    assert 0 < left[0] <= gate.SECONDS
    assert shown.index("pairs, at most") < shown.index("[100%]")
    assert "s left" not in run(repository, "--baseline=HEAD~1", "--batch-sizes=8").stdout


def read(terminal: int) -> bytes:
    """Read what comes, and nothing when the other end is closed."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def test_with_a_profile(repository: Path) -> None:
    assert run(repository, "--baseline=HEAD~1", "--benchmark-cprofile=tottime").returncode == 0


@pytest.mark.alone
def test_slower_work_tree_fails(repository: Path) -> None:
    slow_down(repository)
    path = repository.parent / "run.json"
    done = run(repository, "--baseline=HEAD", f"--benchmark-json={path}")
    commit = git(repository, "rev-parse", "HEAD")[:7]
    assert done.returncode == 1
    assert re.search(
        rf"packed, batch 8: [12]\.\d\dx slower than {commit} "
        r"\(98 % interval [12]\.\d\d to [12]\.\d\d; threshold 1\.3\)",
        done.stdout,
    )
    assert (
        f"gate failed against {commit}, threshold 1.3: 4 slower (formula 1, packed 1" in done.stdout
    )
    assert len(json.loads(path.read_text())["benchmarks"]) == 4


@pytest.mark.parametrize("option", [(), ("--undecided=fail",)])
def test_undecided(repository: Path, option: tuple[str, ...]) -> None:
    # Durations that vary by much more than versions can differ: of each four pairs, whichever comes
    # first, the current version is the slower one in one, and the faster one in another.
    waits = "WAITS = itertools.cycle((1, 1, 2, 2) if 'baseline' in __name__ else (1, 2, 1, 2))"
    types = "Array = NDArray[Any]\n"
    change(repository, types, f"import itertools, time\n{waits}\n{types}", "predictor.py")
    noise = "time.sleep(5e-4 * next(WAITS))\n    w = as_weights(w)\n"
    change(repository, "w = as_weights(w)\n", noise, "predictor.py")
    git(repository, "commit", "-qam", "noise")
    done = run(
        repository, "--baseline=HEAD", "--max-slowdown=1e-6%", "--predictor=formula",
        "--batch-sizes=8", "--features=2000", *option,
    )  # fmt: skip
    commit = git(repository, "rev-parse", "HEAD")[:7]
    end = "1 undecided (formula 8)"
    verdict = "failed" if option else "passed"
    assert f"gate {verdict} against {commit}, threshold 1: {end}" in done.stdout
    sentence = (
        rf"formula, batch 8: undecided, [01]\.\d\dx the time of {commit} "
        r"\(98 % interval [01]\.\d\d to [1-9]\.\d\d; threshold 1\)"
    )
    assert bool(re.search(sentence, done.stdout)) == bool(option), done.stdout
    assert done.returncode == bool(option)


@pytest.mark.alone
def test_faster_work_tree_passes(repository: Path) -> None:
    slow_down(repository)
    git(repository, "commit", "-qam", "slower")
    git(repository, "revert", "--no-edit", "HEAD")
    done = run(repository, "--baseline=HEAD~1")
    assert done.returncode == 0
    assert ": 4 faster" in done.stdout


@pytest.mark.alone
def test_predictor_that_the_baseline_lacks_is_new(repository: Path) -> None:
    change(repository, "from linpredict.predictor import LinearPredictor, predict", "#")
    change(repository, "__all__", "from linpredict.predictor import predict\n__all__")
    git(repository, "commit", "-qam", "without LinearPredictor")
    git(repository, "revert", "--no-edit", "HEAD")
    done = run(repository, "--baseline=HEAD~1")
    assert done.returncode == 0, done.stdout
    assert re.search(r"gate passed against \w{7}, threshold 1.3: .*2 new", done.stdout)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("return model.labels(x)", "return 4 - model.labels(x)", "packed, batch 1: example 0 has"),
        ("    labels: Labels = np.argmax", "    1 / 0\n    labels: Labels = np.argmax",
         "formula, batch 1: ZeroDivisionError: division by zero"),
        ("coef = as_weights(coef)", "raise OSError('no\\nluck')",
         "packed, batch 1: OSError: no luck"),
        ("import numpy as np", "import nothing_of_that_name",
         "linpredict cannot be imported: ModuleNotFoundError: No module named 'nothing_of_that"),
    ],
)  # fmt: skip
def test_broken_baseline(repository: Path, old: str, new: str, message: str) -> None:
    change(repository, old, new, "predictor.py")
    git(repository, "commit", "-qam", "broken")
    git(repository, "revert", "--no-edit", "HEAD")
    done = run(repository, "--baseline=HEAD~1")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    assert message in done.stdout + done.stderr


def test_commit_without_the_package(repository: Path) -> None:
    branch = git(repository, "symbolic-ref", "--short", "HEAD").strip()
    git(repository, "checkout", "-q", "--orphan", "empty")
    git(repository, "rm", "-q", "--cached", "-r", "linpredict")
    git(repository, "commit", "-qm", "without the package")
    git(repository, "tag", "bare")
    git(repository, "checkout", "-qf", branch)
    done = run(repository, "--baseline=bare")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert re.search(r"--baseline: \w{7} has no package linpredict", done.stderr)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--baseline=nothing"], "--baseline: git knows no commit 'nothing'"),
        (["--baseline=HEAD:linpredict"], "--baseline: git knows no commit 'HEAD:linpredict'"),
        (["--baseline=--all"], "--baseline: '--all' is not a revision"),
        (["--baseline="], "--baseline: '' is not a revision"),
        (["--baseline=HEAD", "--max-slowdown=5"], "--max-slowdown: '5' is not a percentage"),
        (["--baseline=HEAD", "--max-slowdown=-1%"], "--max-slowdown: '-1%' is not a percentage"),
        (["--baseline=HEAD", "--benchmark-disable"], "and --benchmark-disable does not"),
        (["--baseline=HEAD", "--codspeed"], "and --codspeed does not"),
        (["--baseline=HEAD", "-n2"], "and -n does not"),
        (["--baseline=HEAD", "--predictor=torch"], "compares formula and packed: choose one"),
        (
            ["--baseline=HEAD", "--predictor=packed", "--predictor=json:loads"],
            ", and not json:loads",
        ),
    ],
)
def test_refused_options(repository: Path, options: list[str], message: str) -> None:
    done = run(repository, *options)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert message in done.stderr


def test_shallow_clone(repository: Path) -> None:
    clone = repository.parent / "clone"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{repository}", clone], check=True)
    done = run(clone, "--baseline=HEAD~1")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "this clone is shallow and has no commit 'HEAD~1': fetch it with git" in done.stderr


def test_not_a_repository(repository: Path) -> None:
    shutil.rmtree(repository / ".git")
    done = run(repository, "--baseline=HEAD", GIT_CEILING_DIRECTORIES=str(repository.parent))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "cannot be read by git (" in done.stderr


def test_variables_do_not_direct_git_elsewhere(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, errors = tmp_path / "other", tmp_path / "errors"
    for folder in (other, errors):
        folder.mkdir()
    make_repository(other, 0.5)
    commits = [git(folder, "rev-parse", "HEAD").strip() for folder in (repository, other)]
    monkeypatch.setattr(baseline, "ROOT", repository)
    monkeypatch.chdir(repository)
    with monkeypatch.context() as variables:
        for name in ("GIT_DIR", "GIT_COMMON_DIR"):
            variables.setenv(name, str(other / ".git"))
        variables.setenv("GIT_WORK_TREE", str(other))
        variables.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
        variables.setenv("GIT_OBJECT_DIRECTORY", str(other / ".git" / "objects"))
        assert baseline.resolve("HEAD") == commits[0]
        baseline.extract(commits[0], tmp_path)
        with baseline.undirected():
            assert utils.get_commit_info()["id"] == commits[0]  # as a run saves it
        make_repository(errors, 0)
    assert (tmp_path / baseline.NAME / "__init__.py").exists()
    assert len(git(errors, "log", "--oneline").splitlines()) == 2
    assert commits == [git(folder, "rev-parse", "HEAD").strip() for folder in (repository, other)]


def test_repository_of_another_user(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1"), ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", os.devnull), ("LC_ALL", "de_DE.UTF-8"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(baseline, "ROOT", repository)
    remedy = "belongs to another user.*git config --global --add safe.directory"
    with pytest.raises(baseline.BaselineError, match=f"{remedy} {repository}"):
        baseline.resolve("HEAD")
    # A variable, too, may allow it: those that configure git are left as they are.
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "*")
    assert baseline.resolve("HEAD")


def test_git_is_missing(repository: Path) -> None:
    done = run(repository, "--baseline=HEAD", PATH=str(repository))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--baseline: git cannot be run (No such file or directory): install git" in done.stderr


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [1.2, 1.6, 2.0, 3.0])
def test_interruption_leaves_nothing_behind(
    repository: Path, delay: float, sent: signal.Signals
) -> None:
    arguments, environment = command(repository, "--baseline=HEAD~1", "--max-slowdown=0.001%")
    process = subprocess.Popen(
        arguments, cwd=repository, env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, preexec_fn=heed_interrupts,
    )  # fmt: skip
    time.sleep(delay)
    process.send_signal(sent)
    assert process.wait(timeout=60) not in (0, 1)
    left_behind(repository)


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    """A folder for a package of modules that import each other."""
    (tmp_path / baseline.NAME / "part").mkdir(parents=True)
    yield tmp_path / baseline.NAME
    baseline.forget()


def test_baseline_and_current_package_do_not_mix(package: Path) -> None:
    import linpredict

    (package / "__init__.py").write_text(
        "import linpredict.first\n"
        "import linpredict.part.second as second\n"
        "from linpredict import first\n"
        "from . import pool\n"
        "import numpy, json\n"
        "def late():\n"
        "    import importlib, linpredict\n"
        "    from linpredict.machine import where\n"
        "    return linpredict, where, importlib.import_module('linpredict.machine').where\n"
        "top = linpredict\n"
    )
    (package / "first.py").write_text("from linpredict.part import second\nname = __name__\n")
    (package / "part" / "__init__.py").write_text("")
    (package / "part" / "second.py").write_text("from linpredict import pool\nfrom .. import pool")
    (package / "pool.py").write_text("where = 'baseline'\n")
    (package / "machine.py").write_text("from linpredict.pool import where\n")
    current = {name: module for name, module in sys.modules.items() if "linpredict" in name}
    path, hooks = list(sys.path), list(sys.path_hooks)

    imported = baseline.import_package(package.parent)
    assert imported is not linpredict
    assert imported.top is imported
    assert imported.first.name == f"{baseline.NAME}.first"
    assert imported.second.pool is imported.pool is imported.first.second.pool
    assert imported.late() == (imported, "baseline", "baseline")
    assert imported.numpy is np
    for name, module in current.items():
        assert sys.modules[name] is module
    assert importlib.import_module("linpredict.machine") is current["linpredict.machine"]
    assert (sys.path, sys.path_hooks) == (path, hooks)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),  # by scipy.stats.binomtest(k, n).proportion_ci(method="exact")
    [(0, 100, 0, 0.0362167), (1, 100, 0.000253146, 0.0544594), (5, 20, 0.0865715, 0.491046),
     (20, 20, 0.831567, 1)],
)  # fmt: skip
def test_interval_of_a_chance(k: int, n: int, low: float, high: float) -> None:
    assert interval(k, n) == pytest.approx((low, high), rel=1e-4)


def test_table_of_errors(tmp_path: Path) -> None:
    path = tmp_path / "errors.jsonl"
    scenario = ["small", "gate, threshold 5%", "idle", "10%"]
    runs = [
        {"scenario": ["small", "median:10%", "idle", "0%"], "failed": False, "seconds": 9},
        {"scenario": scenario, "failed": True, "seconds": 3, "verdicts": ["slower", "slower"]},
        {"scenario": scenario, "failed": True, "seconds": 5, "verdicts": ["slower", "undecided"]},
        {"scenario": [*scenario[:3], "8%"], "failed": True, "seconds": 5, "verdicts": ["slower"]},
    ]
    path.write_text("".join(json.dumps(run) + "\n" for run in runs))
    rows = table(path).splitlines()[2:]
    assert rows == [
        "| small | gate, threshold 5% | idle | 8% | 1 | 1 | 2% to 100% | 1 of 1 | 0 of 1 | 5 |",
        "| small | gate, threshold 5% | idle | 10% | 2 | 2 | 16% to 100% | 3 of 4 | 1 of 4 | 4 |",
        "| small | median:10% | idle | 0% | 1 | 0 | 0% to 97% |  |  | 9 |",
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "No such file or directory"), ("{}", "does not hold what this writes")],
)
def test_table_of_errors_without_any(tmp_path: Path, content: str | None, sentence: str) -> None:
    path = tmp_path / "errors.jsonl"
    if content:
        path.write_text(content)
    script = Path(baseline.__file__).with_name("gate_errors.py")
    arguments = [sys.executable, str(script), "--table", "--out", str(path)]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert sentence in line
