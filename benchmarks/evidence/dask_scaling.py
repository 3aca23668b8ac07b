"""Measure what Dask costs on this machine, and calculate what that makes of several machines.

``pip install -e '.[dask]' && python -m benchmarks.evidence.dask_scaling --bandwidth 10`` measures a
local cluster with a worker of one thread for each usable core, at 64 classes × 262,144 features
(5 GiB):

- one task, sent and its result received, alone and among many;
- examples handed out to the workers, in bytes per second;
- blocks of examples that the workers hold, labelled in turns with `linpredict.LinearPredictor`
  in one process on the same cores.

The calculation assumes machines like this one, each as fast as its local cluster was with the best
size of blocks, that do not slow each other down; a scheduler that gets through tasks as it does
here; and a network that gives each machine the bandwidth in full.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

try:
    from dask.distributed import Client, wait
except ModuleNotFoundError as error:
    print(f"{error.name} is not installed: pip install -e '.[dask]'", file=sys.stderr)
    sys.exit(2)

from benchmarks.peer_dask import local_cluster
from benchmarks.timing import timed
from linpredict import LinearPredictor


class Size(NamedTuple):
    """How much is measured; blocks are of so many examples."""

    classes: int = 64
    features: int = 262_144
    samples: int = 1024
    blocks: tuple[int, ...] = (16, 64, 256)
    tasks: int = 2000
    rounds: int = 9


def positive(text: str) -> float:
    """Parse a positive number."""
    if not 0 < (value := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return value


def draw(shape: tuple[int, int], seed: int) -> NDArray[np.float64]:
    """Return standard normal values."""
    return np.random.default_rng(seed).standard_normal(shape)


def seconds(rounds: int, *calls: Callable[[], object]) -> list[float]:
    """Return the median seconds of each call, made in turns."""
    durations: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, its in zip(calls, durations, strict=True):
            its.append(timed(call)[0])
    return [statistics.median(its) for its in durations]


def measure(client: Client, size: Size) -> tuple[float, dict[int, float]]:
    """Print what is measured; return the seconds of a task, and examples per second by block."""
    n_classes, n_features, n_samples, blocks, n_tasks, rounds = size
    workers = list(client.nthreads())
    (alone,) = seconds(rounds, lambda: client.submit(len, [], pure=False).result())
    (many,) = seconds(rounds, lambda: client.gather(client.map(len, [[]] * n_tasks, pure=False)))
    task = many / n_tasks
    print(f"one task: {1e3 * alone:.1f} ms alone, {1e3 * task:.2f} ms each of {n_tasks:,}")

    predictor = LinearPredictor(draw((n_classes, n_features), 0))
    x = draw((n_samples, n_features), 1)
    (handing,) = seconds(
        rounds, lambda: wait(client.scatter(list(np.split(x[:64], 4)), hash=False))
    )
    print(f"examples handed out: {x[:64].nbytes / handing / 1e9:.2f} GB/s")

    model = client.scatter(predictor, broadcast=True, hash=False)
    rates = {}
    for rows in blocks:
        placed = [(i, workers[i % len(workers)]) for i in range(n_samples // rows)]
        held = [client.submit(draw, (rows, n_features), i, workers=worker) for i, worker in placed]
        wait(held)

        def on_workers(held: list[Any] = held, placed: list[tuple[int, str]] = placed) -> None:
            labels = [
                client.submit(LinearPredictor.predict, model, held[i], workers=worker, pure=False)
                for i, worker in placed
            ]
            client.gather(labels)

        def here(rows: int = rows) -> None:
            for start in range(0, n_samples, rows):
                predictor.predict(x[start : start + rows])

        there, one_process = seconds(rounds, on_workers, here)
        rates[rows] = n_samples / there
        print(
            f"blocks of {rows} examples: {rates[rows]:,.0f} examples/s where workers hold them, "
            f"{n_samples / one_process:,.0f} in one process: {there / one_process:.2f} times "
            "the time"
        )
    return task, rates


def calculate(task: float, rates: dict[int, float], by_network: float) -> None:
    """Print the examples per second of several machines; `by_network`: to each machine at most."""
    rows, rate = max(rates.items(), key=lambda item: item[1])
    print(f"\nexamples/s in blocks of {rows}, by the figures above:")
    print("machines  held by workers  read over the network  handed out by one machine")
    for machines in (1, 4, 16, 64):
        by_scheduler = rows / task
        held = min(machines * rate, by_scheduler)
        read = min(machines * min(rate, by_network), by_scheduler)
        handed_out = min(held, by_network)
        print(f"{machines:8}  {held:15,.0f}  {read:21,.0f}  {handed_out:25,.0f}")


def main() -> int:
    """Measure and calculate."""
    parser = argparse.ArgumentParser(description="Measure what Dask costs on this machine.")
    parser.add_argument(
        "--bandwidth", type=positive, default=10, metavar="GBIT",
        help="of each machine's network, in Gbit/s (default: %(default)s)",
    )  # fmt: skip
    options = parser.parse_args()
    with local_cluster() as client:
        task, rates = measure(client, size := Size())
    calculate(task, rates, options.bandwidth * 1e9 / 8 / (8 * size.features))
    return 0


if __name__ == "__main__":
    sys.exit(main())
