"""How the gate asks processes in turns, with durations, and a clock, that are made up."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from benchmarks.errors import BaselineError, ChangedDataError
from benchmarks.gate import gate as gate_module
from benchmarks.gate import sides as sides_module
from benchmarks.gate.baseline import Side
from benchmarks.gate.gate import FEWEST, FEWEST_CALLS, PILOT, TURN, Gate
from benchmarks.gate.judge import FALSE_ALARM, MISS, Comparison, Pairs
from benchmarks.gate.sides import Compared, Sides
from benchmarks.measuring.workload import Workload
from benchmarks.predictors.by_name import PREDICTORS
from benchmarks.saving.record import GateRecord, Verdict
from benchmarks.workers.processes import ANY_CORE


class Clock:
    """A clock that calls alone advance."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


class FakeWorker:
    """A worker whose calls take what they are said to, and whose labels are right."""

    core = ANY_CORE

    def __init__(
        self, gate: Gate, name: str, asked: list[Any], durations: Iterator[float], clock: Clock
    ) -> None:
        self.gate, self.name, self.asked, self.durations = gate, name, asked, durations
        self.clock = clock

    def calls(
        self, starts: list[int], batch_size: int, seconds: float = 0, core: int = ANY_CORE
    ) -> dict[str, Any]:
        self.asked.append((self.name, tuple(starts), core))
        self.core = 7 if core == ANY_CORE else core
        shared: Any = self.gate.sides.shared
        data, labels = shared.data, shared.labels
        for start in starts:
            labels[start : start + batch_size] = data.labels[start : start + batch_size]
        taken = list(itertools.islice(self.durations, len(starts)))
        self.clock.now += sum(taken)
        return {"seconds": taken}


def fake_gate(n_cases: int = 22, seconds: float | None = None) -> Gate:
    fake: Any = type("Baseline", (), {"commit": "1234567890abcdef", "__str__": lambda _: "1234567"})
    made = Gate(Sides(fake()), 0.05, {"packed": n_cases}, seconds=seconds)
    made.sides.share(Workload(20, 30, 8))
    return made


def measured(
    made: Gate,
    current: Iterator[float],
    baseline: Iterator[float],
    n_pairs: int = 1,
    replaced: tuple[int, int] = (0, 0),
) -> tuple[GateRecord, list[Any]]:
    """Measure a case of durations that are made up; return what is saved, and what was asked."""
    asked: list[Any] = []
    clock = Clock()
    made_of: list[Any] = [
        (
            FakeWorker(made, f"A{k}", asked, current, clock),
            FakeWorker(made, f"B{k}", asked, baseline, clock),
        )
        for k in range(n_pairs)
    ]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gate_module, "time", clock)
        # Examples of near ties are not those of the data.
        patched.setattr(made.sides.shared, "check_near_ties", lambda *_: None)
        gate, *_ = made.measure(Compared(made_of, {}, [], ({}, {}), replaced), range(8))
    return gate, asked


def test_order_of_calls() -> None:
    result, asked = measured(fake_gate(), itertools.repeat(2e-3), itertools.repeat(2e-3), n_pairs=3)
    n = len(result.pairs)
    assert n >= FEWEST
    asked = asked[-2 * n :]  # without those that warm up
    order = "".join(name[0] for name, *_ in asked)
    assert {order[i : i + 4] for i in range(0, 2 * n, 4)} == {"ABBA", "BAAB"}
    turns = [name[1] for name, *_ in asked]
    assert "".join(turns) == "".join(f"{k % 3}" * 2 * TURN for k in range(n))[: 2 * n]
    assert [core for *_, core in asked] == [ANY_CORE, 7] * n  # the second's is that of the first
    blocks = [starts for _, starts, _ in asked]
    assert blocks[::2] == blocks[1::2]
    first = blocks[0][0]
    assert [start for (start,) in blocks[::2]] == [(first + i) % 8 for i in range(n)]


def test_baseline_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sides_module, "PROCESSES", 1)
    made = fake_gate()
    side = Side("/nowhere/python", {}, ([], [], None), [])
    monkeypatch.setattr(made.sides.baseline, "side", lambda *_: side, raising=False)
    with pytest.raises(BaselineError, match=r"No such file .*/nowhere/python"):
        made.start(PREDICTORS["packed"])
    assert made._cases_left == made._cases_not_slower == 0
    assert not made.sides.workers


