"""What may make the figures of a run untrue: tracers, predictors that change what others use."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from benchmarks.array_types import Array
from benchmarks.errors import ChangedDataError
from benchmarks.failures import failing
from benchmarks.measuring.data import Data, examples, weights
from benchmarks.measuring.labels import check
from benchmarks.measuring.workload import Workload
from linpredict import predict
from tests import predictors
from tests.helpers.repository import git
from tests.helpers.suite import ROOT, run, saved

WORKLOAD = Workload(5, 40, 64)


@pytest.mark.parametrize(
    ("name", "changed"),
    [("scaled", "weights"), ("doubling", "weights"), ("standardising", "examples"),
     ("late", "examples")],
)  # fmt: skip
def test_predictor_that_changes_the_data(tmp_path: Path, name: str, changed: str) -> None:
    path = tmp_path / "run.json"
    with patch.object(Data, "restore", autospec=True, side_effect=Data.restore) as restore:
        done = run(
            f"--predictor=tests.predictors:{name}", "--predictor=packed", "--batch-sizes=8,16",
            f"--benchmark-json={path}",
        )  # fmt: skip
    assert restore.call_count == 1
    sentence = f"tests.predictors:{name} changed the {changed} that it was given, in place"
    assert done.stdout.count(f"\n{sentence}: let it work on a copy\n") == 2, done.stdout
    assert "2 passed" in done.stdout
    # Those after it are measured, and on the right data: their labels are.
    cases = json.loads(path.read_text())["benchmarks"]
    assert [case["extra_info"]["predictor"] for case in cases] == ["packed", "packed"]


def test_data_is_restored() -> None:
    data = Data.of(WORKLOAD)
    coef, x = data.coef.copy(), data.x.copy()
    for changed in (data.coef, data.x):
        for altered in (-changed, 2 * changed, changed[:, ::-1], np.sort(changed), changed + 1e-9):
            changed[:] = altered
            with pytest.raises(ChangedDataError):
                data.check_unchanged([0, 16], 16)
            data.restore()
            data.check_unchanged([0, 16], 16)
    np.testing.assert_equal((data.coef, data.x), (coef, x))


def test_nan_is_no_change() -> None:
    coef, x = weights(WORKLOAD), examples(WORKLOAD)
    coef[0, 0] = x[0, 0] = np.nan
    data = Data(coef, x, predict(coef, x))
    data.check_unchanged([0], 16)
    x[1, 0] = np.nan
    with pytest.raises(ChangedDataError):
        data.check_unchanged([0], 16)


@pytest.mark.parametrize("factory", [predictors.scaled, predictors.standardising])
def test_changed_data_do_not_pass_the_check(factory: Callable[[Array], Any]) -> None:
    coef, x = weights(WORKLOAD), examples(WORKLOAD)
    expected = predict(coef, x)
    labels = factory(coef)(x)
    with pytest.raises(ChangedDataError, match=r"changed weights or examples in place: example"):
        check(coef, x, labels, expected)


def test_shape_of_the_weights_is_each_ones_own() -> None:
    options = ("--predictor=tests.predictors:reshaping", "--predictor=packed", "--batch-sizes=8")
    assert run(*options).returncode == 0


@pytest.mark.parametrize(
    ("name", "sentence", "n"),
    [
        ("raising", "tests.predictors:raising cannot be made: OSError: no luck", 2),
        ("exiting", "tests.predictors:exiting cannot be made: SystemExit: no licence", 2),
        ("raising_in_calls",
         "tests.predictors:raising_in_calls, batch 8: ZeroDivisionError: nothing there", 1),
        ("raising_late", "tests.predictors:raising_late, batch 8: ValueError: examples must", 1),
    ],
)  # fmt: skip
def test_predictor_that_raises(name: str, sentence: str, n: int) -> None:
    done = run(f"--predictor=tests.predictors:{name}", "--predictor=packed", "--batch-sizes=8,16")
    assert done.returncode == 1
    assert done.stdout.count(f"\n{sentence}") == n, done.stdout
    assert done.stdout.count("tests/predictors.py") == 1
    assert "benchmarks/conftest.py" not in done.stdout
    assert "During handling" not in done.stdout
    assert "Warning: " not in done.stdout
    assert "2 passed" in done.stdout


def test_saved_commit_is_that_of_the_folder(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "other")
    variables = {"GIT_DIR": str(tmp_path / "other" / ".git")}
    content = saved(tmp_path, "--predictor=packed", "--batch-sizes=8", environment=variables)
    (commit,) = git(ROOT, "rev-parse", "HEAD").splitlines()
    assert content["commit_info"]["id"] == commit


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen")
def test_cores_that_a_predictor_takes_from_all_are_given_back() -> None:
    cores = os.sched_getaffinity(0)
    done = run("--predictor=tests.predictors:on_one_core", "--batch-sizes=1")
    assert done.returncode == 0, done.stdout
    assert os.sched_getaffinity(0) == cores


def test_a_time_limit_of_a_plugin_fails_the_case() -> None:
    benchmark: Any = SimpleNamespace()
    case: Any = SimpleNamespace(predictor="packed", batch_size=8)
    session: Any = SimpleNamespace(refused={}, failed=[])
    limit = pytest.raises(pytest.fail.Exception, match="too long")
    with limit, failing(session, benchmark, benchmark, case):
        pytest.fail("took too long")
    assert session.failed == [("packed", 8)]


def test_a_promise_is_awaited(tmp_path: Path) -> None:
    (case,) = saved(tmp_path, "--predictor=tests.predictors:promising", "--batch-sizes=8")[
        "benchmarks"
    ]
    assert case["stats"]["min"] > 0.009  # it sleeps for 10 ms


class Tracer:
    """Counts the calls that a tracer, or a profiler, sees of the predictors' code."""

    n_seen = 0

    def __call__(self, frame: Any, event: str, argument: Any) -> Any:
        self.n_seen += event == "call" and frame.f_code.co_filename == predictors.__file__
        return self


@pytest.mark.parametrize("kind", ["trace", "profile"])
def test_nothing_watches_what_is_timed(tmp_path: Path, kind: str) -> None:
    """A tracer sees the calls that warm up, and none of those that are timed."""
    tracer = Tracer()
    earlier = getattr(sys, f"get{kind}")()
    getattr(sys, f"set{kind}")(tracer)
    try:
        (case,) = saved(
            tmp_path, "--predictor=tests.predictors:wait_1_ms", "--batch-sizes=8",
            "--benchmark-min-rounds=100",
        )["benchmarks"]  # fmt: skip
        assert getattr(sys, f"get{kind}")() is tracer
    finally:
        getattr(sys, f"set{kind}")(earlier)
    assert case["stats"]["rounds"] == 100
    assert 0 < tracer.n_seen < 100


def test_garbage_is_not_collected_in_what_is_timed() -> None:
    done = run(
        "--benchmark-disable-gc", "--predictor=tests.predictors:without_gc", "--batch-sizes=8",
        "--benchmark-min-rounds=300",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
