"""``python benchmarks/load.py``: the simulation against queueing theory, and the script."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.load import Server, main
from tests.test_plot import run, script, texts, write


def mean_wait(rounds: list[float], load: float) -> float:
    """Return the mean wait in units of the mean service time, one at a time."""
    server = Server({1: rounds})
    rate = load / np.mean(rounds)
    responses = server.responses(float(rate), 1, 2_000_000, seed=1)
    return float(responses[100_000:].mean() / np.mean(rounds)) - 1


# Kleinrock, "Queueing Systems", volume 1, 1975: the formula of Pollaczek and Khinchin.
@pytest.mark.parametrize("load", [0.3, 0.6])
def test_constant_service_is_m_d_1(load: float) -> None:
    assert mean_wait([0.01], load) == pytest.approx(load / (2 * (1 - load)), rel=0.02)


@pytest.mark.parametrize("load", [0.3, 0.6])
def test_exponential_service_is_m_m_1(load: float) -> None:
    quantiles = (np.arange(100_000) + 0.5) / 100_000
    rounds = list(-0.01 * np.log1p(-quantiles))
    assert mean_wait(rounds, load) == pytest.approx(load / (1 - load), rel=0.02)


def test_a_batch_takes_all_that_wait_up_to_the_largest() -> None:
    server = Server({1: [1.0], 4: [1.0]})
    # With a request every nanosecond the first is alone, and then batches are full.
    responses = server.responses(1e9, 4, 10)
    assert responses == pytest.approx([1, 2, 2, 2, 2, 3, 3, 3, 3, 4])


def test_times_between_measured_sizes() -> None:
    server = Server({2: [1.0, 2.0], 4: [3.0, 5.0]})
    assert [server.seconds(size, 0.2) for size in (1, 2, 3, 4)] == [1, 1, 2, 3]
    assert [server.seconds(size, 0.7) for size in (1, 2, 3, 4)] == [2, 2, 3.5, 5]
    assert server.most(4) == pytest.approx(1)


def test_p99_repeats() -> None:
    server = Server({2**i: [0.001 * (1 + 0.1 * 2**i)] for i in range(6)})
    for largest in (1, 4, 32):
        rate = server.greatest_rate(largest, 0.02)
        p99 = [server.p99(rate, largest, seed=seed) for seed in range(6)]
        assert np.std(p99) / np.mean(p99) < 0.05
        assert p99[0] <= 0.02 < server.p99(1.05 * rate, largest)


def with_rounds() -> dict[str, Any]:
    content = run()
    for benchmark in content["benchmarks"][1:]:
        median = benchmark["stats"]["median"]
        benchmark["stats"]["data"] = [0.95 * median, median, 1.1 * median]
    return content


def test_script(tmp_path: Path) -> None:
    file = write(tmp_path / "run.json", with_rounds())
    done = script(file, "--latency-budget=100ms", "--format=svg", folder=tmp_path, name="load.py")
    assert (done.returncode, done.stderr) == (0, "")
    packed = done.stdout.splitlines()[1]
    assert packed.startswith("packed: ")
    assert "requests/s with a p99 within 100 ms, in batches of up to 16; without" in packed
    drawn = texts(tmp_path / "plots" / "load.svg")
    for text in ("Response Time under Load: packed", "requests per second", "latency budget, 100"):
        assert text in drawn


def test_budget_that_nothing_keeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "run.json", with_rounds())
    assert main([str(file), "--latency-budget=1us", "--out", str(tmp_path)]) == 0
    assert "packed: not even single requests stay within 1 µs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is not JSON, or is cut off"),
        (json.dumps(run()), "has no durations of single rounds: save it with --benchmark-json"),
        (json.dumps(with_rounds()).replace("[0.", "[-0."), "has no valid 'data'"),
    ],
)
def test_bad_file(tmp_path: Path, content: str, sentence: str) -> None:
    done = script(write(tmp_path / "run.json", content), folder=tmp_path, name="load.py")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert sentence in done.stderr
    assert not (tmp_path / "plots").exists()


def test_requests_of_mlperf_are_answered_in_batches() -> None:
    pytest.importorskip("mlperf_loadgen")
    from benchmarks.mlperf import sent

    sizes = []

    def call(n_samples: int) -> None:
        sizes.append(n_samples)
        time.sleep(0.02)

    p50, p99 = sent(call, rate=150, largest=4, budget=0.1, seconds=2)
    assert 0.02 <= p50 <= p99
    assert 100 <= sum(sizes) <= 1000  # LoadGen's least, and more than Poisson gives
    assert 2 <= max(sizes) <= 4
