"""``python benchmarks/plot.py`` as its users run it."""

import json
import os
import random
import signal
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure

from benchmarks.drawing.curves import curves, newest, run_names
from benchmarks.drawing.figures import draw_latency, draw_throughput
from benchmarks.drawing.files import save
from benchmarks.drawing.history import draw_history
from benchmarks.drawing.style import BETWEEN_SIZES, STYLE, fitted, letters, sizes_apart
from benchmarks.plot import main, within_budget
from benchmarks.saving.runs import Line, Machine, Run, UnusableRunError, read_run, read_runs
from benchmarks.wording.quantities import duration
from tests.helpers.processes import heed_interrupts, size_of_files
from tests.helpers.saved_runs import case, drawn_by, gated, legend, run, script, texts, write
from tests.helpers.suite import ROOT


def test_plots_of_one_run(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks/plot.py"), "run.json"]
    write(tmp_path / "run.json", run())
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
    plots = sorted((tmp_path / "plots").iterdir())
    assert [plot.name for plot in plots] == ["latency.png", "throughput.png", "tradeoff.png"]
    for plot in plots:
        header = plot.read_bytes()[:24]
        assert header.startswith(b"\x89PNG")
        assert min(struct.unpack(">II", header[16:])) >= 700


@pytest.mark.parametrize("name", ["load.py", "plot.py", "verdicts.py"])
def test_script_in_another_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "latin-1").write_bytes(b"# \xe9")
    command = [sys.executable, str(ROOT / "benchmarks" / name), "missing.json"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=100,
        env=os.environ | {"MPLBACKEND": "nonsense", "MATPLOTLIBRC": str(tmp_path / "latin-1")},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "missing.json: No such file or directory\n"


def test_texts(tmp_path: Path) -> None:
    figures = drawn_by(write(tmp_path / "run.json", run()))
    latency, throughput = (
        "latency (seconds before first prediction)", "throughput (predictions/second)",
    )  # fmt: skip
    for plot, title, *labels in (
        ("latency", "Latency as Batch Size Changes", "batch size", latency),
        ("throughput", "Throughput as Batch Size Changes", "batch size", throughput),
        ("tradeoff", "Throughput against Latency", latency, throughput),
    ):
        axes = figures[plot].axes[0]
        assert [axes.get_title(), axes.get_xlabel(), axes.get_ylabel()] == [title, *labels]
        assert legend(figures[plot]) == ["formula", "packed"]
    sizes = [text.get_text() for text in figures["tradeoff"].axes[0].texts]
    assert sizes == ["1", "16"] * 2


def test_runs_are_told_apart(tmp_path: Path) -> None:
    files = [
        write(tmp_path / "b.json", run("abcdef0123", dirty=True, day=3)),
        write(tmp_path / "a.json", run("123456789a", day=2)),
        write(tmp_path / "c.json", run("123456789a", day=1)),
    ]
    figures = drawn_by(*files)
    drawn = [name.replace(" ", "") for name in legend(figures["latency"])]  # some are wrapped
    assert drawn[:3] == ["formula", "packed", "abcdef0+"]
    assert [name[:8] for name in drawn[3:]] == ["1234567("] * 2
    assert [name[-7:] for name in drawn[3:]] == ["a.json)", "c.json)"]
    ticks = [tick.get_text() for tick in figures["history"].axes[-1].get_xticklabels()]
    ends = [tick.replace("\n", "")[-7:] for tick in ticks]
    assert ends == ["c.json)", "a.json)", "bcdef0+"]


def test_workloads_and_machines_are_told_apart(tmp_path: Path) -> None:
    other = run("fedcba9")
    other["machine_info"]["node"] = "there"
    for benchmark in other["benchmarks"][1:]:
        benchmark["extra_info"]["dtype"] = "float32"
    files = [write(tmp_path / "1.json", run()), write(tmp_path / "2.json", other)]
    workload = "64 classes × 1,000 features × 1,024 samples"
    assert legend(drawn_by(*files)["tradeoff"]) == [
        *("formula", "packed"),
        f"0123456, here, {workload}, float64",
        f"fedcba9, there, {workload}, float32",
    ]


@pytest.mark.filterwarnings("error")
def test_any_name_is_drawn(tmp_path: Path) -> None:
    names = [
        *("$x$", "_hidden", r"\alpha_", "größe", "a:b", "<&>"),
        *("予測器", "two\nlines", "\ud800", "package.module:" + "x" * 65),
    ]
    content = run()
    content["benchmarks"] += [case(name, 4, 0.1 + i / 100) for i, name in enumerate(names)]
    file = write(tmp_path / "run.json", content)
    done = script(file, "--out", tmp_path, "--format", "svg")
    assert (done.returncode, done.stderr) == (0, "")
    written = texts(tmp_path / "latency.svg").replace("x\nx", "xx").splitlines()
    for name in names:
        escaped = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        shown = "".join(
            c if ord(c) in letters() and c.isprintable() else ascii(c)[1:-1] for c in escaped
        )
        assert [line.strip() for line in written].count(shown) == 1


def test_what_is_too_long_lacks_its_middle() -> None:
    text = fitted("package.module:" + 200 * "x" + "factory", 34)
    assert text.startswith("package.module:xxx")
    assert text.endswith("xfactory")
    assert len(text.splitlines()) == 3
    assert text.count("…") == 1


@pytest.mark.filterwarnings("error")
def test_style_is_not_the_users(tmp_path: Path) -> None:
    file = write(tmp_path / "run.json", run())
    assert script(file, "--out", tmp_path / "a").returncode == 0
    with rc_context({"text.usetex": True, "figure.facecolor": "black", "font.size": 30}):
        assert script(file, "--out", tmp_path / "b").returncode == 0
    for plot in (tmp_path / "a").iterdir():
        assert plot.read_bytes() == (tmp_path / "b" / plot.name).read_bytes()


def of_commits(folder: Path, n_runs: int, **machine_info: Any) -> list[Path]:
    """Write runs of one commit a day, the newest first in the order of their measurement."""
    files = []
    for i in range(n_runs):
        content = run(f"{i:07x}000", day=28 - i % 28)
        content["commit_info"]["time"] = f"2025-{1 + i // 28:02}-{1 + i % 28:02}T00:00:00+01:00"
        content["machine_info"] = {"node": f"runner-{i * 7919 % 1000}", "usable_cores": 2}
        content["machine_info"] |= {"cpu": {"brand_raw": "EPYC"}, **machine_info}
        files.append(write(folder / f"{i}.json", content))
    return files


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_runs", [8, 40])
def test_many_runs_are_legible(tmp_path: Path, n_runs: int) -> None:
    runs = [read_run(path) for path in of_commits(tmp_path, n_runs)]
    shown = newest(runs)
    assert shown == runs[-10:]
    drawn = curves(shown)
    assert {curve.run for curve in drawn} == {run.commit for run in shown}  # no random names
    with rc_context(STYLE):
        figures = [draw_latency(drawn, [], None), draw_history(runs)]
    for figure in figures:
        assert figure is not None
        figure.draw_without_rendering()
        for axes in figure.axes:
            extent = axes.get_window_extent()
            assert min(extent.width, extent.height) > 2 * figure.dpi  # inches
            legend = axes.get_legend()
            assert legend
            box = legend.get_window_extent()
            assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
            assert box.x1 <= figure.bbox.x1
    looks = {(str(c.style["linestyle"]), c.style.get("markerfacecolor")) for c in drawn}
    assert len(looks) == len(shown)


def test_only_the_newest_runs_are_drawn_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = of_commits(tmp_path, 12)
    figures = drawn_by(*files)
    said = "latency, throughput, tradeoff show the newest 10 of 12 runs, as more lines could not"
    assert said in capsys.readouterr().out
    commits = [f"{i:07x}" for i in range(12)]
    assert legend(figures["latency"])[2:] == commits[2:]
    ticks = figures["history"].axes[-1].get_xticklabels()
    assert [tick.get_text() for tick in ticks] == commits


def test_history_goes_by_commits_and_joins_no_two_machines(tmp_path: Path) -> None:
    files = of_commits(tmp_path, 3)
    other = json.loads(files[1].read_text())
    other["machine_info"]["cpu"]["brand_raw"] = "Xeon"
    other["machine_info"]["numpy_version"] = "3.0.0"
    runs = [read_run(path) for path in (files[2], files[0], write(files[1], other))]
    figure = draw_history(runs)
    assert figure
    for axes in figure.axes:
        joined = {tuple(np.asarray(line.get_xdata())) for line in axes.get_lines()}
        assert joined == {(), (0, 2), (1,)}
        legend = axes.get_legend()
        assert legend
        texts = [text.get_text() for text in legend.get_texts()]
        assert texts[-2:] == ["EPYC, 2 cores", "Xeon, 2 cores"]
    labels = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    assert labels == ["0000000", "0000001, NumPy 3.0.0", "0000002"]


def test_runs_of_one_commit_are_told_apart(tmp_path: Path) -> None:
    runs = [read_run(write(tmp_path / f"run.{number}", run())) for number in (1, 2)]
    assert [*run_names(runs).values()] == [
        f"0123456 ({tmp_path}/run.{number})" for number in (1, 2)
    ]

    one, two = (read_run(path) for path in of_commits(tmp_path, 2))
    two = replace(two, commit=one.commit)
    assert [*run_names([one, two]).values()] == ["0000000, runner-0", "0000000, runner-919"]


def test_one_file_is_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "run.json", run())
    (tmp_path / "link").symlink_to(file)
    monkeypatch.chdir(tmp_path)
    runs, _ = read_runs([file, Path("run.json"), Path("link"), tmp_path / "../run.json"])
    assert len(runs) == 1


