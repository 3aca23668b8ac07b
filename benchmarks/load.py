"""Which load can a predictor carry? From saved latencies to requests per second within a budget.

``python benchmarks/load.py RUN.json --latency-budget 20ms`` simulates one server for each predictor
of the run. Requests arrive at random, one by one (Poisson); whenever the server is free, it takes
all that wait, at most a largest batch, and the time it needs is drawn from the rounds that were
measured with as many examples. The question is that of MLPerf's "Server" scenario: the greatest
rate of requests whose 99th percentile of response time stays within the budget (Reddi et al.,
"MLPerf Inference Benchmark", ISCA 2020). With ``--rate 800`` in place of the budget it says how
long the responses to so many requests take.

With ``--wait 0,1ms,5ms`` the server may also wait for a batch to fill, until its oldest request has
waited so long. The best of these waits is named, or with ``--rate`` what each of them gets.
"""

from __future__ import annotations

import argparse
import bisect
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import chain, cycle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script, from any folder

from benchmarks import scripts  # first: it says what matplotlib may read

# isort: split
from matplotlib import style as styling
from matplotlib.figure import Figure

from benchmarks.arguments import duration, folder, rate, waits
from benchmarks.figures import (
    LINE_STYLES,
    STYLE,
    budget_style,
    check_folder,
    make_room,
    save,
    show,
    styles,
    value_ticks,
)
from benchmarks.lettering import families, fitted
from benchmarks.runs import Line, read_runs

Array = NDArray[Any]

REQUESTS = 200_000  # of a simulation that the greatest rate rests on: its p99 repeats within 5 %
DRAWN_REQUESTS = 30_000  # of one that is a point in the plot
SETTLE = 0.05  # of the requests, at the start, when nobody waits yet: not counted
# The greatest rate is found up to this part of itself, first by few requests and then by many.
ROUGHLY, NEAR = 0.1, 0.02
LEAST = 0.01  # of the greatest throughput: lesser rates are not sought with a wait


class Policy(NamedTuple):
    """When a server takes which requests.

    Parameters
    ----------
    largest : int
        The largest batch that it takes, among the sizes measured or between them.
    wait : float
        Seconds that the oldest request may wait for a batch to fill. 0: whoever waits is served.
    """

    largest: int
    wait: float = 0.0

    def __str__(self) -> str:
        """Say it in words."""
        waiting = f", waiting up to {show(self.wait)} to fill them" if self.wait else ""
        return f"in batches of up to {self.largest}{waiting}"


