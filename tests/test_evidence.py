"""Measurements of the suite itself: their scripts, and the tables in the README."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.evidence import gate_error_rates
from benchmarks.evidence.gate_error_rates import interval, table


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
    script = Path(gate_error_rates.__file__)
    arguments = [sys.executable, str(script), "--table", "--out", str(path)]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert sentence in line


def test_readme_has_the_table_of_the_data() -> None:
    readme = (Path(gate_error_rates.__file__).parents[1] / "README.md").read_text()
    assert table(gate_error_rates.DATA) in readme
