"""Rounds that others disturb: told, measured again, marked; and how many are needed."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import cycle
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from benchmarks.measuring import disturbance, pace, rounds
from benchmarks.measuring.disturbance import BUSY, Others, Patience, Watch, wait_for_calm
from benchmarks.measuring.pace import Pace
from benchmarks.measuring.rounds import Rounds, drifted, needed
from linpredict.cores import affinity


@pytest.fixture
def one_core() -> Iterator[None]:
    """Leave this process, and those that it starts, one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    yield
    os.sched_setaffinity(0, cores)


def compute() -> None:
    end = time.perf_counter() + 0.5
    while time.perf_counter() < end:
        pass


@pytest.mark.alone
@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells")
@pytest.mark.usefixtures("one_core")
def test_a_neighbour_is_seen_and_a_child_is_none() -> None:
    assert affinity() == 1
    busy = [sys.executable, "-c", "while True: pass"]
    orphan = f"{shlex.join(busy)} >/dev/null & echo $!"
    pid = int(subprocess.run(["sh", "-c", orphan], stdout=subprocess.PIPE).stdout.split()[0])
    try:
        watch, others = Watch(), Others()
        compute()
        assert watch.has_waited()
        assert others.cores() > BUSY
        said: list[str] = []
        wait_for_calm(Patience(0.3, said.append))
        assert said == ["waiting for a calm moment"] * 3
    finally:
        os.kill(pid, signal.SIGKILL)
    with subprocess.Popen(busy) as child:
        others = Others()
        compute()
        cores = others.cores()
        child.kill()
    assert cores < BUSY


class Neighbours:
    """A `Watch`, and `Others`, that finds the stretches disturbed that it is told to."""

    disturbed: ClassVar[list[bool]] = []
    take = 1.0  # cores

    def has_waited(self) -> bool:
        return self.disturbed.pop(0) if self.disturbed else False

    def cores(self) -> float:
        return self.take


@pytest.fixture
def neighbours(monkeypatch: pytest.MonkeyPatch) -> type[Neighbours]:
    monkeypatch.setattr(rounds, "Watch", Neighbours)
    monkeypatch.setattr(rounds, "Others", Neighbours)
    monkeypatch.setattr(rounds, "STRETCH", 0.0)  # each round is one
    monkeypatch.setattr(rounds, "wait_for_calm", lambda patience: None)
    return Neighbours


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Rounds:
    """Return rounds whose calls take 1 s, 2 s and so on by a clock that is made up."""
    now, taken = [0.0], iter(range(1, 1000))
    clock = SimpleNamespace(perf_counter=lambda: now[0])
    monkeypatch.setattr("benchmarks.measuring.rounds.time", clock)

    def predict(x: Any) -> Any:
        now[0] += next(taken)
        return x

    return Rounds(predict, cycle([np.zeros(1)]), Patience(0, print))


@pytest.mark.parametrize(
    ("disturbed", "take", "found", "share"),
    [
        ([False, True, False], 1.0, [1, 3, 4, 5], 0),  # measured again
        ([False] + 100 * [True], 1.0, [1, 4, 5, 6], 0.75),  # of half as many again, the last ones
        (100 * [True], 0.01, [1, 2, 3, 4], 0),  # own threads wait for one another: no neighbours
    ],
)
def test_rounds_that_are_kept(
    neighbours: type[Neighbours],
    measured: Rounds,
    monkeypatch: pytest.MonkeyPatch,
    disturbed: list[bool],
    take: float,
    found: list[float],
    share: float,
) -> None:
    monkeypatch.setattr(neighbours, "take", take)
    neighbours.disturbed = disturbed
    assert measured.measure(4) == found
    assert measured.disturbed == share


def test_a_calm_moment_is_waited_for_after_two_disturbed_stretches(
    neighbours: type[Neighbours], measured: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[Patience] = []
    monkeypatch.setattr(rounds, "wait_for_calm", waited.append)
    neighbours.disturbed = [True, False, True]
    measured.measure(4)
    assert waited == []
    neighbours.disturbed = [True, True]
    measured.measure(4)
    assert len(waited) == 1


def test_a_system_that_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(disturbance, "os", SimpleNamespace(listdir=refuse))
    assert not Watch().has_waited()
    assert Others().cores() <= 0


def paced(rates: Iterable[float], monkeypatch: pytest.MonkeyPatch) -> Pace:
    """Return the pace by rates that are made up, whose looks take no time."""
    monkeypatch.setattr(pace, "rest", lambda: True)
    return Pace(iter(rates).__next__)


def test_a_low_rate_of_all_cores_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = paced([8.0, 5.0, 5.5, 5.2, 5.0, 7.0, 10.0], monkeypatch)
    rates = [found.look() for _ in range(4)]
    assert rates == [8.0, 5.5, 7.0, 10.0]  # one slow look is none
    # Beside the best of the run, which came last.
    assert [found.is_low(rate) for rate in rates] == [False, True, True, False]


def test_threads_that_spin_on_are_no_host(monkeypatch: pytest.MonkeyPatch) -> None:
    found = paced([8.0, 1.0, 1.0, 1.0], monkeypatch)
    assert found.look() == 8.0
    monkeypatch.setattr(pace, "rest", lambda: False)
    assert found.look() == 8.0
    found = paced([8.0], monkeypatch)
    monkeypatch.setattr(pace, "rest", lambda: False)
    first = found.look()
    monkeypatch.setattr(pace, "rest", lambda: True)
    assert found.look() == 8.0
    assert not found.is_low(first)


def test_a_better_rate_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = paced([2.0, *[1.0] * 6, 2.0, *[1.0] * 15, 2.0, *[1.0] * 12], monkeypatch)
    monkeypatch.setattr(disturbance, "PAUSE", 2**-7)
    for rate, n_pauses in ((2.0, 0), (2.0, 2), (1.0, 3), (1.0, 0), (2.0, 0), (1.0, 3)):
        said: list[str] = []
        patience = Patience(3 * 2**-7, said.append)
        assert found.wait(patience) == rate
        assert said == ["waiting until all cores compute as fast as before"] * n_pauses
        assert patience.left == (3 - n_pauses) * 2**-7


def test_drift_between_quarters() -> None:
    assert drifted([1.0] * 100) == 0
    assert drifted([1.0] * 50 + [1.6] * 50) == 0.5
    assert drifted([1.0, 1.6, 1.6] * 40) == 0  # no drift
    assert drifted([1.0] * 6 + [9.0] * 6) == 0  # too few to tell


@pytest.mark.parametrize("precision", [0.01, 0.03])
def test_so_many_rounds_make_the_median_so_precise(precision: float) -> None:
    rng = np.random.default_rng(0)
    pilot = rng.normal(1, 0.1, 10_000).tolist()
    n = needed(pilot, precision, 0.9)
    medians = np.median(rng.normal(1, 0.1, (4000, n)), axis=1)
    assert np.mean(abs(medians - 1) < precision) == pytest.approx(0.9, abs=0.02)
    assert needed([0.5] * 10, precision, 0.9) == 0
