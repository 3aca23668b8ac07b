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
each process of one side was 1.12 times slower. Several pairs of processes take turns: see
`benchmarks.gate.sides`.

Each pair, A B or B A, gives the ratio of two durations; `benchmarks.gate.judge` judges these
ratios. Where calls are short, or the first after a thaw is longer, a duration is the median of
several in a row, less the first.

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
import time
from collections.abc import Callable, Mapping
from itertools import cycle, islice

from benchmarks.gate.baseline import blaming_baseline
from benchmarks.gate.judge import FALSE_ALARM, MISS, Comparison, heeding, judge
from benchmarks.gate.sides import AWAKE, BLOCK, MOST_CALLS, Compared, Sides
from benchmarks.measuring.rounds import MAX_ROUNDS
from benchmarks.saving.record import GateRecord, Verdict
from benchmarks.workers.processes import ANY_CORE, Worker
from benchmarks.workers.worker import Source

LOOK = 0.05  # of both, for each look at the pairs but the last; 16 looks at the most
FEWEST, MOST = 16, 2000  # pairs of a case
FIRST_LOOK = 0.25  # seconds until it, at least, where that does not take more than 500 pairs
TURN = 4  # pairs in a row that are measured with the same processes
# Short calls are asked for at once, `BLOCK` seconds of them: a question takes 0.3 ms, and the first
# call after it up to three times as long as the next, as caches are cold and threads sleep. The
# median of the others counts. Longer calls are asked for one by one, if the first is not longer by
# COLD: what it takes more on both sides would hide a part of what one takes more (a text model's
# call of 1.0 ms took 3.4, and 7 % more of it were 3 %).
FEWEST_CALLS = 3  # of a block
COLD, PILOT = 1.15, 5  # times as long as the next; questions to see it
OFTEN = 1.0  # seconds after which progress is told again
# For all cases together, and at least so much for each on average; what one leaves over is there
# for those after it.
SECONDS, SECONDS_EACH = 115.0, 5.2


class Gate:
    """The cases of a run against a baseline, and the time and the error rate that they share.

    `sides` are the processes that measure them. `max_slowdown` is the least that fails a case, such
    as 0.05, and `max_differing` the most of a model's answers that may be others; `n_cases` are
    those that run, by predictor; `seconds` are for all of them.
    """

    def __init__(
        self,
        sides: Sides,
        max_slowdown: float,
        n_cases: Mapping[str, int],
        fails: tuple[Verdict, ...] = (Verdict.SLOWER,),
        seconds: float | None = None,
        max_differing: float = 0.01,
    ) -> None:
        self.sides, self.fails = sides, fails
        self.max_slowdown, self.max_differing = max_slowdown, max_differing
        self._n_cases = n_cases
        self._cases_not_slower = self._cases_left = n = sum(n_cases.values())
        self._seconds_left = max(SECONDS, SECONDS_EACH * n) if seconds is None else seconds

    def start(
        self,
        source: Source,
        say: Callable[[str], None] = lambda text: None,
        n_cases: int | None = None,
    ) -> Compared | None:
        """Start the processes of a predictor, as `Sides.start` does; None if it is new.

        Where they cannot be had, others share what its cases, `n_cases` or all, were to have.
        """
        found, n_workers = None, len(self.sides.workers)
        try:
            found = self.sides.start(source, say)
        finally:
            if not found:
                self.sides.end(n_workers)
                n = self._n_cases[source.name] if n_cases is None else n_cases
                self._cases_left -= n
                self._cases_not_slower -= n
        return found

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
        pairs = Pairs(self.sides, compared, starts, self.sides.warm_up(compared, starts))
        turns = len(compared.duets), TURN
        false_alarm = FALSE_ALARM / max(1, self._cases_not_slower)
        found = self._judged(pairs, turns, false_alarm, begin, say)
        found = heeding(compared.replaced, found)
        differing = self.sides.shared.conclude()
        taken = time.perf_counter() - begin
        self._cases_not_slower -= found.verdict == Verdict.SLOWER
        self._cases_left -= 1
        self._seconds_left -= taken
        self.sides.shared.check_unchanged(starts, starts.step)
        judged = GateRecord(
            commit=self.sides.baseline.commit,
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

    def _judged(
        self,
        pairs: Pairs,
        turns: tuple[int, int],
        false_alarm: float,
        begin: float,
        say: Callable[[str], None],
    ) -> Comparison:
        """Measure pairs of a case, which began then, until these decide it or its time is up."""
        share_of_time = self._seconds_left / max(1, self._cases_left)
        threshold, n, unspent = 1 + self.max_slowdown, pairs.first_look, 1.0
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
                return found
            n = more


class Pairs:
    """The pairs of a case, measured one after the other; a call takes about `call` seconds."""

    def __init__(self, sides: Sides, compared: Compared, starts: range, call: float) -> None:
        self._sides, self._duets, self._batch_size = sides, compared.duets, starts.step
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
            first, *rest = self._label(current, list(islice(self._batches, FEWEST_CALLS)))
            firsts.append(first)
            others += rest
            self._label_baseline(baseline, [next(self._batches)])
        return statistics.median(firsts) > COLD * statistics.median(others)

    def measure_one(self) -> None:
        """Measure a pair of blocks: the second of an A B B A in the other order than the first."""
        n = len(self.durations)
        self._current_first = not self._current_first if n % 2 else self._coin.random() < 0.5
        current, baseline = self._duets[n // TURN % len(self._duets)]
        block = list(islice(self._batches, self._n_calls))
        if self._current_first:
            of_current = self._label(current, block)
            of_baseline = self._label_baseline(baseline, block, current.core)
        else:
            of_baseline = self._label_baseline(baseline, block)
            of_current = self._label(current, block, baseline.core)
        skipped = int(self._n_calls > 1)
        of_current, of_baseline = of_current[skipped:], of_baseline[skipped:]
        self.durations.append((statistics.median(of_current), statistics.median(of_baseline)))
        self.rounds += of_current[: MAX_ROUNDS - len(self.rounds)]

    def _label(self, worker: Worker, block: list[int], core: int = ANY_CORE) -> list[float]:
        return self._sides.label(worker, block, self._batch_size, self._seconds, core)

    @blaming_baseline()
    def _label_baseline(
        self, worker: Worker, block: list[int], core: int = ANY_CORE
    ) -> list[float]:
        return self._label(worker, block, core)


def even(pairs: float) -> int:
    """Return a whole number of A B B A."""
    return int(pairs) // 2 * 2
