"""Models, examples and weights of the user's own."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.errors import WrongLabelsError
from benchmarks.measuring.data import weights
from benchmarks.measuring.labels import check_near_ties
from benchmarks.measuring.workload import Workload
from benchmarks.own import served
from benchmarks.saving.runs import read_run
from linpredict import predict
from tests import models
from tests.helpers.saved_runs import drawn_by, legend
from tests.helpers.suite import ROOT, run, saved

OWN = ("--examples=tests.models:examples", "--batch-sizes=1,32")
NONE: tuple[str, ...] = ("--benchmark-max-time=0.01",)  # no workload


@pytest.mark.parametrize(
    "name",
    ["model", "model.predict", "Model", "instance", "made", "function", "factory", "cached"],
)
def test_what_predicts(name: str) -> None:
    predict = served.predictor_of(served.find("tests.models", name), name)
    assert (predict(models.X) == models.Model().predict(models.X)).all()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("session", "session is of type object, expected a function"),
        ("X", "X is of type ndarray, expected a function"),
        ("useless", "useless returned what is of type object, expected a function"),
        ("NeedsPath", "NeedsPath is the class NeedsPath, which needs arguments"),
    ],
)
def test_what_does_not_predict(name: str, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        served.predictor_of(served.find("tests.models", name), name)


@pytest.mark.parametrize(
    ("name", "description"),
    [
        ("X", "ndarray-64x12-float32-"), ("examples", "ndarray-64x12-float32-"),
        ("TEXTS", "list-40-str-"), ("frame", "Frame-30-mixed-"),
    ],
)  # fmt: skip
def test_examples_are_described(name: str, description: str) -> None:
    """And alike in another process: a digest of addresses, or of hashes, would not be."""
    examples = served.load_examples(f"tests.models:{name}")
    told = str(served.described(examples))
    assert told.rpartition("-")[0] + "-" == description
    code = "from benchmarks.own.served import *; print(described(load_examples(%r)))"
    command = [sys.executable, "-c", code % f"tests.models:{name}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == told
    other = served.batch(examples, 1, 29)
    assert served.digest(other) != served.digest(served.batch(examples, 0, 28))
    assert len(served.digest(other)) == 8


def test_examples_without_values() -> None:
    sparse = models.Sparse()
    assert str(served.described(sparse)).startswith("Sparse-5x3-float64-")
    assert served.digest([object()] * 3) == ""
    assert str(served.described([object()] * 3)) == "list-3-object"


def test_mapped_examples_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "X.npy"
    np.save(path, models.X)
    examples = served.load_examples(str(path))
    examples += 1
    np.testing.assert_equal(np.load(path), models.X)
    assert type(examples) is np.ndarray


@pytest.mark.parametrize(
    ("answers", "reference", "n"),
    [
        (["a", "b"], ["a", "bb"], 1), ([True, False], [True, False], 0), ([1, 2], [1, 3], 1),
        ([1.0, 2.0], [1.00005, 2.0], 0), ([1.0, 2.0], [1.001, 2.0], 1),
        ([1e-6, 2.0], [2e-6, 2.0], 0), ([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 5.0]], 1),
        ([np.nan, 1.0], [np.nan, 1.0], 0), ([1, 2], [1.0, 2.0], 0), (["1", "2"], [1, 2], 2),
        ([[1], [2]], [1, 2], 2), ([None, "a"], [None, "b"], 1),
    ],
)  # fmt: skip
def test_answers_that_differ(answers: Any, reference: Any, n: int) -> None:
    reference = served.plain(np.array(reference))
    found = served.differing(np.array(answers), reference, served.scale(reference))
    assert found.sum() == n


def test_a_curve_of_ones_own_model(tmp_path: Path) -> None:
    options = ("--predictor=tests.models:model.predict_proba", *OWN)
    path = tmp_path / "run.json"
    done = run(*options, f"--benchmark-json={path}", defaults=NONE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "of limit" not in done.stdout
    assert "Reading" not in done.stdout
    digest = served.digest(models.X)
    case, _ = json.loads(path.read_text())["benchmarks"]
    assert case["name"].endswith(f"predict_proba-1-ndarray-64x12-float32-{digest}]")
    info = case["extra_info"]
    assert info["examples"] == f"ndarray-64x12-float32-{digest}"
    assert not {"n_classes", "dtype", "latency_floor", "differing", "precision"} & {*info}
    (line,) = read_run(path).lines
    assert line.workload == f"examples {info['examples']}"
    drawn = legend(drawn_by(path)["latency"])
    assert [text for text in drawn if text != "disturbed"] == ["tests.models:model.predict_proba"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("depends_a_little", r"to 1 of 64 rows \(1.56 %\) differ from those to all .* one pass"),
        ("standardising", "changed the examples that it was given, in place"),
        ("one_too_few", r"array of shape \(63,\) for 64 rows, expected one entry for each$"),
        ("factory_with_path", "what is of type Model for 64 rows, .* without arguments"),
        ("wants_columns", "failed on all 64 rows of ndarray.* where it wants a data frame"),
    ],
)  # fmt: skip
def test_models_that_are_refused(name: str, sentence: str) -> None:
    done = run(f"--predictor=tests.models:{name}", *OWN, defaults=NONE)
    assert done.returncode == 1, done.stdout
    assert "benchmarks/own" not in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith(f"tests.models:{name}")]
    assert any(re.search(sentence, line) for line in lines), lines


def test_answers_may_depend_on_the_batch_a_little(tmp_path: Path) -> None:
    options = ("--predictor=tests.models:depends_a_little", "--max-differing=2%")
    case, _ = saved(tmp_path, *OWN, *options, defaults=NONE)["benchmarks"]
    assert case["extra_info"]["differing"] == 1 / 64


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--predictor=packed"], "--predictor: packed is made from weights: give --weights"),
        ([], "formula is made from weights"),
        (["--predictor=tests.models:session"], "session is of type object, expected a function"),
        (["--predictor=tests.models"], "'tests.models' is not a predictor"),
        (["--features=3"], "--features: --examples say how many or which: leave it out"),
        (["--samples=3"], "--samples: --examples say"),
        (["--examples=tests.models:generator"], "of type generator, whose rows no slice takes"),
        (["--examples=tests.models:nothing"], "'tests.models:nothing' cannot be imported: tests"),
        (["--examples=tests.models"], "tests.models: it is neither a file X.npy nor package.mod"),
        (["--examples=nowhere.npy"], "nowhere.npy: it is no array that can be mapped: No such"),
        (["--batch-sizes=65", "--predictor=tests.models:model"],
         "65 is larger than the number of samples, 64: .* or more --examples"),
        (["--weights=nowhere.npz"], "--weights nowhere.npz: .*No such file"),
        (["--weights=tests.models:model"], "--weights tests.models:model: Model has no coef_"),
        (["--weights=tests.models:classifier", "--examples=tests.models:TEXTS"],
         "--examples tests.models:TEXTS: examples must be"),
        (["--examples=tests.models:failing"], "--examples tests.models:failing: KeyError: 'rows'"),
        (["--weights=tests.models:failing"], "--weights tests.models:failing: KeyError: 'rows'"),
        (["--weights=tests.models:classifier", "--predictor=tests.models:function"],
         r"is of type function, expected factory\(coef, intercept\): to measure a model that"),
    ],
)  # fmt: skip
def test_options_that_are_refused(options: list[str], sentence: str) -> None:
    done = run("--examples=tests.models:examples", *options, defaults=NONE)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout + done.stderr
    assert re.search(sentence, done.stderr), done.stderr


@pytest.mark.parametrize("examples", [True, False])
def test_weights_of_ones_own(tmp_path: Path, examples: bool) -> None:
    intercept = np.array([0.0, 30.0, -1.0, 2.0])
    np.savez(tmp_path / "model.npz", coef=models.W.astype("float32"), intercept=intercept)
    options = ["--predictor=formula", "--predictor=packed", "--predictor=tests.models:by_weights"]
    options += ["--examples=tests.models:examples"] if examples else ["--samples=32"]
    path = tmp_path / "run.json"
    done = run(
        f"--weights={tmp_path}/model.npz", *options, "--batch-sizes=1,32",
        "--predictor=tests.models:without_intercept", f"--benchmark-json={path}", defaults=NONE,
    )  # fmt: skip
    assert "6 passed" in done.stdout, done.stdout + done.stderr
    assert "2 failed" in done.stdout
    assert "the formula gives 1" in done.stdout
    assert "a model that has its own weights is measured on --examples" in done.stdout
    info = json.loads(path.read_text())["benchmarks"][0]["extra_info"]
    assert (info["n_classes"], info["n_features"], info["dtype"]) == (4, 12, "float32")
    assert info["weights"].startswith("ndarray-4x12-float32-")
    assert ("examples" in info) is examples


def test_weights_of_a_trained_classifier(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", models.X)
    options = ("--weights=tests.models:classifier", f"--examples={tmp_path}/X.npy")
    done = run(*options, "--batch-sizes=8", defaults=NONE)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("intercept", [np.zeros(64), np.linspace(-1, 1, 64), np.full(64, 0.1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_near_ties_with_an_intercept(dtype: str, intercept: Any) -> None:
    coef, intercept = weights(Workload(64, 400, 1, dtype)), intercept.astype(dtype)
    check_near_ties(lambda x: predict(coef, x, intercept), coef, 8, intercept)
    bits = 11 if dtype == "float32" else 24

    def rounded(values: Any) -> Any:
        mantissa, exponent = np.frexp(values.astype("float64"))
        return np.ldexp(np.round(mantissa * 2**bits), exponent - bits)

    with pytest.raises(WrongLabelsError, match=f"less precise than {dtype}"):
        check_near_ties(
            lambda x: (rounded(x) @ rounded(coef).T + rounded(intercept)).argmax(axis=1),
            coef, 8, intercept,
        )  # fmt: skip


def test_modules_whose_file_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As torch.ops, which says _ops.py: it would be looked for in the current folder."""
    from benchmarks.workers import worker

    module: Any = SimpleNamespace(__file__="_ops.py")
    monkeypatch.setitem(sys.modules, "module_of_no_file", module)
    assert "module_of_no_file" not in worker.sources()
