"""``--baseline`` and its like, as users run them."""

import compileall
import importlib.util
import json
import os
import pty
import py_compile
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from benchmarks import comparison
from benchmarks.evidence import stubs
from benchmarks.evidence.gate_error_rates import make_repository, slower
from benchmarks.gate.gate import FEWEST
from benchmarks.measuring.rounds import MAX_ROUNDS
from tests.helpers.processes import ENVIRONMENT, executable, heed_interrupts
from tests.helpers.repository import git
from tests.helpers.saved_runs import script
from tests.helpers.suite import run as run_suite

# Calls of 0.1 ms and more, and a limit that a busy machine does not reach by chance.
WORKLOAD = ("--classes=20", "--features=20000", "--samples=32", "--batch-sizes=1,8")
LIMIT = "--max-slowdown=30%"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of two commits, both with the package as it stands.

    Its gate makes one process of each side instead of three.
    """
    folder = tmp_path_factory.mktemp("template") / "repository"
    folder.mkdir()
    make_repository(folder, 0)
    change(folder, "\nPROCESSES = 3 ", "\nPROCESSES = 1 ", SIDES)
    # By their contents: a change of the same size may come in the same second.
    by_hash = py_compile.PycInvalidationMode.CHECKED_HASH
    assert compileall.compile_dir(folder, quiet=1, invalidation_mode=by_hash)
    arguments, environment = command(folder, "--collect-only")  # compiles those of pytest, too
    subprocess.run(arguments, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)
    ignore_compiled(folder)
    return folder


def ignore_compiled(folder: Path) -> None:
    (folder / ".git" / "info" / "exclude").write_text("__pycache__/\n")


@pytest.fixture
def repository(template: Path, tmp_path: Path) -> Path:
    """A copy of the template, with its compiled modules."""
    return Path(shutil.copytree(template, tmp_path / "repository", symlinks=True))


SIDES = "benchmarks/gate/sides.py"


def change(folder: Path, old: str, new: str, name: str = "linpredict/__init__.py") -> None:
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def as_users_have_it(folder: Path) -> None:
    """Let the gate of a repository make three processes of each side."""
    change(folder, "\nPROCESSES = 1 ", "\nPROCESSES = 3 ", SIDES)


# The threads of OpenBLAS of two tests at once hold each other up.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}


def command(
    folder: Path,
    *options: str,
    workload: tuple[str, ...] = WORKLOAD,
    threads: dict[str, str] = ONE_THREAD,
    **variables: str,
) -> tuple[list[str], dict[str, str]]:
    """Return what runs the benchmarks of ``repository`` for that, or for a folder beside it."""
    temporary = folder.parent / "temporary"
    temporary.mkdir(exist_ok=True)
    suite = str(folder.parent / "repository" / "benchmarks")
    # The last one limits what is not compared.
    limits = [LIMIT, "--baseline-seconds=10", "--benchmark-max-time=0.01"]
    arguments = ["-p", "no:cacheprovider", suite, *workload, *limits, *options]
    environment = ENVIRONMENT | threads | {"TMPDIR": str(temporary)} | variables
    return [sys.executable, "-m", "pytest", *arguments], environment


def run(folder: Path, *options: str, **named: Any) -> subprocess.CompletedProcess[str]:
    """Run the benchmarks for a repository, and see that they leave nothing behind."""
    before = git(folder, "status", "--porcelain")
    arguments, environment = command(folder, *options, **named)
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True)
    left_behind(folder)
    assert before == git(folder, "status", "--porcelain")
    assert "Traceback" not in done.stdout + done.stderr
    return done


def left_behind(folder: Path) -> None:
    workers = f"{folder.parent / 'repository'}/benchmarks/workers/worker.py"
    assert not [p for p in psutil.process_iter(["cmdline"]) if workers in (p.info["cmdline"] or ())]
    assert not [p for p in (folder.parent / "temporary").iterdir() if "baseline" in p.name]


@pytest.mark.alone  # threads that compute beside other tests tell nothing
def test_unchanged_code_passes(repository: Path) -> None:
    as_users_have_it(repository)
    # On a busy machine the run may last for more than the usual 20 s.
    change(repository, "QUIET = 20.0", "QUIET = 600.0", "benchmarks/conftest.py")
    summary = repository.parent / "summary.md"
    summary.write_text("what was there\n")
    path = repository.parent / "run.json"
    done = run(
        repository, "--baseline=HEAD~1", "--batch-sizes=8", f"--benchmark-json={path}",
        threads={}, GITHUB_STEP_SUMMARY=str(summary),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = re.search(r"gate passed against \w{7}, threshold 1\.3: .*", done.stdout)
    assert verdict
    assert summary.read_text().startswith(f"what was there\n### {verdict[0]}\n")
    assert summary.read_text().count("\n| ") == 3
    assert "s left" not in done.stdout
    cases = json.loads(path.read_text())["benchmarks"]
    assert [case["param"].split("-20x")[0] for case in cases] == ["formula-8", "packed-8"]
    n_whole = 0
    for case in cases:
        result = case["extra_info"]["gate"]
        assert result["commit"] == git(repository, "rev-parse", "HEAD~1").strip()
        assert len(result["pairs"]) >= FEWEST
        assert result["max_slowdown"] == 0.3
        assert result["verdict"] in ("same", "faster", "undecided")
        assert result["confidence"] == pytest.approx(1 - 2 * 0.01 / 2)
        low, high = result["interval"]
        assert low < result["ratio"] < high
        ratios = [new / old for new, old in result["pairs"]]
        assert result["ratio"] == pytest.approx(np.median(ratios))
        assert {low, high} <= {*ratios}
        if result["verdict"] != "undecided":  # which a slow process can make of it, too
            assert low < result["at_most"] < 1.3
        # What is saved as the case's durations are those of the current side's processes.
        data, of_pairs = case["stats"]["data"], [new for new, _ in result["pairs"]]
        if len(data) < MAX_ROUNDS:  # all of them
            n_whole += 1
            blocks = np.array(data).reshape(len(of_pairs), -1)
            assert np.median(blocks, axis=1) == pytest.approx(of_pairs)
        assert case["extra_info"]["p50"] == case["stats"]["median"]
    assert n_whole


def read(terminal: int) -> bytes:
    """Read what comes within a minute, and nothing when the other end is closed."""
    assert select.select([terminal], [], [], 60)[0]
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def read_all(terminal: int) -> bytes:
    return b"".join(iter(lambda: read(terminal), b""))


@pytest.mark.alone
def test_slower_work_tree_fails_on_a_terminal(repository: Path) -> None:
    with (repository / "linpredict" / "__init__.py").open("a") as file:
        file.write(slower(1.0, "predict", "LinearPredictor.predict"))
    as_users_have_it(repository)
    change(repository, "OFTEN = 1.0", "OFTEN = 0", "benchmarks/gate/gate.py")
    path = repository.parent / "run.json"
    arguments, environment = command(
        repository, "--baseline=HEAD", "--predictor=packed", "--color=no",
        "--baseline-seconds=9.6", f"--benchmark-json={path}",
    )  # fmt: skip
    terminal, output = pty.openpty()
    with subprocess.Popen(arguments, cwd=repository, env=environment, stdout=output) as process:
        os.close(output)
        shown = read_all(terminal).decode()
    os.close(terminal)
    assert process.returncode == 1, shown
    commit = git(repository, "rev-parse", "HEAD")[:7]
    said = re.search(
        rf"packed, batch 8: (\S+)x slower than {commit} "
        r"\(98 % interval (\S+) to (\S+); threshold 1\.3\)",
        shown,
    )
    assert said
    ratio, low, high = map(float, said.groups())
    assert 1.3 < low <= ratio <= high
    end = "2 slower (packed 1, packed 8)"
    assert f"gate failed against {commit}, threshold 1.3: {end}" in shown
    assert len(json.loads(path.read_text())["benchmarks"]) == 2
    # Its progress.
    told = re.findall(r"(\w+), batch [18]: \d+ pairs, at most (\d+) s left", shown)
    assert {name for name, _ in told} == {"packed"}
    left = [int(seconds) for _, seconds in told]
    assert left == sorted(left, reverse=True)
    assert left[-1] < 10
    assert shown.index("pairs, at most") < shown.index("[100%]")
    assert "packed, batch 1: making 1 of 6" in shown


def test_undecided(repository: Path) -> None:
    # Every other call of the current version takes half as long as one of the baseline, the others
    # twice as long; calls of 1.3 ms and more are asked for one by one.
    waits = "WAITS = itertools.cycle([2] if 'baseline' in __file__ else [1, 4])"
    types = "Labels = NDArray[np.intp]\n"
    change(repository, types, f"import itertools, time\n{waits}\n{types}", "linpredict/formula.py")
    noise = "time.sleep(2e-3 * next(WAITS))\n    w = as_weights(w)\n"
    change(repository, "w = as_weights(w)\n", noise, "linpredict/formula.py")
    git(repository, "commit", "-qam", "noise")
    path = repository.with_suffix(".json")
    done = run(
        repository, "--baseline=HEAD", "--max-slowdown=1e-6%", "--predictor=formula",
        "--features=2000", "--undecided=fail", f"--benchmark-json={path}",
        "--baseline-seconds=1.5", "-k=formula-8",
    )  # fmt: skip
    [saved] = json.loads(path.read_text())["benchmarks"]
    assert saved["extra_info"]["gate"]["seconds"] < 4  # instead of 6
    commit = git(repository, "rev-parse", "HEAD")[:7]
    end = "1 undecided (formula 8)"
    assert f"gate failed against {commit}, threshold 1: {end}" in done.stdout, done.stdout
    sentence = (
        rf"formula, batch 8: undecided, [01]\.\d\dx the time of {commit} "
        r"\(98 % interval [01]\.\d\d to [1-9]\.\d\d; threshold 1\)"
    )
    assert re.search(sentence, done.stdout), done.stdout
    assert re.search("formula, batch 8: undecided(, and| after .* would decide)", done.stdout)
    assert done.returncode == 1


def test_predictor_that_the_baseline_lacks_is_new(repository: Path) -> None:
    change(repository, "from .predictor import LinearPredictor", "#")
    change(repository, '__all__ = ["LinearPredictor", "predict"]', '__all__ = ["predict"]')
    git(repository, "commit", "-qam", "without LinearPredictor")
    git(repository, "revert", "--no-edit", "HEAD")
    predictors = "--predictor=packed", "--predictor=formula"
    done = run(repository, "--baseline=HEAD~1", "--batch-sizes=8", *predictors)
    assert done.returncode == 0, done.stdout
    assert re.search(r"gate passed against \w{7}, threshold 1\.3: .*\b1 new", done.stdout)
    assert " 98 % interval " in done.stdout  # no other case shares the chance of an error


def test_broken_baseline(repository: Path) -> None:
    wrong = "return 4 - model.labels(x)"
    change(repository, "return model.labels(x)", wrong, "linpredict/predictor.py")
    git(repository, "commit", "-qam", "broken")
    git(repository, "revert", "--no-edit", "HEAD")
    done = run(repository, "--baseline=HEAD~1", "--predictor=packed")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    assert "packed, batch 1: example 0 has" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--baseline=HEAD", "--max-slowdown=5"], "--max-slowdown: '5' is not a percentage"),
        (["--baseline=HEAD", "--max-slowdown=-1%"], "--max-slowdown: '-1%' is not a percentage"),
        (["--baseline=HEAD", "--benchmark-disable"], "and --benchmark-disable does not"),
        (["--baseline=HEAD", "--codspeed"], "and --codspeed does not"),
        (["--baseline=HEAD", "-n", "2"], "and -n does not"),
        (["--baseline=HEAD", "--benchmark-cprofile=tottime"], "and --baseline measures in others"),
        (
            ["--baseline=HEAD", "--predictor=torch"],
            "compares formula and packed, and predictors of",
        ),
        (["--baseline=HEAD", "--predictor=json:loads"], "json:loads is installed in "),
        (["--baseline-set=PYTHONPATH=/old"], "PYTHONPATH chooses what is imported, and both sides"),
        (["--baseline-set=OMP_NUM_THREADS"], "'OMP_NUM_THREADS' is not a variable like"),
        (["--baseline-python=/nowhere/python"], "there is no file or command '/nowhere/python'"),
        (["--baseline-python="], "--baseline-python: it names nothing"),
        (["--examples="], "--examples: it names nothing"),
        (["--baseline-requirements=no.txt"], "--baseline-requirements: no.txt cannot be read: No"),
        (["--baseline-with=-r pyproject.toml"], "or --baseline-requirements pyproject.toml"),
        (["--blame"], "--blame looks for what made a case slower than the baseline: name one, as"),
    ],
)
def test_refused_options(options: list[str], message: str) -> None:
    done = run_suite(*options)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert message in done.stderr


@pytest.mark.parametrize(("module", "name"), [(signal, "SIGSTOP"), (os, "waitid")])
def test_system_that_cannot_freeze_processes(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str
) -> None:
    given = {"predictor": ["packed"], "baseline": "HEAD"}
    config: Any = SimpleNamespace(
        getoption=lambda name, default=None: given.get(name, default), getini={}.__getitem__
    )
    comparison.check(config)
    monkeypatch.delattr(module, name)
    with pytest.raises(pytest.UsageError, match="this system cannot: use Linux, or macOS with"):
        comparison.check(config)


@pytest.mark.parametrize(
    ("shown", "sent"),
    [
        ("read-tree", signal.SIGINT),
        ("making 2 of 2", signal.SIGTERM),  # while a fault is the baseline's
        ("pairs, at most", signal.SIGTERM),
    ],
)
def test_interruption_leaves_nothing_behind(
    repository: Path, shown: str, sent: signal.Signals
) -> None:
    arguments, environment = command(
        repository, "--baseline=HEAD~1", "--max-slowdown=0.001%", "--predictor=packed"
    )
    terminal, output = pty.openpty()
    if shown == "read-tree":
        # Not sooner: while pytest starts it is not yet `interruptible`, and under Python 3.11 ended
        # with TypeError and 1 where its code has no line (1 of some 120 interrupts).
        says = f"*read-tree*) echo {shown} >{os.ttyname(output)}; sleep 1; exit 1"
        text = f'case "$*" in {says};; esac\nexec {shutil.which("git")} "$@"'
        executable(repository.parent / "bin" / "git", text)
        environment["PATH"] = f"{repository.parent / 'bin'}:{environment['PATH']}"
    process = subprocess.Popen(
        arguments, cwd=repository, env=environment, stdout=output, stderr=output,
        preexec_fn=heed_interrupts,
    )  # fmt: skip
    os.close(output)
    said = b""
    while shown.encode() not in said:
        more = read(terminal)
        assert more, said
        said += more
    process.send_signal(sent)
    said += read_all(terminal)
    os.close(terminal)
    assert process.wait(timeout=60) == (2 if sent == signal.SIGINT else 128 + sent), said
    left_behind(repository)


def repository_of(folder: Path, name: str, text: str) -> Path:
    """Make a repository of a module."""
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text(text)
    git(folder, "init", "-q")
    ignore_compiled(folder)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


@pytest.fixture
def own(repository: Path) -> Path:
    """A repository with a module of one's own in src/, whose second commit is slower."""
    folder = repository_of(repository.parent / "own", "src/mine.py", OWN)
    change(folder, "SLOWER = 0", "SLOWER = 0.002", "src/mine.py")
    git(folder, "commit", "-qam", "slower")
    return folder


