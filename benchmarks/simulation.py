"""Simulation of one server that takes its requests in batches.

Requests arrive at random, one by one (Poisson); whenever the server is free, it takes all that
wait, at most a largest batch, and the time it needs is drawn from rounds that were measured.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from benchmarks.array_types import Array
from benchmarks.wording.quantities import quantity

REQUESTS = 200_000  # of a simulation that the greatest rate rests on: its p99 repeats within 5 %
DRAWN_REQUESTS = 30_000  # of one that is a point in the plot
SETTLE = 0.05  # of the requests, at the start, when nobody waits yet: not counted
# The greatest rate is found up to this part of itself, first by few requests and then by many.
ROUGHLY, NEAR = 0.1, 0.02
STRETCH = 0.1  # of the rounds of a batch size, which are drawn together
LEAST = 0.01  # of the greatest throughput: lesser rates are not sought with a wait
HARDLY = 1e-4  # of it: without a wait a lesser rate counts as none


class Policy(NamedTuple):
    """When a server takes which requests."""

    largest: int  # batch that it takes, one of the sizes measured or between them
    wait: float = 0.0  # seconds that the oldest request may wait for a batch to fill

    def __str__(self) -> str:
        waiting = f", waiting up to {quantity(self.wait, 's')} to fill them" if self.wait else ""
        return f"in batches of up to {self.largest}{waiting}"


class Served(NamedTuple):
    """What became of simulated requests."""

    responses: Array  # seconds of each
    batch_size: float  # mean
    busy: float  # part of the time that the server computes

    def p(self, percent: float) -> float:
        """Return a percentile of the response times in seconds, without those of the start."""
        settled = self.responses[int(SETTLE * len(self.responses)) :]
        return float(np.percentile(settled, percent))

    def __str__(self) -> str:
        return f"mean batch size {self.batch_size:.1f}, computing {self.busy:.0%} of the time"


@cache
def draw_requests(n_requests: int, seed: int) -> tuple[Array, list[float]]:
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
        Seconds of the rounds, in order, by batch size.
    """

    def __init__(self, rounds: Mapping[int, Sequence[float]]) -> None:
        self.rounds = {size: sorted(rounds[size]) for size in sorted(rounds)}  # sorted
        self.sizes = list(self.rounds)
        ranks = {size: np.argsort(np.argsort(rounds[size])) for size in self.sizes}
        self._quantiles = {
            size: ((ranks[size] + 0.5) / len(ranks[size])).tolist() for size in self.sizes
        }
        self._between: dict[int, tuple[list[float], list[float], float]] = {}

    def seconds(self, batch_size: int, quantile: float) -> float:
        try:
            below_rounds, above_rounds, part = self._between[batch_size]
        except KeyError:
            i = bisect.bisect_left(self.sizes, batch_size)
            above = self.sizes[i]
            below = above if above == batch_size else self.sizes[max(0, i - 1)]
            part = (batch_size - below) / (above - below) if above > below else 0.0
            below_rounds, above_rounds = self.rounds[below], self.rounds[above]
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
        """Simulate so many requests, at a rate per second, served as `Policy` says.

        The seed is that of the arrivals and of the times of the batches.
        """
        unit, places = draw_requests(n_requests, seed)
        scaled: Array = unit / rate
        arrivals = scaled.tolist()
        starts, ends, taken = [], [], []
        free, first, place, stretch = 0.0, 0, 0.0, 0.0
        while first < n_requests:
            start = max(free, arrivals[first])
            if wait:
                follow = first + largest <= n_requests
                full = arrivals[first + largest - 1] if follow else math.inf
                start = max(free, min(arrivals[first] + wait, full))
            last = first + 1
            if last < n_requests and arrivals[last] <= start:
                last = bisect.bisect_right(arrivals, start, last, min(first + largest, n_requests))
            quantiles = self._quantiles[self.sizes[bisect.bisect_left(self.sizes, last - first)]]
            if stretch <= 0:
                place, stretch = places[first], STRETCH
            quantile = quantiles[int(place * len(quantiles)) % len(quantiles)]
            place += 1 / len(quantiles)
            stretch -= 1 / len(quantiles)
            free = start + self.seconds(last - first, quantile)
            starts.append(start)
            ends.append(free)
            taken.append(last - first)
            first = last
        return Served(
            np.repeat(ends, taken) - scaled,
            n_requests / len(taken),
            (sum(ends) - sum(starts)) / free,
        )

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
            return self.serve(rate, largest, n_requests, wait=wait).p(99) <= budget

        def search(low: float, high: float, near: float, n_requests: int) -> tuple[float, float]:
            while high - low > near * high and high > HARDLY * most:
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
            policy = Policy(size, wait if size > 1 else 0.0)  # one request is full
            best = max(rates.values(), default=0)
            may_win = size == 1 or server.most(size) > best
            if may_win and policy not in rates:
                rates[policy] = server.greatest_rate(size, budget, policy.wait, best)
    return rates


def smallest_enough(rates: dict[Policy, float]) -> Policy:
    """Return the least wait and the smallest largest batch that differ by the search only."""
    enough = (1 - 2 * NEAR) * max(rates.values())
    return min(
        (policy for policy, rate in rates.items() if rate >= enough),
        key=lambda policy: (policy.wait, policy.largest),
    )
