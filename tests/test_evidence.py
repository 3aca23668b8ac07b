"""Measurements of the suite itself: their scripts, and the table in the README."""

import json
from pathlib import Path

import pytest

from benchmarks.evidence import gate_error_rates, load_check, readme_tables
from benchmarks.evidence.readme_tables import DATA, MARK, README, interval, table_of, with_table
from benchmarks.simulation import Server
from tests.helpers.processes import in_process


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),  # by scipy.stats.binomtest(k, n).proportion_ci(method="exact")
    [(0, 100, 0, 0.0362167), (1, 100, 0.000253146, 0.0544594), (5, 20, 0.0865715, 0.491046),
     (20, 20, 0.831567, 1)],
)  # fmt: skip
def test_interval_of_a_chance(k: int, n: int, low: float, high: float) -> None:
    assert interval(k, n) == pytest.approx((low, high), rel=1e-4)


def test_table_of_errors() -> None:
    scenario = ["small", "gate, threshold 5%", "idle", "10%"]
    runs = [
        {"scenario": scenario, "failed": True, "seconds": 3, "verdicts": ["slower", "slower"]},
        {"scenario": scenario, "failed": True, "seconds": 5, "verdicts": ["slower", "undecided"]},
        {"scenario": [*scenario[:3], "8%"], "failed": True, "seconds": 5, "verdicts": ["slower"]},
    ]
    heads, *rows = table_of(runs)
    assert rows == [
        [*scenario[:3], "8%", "1", "1", "2% to 100%", "1 of 1", "0 of 1", "0 of 1", "5"],
        [*scenario, "2", "2", "16% to 100%", "3 of 4", "0 of 4", "1 of 4", "4"],
    ]
    assert {len(row) for row in rows} == {len(heads)}


def test_readme_has_the_table_of_the_data() -> None:
    text = README.read_text()
    assert with_table(text) == text
    row = text.partition(MARK)[2].splitlines(keepends=True)[3]
    assert with_table(text.replace(row, "")) == with_table(text.replace(row, 2 * row)) == text
    with pytest.raises(ValueError, match="lacks the line"):
        with_table(text.replace(MARK, ""))


def test_help_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readme_tables, "README", Path("/nowhere"))
    with pytest.raises(SystemExit, match="0"):
        readme_tables.main(["--help"])


@pytest.mark.parametrize("content", ["{}", "no JSON"])
def test_damaged_data(
    content: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "data").write_text(content)
    (tmp_path / "README.md").write_text(text := README.read_text())
    monkeypatch.setattr(readme_tables, "DATA", tmp_path / "data")
    monkeypatch.setattr(readme_tables, "README", tmp_path / "README.md")
    assert readme_tables.main([]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "is damaged" in said.err
    assert (tmp_path / "README.md").read_text() == text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out=/proc/x"], "No such file or directory: '/proc/x'"),
        (["--kind=layout", "--slowdown=10%"], "--kind layout takes no time: leave out --slowdown"),
    ],
)
def test_refused_before_anything_is_measured(
    options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["gate_error_rates.py", *options])
    done = in_process(gate_error_rates.main, tmp_path)
    assert done.returncode == 2
    assert message in done.stderr


def test_readme_quotes_the_errors_of_the_data() -> None:
    runs = [json.loads(line) for line in DATA.read_text().splitlines()]

    def failed(size: str, *changes: str) -> str:
        found = [
            run["failed"]
            for run in runs
            if run["scenario"][0].startswith(size)
            and run["scenario"][2:] in [["idle", change] for change in changes]
        ]
        return f"{sum(found)} of {len(found)}"

    nothing = "0%", "distribution", "imports", "variable"
    readme = " ".join((README.parents[1] / "README.md").read_text().split())
    assert (
        f"{failed('small', *nothing)} unchanged runs failed, {failed('small', '10%')} that were "
        f"10 % slower; with small models, from 3 × 30 on, {failed('tiny', *nothing)} and "
        f"{failed('tiny', '10%')}."
    ) in readme


@pytest.mark.alone
def test_simulated_load_is_that_of_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_check, "SECONDS", 3.0)
    rounds = {size: [0.010 + 0.005 * size] * 3 for size in load_check.SIZES}
    p50 = Server(rounds).serve(60, load_check.LARGEST, 20_000).p(50)
    responses = sorted(load_check.send(60, 0.0))
    assert len(responses) == 180
    assert 0.7 < responses[90] / p50 < 1.5