def test_a_cpu_without_a_brand_is_named_by_its_architecture() -> None:
    info = {"node": "ci-3k", "machine": "aarch64", "usable_cores": 2, "python_version": "3.14.0"}
    assert Machine.of(info).hardware == "aarch64, 2 cores"
    assert Machine.of(info | {"python_abiflags": "t"}).python == "Python 3.14.0t"


def test_values_of_many_decades_have_ticks(tmp_path: Path) -> None:
    content = run()
    for benchmark in content["benchmarks"][1:4]:
        stats = benchmark["stats"]
        stats |= {key: 1e9 * stats[key] for key in ("q1", "median", "q3")}
    figure = drawn_by(write(tmp_path / "run.json", content))["latency"]
    figure.draw_without_rendering()
    axes = figure.axes[0]
    low, high = axes.get_ylim()
    ticks = [tick for tick in axes.yaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert sum(bool(tick.label1.get_text()) for tick in ticks) >= 4


def test_disturbed_medians_have_hollow_markers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = run()
    content["benchmarks"][1]["extra_info"]["disturbed"] = 0.5  # formula, 4 examples
    figures = drawn_by(write(tmp_path / "run.json", content))
    assert "pace changed: formula at 4." in capsys.readouterr().out
    for name in ("latency", "throughput", "tradeoff"):
        assert "disturbed" in legend(figures[name])
        lines = figures[name].axes[0].get_lines()
        [hollow] = [line for line in lines if line.get_markerfacecolor() == "white"]
        assert len(hollow.get_xydata()) == 1  # type: ignore[arg-type]
    assert "disturbed" not in legend(drawn_by(write(tmp_path / "calm.json", run()))["latency"])


@pytest.mark.parametrize("sizes", [range(1, 41), [1], [10**k for k in range(9)], range(1000, 1040)])
def test_batch_sizes_at_the_axis_do_not_overlap(sizes: Iterable[int]) -> None:
    figure = Figure(figsize=(BETWEEN_SIZES * 1.14, 3))
    axes = figure.add_axes((0, 0.5, 1, 0.5), xscale="log", xmargin=0.07)
    axes.plot(list(sizes), list(sizes))
    ticks = sizes_apart(sizes)
    axes.set_xticks(ticks, [str(size) for size in ticks], fontsize="small")
    axes.minorticks_off()
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    assert {size for size in sizes if size in (1, 2, 4, 8, 16, 32)} <= {*ticks}


@pytest.mark.parametrize("budget", [None, 0.005, 1e-6, 100.0])
def test_budget_cuts_nothing_off(tmp_path: Path, budget: float | None) -> None:
    content = run()
    content["benchmarks"][-1]["stats"] |= {"q1": 1e-5, "q3": 1.0}
    drawn = curves([read_run(write(tmp_path / "run.json", content))])
    for draw, least, most in ((draw_latency, 1e-5, 1.0), (draw_throughput, 16, 16e5)):
        figure = draw(drawn, [], budget)
        axes = figure.axes[0]
        low, high = axes.get_ylim()
        assert low < least < most < high
        if draw == draw_throughput:
            assert (low, high) == draw(drawn, [], None).axes[0].get_ylim()
        said = " ".join(legend(figure))
        assert "latency budget" in said or not budget or draw == draw_throughput
        if "latency budget" in said:
            values = np.asarray(axes.get_lines()[-1].get_ydata(), float)
            assert low < values.max()
            assert values.min() < high


@pytest.mark.parametrize(
    ("budget", "of_large", "expected"),
    [
        ("20ms", {}, "formula: batch size 4 stays within 20 ms (p95 20 ms), 400 predictions/s"),
        ("0.02", {}, "packed: batch size 4 stays within 20 ms (p95 10 ms), 800 predictions/s"),
        ("35000 us", {}, "packed: batch size 16 stays within 35 ms (p95 34 ms), 941 predictions/s"),
        ("4.1ms", {}, "formula: no batch size stays within 4.1 ms"),
        ("10ms", {"p95": None}, "formula: batch size 4 stays within 10 ms (median 10 ms, too few "
         "rounds for p95), 400 predictions/s"),
        ("1s", {"disturbed": 0.5}, "formula: batch size 1 stays within 1 s (p95 8 ms), 250 "
         "predictions/s; disturbed, and not looked at: 4, 16"),
        ("1s", {"disturbed": 0.5}, "packed: batch size 16 stays within 1 s (p95 34 ms), 941 "
         "predictions/s"),
        ("1ms", {"disturbed": 0.5}, "formula: no batch size stays within 1 ms; disturbed, and not "
         "looked at: 4, 16"),
    ],
)  # fmt: skip
def test_latency_budget(
    tmp_path: Path, budget: str, of_large: dict[str, Any], expected: str
) -> None:
    content = run()
    for i in (1, 3):  # formula, 4 and 16 examples
        content["benchmarks"][i]["extra_info"] |= of_large
    lines = read_run(write(tmp_path / "run.json", content)).lines
    assert expected in [
        f"{line.predictor}: {within_budget(line, duration(budget))}" for line in lines
    ]


def test_predictors_have_colours_and_runs_line_styles() -> None:
    lines = {
        "older": (Line("formula", "w", ()), Line("packed", "w", ())),
        "newer": (Line("packed", "w", ()), Line("torch", "w", ()), Line("packed", "w", (), "c")),
    }
    day = datetime(2026, 1, 1, tzinfo=UTC)
    runs = [Run(Path(name), name, day, Machine.of({}), of, day) for name, of in lines.items()]
    styles = {curve.label: curve.style for curve in curves(runs)}
    packed = [style for label, style in styles.items() if label.startswith("packed")]
    assert len({(style["color"], style["marker"]) for style in packed}) == 1
    assert len({str(style["linestyle"]) for style in packed}) == 3
    assert styles["formula @ older"]["linestyle"] == styles["packed @ older"]["linestyle"]
    assert len({style["color"] for style in styles.values()}) == 3


@pytest.mark.parametrize(
    ("section", "value", "name"),
    [
        ("cpu", {"brand_raw": "EPYC"}, "EPYC"),
        ("blas", {"architecture": "Haswell"}, "BLAS for Haswell"),
        ("numpy_version", "2.0.0", "NumPy 2.0.0"),
        ("blas", {"name": "openblas", "version": "0.3.31"}, "openblas 0.3.31"),
        ("usable_cores", 4, "4 cores"),
        ("usable_cores", 1, "1 core"),
        ("python_version", "3.14.0", "Python 3.14.0"),
        ("cpu", {"brand_raw": "Intel(R) Xeon(R) CPU @ 2.20GHz"}, "Intel Xeon @ 2.20GHz"),
        ("kernel", "none: off", "kernel none: off"),
        ("environment", {"OPENBLAS_CORETYPE": "Haswell"}, "OPENBLAS_CORETYPE=Haswell"),
    ],
)
def test_runs_are_named_by_what_differs(
    tmp_path: Path, section: str, value: Any, name: str
) -> None:
    other = run()
    other["machine_info"][section] = value
    files = [write(tmp_path / "1.json", run()), write(tmp_path / "2.json", other)]
    drawn = legend(draw_latency(curves([*map(read_run, files)]), [], None))
    assert f"0123456, {name}" in drawn


def test_history_shows_what_two_runs_have(tmp_path: Path) -> None:
    other = run("fedcba9", day=2)
    del other["benchmarks"][:4]  # of formula
    files = [write(tmp_path / "1.json", run()), write(tmp_path / "2.json", other)]
    titles = [axes.get_title() for axes in drawn_by(*files)["history"].axes]
    assert [title.splitlines()[0] for title in titles] == ["Throughput over Runs: packed"]


def test_many_histories_are_beside_each_other(tmp_path: Path) -> None:
    files = []
    for day in (1, 2):
        content = run(f"fedcba{day}", day=day)
        content["benchmarks"] = [case(name, 4, 0.01) for name in "abcde"]
        files.append(write(tmp_path / f"{day}.json", content))
    history = drawn_by(*files)["history"]
    history.draw_without_rendering()
    boxes = [axes.get_position() for axes in history.axes]
    assert sorted({round(box.x0, 1) for box in boxes}) == pytest.approx([0.1, 0.6], abs=0.1)
    assert history.get_figheight() < 20
    with_names = [axes.get_xlabel() != "" for axes in history.axes]
    assert with_names == [False, False, False, True, True]  # three and two of a column
    for axes, is_lowest in zip(history.axes, with_names, strict=True):
        shown = [label.get_visible() and label.get_text() for label in axes.get_xticklabels()]
        assert any(shown) == is_lowest


def test_history_marks_what_was_disturbed(tmp_path: Path) -> None:
    other = run("fedcba9", day=2)
    other["benchmarks"][1]["extra_info"]["disturbed"] = 0.5  # formula, 4 examples
    files = [write(tmp_path / "1.json", run()), write(tmp_path / "2.json", other)]
    formula, packed = drawn_by(*files)["history"].axes
    [hollow] = [
        line for line in formula.get_lines()
        if line.get_markerfacecolor() == "white" and len(line.get_xdata())  # type: ignore[arg-type]
    ]  # fmt: skip
    assert [*hollow.get_xdata()] == [1]  # type: ignore[misc]
    labels = [str(line.get_label()) for line in (*formula.get_lines(), *packed.get_lines())]
    assert labels.count("disturbed") == 1


def test_baseline_is_a_line_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "run.json", gated([[0.02, 0.01]] * 20))
    figures = drawn_by(file, "--latency-budget=15ms")
    for plot in ("latency", "throughput", "tradeoff"):
        for label in ("formula", "packed", "current", "baseline abcdef0"):
            assert legend(figures[plot]).count(label) == 1
    # Both by the pairs, not by what pytest-benchmark timed.
    said = capsys.readouterr().out
    assert "packed: no batch size stays within 15 ms" in said
    expected = "batch size 16 stays within 15 ms (p95 10 ms), 1,600 predictions/s"
    assert f"packed, baseline abcdef0: {expected}" in said

    other = write(tmp_path / "other.json", run("fedcba9876543210", day=2))
    panels = drawn_by(file, other)["history"].axes
    assert len(panels) == 2
    points = [tuple(np.asarray(line.get_xdata())) for axes in panels for line in axes.get_lines()]
    assert {*points} == {(), (0, 1)}  # one of each run


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20ms", 0.02),
        ("0.02", 0.02),
        ("20 ms", 0.02),
        ("20000us", 0.02),
        ("1.5s", 1.5),
        ("5µs", 5e-6),
    ],
)
def test_duration(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "ms", "0ms", "-1ms", "1m", "1e3ms", "nan", "inf", "1,5ms"])
def test_bad_duration(tmp_path: Path, text: str) -> None:
    done = script(write(tmp_path / "run.json", run()), f"--latency-budget={text}")
    assert done.returncode == 2
    assert "is not a duration like 20ms, 0.02 or 20000us" in done.stderr


