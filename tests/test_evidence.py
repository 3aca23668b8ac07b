"""Measurements of the suite itself: their scripts, and the tables in the README."""

import re
from pathlib import Path

import pytest

from benchmarks.evidence import data_files, gate_error_rates, readme_tables
from benchmarks.evidence.data_files import DATA, read
from benchmarks.evidence.readme_tables import README, interval, with_tables


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
    ((heads, *rows),) = readme_tables.gate_error_rates(runs)
    assert rows == [
        [*scenario[:3], "8%", "1", "1", "2% to 100%", "1 of 1", "0 of 1", "0 of 1", "5"],
        [*scenario, "2", "2", "16% to 100%", "3 of 4", "0 of 4", "1 of 4", "4"],
    ]
    assert {len(row) for row in rows} == {len(heads)}


def test_table_of_response_times() -> None:
    part = {"part": 0.3, "rate": 600.0, "p50": 7e-3, "simulated_p50": 6e-3}
    part |= {"p99": 11e-3, "simulated_p99": 1e-2}
    waits = {"wait": 5e-3, "largest": 4, "parts": [part]}
    runs = [
        {"wait": 0.0, "largest": 16, "parts": [part, part | {"part": 0.6, "rate": 1200.0}]},
        waits,
        {"wait": 0.0, "largest": 32, "parts": [part | {"p50": 9e-3}]},
    ]
    ((heads, *rows),) = readme_tables.load_against_mlperf(runs)
    of_others = ["6.0", "11.0", "10.0"]
    assert rows == [
        ["0", "30%", "600 (600–600)", "16/32", "2", "8.0 (7.0–9.0)", "6.0 (6.0–6.0)",
         "11.0 (11.0–11.0)", "10.0 (10.0–10.0)"],
        ["0", "60%", "1,200", "16", "1", "7.0", *of_others],
        ["5", "30%", "600", "4", "1", "7.0", *of_others],
    ]  # fmt: skip
    assert {len(row) for row in rows} == {len(heads)}


def test_tables_of_dask() -> None:
    run = {"task_alone": 0.01, "task": 2e-3, "handed_out": 2e9, "by_network": 400.0}
    of_block = {"workers": 500.0, "one_process": 1000.0}
    runs = [
        run | {"blocks": {"16": of_block | {"workers": rate}, "64": of_block}}
        for rate in (500.0, 800.0)
    ]
    (_, *measured), (_, *calculated) = readme_tables.dask_scaling(runs)
    assert [row[1] for row in measured] == [
        "10.00 (10.00–10.00)", "2.00 (2.00–2.00)", "2.00 (2.00–2.00)",
        "1.62 (1.25–2.00)", "2.00 (2.00–2.00)", "1,000 (1,000–1,000)",
    ]  # fmt: skip
    assert calculated[0] == ["1", "650", "400", "400"]


def test_readme_has_the_tables_of_the_data() -> None:
    text = README.read_text()
    assert with_tables(text) == text
    for k, line in enumerate(lines := text.splitlines(keepends=True)):
        if line.startswith("<!-- data/"):  # a row that is lost, or is there twice
            assert with_tables("".join(lines[: k + 4] + lines[k + 5 :])) == text
            assert with_tables("".join(lines[: k + 5] + lines[k + 4 :])) == text
            with pytest.raises(ValueError, match=re.escape(line.strip())):
                with_tables("".join(lines[:k] + lines[k + 1 :]))


@pytest.mark.parametrize("content", ["", "{}", "no JSON"])
def test_damaged_data(
    content: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in readme_tables.TABLES:
        (tmp_path / f"{name}.jsonl").write_text(content + "\n" * bool(content))
    readme = tmp_path / "README.md"
    readme.write_text(text := README.read_text())
    monkeypatch.setattr(readme_tables, "DATA", tmp_path)
    monkeypatch.setattr(readme_tables, "README", readme)
    assert readme_tables.main() == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "is damaged" in said.err
    assert readme.read_text() == text


@pytest.mark.parametrize(
    ("options", "data", "message"),
    [
        ([], "/proc", "--out: /proc/gate_error_rates.jsonl cannot be written: "),
        (["--layout", "--slowdown=10%"], DATA, "--layout adds code that is not run: leave out"),
        (["--layout", "--dependency"], DATA, "not allowed with argument"),
    ],
)
def test_refused_before_anything_is_measured(
    options: list[str],
    data: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(data_files, "DATA", Path(data))
    monkeypatch.setattr("sys.argv", ["gate_error_rates.py", *options])
    with pytest.raises(SystemExit, match="2"):
        gate_error_rates.main()
    assert message in capsys.readouterr().err


def test_readme_quotes_the_errors_of_the_data() -> None:
    runs = read(DATA / "gate_error_rates.jsonl")
    counts = []
    for slowdown in ("0%", "10%"):
        scenario = ["small", "gate, threshold 5%", "idle", slowdown]
        failed = [run["failed"] for run in runs if run["scenario"] == scenario]
        counts.append(f"{sum(failed)} of {len(failed)}")
    quoted = "{} unchanged runs failed, {} 10 % slower did".format(*counts)
    assert quoted in (README.parents[1] / "README.md").read_text()
