"""Measure each case in turns with a baseline, until it is clear which is slower.

Either side runs in processes of its own, so that anything may differ between them. They label the
same batches in turns, in the order A B B A; what does not compute is frozen. What the machine does
to one side it does to the other a moment later; what drifts steadily, and what a call gains or
loses by coming second (its batch is in cache), cancels out. Which side is A is drawn anew for each
A B B A: a disturbance that comes and goes in step with the calls, as a busy neighbour's time slices
may, then hits either side alike, which a fixed order does not ensure (with one core kept busy, 16
of 16 pairs of equal versions once came out 2 times faster).

The second of a pair begins on the core of the first: a thread that sleeps mostly wakes where it ran
before, so that a process stays on one core for as long as a case takes, and cores differ (calls of
0.08 ms on one of two took 0.10 on the other). Before, one run of equal versions failed: in a case,
each process of one side was 1.12 times slower.

Each pair, A B or B A, gives the ratio of two durations; `benchmarks.gate.judge` judges these
ratios. Where calls are short, or the first after a thaw is longer, a duration is the median of
several in a row, less the first.

What lasts as long as a process is luck where it is drawn for each, and bias where the sides differ
in it. Two things were bias, and decided small models by 1.1 to 1.3: where within its page the
allocator puts a copy of the weights, which one more import, or a variable, moves in all processes
of a side; and the addresses of code and data (3 × 30 took 0.9 or 1.0 of the median of 20
processes). So copies begin where large arrays do (`benchmarks.workers.worker.own_pages`), and the
two processes of a pair have the same addresses, others than those of the next pair, as far as they
load the same. All share the pages of weights and examples. What is left is luck: what is slower
than its equals is replaced, several pairs of processes take turns, and a slowdown must show with
each of them. A side that makes some of its processes slow must not pass for unlucky: see
`benchmarks.gate.judge.heeding`. This assumes that luck does not slow down all processes of one
side, and none of the other, by half of the threshold.

A case is measured until it is decided, but no longer than its share of the time allows. Each look
on the way may use up `LOOK` of the chance of an error, the last one what is left. The chance of
calling a case slower is shared out to the cases not yet called slower (Holm, "A simple sequentially
rejective multiple test procedure", 1979): where a commit slows all, the last ones need less proof.
So in 99 of 100 runs at the least, no case is called slower that is not slower by more than the
threshold; and of 100 cases that are slower by more, one at the most is called the same. The latter
did not hold with one of two cores kept busy: see "How often the gate errs" in the README.
"""

from __future__ import annotations

import math
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count, cycle, islice
from typing import Any, NamedTuple

import numpy as np

from benchmarks.array_types import Array
from benchmarks.errors import LackingError
from benchmarks.gate.baseline import Baseline, Folders, blaming_baseline
from benchmarks.gate.judge import FALSE_ALARM, MISS, heeding, judge
from benchmarks.gate.shared import SharedData, SharedExamples, compared
from benchmarks.gate.sources import own_folders
from benchmarks.gate.what_differs import Facts, as_saved, differences
from benchmarks.measuring.data import Data
from benchmarks.measuring.rounds import MAX_ROUNDS
from benchmarks.measuring.workload import Workload
from benchmarks.own.answers import OwnExamples
from benchmarks.own.loading import NOTHING, Own
from benchmarks.saving.record import GateRecord, Verdict
from benchmarks.workers.processes import ANY_CORE, Worker, end
from benchmarks.workers.worker import Source

LAYOUTS = 4096  # to draw from
LOOK = 0.05  # of both, for each look at the pairs but the last; 16 looks at the most
FEWEST, MOST = 16, 2000  # pairs of a case
FIRST_LOOK = 0.25  # seconds until it, at least, where that does not take more than 500 pairs
PROCESSES = 3  # of each side, for a predictor
# Where the memory of a process came to lie once made it 1.06 to 1.28 times slower than its equals,
# at batch sizes of 1 to 16, as long as it lived: such a one is replaced, so many times. It is
# looked at twice: for 4 of 129 predictors one was slow for the moment only.
SPARES, UNLUCKY = 2, 1.06
ROUNDS = 5, 15  # of calls that tell, at the least and at the most
TURN = 4  # pairs in a row that are measured with the same processes
# Seconds of calls that are asked for at once where they are short: a question takes 0.3 ms, and the
# first call after it up to three times as long as the next: caches are cold and threads sleep.
# The median of the others counts. Longer calls are asked for one by one, if the first is not longer
# by COLD: what it takes more on both sides would hide a part of what one takes more (a text model's
# call of 1.0 ms took 3.4, and 7 % more of it were 3 %).
BLOCK = 4e-3
FEWEST_CALLS, MOST_CALLS = 3, 500  # of a block
COLD, PILOT = 1.15, 5  # times as long as the next; questions to see it
OFTEN = 1.0  # seconds after which progress is told again
AWAKE = 0.05  # seconds of a call that warms up while it is timed
# For all cases together, and at least so much for each on average; what one leaves over is there
# for those after it.
SECONDS, SECONDS_EACH = 115.0, 5.2