class Served(NamedTuple):
    """What became of simulated requests."""

    responses: Array  # seconds of each
    batch_size: float  # mean
    busy: float  # part of the time that the server computes

    @property
    def settled(self) -> Array:
        """The response times without those of the start, when nobody waits yet."""
        return self.responses[int(SETTLE * len(self.responses)) :]

    def p(self, percent: float) -> float:
        """Return a percentile of the response times in seconds."""
        return float(np.percentile(self.settled, percent))

    def __str__(self) -> str:
        """Say what it costs."""
        return f"mean batch size {self.batch_size:.1f}, computing {self.busy:.0%} of the time"


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

    def serve(
        self, rate: float, largest: int, n_requests: int, seed: int = 0, wait: float = 0.0
    ) -> Served:
        """Simulate requests.

        Parameters
        ----------
        rate : float
            Requests per second.
        largest, wait : int and float
            See `Policy`.
        n_requests : int
            How many.
        seed : int
            Of the arrivals and the times of the batches.
        """
        unit, quantiles = drawn(n_requests, seed)
        scaled: Array = unit / rate
        arrivals = scaled.tolist()
        starts, ends, taken = [], [], []
        free, first = 0.0, 0
        while first < n_requests:
            start = max(free, arrivals[first])
            if wait:
                follow = first + largest <= n_requests
                full = arrivals[first + largest - 1] if follow else math.inf
                start = max(free, min(arrivals[first] + wait, full))
            last = first + 1
            if last < n_requests and arrivals[last] <= start:
                last = bisect.bisect_right(arrivals, start, last, min(first + largest, n_requests))
            free = start + self.seconds(last - first, quantiles[first])
            starts.append(start)
            ends.append(free)
            taken.append(last - first)
            first = last
        return Served(
            np.repeat(ends, taken) - scaled,
            n_requests / len(taken),
            (sum(ends) - sum(starts)) / free,
        )

    def responses(
        self, rate: float, largest: int, n_requests: int, seed: int = 0, wait: float = 0.0
    ) -> Array:
        """Simulate requests, and return the response time of each in seconds."""
        return self.serve(rate, largest, n_requests, seed, wait).responses

    def p99(
        self,
        rate: float,
        largest: int,
        n_requests: int = REQUESTS,
        seed: int = 0,
        wait: float = 0.0,
    ) -> float:
        """Return the 99th percentile of the response times in seconds."""
        return self.serve(rate, largest, n_requests, seed, wait).p(99)

    def greatest_rate(
        self, largest: int, budget: float, wait: float = 0.0, least: float = 0.0
    ) -> float:
        """Return the greatest rate whose p99 stays within a budget in seconds, or 0.

        With a wait, rates below `least` are not of interest: a few requests wait in vain where many
        fill a batch at once, so that what is too slow at one rate may not be at a greater one.
        """
        if self.seconds(1, 0.99) > budget:
            return 0.0

        def is_within(rate: float, n_requests: int) -> bool:
            return self.p99(rate, largest, n_requests, wait=wait) <= budget

        def search(low: float, high: float, near: float, n_requests: int) -> tuple[float, float]:
            while high - low > near * high:
                middle = (low + high) / 2
                within = is_within(middle, n_requests)
                low, high = (middle, high) if within else (low, middle)
            return low, high

        most = self.most(largest)
        if wait:
            rate = most
            while rate > max(least, LEAST * most):
                if is_within((1 - ROUGHLY) * rate, DRAWN_REQUESTS):
                    found, _ = search((1 - 2 * ROUGHLY) * rate, rate, NEAR, REQUESTS)
                    if is_within(found, REQUESTS):
                        return found
                rate *= 1 - ROUGHLY
            return 0.0
        low, high = search(0.0, most, ROUGHLY, DRAWN_REQUESTS)
        around = (1 - ROUGHLY) * low, min(most, (1 + ROUGHLY) * high)
        rate, _ = search(*around, NEAR, REQUESTS)
        return rate if rate > around[0] else search(0.0, around[0], NEAR, REQUESTS)[0]


def greatest_rates(
    server: Server, budget: float, waits: Sequence[float] = (0.0,)
) -> dict[Policy, float]:
    """Return the greatest rate of each policy that may be the best, and of single requests."""
    rates: dict[Policy, float] = {}
    for wait in waits:
        for size in reversed(server.sizes):
            if size == 1 and wait > waits[0]:
                continue  # one request is full
            best = max(rates.values(), default=0)
            if size == 1 or server.most(size) > best:  # or it cannot win
                policy = Policy(size, wait if size > 1 else 0.0)
                rates[policy] = server.greatest_rate(size, budget, policy.wait, best)
    return rates


def smallest_enough(rates: dict[Policy, float]) -> Policy:
    """Return the least wait and the smallest largest batch that differ by the search only."""
    enough = (1 - 2 * NEAR) * max(rates.values())
    return min(
        (policy for policy, rate in rates.items() if rate >= enough),
        key=lambda policy: (policy.wait, policy.largest),
    )


def within(server: Server, budget: float, waits: Sequence[float]) -> tuple[str, list[Policy]]:
    """Say which load the server carries within a latency budget; return what to draw, too."""
    rates = greatest_rates(server, budget, waits)
    best, alone = smallest_enough(rates), Policy(1)
    if not rates[best]:
        which = "even single requests" if server.seconds(1, 0.99) > budget else "requests that wait"
        return f"not {which} stay within {show(budget)}", []
    return (
        f"{rates[best]:,.0f} requests/s with a p99 within {show(budget)}, {best}; without batching "
        + (f"{rates[alone]:,.0f} requests/s" if alone in rates else "not measured")
        + f"; {server.serve(rates[best], best.largest, REQUESTS, wait=best.wait)}"
    ), [*(Policy(best.largest, wait) for wait in waits), *({alone} & rates.keys())]