OWN = """
import time
SLOWER = 0

def serve(coef):
    def predict(x):
        labels = (x @ coef.T).argmax(axis=1)
        end = time.perf_counter() + SLOWER
        while time.perf_counter() < end:
            pass
        return labels
    return predict
"""


FINDER = """
import sys
from importlib.util import spec_from_file_location

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return spec_from_file_location(name, {!r}) if name == "mine" else None

sys.meta_path.append(Finder)
"""


def run_own(own: Path, path: str) -> subprocess.CompletedProcess[str]:
    options = "--predictor=mine:serve", "--batch-sizes=8", "--baseline=HEAD~1"
    return run(own, *options, PYTHONPATH=str(own / path))


def test_own_predictor_at_another_commit(own: Path) -> None:
    done = run_own(own, "src")
    first, last = (git(own, "rev-parse", "--short=7", rev).strip() for rev in ("HEAD~1", "HEAD"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"what differs, {first} → current:\n  commit: {first} → {last}\npredictor" in done.stdout
    assert "1 slower (mine:serve 8)" in done.stdout


def test_own_predictor_that_the_commit_lacks(own: Path) -> None:
    git(own, "mv", "src", "lib")
    git(own, "commit", "-qm", "moved")
    done = run_own(own, "lib")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 new" in done.stdout
    # Both sides would import the same code where an editable install has a finder that knows one
    # folder, whatever comes first.
    hooks = own.parent / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(FINDER.format(str(own / "lib" / "mine.py")))
    done = run_own(own, str(hooks))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout + done.stderr
    assert re.search(r"\w{7} has no module mine, and .*/own/lib/mine.py would be", done.stdout)


MODEL = """
import numpy as np
import os
import time
SLOWER, BIAS, SHIFT = 0, 0, 0
RNG = np.random.default_rng(0)
W = RNG.standard_normal((5, 300))

def examples():
    return RNG.standard_normal((64, 300)) + SHIFT

class Model:
    def predict(self, x):
        end = time.perf_counter() + SLOWER
        labels = np.array(list("abcde"))[(x @ W.T + BIAS * np.eye(5)[0]).argmax(axis=1)]
        while time.perf_counter() < end:
            pass
        return labels

model = Model()
"""


@pytest.fixture
def shop(repository: Path) -> Path:
    """A repository with a model of one's own and its examples."""
    return repository_of(repository.parent / "shop", "shop.py", MODEL)


@pytest.mark.parametrize(
    ("numbers", "status", "said"),
    [
        ("0, 0, 0", 0, ["between {0} and current nothing differs", "gate passed"]),
        ("0, 5, 1", 1, [
            "  examples: ndarray-64x300-float64-", "shop:model, batch 8: answers differ for",
            "from those of {0}, more than --max-dif", "1 same, answers differ (shop:model)",
        ]),
    ],
)  # fmt: skip
def test_model_of_ones_own(shop: Path, numbers: str, status: int, said: list[str]) -> None:
    """Each side makes the model and the examples of its own source."""
    change(shop, "SHIFT = 0, 0, 0", f"SHIFT = {numbers}", "shop.py")
    done = run_shop(shop, "--baseline=HEAD")
    assert done.returncode == status, done.stdout + done.stderr
    commit = git(shop, "rev-parse", "--short=7", "HEAD").strip()
    for words in said:
        assert words.format(commit) in done.stdout, done.stdout
    again = script(str(shop.parent / "run.json"), name="verdicts.py")
    assert again.returncode == status
    assert said[-1] in again.stdout


def run_shop(shop: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(
        shop, "--predictor=shop:model", "--examples=shop:examples", "--batch-sizes=8",
        f"--benchmark-json={shop.parent / 'run.json'}", *options, workload=(), **variables,
    )  # fmt: skip


def test_which_of_two_things_did_it(shop: Path) -> None:
    slower = '0.002 + 0.002 * ("FAST" not in os.environ)'
    change(shop, "SLOWER, BIAS, SHIFT = 0", f"SLOWER, BIAS, SHIFT = {slower}", "shop.py")
    summary = shop.parent / "summary.md"
    options = ["--baseline-set=FAST=1", "--baseline-set=OTHER=1", "--blame"]
    done = run_shop(shop, *options, GITHUB_STEP_SUMMARY=str(summary))
    assert done.returncode == 1, done.stdout + done.stderr
    assert (
        "--blame measures 2 differences, each alone, for shop:model, batch 8: at m" in done.stdout
    )
    did_it = "shop:model, batch 8: FAST 1 → (not set) did it"
    assert f"\n{did_it}\n" in done.stdout, done.stdout
    assert f"\n- {did_it}\n" in summary.read_text()
    assert did_it in script(str(shop.parent / "run.json"), name="verdicts.py").stdout


def test_compiled_parts_at_another_commit(repository: Path, tmp_path: Path) -> None:
    if not (shutil.which("cc") and importlib.util.find_spec("setuptools")):
        pytest.skip("no compiler, or no setuptools")
    folder = tmp_path / "extension"
    folder.mkdir()
    stubs.make_extension(folder, 1.0)
    ignore_compiled(folder)
    options = "--predictor=own:serve", "--baseline=HEAD~1", "--features=100", "--batch-sizes=8"
    done = run(folder, *options, XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "  pip built extension at " in done.stdout
    assert "1 slower (own:serve 8)" in done.stdout


def test_variable(repository: Path) -> None:
    path = repository.parent / "run.json"
    done = run(
        repository, "--baseline-set=OPENBLAS_NUM_THREADS=1", "--predictor=formula",
        "--batch-sizes=8", "--features=50", f"--benchmark-json={path}",
        "--baseline-seconds=1", threads={},
    )  # fmt: skip
    assert done.returncode in (0, 1)  # whatever it finds
    differs = r"current:\n(  BLAS: .*, threads 1 → .*\n)?  OPENBLAS_NUM_THREADS: 1 → \(not set\)\n"
    assert re.search(differs, done.stdout)
    (case,) = json.loads(path.read_text())["benchmarks"]
    sides = case["extra_info"]["gate"]["sides"]
    assert sides["baseline"]["variables"] == {"OPENBLAS_NUM_THREADS": "1"}
    assert case["extra_info"]["gate"]["commit"] == "OPENBLAS_NUM_THREADS=1"
    assert re.search(differs, script(str(path), name="verdicts.py").stdout)


JUDGED = r"threshold 1\.3: 1 (slower|undecided|same|faster)"


def test_two_gates_at_once(repository: Path) -> None:
    options = "--baseline=HEAD~1", "--batch-sizes=8", "--predictor=packed", "--baseline-seconds=1"
    arguments, environment = command(repository, *options)
    processes = [
        subprocess.Popen(
            arguments, cwd=repository, env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in processes:
        said = process.communicate(timeout=100)[0]
        assert re.search(JUDGED, said), said  # whatever: they disturb each other's durations
    left_behind(repository)


def test_small_shared_memory(repository: Path) -> None:
    """Containers have 64 MiB in /dev/shm; here it has less than weights and examples take."""
    arguments, environment = command(
        repository, "--baseline=HEAD~1", "--batch-sizes=1", "--predictor=formula", "--features=9999"
    )
    mount = "mount -t tmpfs -o size=1m tmpfs /dev/shm || exit 77"
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "bash", "-c",
         f"{mount}; df --output=size /dev/shm; {shlex.join(arguments)}"],
        cwd=repository, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode == 77 or done.stderr.startswith("unshare:"):
        pytest.skip(f"nothing can be mounted here: {done.stderr}")
    assert "1024\n" in done.stdout
    assert re.search(JUDGED, done.stdout), done.stdout + done.stderr
