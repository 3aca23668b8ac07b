"""What a run saves and sums up, whatever happens at its end, and what is refused before it."""

import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from benchmarks import checks
from benchmarks.saving import atomic_write, json_file
from benchmarks.wording import tables
from tests.helpers.processes import ENVIRONMENT, in_process
from tests.helpers.suite import ROOT, SMALL, run

pytestmark = pytest.mark.filterwarnings(  # pytest-benchmark's
    "ignore:Can't compare", "ignore:Not saving anything", "ignore:Benchmark fixture was not used"
)

ONE = (*SMALL, "--batch-sizes=1", "--predictor=packed")
SUMMARY = "latency and throughput, 5x40x32-float64"


def measure(folder: Path, *arguments: str, plugin: Any = None) -> subprocess.CompletedProcess[str]:
    """Measure one case in this process, with a plugin; its status is that of an exception, too."""
    options = ["-p", "no:cacheprovider", "-p", "no:rerunfailures", "--capture=sys", *ONE]

    def main() -> int:
        try:
            return pytest.main([f"{ROOT}/benchmarks", *options, *arguments], [plugin or object()])
        except Exception as error:  # as pytest-benchmark's, with which Python ends
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return 1

    with patch.dict(os.environ, ENVIRONMENT, clear=True):
        return in_process(main, folder)


def raising_in(hook: str) -> SimpleNamespace:
    """Return a plugin."""

    def fail() -> None:
        raise RuntimeError(hook)

    return SimpleNamespace(**{hook: fail})


@pytest.mark.parametrize(
    ("arguments", "plugin", "status", "message"),
    [
        (["--benchmark-compare", "--benchmark-compare-fail=mean:1%"], None, 4, "compare-fail"),
        (["--benchmark-storage=file:///proc/x", "--benchmark-autosave"], None, 3, "/proc/x"),
        (["--benchmark-histogram=/proc/x/h"], None, 3, "/proc/x"),
        ([], raising_in("pytest_terminal_summary"), 1, "RuntimeError: pytest_terminal_summary"),
        ([], raising_in("pytest_sessionfinish"), 1, "RuntimeError: pytest_sessionfinish"),
    ],
)
def test_what_raises_at_the_end_loses_nothing(
    tmp_path: Path, arguments: list[str], plugin: Any, status: int, message: str
) -> None:
    path = tmp_path / "run.json"
    done = measure(tmp_path, f"--benchmark-json={path}", *arguments, plugin=plugin)
    assert done.returncode == status, done.stdout + done.stderr
    assert message in done.stderr
    assert done.stdout.count(SUMMARY) == 1
    assert len(json.loads(path.read_text())["benchmarks"]) == 1
    assert f"Wrote benchmark data in: {path}, if the run is whole\n" in done.stderr
    assert [file.name for file in tmp_path.glob("*.json")] == ["run.json"]


def test_regression_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    assert measure(tmp_path, "--benchmark-autosave").returncode == 0
    (saved,) = tmp_path.rglob("*.json")
    content = json.loads(saved.read_text())
    content["benchmarks"][0]["stats"]["min"] = 1e-12
    saved.write_text(json.dumps(content))
    options = ("--benchmark-compare", "--benchmark-compare-fail=min:1%")
    done = measure(tmp_path, f"--benchmark-json={path}", *options)
    assert done.returncode == 1
    assert "PerformanceRegression: Performance has regressed" in done.stderr
    assert done.stdout.count(SUMMARY) == 1
    assert len(json.loads(path.read_text())["benchmarks"]) == 1


def test_what_is_written_in_part_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("earlier")
    destination = json_file.Destination(path)
    Path(destination).write_text('{"benchmarks": [{}')
    destination.write()
    assert path.read_text() == "earlier"
    Path(destination).write_text('{"benchmarks": [{}]}')
    destination.write()
    assert path.read_text() == '{"benchmarks": [{}]}'
    destination.file.close()


def test_run_cut_short_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("earlier")
    options = (f"--benchmark-json={path}", "-x", "--predictor=tests.predictors:wrong_last")
    assert measure(tmp_path, *options, "--batch-sizes=1,32").returncode == 1
    assert path.read_text() == "earlier"
    # Nothing is missing where the last case is the one that fails.
    assert measure(tmp_path, *options, "--batch-sizes=1").returncode == 1
    assert len(json.loads(path.read_text())["benchmarks"]) == 1


def test_file_that_cannot_be_written_is_refused_in_a_sentence(tmp_path: Path) -> None:
    done = measure(tmp_path, "--benchmark-json=none/run.json")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    (line,) = (line for line in done.stderr.splitlines() if line)
    assert line.startswith("ERROR: --benchmark-json: none/run.json cannot be written (there is no ")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "it is a folder"),
        ("none/run.json", "there is no folder"),
        ("file/run.json", "there is no folder"),
        ("a" * 300, "File name too long"),
        ("/proc/run.json", "No such file or directory"),
        ("loop", "Too many levels of symbolic links"),
        ("socket", "it is no plain file"),
        ("/dev/stdout", "it is no plain file"),  # pytest has it captured in one
        ("/proc/self/fd/1", "it is no plain file"),
    ],
)
def test_what_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("loop").symlink_to("loop")
    # Unlike a pipe or a device it does no harm where nothing refuses it: it cannot be opened.
    socket.socket(socket.AF_UNIX).bind("socket")
    files = {*tmp_path.iterdir()}
    for refuse in (atomic_write.check_writable, lambda path: atomic_write.write(path, b"whole")):
        with pytest.raises(OSError, match=reason):
            refuse(Path(name))
    assert {*tmp_path.iterdir()} == files