def carried(server: Server, rate: float, waits: Sequence[float]) -> tuple[str, list[Policy]]:
    """Say what a rate gets, for each wait by the best policy; return what to draw, too."""
    sizes = [size for size in server.sizes if server.most(size) > rate]
    if not sizes:
        most = max(server.sizes, key=server.most)
        return (
            f"{rate:,.12g} requests/s are too many: the most are {server.most(most):,.0f}, in "
            f"batches of {most}"
        ), []
    said, policies = [], []
    for wait in waits:
        fillable = [size for size in sizes if size > 1 or not wait] or sizes
        found = {
            Policy(size, wait): server.serve(rate, size, REQUESTS, wait=wait) for size in fillable
        }
        enough = (1 + NEAR) * min(served.p(99) for served in found.values())
        best = min(policy for policy, served in found.items() if served.p(99) <= enough)
        served = found[best]
        said.append(
            f"{rate:,.12g} requests/s get a p50 of {show(served.p(50))} and a p99 of "
            f"{show(served.p(99))}, {best}; {served}"
        )
        policies.append(best)
    return "\n".join(said), policies


def drawn_policies(server: Server, named: Sequence[Policy]) -> list[Policy]:
    """Return what is drawn: those named, and about six others that do not wait."""
    every = -(-len(server.sizes) // 6)
    return sorted({*named, *(Policy(size) for size in server.sizes[::-every])})


def draw(
    servers: dict[str, Server],
    named: Mapping[str, Sequence[Policy]],
    budget: float | None = None,
    rate: float | None = None,
) -> Figure:
    """Draw the p99 response time against the rate, a panel for each predictor."""
    figure = Figure(figsize=(9, 1 + 4 * len(servers)), layout="constrained")
    panels = figure.subplots(len(servers), sharex=True, sharey=True, squeeze=False)[:, 0]
    policies = {name: drawn_policies(server, named[name]) for name, server in servers.items()}
    sizes, waits = (sorted({*values}) for values in zip(*chain(*policies.values()), strict=True))
    of_size = dict(zip(sizes, styles(), strict=False))
    of_wait = dict(zip(waits, cycle(LINE_STYLES), strict=False))
    for axes, (name, server) in zip(panels, servers.items(), strict=True):
        axes.set(title=f"Response Time under Load: {fitted(name, 60)}", xscale="log", yscale="log")
        axes.set_ylabel("p99 response time (seconds)")
        for largest, wait in policies[name]:
            rates = server.most(largest) * np.array([0.03, 0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9])
            p99 = [server.p99(rate, largest, DRAWN_REQUESTS, wait=wait) for rate in rates]
            waiting = f", waiting {show(wait)}" if wait else ""
            axes.plot(rates, p99, label=f"{largest}{waiting}", **of_size[largest] | of_wait[wait])
        if budget:
            axes.axhline(budget, **budget_style(budget))
        if rate:
            axes.axvline(rate, color="black", linestyle=":", label=f"{rate:,.12g} requests/s")
        value_ticks(axes.yaxis, "s")
        axes.legend(
            title="largest batch", alignment="left", loc="upper left", bbox_to_anchor=(1, 1)
        )
    panels[-1].set_xlabel("requests per second")
    value_ticks(panels[-1].xaxis)
    make_room(figure)
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
    load = parser.add_mutually_exclusive_group()
    load.add_argument(
        "--latency-budget", type=duration, metavar="TIME",
        help="of the 99th percentile of response times: 20ms, 0.02, 20000us",
    )  # fmt: skip
    load.add_argument(
        "--rate", type=rate, metavar="N", help="requests per second, in place of the budget"
    )
    parser.add_argument(
        "--wait", type=waits, default=(0.0,), metavar="TIMES",
        help="that the server may wait to fill a batch, the best of which is sought: 0,1ms,5ms",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=folder, default=Path("plots"), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument("--format", choices=("png", "svg"), default="png")
    options = parser.parse_args(arguments)
    if options.wait != (0.0,) and not (options.latency_budget or options.rate):
        parser.error("--wait needs --latency-budget or --rate to find the best by")
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
    try:
        check_folder(options.out, ["load"], options.format)
        named: dict[str, list[Policy]] = {name: [] for name in found}
        for name, server in found.items():
            if options.latency_budget or options.rate:
                say(f"simulating {name}")
                said, named[name] = (
                    within(server, options.latency_budget, options.wait)
                    if options.latency_budget
                    else carried(server, options.rate, options.wait)
                )
                print("\n".join(f"{name}: {line}" for line in said.splitlines()), flush=True)
        say("simulating for the plot")
        with styling.context(["default", STYLE, {"font.family": families("".join(found))}]):
            figure = draw(found, named, options.latency_budget, options.rate)
            save({"load": figure}, options.out, options.format)
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"load drawn in {options.out}")
    return 0


if __name__ == "__main__":
    scripts.run(main)
