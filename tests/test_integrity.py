"""What may make the figures of a run untrue: tracers, predictors that change what others use."""

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.tracing import beyond_this_thread_paused

from benchmarks.array_types import Array
from benchmarks.errors import ChangedDataError
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
    done = run(
        f"--predictor=tests.predictors:{name}", "--predictor=packed", "--batch-sizes=8,16",
        f"--benchmark-json={path}",
    )  # fmt: skip
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
        ("refused", "tests.predictors:refused cannot be made: ConnectionRefusedError: no", 2),
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
    assert "2 passed" in done.stdout


def test_saved_commit_is_that_of_the_folder(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "other")
    variables = {"GIT_DIR": str(tmp_path / "other" / ".git")}
    content = saved(tmp_path, "--predictor=packed", "--batch-sizes=8", environment=variables)
    (commit,) = git(ROOT, "rev-parse", "HEAD").splitlines()
    assert content["commit_info"]["id"] == commit


class Tracer:
    """Counts the events that a tracer, or a profiler, is told of in some code."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def __call__(self, frame: Any, event: str, argument: Any) -> Any:
        self.seen.add(frame.f_code.co_filename)
        return self


@pytest.mark.parametrize("kind", ["trace", "profile"])
@pytest.mark.parametrize("option", [(), ("--benchmark-disable",)])
def test_nothing_watches_what_is_timed(kind: str, option: tuple[str, ...]) -> None:
    tracer = Tracer()
    earlier = getattr(sys, f"get{kind}")(), getattr(threading, f"get{kind}")()
    for module in (sys, threading):
        getattr(module, f"set{kind}")(tracer)
    try:
        done = run("--predictor=tests.predictors:in_a_thread", "--batch-sizes=8", *option)
        assert getattr(sys, f"get{kind}")() is getattr(threading, f"get{kind}")() is tracer
    finally:
        for module, was in zip((sys, threading), earlier, strict=True):
            getattr(module, f"set{kind}")(was)
    assert done.returncode == 0, done.stdout
    assert any(name.endswith("options.py") for name in tracer.seen)
    assert (predictors.__file__ in tracer.seen) == bool(option)


def test_garbage_is_collected_in_no_call_or_in_any() -> None:
    done = run(
        "--benchmark-disable-gc", "--predictor=tests.predictors:without_gc", "--batch-sizes=8"
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is new in Python 3.12")
def test_monitoring_is_put_off() -> None:
    if sys.version_info >= (3, 12):
        monitoring, events, seen = sys.monitoring, sys.monitoring.events, []
        tool = next(i for i in range(6) if monitoring.get_tool(i) is None)

        def traced() -> None:
            seen.append("called")

        monitoring.use_tool_id(tool, "test")
        try:
            for event in (events.LINE, events.PY_UNWIND, events.C_RETURN):
                monitoring.register_callback(tool, event, lambda *_: seen.append("event"))
            monitoring.set_events(tool, events.PY_UNWIND | events.CALL)
            monitoring.set_local_events(tool, traced.__code__, events.LINE)
            traced()
            assert "event" in seen
            with beyond_this_thread_paused():
                seen.clear()
                traced()
                traced()
                meanwhile = list(seen)
            assert meanwhile == ["called"] * 2
            seen.clear()
            traced()
            assert "event" in seen
        finally:
            monitoring.free_tool_id(tool)
