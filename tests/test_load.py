"""``python benchmarks/load.py``: the simulation against queueing theory, and the script."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import load, simulation
from benchmarks.load import drawn_policies
from benchmarks.simulation import Policy, Server, greatest_rates, smallest_enough
from tests.helpers.saved_runs import run, script, texts, write


@pytest.fixture
def few_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a tenth of the requests, for a test that asks for no more precision."""
    for module in (load, simulation):
        for name in ("REQUESTS", "DRAWN_REQUESTS"):
            monkeypatch.setattr(module, name, getattr(module, name) // 10)


def mean_wait(rounds: list[float], busy: float) -> float:
    """Return the mean wait in units of the mean service time, one at a time, at some load."""
    server = Server({1: rounds})
    rate = busy / np.mean(rounds)
    responses = server.serve(float(rate), 1, 500_000, seed=1).responses
    return float(responses[25_000:].mean() / np.mean(rounds)) - 1


# Kleinrock, "Queueing Systems", volume 1, 1975: the formula of Pollaczek and Khinchin.
@pytest.mark.parametrize("busy", [0.3, 0.6])
def test_constant_service_is_m_d_1(busy: float) -> None:
    assert mean_wait([0.01], busy) == pytest.approx(busy / (2 * (1 - busy)), rel=0.02)


@pytest.mark.parametrize("busy", [0.3, 0.6])
def test_exponential_service_is_m_m_1(busy: float) -> None:
    quantiles = (np.arange(100_000) + 0.5) / 100_000
    rounds = list(np.random.default_rng(0).permutation(-0.01 * np.log1p(-quantiles)))
    assert mean_wait(rounds, busy) == pytest.approx(busy / (1 - busy), rel=0.02)


def test_a_batch_takes_all_that_wait_up_to_the_largest() -> None:
    server = Server({1: [1.0], 4: [1.0]})
    # With a request every nanosecond the first is alone, and then batches are full.
    responses = server.serve(1e9, 4, 10).responses
    assert responses == pytest.approx([1, 2, 2, 2, 2, 3, 3, 3, 3, 4])


def test_times_between_measured_sizes() -> None:
    server = Server({2: [1.0, 2.0], 4: [3.0, 5.0]})
    assert [server.seconds(size, 0.2) for size in (1, 2, 3, 4)] == [1, 1, 2, 3]
    assert [server.seconds(size, 0.7) for size in (1, 2, 3, 4)] == [2, 2, 3.5, 5]
    assert server.most(4) == pytest.approx(1)


def test_p99_repeats() -> None:
    server = Server({2**i: [0.001 * (1 + 0.1 * 2**i)] for i in range(6)})
    for largest in (1, 32):
        rate = server.greatest_rate(largest, 0.02)
        p99 = [server.serve(rate, largest, simulation.REQUESTS, seed).p(99) for seed in range(6)]
        assert np.std(p99) / np.mean(p99) < 0.05
        assert p99[0] <= 0.02 < server.serve(1.05 * rate, largest, simulation.REQUESTS).p(99)


def test_a_search_ends_where_no_rate_keeps_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few slow rounds may be 0.9 % of those measured, and more of those drawn."""
    asked: list[float] = []

    def serve(self: Server, rate: float, *_: Any, **__: Any) -> Any:
        asked.append(rate)
        return SimpleNamespace(p=lambda _: 0.03)

    monkeypatch.setattr(Server, "serve", serve)
    assert Server({1: [0.001] * 109 + [0.03]}).greatest_rate(1, 0.02) == 0
    assert len(asked) < 50


def test_a_batch_waits_until_it_is_full_or_its_oldest_request_has_waited() -> None:
    server = Server({1: [1.0], 4: [2.0]})
    filled = server.serve(1e9, 4, 8, wait=10)
    assert filled.responses == pytest.approx([2, 2, 2, 2, 4, 4, 4, 4])
    assert filled.batch_size == 4
    assert filled.busy == pytest.approx(1)
    alone = server.serve(1e-3, 4, 3, wait=10)  # one every 1,000 s
    assert alone.responses == pytest.approx([11, 11, 11])
    last_three = server.serve(1e9, 4, 7, wait=10).responses[4:]
    assert last_three == pytest.approx([10 + 5 / 3] * 3)


def test_part_of_the_time_that_the_server_computes() -> None:
    served = Server({1: [0.01]}).serve(30, 1, 200_000)
    assert served.busy == pytest.approx(0.3, rel=0.01)
    assert served.batch_size == 1


@pytest.mark.usefixtures("few_requests")
def test_the_best_wait() -> None:
    rates = {Policy(4): 100.0, Policy(2, 0.005): 101.0}
    assert smallest_enough(rates) == Policy(4)
    assert smallest_enough(rates | {Policy(8, 0.001): 110.0}) == Policy(8, 0.001)
    # One example takes as long as four: who goes alone holds up the others.
    server = Server({1: [0.01], 4: [0.01]})
    rates = greatest_rates(server, 0.05, (0.0, 0.005))
    assert {*rates} == {Policy(4), Policy(1), Policy(4, 0.005)}
    assert 0.9 < rates[Policy(4, 0.005)] / rates[Policy(4)] < 1.1


def test_what_is_named_is_drawn() -> None:
    server = Server({2**i: [0.001] for i in range(11)})
    drawn = drawn_policies(server, [Policy(2), Policy(8, 0.001)])
    assert {Policy(1), Policy(2), Policy(8, 0.001), Policy(1024)} <= {*drawn}
    assert len(drawn) <= 8


def test_slow_rounds_in_a_row_are_worse_than_single_ones() -> None:
    in_a_row = [0.001] * 900 + [0.02] * 100
    single = np.random.default_rng(0).permutation(in_a_row).tolist()
    p99 = [Server({1: rounds}).serve(300, 1, 200_000).p(99) for rounds in (in_a_row, single)]
    assert p99[0] > 5 * p99[1]
    assert mean_wait([0.01] * 50, 0.5) == pytest.approx(0.5, rel=0.02)  # equal ones are the same


def with_rounds() -> dict[str, Any]:
    content = run()
    for benchmark in content["benchmarks"][1:]:
        median = benchmark["stats"]["median"]
        benchmark["stats"]["data"] = [0.95 * median, median, 1.1 * median]
    return content


@pytest.mark.usefixtures("few_requests")
def test_script(tmp_path: Path) -> None:
    content = with_rounds()
    content["benchmarks"][-1]["extra_info"]["disturbed"] = 0.5
    file = write(tmp_path / "run.json", content)
    done = script(file, "--latency-budget=100ms", "--format=svg", folder=tmp_path, name="load.py")
    assert (done.returncode, done.stderr) == (0, "")
    packed, few, disturbed = done.stdout.splitlines()[2:5]
    assert disturbed.startswith("* disturbed, as other processes took cores")
    assert few.startswith("packed: a p99 needs 459 rounds, and there are fewer at batch size 1, 4,")
    assert packed.startswith("packed: ")
    assert "requests/s with a p99 within 100 ms, in batches of up to 16; without" in packed
    drawn = texts(tmp_path / "plots" / "load.svg")
    for text in ("Response Time under Load: packed", "requests per second", "latency budget, 100"):
        assert text in drawn


@pytest.mark.usefixtures("few_requests")
@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--latency-budget=1us", "not even single requests stay within 1 µs"),
        ("--rate=1e6", "1,000,000 requests/s are too many: the most are 926, in batches of 16"),
    ],
)
def test_what_cannot_be_carried(tmp_path: Path, option: str, sentence: str) -> None:
    file = write(tmp_path / "run.json", with_rounds())
    done = script(file, option, folder=tmp_path, name="load.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"packed: {sentence}" in done.stdout


@pytest.mark.usefixtures("few_requests")
@pytest.mark.parametrize("option", ["--latency-budget=100ms", "--rate=100"])
def test_waits(tmp_path: Path, option: str) -> None:
    file = write(tmp_path / "run.json", with_rounds())
    done = script(file, option, "--wait=0,5ms", "--format=svg", folder=tmp_path, name="load.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert "; mean batch size " in done.stdout
    assert "of the time" in done.stdout
    drawn = texts(tmp_path / "plots" / "load.svg")
    assert ", waiting 5 ms" in drawn
    if option == "--rate=100":
        assert done.stdout.count("packed: 100 requests/s get a p50 of ") == 2
        assert done.stdout.count("waiting up to 5 ms to fill them; mean batch size 1.") == 2
        assert "100 requests/s" in drawn


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--rate=0"], "'0' is not a rate like 800"),
        (["--rate=nan"], "'nan' is not a rate like 800"),
        (["--rate=1", "--latency-budget=1s"], "not allowed with argument"),
        (["--rate=1", "--wait=1ms,"], "'1ms,' is not a list of durations like 0,1ms,5ms"),
        (["--rate=1", "--wait=-1ms"], "'-1ms' is not a list of durations"),
        (["--wait=1ms"], "--wait needs --latency-budget or --rate"),
        (["--out="], "--out: it names nothing"),
    ],
)
def test_bad_options(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    done = script(tmp_path / "run.json", *arguments, name="load.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr


def test_out_is_refused_before_anything_is_simulated(tmp_path: Path) -> None:
    file = write(tmp_path / "run.json", with_rounds())
    done = script(file, "--latency-budget=100ms", "--out", file, name="load.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{file}: cannot be written: it is no folder\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is not JSON, or is cut off"),
        (json.dumps(run()), "has no durations of single rounds: save it with --benchmark-json"),
        (json.dumps(with_rounds()).replace("[0.", "[-0."), "stats.data[0]': expected"),
    ],
)
def test_bad_file(tmp_path: Path, content: str, sentence: str) -> None:
    done = script(write(tmp_path / "run.json", content), folder=tmp_path, name="load.py")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert sentence in done.stderr
    assert not (tmp_path / "plots").exists()
