"""The processes of both sides of a comparison: started, made equal, and asked to label.

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
"""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from benchmarks.array_types import Array
from benchmarks.errors import LackingError
from benchmarks.gate.baseline import Baseline, Folders, blaming_baseline
from benchmarks.gate.shared import SharedData, SharedExamples, compared
from benchmarks.gate.sources import own_folders
from benchmarks.gate.what_differs import Facts, as_saved, differences
from benchmarks.measuring.data import Data
from benchmarks.measuring.workload import Workload
from benchmarks.own.answers import OwnExamples
from benchmarks.own.loading import NOTHING, Own
from benchmarks.workers.processes import ANY_CORE, Worker, end
from benchmarks.workers.worker import Source

PROCESSES = 3  # of each side, for a predictor
LAYOUTS = 4096  # to draw from
# Where the memory of a process came to lie once made it 1.06 to 1.28 times slower than its equals,
# at batch sizes of 1 to 16, as long as it lived: such a one is replaced, so many times. It is
# looked at twice: for 4 of 129 predictors one was slow for the moment only.
SPARES, UNLUCKY = 2, 1.06
ROUNDS = 5, 15  # of calls that tell, at the least and at the most
BLOCK = 4e-3  # seconds of calls that are asked for at once
MOST_CALLS = 500  # of these
AWAKE = 0.05  # seconds of a call that warms up while it is timed


Duet = tuple[Worker, Worker]  # one of either side, which take turns: current, baseline


@dataclass
class Compared:
    """The processes of a predictor, and what is known of the two sides."""

    duets: list[Duet]
    sides: dict[str, dict[str, Any]]  # what is saved of them
    differences: list[str]  # between them, a line for each
    facts: tuple[Facts, Facts]  # current, baseline
    replaced: tuple[int, int]  # processes slower than their equals: current, baseline
    differing: tuple[int, int] = (0, 0)  # rows that the sides answer otherwise to, of how many


class Sides:
    """The processes that a baseline is compared by, and what they share.

    `collects` tells whether Python collects garbage in them.
    """

    def __init__(self, baseline: Baseline, collects: bool = True) -> None:
        self.baseline, self.collects = baseline, collects
        self.workers: list[Worker] = []

    def share(self, workload: Workload, own: Own = NOTHING) -> Data:
        """Make a workload's data where all processes see it."""
        self.shared: SharedData | SharedExamples = SharedData(workload, own)
        return self.shared.data

    def share_examples(self, data: OwnExamples) -> None:
        """Have all processes make a model and examples of the user's own."""
        self.shared = SharedExamples(data)

    def start(self, source: Source, say: Callable[[str], None]) -> Compared | None:
        """Start the processes of a predictor; None if the baseline lacks it.

        What was started until then is the caller's to end, as after an error.

        Raises
        ------
        WorkerError, UnavailableError, WrongLabelsError, ChangedDataError
            If the current side fails, cannot run here, labels wrongly, or changes the data.
        BaselineError
            If the baseline's side does any of it.
        """
        other, made, answers = self.baseline, count(1), list[Array | None]()
        layouts = random.sample(range(LAYOUTS), PROCESSES)  # of both sides alike

        def prepare(workers: list[Worker], folders: Folders) -> dict[str, Any]:
            for worker in workers:
                say(f"making {next(made)} of {2 * PROCESSES}")
                self._make(worker, source, folders)
            answers.append(self.shared.answers())
            n_replaced = self._replace_slow(workers, source, folders)
            return {**workers[0].facts(), "replaced": n_replaced}

        # All import at once.
        current = [self._start(layout, sys.executable, {}) for layout in layouts]
        facts = prepare(current, (own_folders(source.name), [], None))
        side = other.side(source.name, facts, say)
        try:
            with blaming_baseline():
                baseline = [self._start(layout, side.python, side.variables) for layout in layouts]
                of_baseline = prepare(baseline, side.folders)
                other.check_sources(source.name, of_baseline)
                differing = compared(*answers)
        except LackingError:
            return None
        facts["commit"], of_baseline["commit"] = other.commits(source.name)
        sides = {"current": as_saved(facts, of_baseline), "baseline": as_saved(of_baseline, facts)}
        duets = [*zip(current, baseline, strict=True)]
        replaced = facts["replaced"], of_baseline["replaced"]
        said = differences(of_baseline, facts) + side.said
        return Compared(duets, sides, said, (facts, of_baseline), replaced, differing)

    def _start(self, layout: int, python: str, variables: Mapping[str, str]) -> Worker:
        worker = Worker(python, variables, self.shared, self.collects, layout)
        self.workers.append(worker)
        return worker

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
            self.workers.remove(slow)
            end([slow])
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

    def _warmed_up(self, workers: list[Worker], starts: range) -> float:
        """Have processes label some batches of a size, and return the seconds of the fastest."""
        self.shared.check_near_ties(partial(self.label, workers[0]), starts.step)
        seconds = self.label(workers[0], [starts[0], starts[-1]], starts.step)
        if min(seconds) < AWAKE:
            for worker in workers[1:]:
                seconds += self.label(worker, [starts[0], starts[-1]], starts.step)
        self.shared.check_unchanged([starts[0], starts[-1]], starts.step)
        return min(seconds)

    def warm_up(self, compared: Compared, starts: range) -> float:
        """Warm up both sides, and return the mean seconds of their fastest calls."""
        current, baseline = map(list, zip(*compared.duets, strict=True))
        with blaming_baseline():
            call = self._warmed_up(baseline, starts)
        return (call + self._warmed_up(current, starts)) / 2

    def end(self, n_kept: int) -> None:
        """End all processes but those that were started first."""
        workers, self.workers = self.workers[n_kept:], self.workers[:n_kept]
        end(workers)

    def close(self) -> None:
        self.end(0)
        self.baseline.close()