def test_short_calls_are_asked_for_together() -> None:
    durations = itertools.chain([1e-5] * 5, itertools.cycle([1e-5, 1e-5, 1e-5, 9e-5]))
    result, asked = measured(fake_gate(), durations, itertools.repeat(1e-5))
    assert {len(starts) for _, starts, _ in asked[-10:]} == {400}  # 4 ms
    assert all(pair == (1e-5, 1e-5) for pair in result.pairs)  # medians
    for seconds, n_calls in ((1.3e-3, 3), (1.4e-3, 1)):  # three leave out the first, two do not
        _, asked = measured(fake_gate(), itertools.repeat(seconds), itertools.repeat(seconds))
        assert len(asked[-1][1]) == n_calls


def test_first_calls_that_are_longer_do_not_count() -> None:
    """3 ms that caches take to warm up would make 1.1 of 1.4 ms 1.03 of 4.4."""

    class Cold(FakeWorker):
        def calls(self, starts: list[int], *arguments: Any, **named: Any) -> dict[str, Any]:
            answer = super().calls(starts, *arguments, **named)
            answer["seconds"][0] += 3e-3
            return answer

    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(globals(), "FakeWorker", Cold)
        result, asked = measured(fake_gate(), itertools.repeat(1.54e-3), itertools.repeat(1.4e-3))
    assert result.ratio == pytest.approx(1.1)
    assert len(asked[-1][1]) == FEWEST_CALLS
    assert len(asked) < 3 * len(result.pairs) + 30


def test_examples_that_change_while_a_case_is_measured() -> None:
    made = fake_gate()

    def durations() -> Iterator[float]:
        for k in itertools.count():
            if k == FEWEST:
                made.sides.shared.data.x[5] += 1  # type: ignore[union-attr]
            yield 2e-3

    with pytest.raises(ChangedDataError, match="examples"):
        measured(made, durations(), itertools.repeat(2e-3))


def test_measures_until_it_is_decided() -> None:
    def judged(slowdown: float, seconds: float) -> GateRecord:
        noise = np.random.default_rng(4).uniform(0.9, 1.1, 100_000)
        result, _ = measured(
            fake_gate(1, seconds), iter(1e-2 * slowdown * noise), iter([1e-2] * 100_000)
        )
        return result

    quick, slow = judged(3, 100), judged(1.08, 100)
    assert quick.verdict == slow.verdict == "slower"
    assert judged(0.8, 100).verdict == "faster"
    assert fake_gate().fails == (Verdict.SLOWER,)
    assert len(quick.pairs) == FEWEST < len(slow.pairs)
    assert len(judged(1.05, 0).pairs) == FEWEST
    assert judged(1.05, 0).verdict == "undecided"


def test_slowdown_must_show_with_each_pair_of_processes() -> None:
    def durations(bad: float) -> Iterator[float]:
        yield from [1e-2] * (6 + 3 * PILOT)  # of warming up
        yield from itertools.cycle([*[0.0108] * TURN * 2, *[bad] * TURN])

    same = itertools.repeat(1e-2)
    assert measured(fake_gate(1, 20), durations(0.0108), same, 3)[0].verdict == "slower"
    assert measured(fake_gate(1, 20), durations(0.0101), same, 3)[0].verdict == "undecided"


def test_processes_replaced_on_one_side_leave_it_open() -> None:
    same = itertools.repeat(1e-2)
    for replaced, verdict in (((1, 1), "same"), ((1, 0), "undecided")):
        result, _ = measured(fake_gate(1, 20), same, same, replaced=replaced)
        assert (result.verdict, result.replaced) == (verdict, replaced)


def test_error_rate_is_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    undecided = Verdict.UNDECIDED
    spent: list[float] = []

    def looked(
        _: Pairs, turns: tuple[int, int], threshold: float, false_alarm: float, miss: float
    ) -> Comparison:
        spent.append(false_alarm)
        assert miss == pytest.approx(false_alarm / rate * MISS)
        return Comparison(1, 1, 1, 1, verdict)

    monkeypatch.setattr(gate_module, "judge", looked)
    shared = fake_gate(4, seconds=40)
    durations = itertools.repeat(1e-2)
    for n_left, verdict in ((4, undecided), (4, Verdict.SLOWER), (3, Verdict.SAME), (3, undecided)):
        spent.clear()
        rate = FALSE_ALARM / n_left
        result, _ = measured(shared, durations, durations)
        assert result.confidence == 1 - 2 * rate
        if verdict == undecided:
            assert len(spent) > 2
            assert sum(spent) == pytest.approx(rate)
        else:
            assert spent == pytest.approx([gate_module.LOOK * rate])
