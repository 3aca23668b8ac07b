"""A run in words, exact for runs of given numbers, and the limit's lines in the plots."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from msgspec.structs import replace

from benchmarks.drawing.curves import curves
from benchmarks.drawing.figures import draw_latency, draw_throughput, draw_tradeoff
from benchmarks.drawing.limits import limits
from benchmarks.plot import main
from benchmarks.saving.limit import Limit
from benchmarks.saving.runs import read_run
from benchmarks.wording.quantities import binary, milliseconds, quantity
from benchmarks.wording.sentences import calm, disturbed, in_words, screened
from benchmarks.wording.tables import latencies
from tests.helpers.saved_runs import case, drawn_by, gated, legend, record, run, write

SMALL = Limit(
    n_classes=64, n_features=1000, dtype="float64", precision="float64",
    bandwidth=64e9, flop_rate=64e9 * 768 / 560,  # with the knee at 6 examples
)  # fmt: skip
LIMIT = replace(SMALL, n_features=262_144, bandwidth=44.8e9, flop_rate=102e9)
READS = dict.fromkeys((1, 2, 4), 0.003)
MULTIPLIES = {size: 0.001 * size for size in (1, 2, 4)}
PACKED = {1: 0.0065, 2: 0.0063, 16: 0.0080, 32: 0.0135, 64: 0.0284}


def test_no_sentence_rests_on_disturbed_cases() -> None:
    calm_one, disturbed_one, nearly = (record(batch_size=2**i, p50=0.001) for i in range(3))
    disturbed_one.disturbed, nearly.disturbed = 0.06, 0.04
    cases = [calm_one, disturbed_one, nearly]
    assert calm(cases) == {"packed": {1: 0.001, 4: 0.001}}
    [said] = disturbed(cases)
    assert said.startswith("* disturbed, as other processes took cores or the machine's pace")
    assert "changed: packed at 2." in said
    assert disturbed([calm_one]) == in_words(calm([disturbed_one])) == []
    medians = [row[2] for row in latencies(cases)[1:]]
    assert medians == ["1.00", "1.00*", "1.00"]


def test_words() -> None:
    assert in_words({"packed": PACKED}, [LIMIT]) == [
        "Reading 130 MiB takes 3.04 ms at 44.8 GB/s and decides up to 10 examples; from 11 on "
        "arithmetic does (102 GFLOP/s).",
        "packed reaches 90 % of its greatest throughput, 2,370/s, at batch size 32 (13.5 ms); "
        "doubling that batch costs 2.1 times the latency and loses 5 %. "
        "Least latency: 6.3 ms at batch size 2.",
    ]


def test_what_was_in_doubt() -> None:
    packed, formula = record(), record("formula")
    packed.dtype = packed.precision = "float32"
    packed.in_doubt = 0.0123
    assert screened([packed, formula]) == [
        "packed: labels of float64, found in float32; for 1.2 % of the examples, scores of float64 "
        "decided."
    ]


def test_two_rates_of_reading_are_explained() -> None:
    for bandwidth, is_explained in ((50e9, False), (60e9, True)):
        other = replace(SMALL, precision="float32", bandwidth=bandwidth, flop_rate=2e11)
        said = in_words({}, [replace(SMALL, bandwidth=50e9, flop_rate=1e11), other])
        assert said[1].endswith("as more of them stay in cache.") is is_explained, said


def test_words_of_what_only_reads_and_only_multiplies() -> None:
    assert in_words({"reads": READS, "multiplies": MULTIPLIES}) == [
        "reads reaches 90 % of its greatest throughput, 1,333/s, at batch size 4 (3 ms); "
        "no larger batch was measured. Least latency: 3 ms at batch size 1.",
        "multiplies reaches 90 % of its greatest throughput, 1,000/s, at batch size 1 (1 ms); "
        "doubling that batch costs 2.0 times the latency and gains 0 %. "
        "Least latency: 1 ms at batch size 1.",
    ]


@pytest.mark.parametrize(
    ("bandwidth", "flop_rate", "expected"),
    [
        (1e9, 1e15, "takes 136 ms at 1 GB/s and decides at every batch size; arithmetic "
         "(1 PFLOP/s) never does."),
        (1e12, 1e9, "takes 136 µs at 1 TB/s; arithmetic decides from 1 example on (1 GFLOP/s)."),
        # 64 × 8 bytes of a class's weights at 1/ns, and a flop less than 12.8 more would hide.
        (1e9, 128e9 / (512 / 10 + 8), "decides up to 10 examples; from 11 on"),
        (1e9, 128e9 / (512 / 1 + 8), "decides up to 1 example; from 2 on"),
    ],
)  # fmt: skip
def test_words_of_ceilings(bandwidth: float, flop_rate: float, expected: str) -> None:
    limit = replace(SMALL, n_features=262_144, bandwidth=bandwidth, flop_rate=flop_rate)
    assert expected in in_words({}, [limit])[0]


def test_words_of_other_batch_sizes() -> None:
    assert in_words({"packed": {8: 0.002}}) == ["packed: 4,000/s at batch size 8 (2 ms)."]
    assert "batch size 5 costs 1.5 times the latency and gains 11 %" in in_words(
        {"packed": {3: 0.003, 5: 0.0045, 20: 0.0182}}
    )[0]  # fmt: skip


def test_words_of_six_predictors() -> None:
    predictors = {
        name: {1: 0.01 / early, 2: 0.01 / early, 4: 0.02 / late}
        for name, early, late in (
            ("formula", 1, 1), ("packed", 3, 4), ("sklearn", 1, 1), ("torch", 2, 2),
            ("onnxruntime", 3.5, 3), ("jax", 1, 0.1),
        )
    }  # fmt: skip
    said = in_words(predictors, [LIMIT])
    assert len(said) == 4
    assert said[1] == "Fastest of 6 predictors, by batch size: onnxruntime at 1 to 2; packed at 4."
    assert [line.split()[0] for line in said[2:]] == ["packed", "onnxruntime"]
    assert len(in_words(predictors, [LIMIT] * 2)) == 4


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0135, "13.5 ms"), (0.00999999, "10 ms"), (0.9996, "1 s"), (1e-9, "1 ns"),
        (999.4e-9, "999 ns"), (4e-5, "40 µs"), (2e6, "2 Ms"), (1e25, "1e+10 Ps"),
        (math.inf, "inf s"),
    ],
)  # fmt: skip
def test_quantity(value: float, expected: str) -> None:
    assert quantity(value, "s") == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(2.4912e-6, "0.00249"), (0.12509, "125"), (1.2345, "1230")]
)
def test_milliseconds_have_three_digits(seconds: float, expected: str) -> None:
    assert milliseconds(seconds) == expected


@pytest.mark.parametrize(
    ("n_bytes", "expected"),
    [(1, "1 bytes"), (1000, "1,000 bytes"), (130 * 2**20, "130 MiB"), (1023.7 * 1024, "1 MiB"),
     (2**50, "1,024 TiB")],
)  # fmt: skip
def test_binary(n_bytes: float, expected: str) -> None:
    assert binary(n_bytes) == expected


def with_limit(content: dict[str, Any], limit: Limit = SMALL) -> dict[str, Any]:
    """Give each case of a saved run a limit."""
    content["benchmarks"] = content["benchmarks"][1:]
    for benchmark in content["benchmarks"]:
        size = benchmark["extra_info"]["batch_size"]
        benchmark["extra_info"] |= limit.as_saved(size)
    return content


def figures(*contents: dict[str, Any], folder: Path) -> tuple[Figure, ...]:
    """Return the figures of latency, throughput and trade-off."""
    runs = [read_run(write(folder / f"{i}.json", content)) for i, content in enumerate(contents)]
    return tuple(
        draw(curves(runs), limits(runs), None)
        for draw in (draw_latency, draw_throughput, draw_tradeoff)
    )


def labels(figure: Figure) -> list[str]:
    """Return what the legend names as a limit, on one line each."""
    return [name for name in legend(figure) if name.startswith("limit")]


def limit_lines(figure: Figure) -> list[Line2D]:
    """Return the limits that are drawn."""
    return [line for line in figure.axes[0].lines if str(line.get_label()).startswith("limit")]


def test_limit_is_drawn_with_its_knee(tmp_path: Path) -> None:
    latency, throughput, tradeoff = figures(with_limit(run()), folder=tmp_path)
    for figure in (latency, throughput):
        assert [text.get_text() for text in figure.axes[0].texts] == ["reading", "arithmetic"]
        [line] = limit_lines(figure)
        assert line.get_xdata() == pytest.approx([1, 4, 6, 16])
    assert not {"reading", "arithmetic"} & {text.get_text() for text in tradeoff.axes[0].texts}


@pytest.mark.parametrize(
    ("of_packed", "bounds"),
    [
        (
            replace(SMALL, precision="float32", flop_rate=128e9),
            ["memory or float64 arithmetic", "memory or float32 arithmetic"],
        ),
        (
            replace(SMALL, read_as="int16"),
            ["weights of float64 or arithmetic", "weights of int16 or arithmetic"],
        ),
    ],
)
def test_each_dtype_has_a_limit(tmp_path: Path, of_packed: Limit, bounds: list[str]) -> None:
    """That of a single predictor has its colour."""
    content = run()
    content["benchmarks"].append(case("torch", 1, 1.0))
    with_limit(content)
    for benchmark in content["benchmarks"][3:6]:
        info = benchmark["extra_info"]
        info |= of_packed.as_saved(info["batch_size"])
    latency, throughput, tradeoff = figures(content, folder=tmp_path)
    for figure in (latency, throughput, tradeoff):
        assert labels(figure) == [f"limit: reading {words}" for words in bounds]
        packed, *_ = (line.get_color() for line in figure.axes[0].lines if line.get_marker() == "s")
        assert [line.get_color() for line in limit_lines(figure)] == ["black", packed]
    for figure in (latency, throughput):
        assert [text.get_text() for text in figure.axes[0].texts] == ["reading", "arithmetic"]


@pytest.mark.parametrize(
    ("section", "value"), [("cpu", {"brand_raw": "EPYC"}), ("usable_cores", 2), ("node", "there")]
)
def test_machines_have_limits_of_their_own(tmp_path: Path, section: str, value: Any) -> None:
    slower = with_limit(run(), replace(SMALL, bandwidth=32e9))
    slower["machine_info"][section] = value
    for figure in figures(with_limit(run()), slower, folder=tmp_path):
        assert len(labels(figure)) == 2


def test_runs_on_one_machine_share_the_best_limit(tmp_path: Path) -> None:
    other = with_limit(run("fedcba9"), replace(SMALL, bandwidth=32e9, flop_rate=64e9))
    latency, *_ = figures(with_limit(run()), other, folder=tmp_path)
    assert labels(latency) == ["limit: reading memory or arithmetic"]
    [line] = limit_lines(latency)
    for size, seconds in np.asarray(line.get_xydata()):
        assert seconds == pytest.approx(SMALL.seconds(size))


def test_many_machines_of_one_kind_share_a_limit(tmp_path: Path) -> None:
    contents = [with_limit(run(f"{i:040}")) for i in range(6)]
    for i, content in enumerate(contents):
        content["machine_info"] |= {"node": f"runner-{i}", "cpu": {"brand_raw": "EPYC"}}
    for figure in figures(*contents, folder=tmp_path):
        assert labels(figure) == ["limit: reading memory or arithmetic"]


def test_limit_of_one_batch_size_is_drawn(tmp_path: Path) -> None:
    content = with_limit(run())
    content["benchmarks"] = content["benchmarks"][:1]
    for figure in figures(content, folder=tmp_path):
        [line] = limit_lines(figure)
        assert line.get_marker() not in ("None", "", None)
        assert "reading" not in [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize(
    ("key", "value"), [("precision", "int8"), ("bandwidth", 0), ("flop_rate", "x")]
)
def test_unusable_limit(tmp_path: Path, key: str, value: Any, capsys: Any) -> None:
    content = with_limit(run())
    content["benchmarks"][-1]["extra_info"][key] = value
    assert main([str(write(tmp_path / "run.json", content)), "--out", str(tmp_path / "p")]) == 2
    assert f"{key}': expected" in capsys.readouterr().err


def test_words_of_saved_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*contents: dict[str, Any]) -> list[str]:
        files = [write(tmp_path / f"{i}.json", content) for i, content in enumerate(contents)]
        drawn_by(*files)
        return capsys.readouterr().out.splitlines()[:-1]

    one = said(with_limit(run()))
    assert len(one) == 3
    assert one[0].startswith("Reading 508 KiB takes 8.12 µs at 64 GB/s")
    assert "packed reaches 90 % of its greatest throughput, 941/s, at batch size 16" in one[2]
    assert len(said(run())) == 2  # no limit
    assert said(gated([[0.02, 0.01]] * 20))[0].startswith("formula reaches 90 %")
    two = said(run(), run("fedcba9"))
    assert len(two) == 6
    assert two[3].startswith("fedcba9, 64 classes")
    many = said(*(run(f"{i:07}", day=i + 1) for i in range(5)))
    assert many[:2] == [
        "of 5 runs the latest:",
        "0000004, 64 classes × 1,000 features × 1,024 samples, float64:",
    ]
    assert len(many) == 4