def broken(key: str, value: Any) -> dict[str, Any]:
    """Return a run with one field of its last case replaced."""
    content = run()
    for record in (content["benchmarks"][-1]["extra_info"], content["benchmarks"][-1]["stats"]):
        if key in record:
            record[key] = value
    return content


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is not JSON, or is cut off"),
        ("latency: 3", "is not JSON, or is cut off"),
        (json.dumps(run())[:-200], "is not JSON, or is cut off"),
        ("[" * 100_000, "is not JSON"),
        ('{"benchmarks": ' + "1" * 10_000 + "}", "is not JSON"),
        ("3", "not of pytest-benchmark"),
        ({"benchmarks": {}}, "not of pytest-benchmark"),
        ({"benchmarks": []}, "has no case of this suite"),
        ({"benchmarks": [3, None, {"extra_info": []}]}, "has no case of this suite"),
        ({**run(), "commit_info": None}, "'commit_info': expected `object`, got `null`"),
        ({**run(), "datetime": "yesterday"}, "has no valid 'datetime'"),
        ({**run(), "benchmarks": run()["benchmarks"] * 2}, "formula, batch size 4, more than once"),
        (broken("median", 0), "stats.median': expected `float` > 0.0"),
        (broken("median", float("nan")), "has no valid 'benchmarks[6].stats.median'"),
        (broken("median", 10**400), "has no valid 'benchmarks[6].stats.median'"),
        (broken("median", "fast"), "stats.median': expected `float`, got `str`"),
        (broken("median", 1.0), "has quartiles out of order"),
        (broken("q3", float("inf")), "stats.q3'"),
        (broken("p95", -1), "extra_info.p95'"),
        (broken("batch_size", True), "extra_info.batch_size': expected `int`, got `bool`"),
        (broken("batch_size", 1.5), "extra_info.batch_size'"),
        (broken("n_classes", None), "extra_info': needs n_classes, n_features and dtype, or exa"),
        (broken("dtype", 64), "extra_info.dtype'"),
        (broken("predictor", []), "extra_info.predictor'"),
        (gated(None), "extra_info.gate.pairs"),
        (gated([]), "extra_info.gate.pairs"),
        (gated([[1]] * 9), "extra_info.gate.pairs"),
        (gated([["a", "b"]] * 9), "extra_info.gate.pairs"),
        (gated([[1, -1]] * 9), "extra_info.gate.pairs"),
        (gated([[1, 10**400]] * 9), "extra_info.gate.pairs"),
    ],
)
def test_unusable_file(
    tmp_path: Path, content: Any, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = write(tmp_path / "bad.json", content)
    assert main([str(bad), "--out", str(tmp_path / "plots")]) == 2
    output = capsys.readouterr()
    assert output.err.startswith(f"{bad}: ")
    assert reason in output.err
    assert output.err.count("\n") == 1
    assert not (tmp_path / "plots").exists()


def test_binary_and_missing_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    for name, reason in (
        ("binary", "is not JSON"),
        ("missing", "No such file or directory"),
        (".", "Is a directory"),
    ):
        done = script(tmp_path / name)
        assert done.returncode == 2
        assert done.stderr.startswith(f"{tmp_path / name}: {reason}")
        assert done.stderr.count("\n") == 1


def test_good_files_are_drawn_beside_bad_ones(tmp_path: Path) -> None:
    good, bad = write(tmp_path / "good.json", run()), write(tmp_path / "bad.json", "{")
    done = script(bad, good, "--out", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{bad}: is not JSON")
    assert (tmp_path / "latency.png").exists()


def test_a_figure_that_cannot_be_replaced_keeps_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_text("earlier")
    replaced = []

    def replace(source: Path, target: Path) -> None:
        replaced.append(target)
        if target.name == "c.png":
            raise OSError("no luck")
        really_replace(source, target)

    really_replace = os.replace
    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="no luck"):
        save({name: Figure() for name in "abc"}, tmp_path, "png")
    assert [path.name for path in replaced] == ["a.png", "b.png", "c.png", "a.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_text() == "earlier"


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("run.json", "it is no folder"),
        ("dangling", "it is no folder"),
        ("dangling/plots", "it is no folder"),
        ("run.json/plots", "Not a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_out_that_is_no_folder(tmp_path: Path, out: str, reason: str) -> None:
    write(tmp_path / "run.json", run())
    (tmp_path / "dangling").symlink_to("/proc/missing")
    done = script("run.json", "--out", out, "--latency-budget=1s", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")  # before anything was drawn
    assert done.stderr == f"{out}: cannot be written: {reason}\n"


def test_what_no_plot_can_replace_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "run.json", run())
    write(tmp_path / "latency.png", "earlier")
    (tmp_path / "throughput.png").mkdir()
    done = script("run.json", "--out", ".", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")  # before anything was drawn
    assert done.stderr == "throughput.png: cannot be written: it is a folder\n"
    assert (tmp_path / "latency.png").read_text() == "earlier"


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_read_only_folder(tmp_path: Path) -> None:
    file = write(tmp_path / "run.json", run())
    tmp_path.chmod(0o500)
    done = script(file, "--out", tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def earlier_plots(folder: Path) -> dict[Path, bytes]:
    """Return what lies where plots will be drawn, larger than these."""
    folder.mkdir()
    names = ("latency", "throughput", "tradeoff")
    earlier = {folder / f"{name}.png": name.encode() * 20_000 for name in names}
    for path, content in earlier.items():
        path.write_bytes(content)
    return earlier


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interruption_keeps_earlier_plots(tmp_path: Path, sent: signal.Signals) -> None:
    file, plots = write(tmp_path / "run.json", run()), tmp_path / "plots"
    earlier = earlier_plots(plots)
    command = [sys.executable, "-u", f"{ROOT}/benchmarks/plot.py", str(file), f"--out={plots}"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=heed_interrupts,
    )  # fmt: skip
    assert process.stdout
    assert process.stdout.readline()  # it is about to draw
    process.send_signal(sent)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == (128 + sent if sent != signal.SIGKILL else -sent)
    assert errors == ""
    assert {path: path.read_bytes() for path in earlier} == earlier
    assert sent == signal.SIGKILL or {*plots.iterdir()} == {*earlier}


def test_full_disk_keeps_earlier_plots(tmp_path: Path) -> None:
    file, plots = write(tmp_path / "run.json", run()), tmp_path / "plots"
    earlier = earlier_plots(plots)
    with size_of_files(40 * 1024):
        done = script(file, "--latency-budget=1s", "--out", plots)
    assert (done.returncode, done.stderr) == (
        2,
        f"{plots}/latency.png: cannot be written: File too large\n",
    )
    assert {path: path.read_bytes() for path in plots.iterdir()} == earlier


WEIRD: tuple[Any, ...] = (
    *(None, True, [], {}, "", "fast", "a$b_c\\d", "_hidden", "é€\u0000", "x" * 500),
    *(0, -1, 1, 3, 10**400, 1e308, 5e-324, -0.0, float("nan"), float("inf")),
    *([[]] * 50, {"a": {"b": {}}}),
)


def leaves(record: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container of a JSON value with each of its keys."""
    keys = list(record) if isinstance(record, dict) else range(len(record))
    for key in keys:
        yield record, key
        if isinstance(record[key], (dict, list)):
            yield from leaves(record[key])


UNMUTATED = [json.dumps(content).encode() for content in (run(), gated([[0.02, 0.01]] * 5))]


def mutated(rng: random.Random) -> bytes:
    """Return a saved run in which something is wrong, or only strange, or nothing."""
    content = json.loads(UNMUTATED[rng.random() < 0.5])
    for _ in range(rng.randrange(3)):
        record, key = rng.choice(list(leaves(content)))
        if rng.random() < 0.2:
            del record[key]
        else:
            record[key] = rng.choice(WEIRD)
    text = json.dumps(content).encode()
    what = rng.random()
    if what < 0.1:
        return text[: rng.randrange(len(text))]
    if what < 0.2:
        place = rng.randrange(len(text))
        return text[:place] + rng.randbytes(rng.randrange(1, 4)) + text[place + 1 :]
    return text


def test_mutated_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def draw(figures: dict[str, Figure], *_: Any) -> None:
        for figure in figures.values():
            figure.draw_without_rendering()

    rng = random.Random(0)
    usable = strange = 0
    for i in range(1000):
        path = tmp_path / f"run {i} é.json"
        path.write_bytes(content := mutated(rng))
        try:
            read_run(path)
        except UnusableRunError:
            assert main([str(path), "--out", str(tmp_path / "none")]) == 2
            assert capsys.readouterr().err.count("\n") == 1
        else:
            usable += 1
            strange += content not in UNMUTATED
            if content not in UNMUTATED and strange % 40 == 0:  # drawing takes a second
                with patch("benchmarks.plot.save", draw):
                    assert main([str(path), "--out", str(tmp_path)]) == 0
                assert capsys.readouterr().err == ""
    assert not (tmp_path / "none").exists()
    assert 50 < strange < usable < 900