def test_plain_file_keeps_mode_and_owner(tmp_path: Path) -> None:
    path, link = tmp_path / "run.json", tmp_path / "link"
    path.write_text("earlier")
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 1234, 1235)
    before = path.stat()
    link.symlink_to(path)
    atomic_write.check_writable(link)
    atomic_write.write(link, b"whole")
    assert link.is_symlink()
    assert path.read_bytes() == b"whole"
    after = path.stat()
    assert after.st_ino != before.st_ino
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode, before.st_uid, before.st_gid,
    )  # fmt: skip


def test_new_file_may_have_a_long_name_and_a_link(tmp_path: Path) -> None:
    new, link = tmp_path / ("a" * 250), tmp_path / "link"
    link.symlink_to(new)
    atomic_write.check_writable(link)
    assert not new.exists()
    atomic_write.write(link, b"whole")
    assert new.read_bytes() == b"whole"
    assert {*tmp_path.iterdir()} == {new, link}


@pytest.mark.parametrize("error", [errno.EACCES, errno.EBUSY, errno.EROFS])
def test_file_that_cannot_be_replaced_is_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """It may be mounted itself, or be in a folder that takes no new file."""

    def refuse(*_: Any) -> None:
        raise OSError(error, os.strerror(error))

    path = tmp_path / "run.json"
    path.write_text("earlier and longer")
    inode = path.stat().st_ino
    monkeypatch.setattr(Path, "replace", refuse)
    atomic_write.write(path, b"whole")
    assert (path.read_bytes(), path.stat().st_ino) == (b"whole", inode)
    with pytest.raises(OSError, match=os.strerror(error)):
        atomic_write.write(tmp_path / "new.json", b"whole")
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]

    def fill_up(target: Path, content: bytes) -> None:
        monkeypatch.setattr(atomic_write, "write_over", write_over)
        write_over(target, content[:3])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_over = atomic_write.write_over
    monkeypatch.setattr(atomic_write, "write_over", fill_up)
    with pytest.raises(OSError, match="No space left"):
        atomic_write.write(path, b"WHOLE")
    assert path.read_bytes() == b"whole"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--benchmark-max-time=inf", "--benchmark-max-time: Infinity is not a number of seconds"),
        ("--benchmark-max-time=-1", "--benchmark-max-time: -1 is not"),
        ("--benchmark-timer=time.process_time", "not time.process_time: leave it out"),
        ("--benchmark-group-by=group,param:no", "--benchmark-group-by: 'param:no' is not one of"),
    ],
)
def test_refused_before_anything_is_measured(option: str, message: str) -> None:
    done = run(option)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    assert message in done.stderr
    assert "Traceback" not in done.stderr


class Repeater:
    """What pytest-repeat does, and others."""

    @staticmethod
    def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
        metafunc.fixturenames.append("again")
        metafunc.parametrize("again", range(3))


def test_case_that_is_run_again_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("earlier")
    done = measure(tmp_path, f"--benchmark-json={path}", plugin=Repeater)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "packed, batch 1 is run again by a plugin" in done.stdout + done.stderr
    assert path.read_text() == "earlier"


def row(predictor: str, batch_size: int, n_classes: int = 5) -> dict[str, Any]:
    """Return what pytest-benchmark's tables are made of."""
    case, group = f"{predictor}-{batch_size}", f"{predictor} {n_classes}x40x32-float64"
    workload = {"n_classes": n_classes, "n_features": 40, "n_samples": 32, "dtype": "float64"}
    names = {"predictor": predictor, "batch_size": batch_size}
    return {
        "name": f"test_predict[{case}]", "fullname": f"benchmarks/test_predict.py::[{case}]",
        "group": group, "param": case, "params": names, "extra_info": names | workload,
        "path": None, "source": None,
    }  # fmt: skip


@pytest.mark.parametrize("group_by", [*checks.GROUPS, "group,func", "param:predictor,func"])
def test_rows_can_be_told_apart(group_by: str) -> None:
    from conftest import pytest_benchmark_group_stats

    cases = [(p, n, c) for p in ("packed", "formula") for n in (1, 8, 16) for c in (5, 6)]
    groups = pytest_benchmark_group_stats(None, [row(*case) for case in cases], group_by)
    named = [(title, case["name"]) for title, group in groups for case in group]
    assert len({*named}) == len(cases)


def test_rows_sort_by_batch_size() -> None:
    group = [row("packed", n) for n in (16, 1, 2)]
    tables.name_rows(group)
    names = ["batch size      1", "batch size      2", "batch size     16"]
    assert sorted(case["name"] for case in group) == names
    mixed = [row("packed", 8), row("formula", 16), {"name": "test_other"}]
    tables.name_rows(mixed)
    assert [case["name"] for case in mixed] == [
        "packed, batch size      8", "formula, batch size     16", "test_other",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["mypkg.serve", "tests.predictors", "benchmarks.serve"])
def test_own_module_in_ones_own_folder(tmp_path: Path, name: str) -> None:
    """``pytest`` leaves the current folder out, and the suite has packages of its own."""
    module = tmp_path / f"{name.replace('.', '/')}.py"
    module.parent.mkdir()
    module.with_name("__init__.py").touch()
    module.write_text("import linpredict\nserve = linpredict.LinearPredictor\n")
    mode = "importlib" if name == "mypkg.serve" else "prepend"
    done = subprocess.run(
        [Path(sys.executable).with_name("pytest"), f"{ROOT}/benchmarks", *SMALL, "--batch-sizes=1",
         f"--predictor={name}:serve", f"--import-mode={mode}", "-p", "no:cacheprovider"],
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