class Duet(NamedTuple):
    """A process of either side, which take turns."""

    current: Worker
    baseline: Worker


@dataclass
class Compared:
    """The processes of a predictor, and what is known of the two sides."""

    duets: list[Duet]
    sides: dict[str, dict[str, Any]]  # what is saved of them
    differences: list[str]  # between them, a line for each
    facts: tuple[Facts, Facts]  # current, baseline
    replaced: tuple[int, int]  # processes slower than their equals: current, baseline
    differing: tuple[int, int] = (0, 0)  # rows that the sides answer otherwise to, of how many


class Gate:
    """The cases of a run against a baseline, and the time and the error rate that they share.

    `max_slowdown` is the least that fails a case, such as 0.05, and `max_differing` the most of a
    model's answers that may be others; `n_cases` are those that run, by predictor; `seconds` are
    for all of them.
    """

    def __init__(
        self,
        baseline: Baseline,
        max_slowdown: float,
        n_cases: Mapping[str, int],
        fails: tuple[Verdict, ...] = (Verdict.SLOWER,),
        seconds: float | None = None,
        collects: bool = True,
        max_differing: float = 0.01,
    ) -> None:
        self.baseline = baseline
        self.fails = fails
        self.max_slowdown, self.max_differing = max_slowdown, max_differing
        self._collects = collects
        self._n_cases = n_cases
        self._cases_not_slower = self._cases_left = n = sum(n_cases.values())
        self._seconds_left = max(SECONDS, SECONDS_EACH * n) if seconds is None else seconds
        self._workers: list[Worker] = []

    def share(self, workload: Workload, own: Own = NOTHING) -> Data:
        """Make a workload's data where all processes see it."""
        self.shared: SharedData | SharedExamples = SharedData(workload, own)
        return self.shared.data

    def share_examples(self, data: OwnExamples) -> None:
        """Have all processes make a model and examples of the user's own."""
        self.shared = SharedExamples(data)

    def start(
        self, source: Source, say: Callable[[str], None] = lambda text: None
    ) -> Compared | None:
        """Start the processes of a predictor; None if the baseline lacks it.

        Raises
        ------
        WorkerError, UnavailableError, WrongLabelsError, ChangedDataError
            If the current side fails, cannot run here, labels wrongly, or changes the data.
        BaselineError
            If the baseline's side does any of it.
        """
        already = len(self._workers)
        try:
            return self._started(source, say)
        except BaseException:
            self._end(self._workers[already:])
            raise

    def _started(self, source: Source, say: Callable[[str], None]) -> Compared | None:
        other, made, answers = self.baseline, count(1), list[Array | None]()
        layouts = random.sample(range(LAYOUTS), PROCESSES)  # of both sides alike

        def prepare(workers: list[Worker], folders: Folders) -> dict[str, Any]:
            for worker in workers:
                say(f"making {next(made)} of {2 * PROCESSES}")
                self._make(worker, source, folders)
            answers.append(self.shared.answers())
            n_replaced = self._replace_slow(workers, source, folders)
            return {**workers[0].facts(), "replaced": n_replaced}

        current = [self._start(layout, sys.executable) for layout in layouts]  # all import at once
        facts = prepare(current, (own_folders(source.name), [], None))
        side = other.side(source.name, facts, say)
        try:
            with blaming_baseline():
                baseline = [self._start(layout, side.python, side.variables) for layout in layouts]
                of_baseline = prepare(baseline, side.folders)
                other.check_sources(source.name, of_baseline)
                differing = compared(*answers)
        except LackingError:
            self._end(current + baseline)
            self._cases_left -= self._n_cases[source.name]  # they are new
            self._cases_not_slower -= self._n_cases[source.name]
            return None
        facts["commit"], of_baseline["commit"] = other.commits(source.name)
        sides = {"current": as_saved(facts, of_baseline), "baseline": as_saved(of_baseline, facts)}
        duets = [Duet(*duet) for duet in zip(current, baseline, strict=True)]
        replaced = facts["replaced"], of_baseline["replaced"]
        return Compared(
            duets,
            sides,
            differences(of_baseline, facts) + side.said,
            (facts, of_baseline),
            replaced,
            differing,
        )

    def _start(
        self, layout: int, python: str, variables: Mapping[str, str] | None = None
    ) -> Worker:
        worker = Worker(python, variables or {}, self.shared, self._collects, layout)
        self._workers.append(worker)
        return worker

    def _end(self, workers: list[Worker]) -> None:
        self._workers = [worker for worker in self._workers if worker not in workers]
        end(workers)

    def _make(self, worker: Worker, source: Source, folders: Folders) -> Worker:
        """Have a process make a predictor, and label an example with it."""
        worker.make(source, folders)
        self.label(worker, [0], 1)
        self.shared.check_unchanged([0], 1)
        return worker

    def _replace_slow(self, workers: list[Worker], source: Source, folders: Folders) -> int:
        """Replace processes of a side that are slower than their equals, and return how many."""
        for n_replaced in range(SPARES):
            slowest = self._slowest(workers)
            if slowest is None or slowest != self._slowest(workers):
                return n_replaced
            slow = workers[slowest]
            another = self._start(slow.layout, slow.python, slow.variables)
            workers[slowest] = self._make(another, source, folders)
            self._end([slow])
        return SPARES

    def _slowest(self, workers: list[Worker]) -> int | None:
        """Return the number of the slowest process of a side; None if all are level.

        They label a small batch and a larger one in turns, on one core, and what a round of turns
        tells is only how much longer one takes than the others: the machine's own speed comes and
        goes. There are more rounds while the processes are not level, as most differences are those
        of the moment.
        """
        sizes = (1, min(32, self.shared.n_samples))
        found = np.empty((len(workers), len(sizes), ROUNDS[1]))
        n_calls = [2] * len(sizes)
        for k_round in range(ROUNDS[1]):
            for j, size in enumerate(sizes):
                for k, worker in enumerate(workers):
                    core = workers[0].core if k else ANY_CORE
                    seconds = self.label(worker, [0] * n_calls[j], size, core=core)
                    found[k, j, k_round] = statistics.median(seconds[1:])
                n_calls[j] = min(MOST_CALLS, max(2, int(BLOCK / found[0, j, k_round])))
            rounds = found[:, :, : k_round + 1]
            beside = np.median(rounds / np.median(rounds, axis=0), axis=2).prod(axis=1)
            if k_round + 1 >= ROUNDS[0] and beside.max() <= UNLUCKY**2 * beside.min():
                return None
        return int(beside.argmax())

    def label(
        self,
        worker: Worker,
        starts: list[int],
        batch_size: int,
        seconds: float = 0,
        core: int = ANY_CORE,
    ) -> list[float]:
        """Have a process label batches, check the labels, and return the durations."""
        answer = worker.calls(starts, batch_size, seconds, core)
        self.shared.check(answer, starts, batch_size)
        found: list[float] = answer["seconds"]
        return found

    def _warm_up(self, workers: list[Worker], starts: range) -> float:
        """Have processes label some batches of a size, and return the seconds of the fastest."""
        self.shared.check_near_ties(partial(self.label, workers[0]), starts.step)
        seconds = self.label(workers[0], [starts[0], starts[-1]], starts.step)
        if min(seconds) < AWAKE:
            for worker in workers[1:]:
                seconds += self.label(worker, [starts[0], starts[-1]], starts.step)
        self.shared.check_unchanged([starts[0], starts[-1]], starts.step)
        return min(seconds)

    def _warm_up_both(self, compared: Compared, starts: range) -> float:
        """Warm up both sides, and return the mean seconds of their fastest calls."""
        current, baseline = map(list, zip(*compared.duets, strict=True))
        with blaming_baseline():
            call = self._warm_up(baseline, starts)
        return (call + self._warm_up(current, starts)) / 2

    def measure(
        self, compared: Compared, starts: range, say: Callable[[str], None] = lambda text: None
    ) -> tuple[GateRecord, list[float], float | None]:
        """Measure a case until it is decided or its time is up.

        Its batches begin at `starts`, in steps of their size. Returned are what is saved with it,
        the durations of the current side's calls, and the share of answers that depend on the
        batch.

        Raises
        ------
        WorkerError, WrongLabelsError, ChangedDataError
            If the current side fails, labels wrongly, or changes the data.
        BaselineError
            If the baseline's side does any of it.
        """
        begin = time.perf_counter()
        share_of_time = self._seconds_left / max(1, self._cases_left)
        pairs = Pairs(self, compared, starts, self._warm_up_both(compared, starts))
        threshold, turns = 1 + self.max_slowdown, (len(compared.duets), TURN)
        false_alarm = FALSE_ALARM / max(1, self._cases_not_slower)
        n, unspent = pairs.first_look, 1.0
        while True:
            said = -math.inf
            while len(pairs.durations) < n:
                if (now := time.perf_counter()) - said > OFTEN:
                    left, said = self._seconds_left - (now - begin), now
                    say(f"{len(pairs.durations)} pairs, at most {max(0, left):.0f} s left")
                pairs.measure_one()
            in_time = n * share_of_time / (time.perf_counter() - begin)
            more = even(min(1.5 * n, in_time, MOST))
            share = LOOK if more > 1.1 * n else unspent
            unspent -= share
            found = judge(pairs.durations, turns, threshold, share * false_alarm, share * MISS)
            if found.verdict != Verdict.UNDECIDED or not unspent:
                break
            n = more
        found = heeding(compared.replaced, found)
        differing = self.shared.conclude()
        taken = time.perf_counter() - begin
        self._cases_not_slower -= found.verdict == Verdict.SLOWER
        self._cases_left -= 1
        self._seconds_left -= taken
        judged = GateRecord(
            commit=self.baseline.commit,
            pairs=pairs.durations,
            n_builds=turns[0],
            turn=turns[1],
            max_slowdown=self.max_slowdown,
            confidence=1 - 2 * false_alarm,
            seconds=taken,
            sides=compared.sides,
            differences=compared.differences,
            differing=compared.differing,
            max_differing=self.max_differing,
            replaced=compared.replaced,
            **found.as_saved(),
        )
        return judged, pairs.rounds, differing

    def close(self) -> None:
        self._end(self._workers)
        self.baseline.close()


