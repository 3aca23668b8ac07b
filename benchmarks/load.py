"""Which load can a predictor carry? From saved latencies to requests per second within a budget.

``python benchmarks/load.py RUN.json --latency-budget 20ms`` simulates one server for each predictor
of the run. Requests arrive at random, one by one (Poisson); whenever the server is free, it takes
all that wait, at most a largest batch, and the time it needs is drawn from the rounds that were
measured with as many examples. The question is that of MLPerf's "Server" scenario: the greatest
rate of requests whose 99th percentile of response time stays within the budget (Reddi et al.,
"MLPerf Inference Benchmark", ISCA 2020).
"""

from __future__ import annotations

import argparse
import bisect
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script, from any folder

from benchmarks import scripts
from benchmarks.arguments import duration
from benchmarks.figures import STYLE, budget_style, save, show, styles, value_ticks
from benchmarks.runs import Line, read_runs

Array = NDArray[Any]

REQUESTS = 200_000  # of a simulation that the greatest rate rests on: its p99 repeats within 5 %
DRAWN_REQUESTS = 30_000  # of one that is a point in the plot
SETTLE = 0.05  # of the requests, at the start, when nobody waits yet: not counted
# The greatest rate is found up to this part of itself, first by few requests and then by many.
ROUGHLY, NEAR = 0.1, 0.02


@cache
def drawn(n_requests: int, seed: int) -> tuple[Array, list[float]]:
    """Return the times of arrivals at a rate of 1, and as many numbers between 0 and 1."""
    rng = np.random.default_rng(seed)
    return rng.exponential(size=n_requests).cumsum(), rng.random(n_requests).tolist()


class Server:
    """One server of a predictor, by the rounds that were measured.

    A batch of a size between two measured ones takes a time between theirs, at the same quantile;
    one that is smaller than all takes as long as the smallest.

    Parameters
    ----------
    rounds : dict of int to sequence of float
        Seconds of the rounds, by batch size.
    """

    def __init__(self, rounds: Mapping[int, Sequence[float]]) -> None:
        self._rounds = {size: sorted(rounds[size]) for size in sorted(rounds)}
        self.sizes = list(self._rounds)
        self._between: dict[int, tuple[list[float], list[float], float]] = {}

    def seconds(self, batch_size: int, quantile: float) -> float:
        """Return the time of a batch."""
        try:
            below_rounds, above_rounds, part = self._between[batch_size]
        except KeyError:
            i = bisect.bisect_left(self.sizes, batch_size)
            above = self.sizes[i]
            below = above if above == batch_size else self.sizes[max(0, i - 1)]
            part = (batch_size - below) / (above - below) if above > below else 0.0
            below_rounds, above_rounds = self._rounds[below], self._rounds[above]
            self._between[batch_size] = (below_rounds, above_rounds, part)
        seconds = below_rounds[int(quantile * len(below_rounds))]
        if part:
            seconds += part * (above_rounds[int(quantile * len(above_rounds))] - seconds)
        return seconds

    def most(self, largest: int) -> float:
        """Return the requests per second that batches of a size get through, one after another."""
        return largest / (sum(self.seconds(largest, (k + 0.5) / 1000) for k in range(1000)) / 1000)

    def responses(self, rate: float, largest: int, n_requests: int, seed: int = 0) -> Array:
        """Simulate requests, and return the response time of each in seconds.

        Parameters
        ----------
        rate : float
            Requests per second.
        largest : int
            The largest batch that the server takes, among the sizes measured or between them.
        n_requests : int
            How many.
        seed : int
            Of the arrivals and the times of the batches.
        """
        unit, quantiles = drawn(n_requests, seed)
        scaled: Array = unit / rate
        arrivals = scaled.tolist()
        ends, taken = [], []
        free, first = 0.0, 0
        while first < n_requests:
            start = max(free, arrivals[first])
            last = first + 1
            if last < n_requests and arrivals[last] <= start:
                last = bisect.bisect_right(arrivals, start, last, min(first + largest, n_requests))
            free = start + self.seconds(last - first, quantiles[first])
            ends.append(free)
            taken.append(last - first)
            first = last
        return np.repeat(ends, taken) - scaled

    def p99(self, rate: float, largest: int, n_requests: int = REQUESTS, seed: int = 0) -> float:
        """Return the 99th percentile of the response times in seconds."""
        responses = self.responses(rate, largest, n_requests, seed)
        return float(np.percentile(responses[int(SETTLE * n_requests) :], 99))

    def greatest_rate(self, largest: int, budget: float) -> float:
        """Return the greatest rate whose p99 stays within a budget in seconds, or 0."""
        if self.seconds(1, 0.99) > budget:
            return 0.0

        def search(low: float, high: float, near: float, n_requests: int) -> tuple[float, float]:
            while high - low > near * high:
                middle = (low + high) / 2
                within = self.p99(middle, largest, n_requests) <= budget
                low, high = (middle, high) if within else (low, middle)
            return low, high

        most = self.most(largest)
        low, high = search(0.0, most, ROUGHLY, DRAWN_REQUESTS)
        around = (1 - ROUGHLY) * low, min(most, (1 + ROUGHLY) * high)
        rate, _ = search(*around, NEAR, REQUESTS)
        return rate if rate > around[0] else search(0.0, around[0], NEAR, REQUESTS)[0]


