"""``python benchmarks/verdicts.py``: saved runs of the gate, judged again."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.gate import report
from benchmarks.saving.record import Verdict
from tests.helpers.saved_runs import JUDGED, record, run, script, write

GATE = "has no valid 'benchmarks[1].extra_info.gate."


def saved(ratio: float, **gate: Any) -> dict[str, Any]:
    """Return a run whose pairs spread by 1 % around a ratio."""
    content = run()
    pairs = [[0.01 * ratio * (1 + 0.001 * (i * 8 % 21 - 10)), 0.01] for i in range(210)]
    for benchmark in content["benchmarks"][1:]:
        benchmark["extra_info"]["gate"] = JUDGED | {"pairs": pairs} | gate
    return content


@pytest.mark.parametrize(
    ("options", "status", "conclusion"),
    [
        ([], 0, "gate passed against abcdef0, threshold 1.05: 6 same"),
        (["--max-slowdown=2%"], 1, "gate failed against abcdef0, threshold 1.02: 6 slower"),
        (["--max-slowdown=3%"], 0, "gate passed against abcdef0, threshold 1.03: 6 undecided"),
    ],
)
def test_judged_again(tmp_path: Path, options: list[str], status: int, conclusion: str) -> None:
    file = write(tmp_path / "run.json", saved(1.03, n_builds=3))
    done = script(file, *options, name="verdicts.py", folder=tmp_path)
    assert (done.returncode, done.stderr) == (status, "")
    assert conclusion in done.stdout
    assert done.stdout.count("abcdef0 (ms)") == 1
    assert done.stdout.count("1.030") >= 6


def test_what_did_it_holds_at_the_threshold_that_it_was_judged_by(tmp_path: Path) -> None:
    did_it = {"what": "numpy 1 → 2", "verdict": "slower", "ratio": 1.1, "interval": [1.09, 1.11]}
    file = write(tmp_path / "run.json", saved(1.1, n_builds=3, blame=[did_it]))
    said = [
        script(file, *option, name="verdicts.py").stdout for option in ([], ["--max-slowdown=9%"])
    ]
    assert ["numpy 1 → 2 did it" in text for text in said] == [True, False]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (run(), "has no pairs: save a run with --baseline"),
        ("{", "is not JSON"),
        (
            saved(1.0, n_builds=0),
            f"{GATE}n_builds': expected `int` >= 1",
        ),
        (
            saved(1.0, max_slowdown="5%"),
            f"{GATE}max_slowdown': expected `float`, got `str`",
        ),
    ],
)
def test_unusable_file(tmp_path: Path, content: Any, sentence: str) -> None:
    done = script(write(tmp_path / "run.json", content), name="verdicts.py")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert sentence in done.stderr


def test_what_was_not_compared_is_named() -> None:
    judged = {
        "ratio": 1.0, "interval": (0.99, 1.01), "at_most": 1.01, "confidence": 0.99,
        "verdict": Verdict.SAME,
    }  # fmt: skip
    cases = [record(gate=judged), record("formula"), record("torch"), record("torch", 8)]
    passed = report.conclusion(cases, "1234567", 0.05)
    assert passed.startswith("gate passed against 1234567, threshold 1.05: ")
    assert passed.endswith(": 2 not compared (torch), 1 same, 1 new")
    failed = report.conclusion(cases[:1], "1234567", 0.05, failed=[("packed", 8)])
    assert failed == "gate failed against 1234567, threshold 1.05: 1 failed (packed 8), 1 same"
    rows = report.table(cases, "1234567")[1:]
    assert [row[-1] for row in rows] == ["same", "new", "not compared", "not compared"]