class Pairs:
    """The pairs of a case, measured one after the other; a call takes about `call` seconds."""

    def __init__(self, gate: Gate, compared: Compared, starts: range, call: float) -> None:
        self._gate, self._duets, self._batch_size = gate, compared.duets, starts.step
        self._batches, self._seconds = cycle(starts), FEWEST_CALLS * call  # of a block
        self._n_calls = min(MOST_CALLS, int(BLOCK / call))
        if self._n_calls < FEWEST_CALLS:
            self._n_calls = FEWEST_CALLS if call < AWAKE and self._begins_cold() else 1
        self._seconds = self._n_calls * call
        self._coin = random.Random()  # another one for each case
        self._current_first = False
        self.durations: list[tuple[float, float]] = []  # current, baseline
        self.rounds: list[float] = []  # of the current side's calls
        self.first_look = even(max(FEWEST, min(500, FIRST_LOOK / (2 * self._seconds))))

    def _begins_cold(self) -> bool:
        """Tell whether the first call of a block takes longer than the next, between the others."""
        current, baseline = self._duets[0]
        firsts, others = [], []
        for _ in range(PILOT):
            first, *rest = self._label(current, list(islice(self._batches, FEWEST_CALLS)), ANY_CORE)
            firsts.append(first)
            others += rest
            with blaming_baseline():
                self._label(baseline, [next(self._batches)], ANY_CORE)
        return statistics.median(firsts) > COLD * statistics.median(others)

    def measure_one(self) -> None:
        """Measure a pair of blocks: the second of an A B B A in the other order than the first."""
        n = len(self.durations)
        self._current_first = not self._current_first if n % 2 else self._coin.random() < 0.5
        current, baseline = self._duets[n // TURN % len(self._duets)]
        block = list(islice(self._batches, self._n_calls))
        if self._current_first:
            of_current = self._label(current, block, ANY_CORE)
            with blaming_baseline():
                of_baseline = self._label(baseline, block, current.core)
        else:
            with blaming_baseline():
                of_baseline = self._label(baseline, block, ANY_CORE)
            of_current = self._label(current, block, baseline.core)
        skipped = int(self._n_calls > 1)
        of_current, of_baseline = of_current[skipped:], of_baseline[skipped:]
        self.durations.append((statistics.median(of_current), statistics.median(of_baseline)))
        self.rounds += of_current[: MAX_ROUNDS - len(self.rounds)]

    def _label(self, worker: Worker, block: list[int], core: int) -> list[float]:
        return self._gate.label(worker, block, self._batch_size, self._seconds, core)


def even(pairs: float) -> int:
    """Return a whole number of A B B A."""
    return int(pairs) // 2 * 2