def greatest_rates(server: Server, budget: float) -> dict[int, float]:
    """Return the greatest rate for each largest batch that may be the best, and for 1."""
    rates: dict[int, float] = {}
    for size in reversed(server.sizes):
        if size == 1 or server.most(size) > max(rates.values(), default=0):  # or it cannot win
            rates[size] = server.greatest_rate(size, budget)
    return rates


def smallest_enough(rates: dict[int, float]) -> int:
    """Return the smallest of the largest batches whose rates differ by no more than the search."""
    enough = (1 - 2 * NEAR) * max(rates.values())
    return min(size for size, rate in rates.items() if rate >= enough)


def answer(server: Server, budget: float) -> str:
    """Say which load the server carries within a latency budget."""
    rates = greatest_rates(server, budget)
    best = smallest_enough(rates)
    if not rates[best]:
        return f"not even single requests stay within {show(budget)}"
    alone = f"{rates[1]:,.0f} requests/s" if 1 in rates else "not measured"
    return (
        f"{rates[best]:,.0f} requests/s with a p99 within {show(budget)}, in batches of up to "
        f"{best}; without batching {alone}"
    )


def draw(servers: dict[str, Server], budget: float | None) -> Figure:
    """Draw the p99 response time against the rate, a panel for each predictor."""
    figure = Figure(figsize=(9, 1 + 4 * len(servers)), layout="constrained")
    panels = figure.subplots(len(servers), sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, (name, server) in zip(panels, servers.items(), strict=True):
        axes.set(title=f"Response Time under Load: {name}", xscale="log", yscale="log")
        axes.set_ylabel("p99 response time (seconds)")
        for largest, style in zip(server.sizes[::-2][::-1], styles(), strict=False):
            rates = server.most(largest) * np.array([0.03, 0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9])
            p99 = [server.p99(rate, largest, DRAWN_REQUESTS) for rate in rates]
            axes.plot(rates, p99, label=f"{largest}", **style)
        if budget:
            axes.axhline(budget, **budget_style(budget))
        value_ticks(axes.yaxis, "s")
        axes.legend(title="largest batch", loc="upper left", bbox_to_anchor=(1, 1))
    panels[-1].set_xlabel("requests per second")
    value_ticks(panels[-1].xaxis)
    return figure


def servers(lines: Sequence[Line]) -> dict[str, Server]:
    """Return a server for each predictor whose rounds were saved."""
    several = len({line.workload for line in lines}) > 1
    return {
        f"{line.predictor}, {line.workload}" if several else line.predictor: Server(
            {case.batch_size: case.rounds for case in line.cases}
        )
        for line in lines
        if not line.baseline and all(case.rounds for case in line.cases)
    }


def progress(lasts: float = 2.0) -> Callable[[str], None]:
    """Return what says on a terminal what is being done, from so many seconds on."""
    start = time.perf_counter()

    def say(what: str) -> None:
        if time.perf_counter() - start > lasts and sys.stderr.isatty():
            print(what, file=sys.stderr)

    return say


def main(arguments: list[str] | None = None) -> int:
    """Simulate, and return the exit status: 0, or 2 where the file was of no use."""
    parser = argparse.ArgumentParser(description="Find the load that a predictor can carry.")
    parser.add_argument("run", type=Path, metavar="RUN.json", help="saved by pytest benchmarks/")
    parser.add_argument(
        "--latency-budget", type=duration, metavar="TIME",
        help="of the 99th percentile of response times: 20ms, 0.02, 20000us",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("plots"), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument("--format", choices=("png", "svg"), default="png")
    options = parser.parse_args(arguments)
    runs, status = read_runs([options.run])
    if not runs:
        return status
    found = servers(runs[0].lines)
    if not found:
        print(
            f"{options.run}: has no durations of single rounds: save it with --benchmark-json, or "
            "--benchmark-save-data",
            file=sys.stderr,
        )
        return 2
    say = progress()
    if options.latency_budget:
        for name, server in found.items():
            say(f"simulating {name}")
            print(f"{name}: {answer(server, options.latency_budget)}", flush=True)
    say("simulating for the plot")
    with rc_context(STYLE):
        figure = draw(found, options.latency_budget)
    try:
        save({"load": figure}, options.out, options.format)
    except OSError as error:
        print(f"{options.out}: cannot be written: {error.strerror}", file=sys.stderr)
        return 2
    print(f"load drawn in {options.out}")
    return 0


if __name__ == "__main__":
    scripts.run(main)
