"""Measure what Dask costs on this machine, and calculate what that makes of several machines.

``pip install -e '.[dask]' && python -m benchmarks.evidence.dask_scaling --bandwidth 10`` measures a
local cluster with a worker of one thread for each usable core, at 64 classes × 262,144 features
(5 GiB), and adds a line to ``data/dask_scaling.jsonl`` beside this file:

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

from benchmarks.evidence import data_files
from benchmarks.peer_dask import local_cluster, to_each_worker
from benchmarks.tables import Table, aligned
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


def measure(client: Any, size: Size) -> data_files.Run:
    """Measure on a cluster, print what is found, and return it.

    Returns
    -------
    dict
        ``task_alone`` and ``task`` in seconds, ``handed_out`` in bytes per second, and ``blocks``:
        by the number of their examples, those labelled per second by ``workers`` and in
        ``one_process``.
    """
    from dask.distributed import wait

    n_classes, n_features, n_samples, blocks, n_tasks, rounds = size
    (alone,) = seconds(rounds, lambda: client.submit(len, [], pure=False).result())
    (many,) = seconds(rounds, lambda: client.gather(client.map(len, [[]] * n_tasks, pure=False)))
    task = many / n_tasks
    print(f"one task: {1e3 * alone:.1f} ms alone, {1e3 * task:.2f} ms each of {n_tasks:,}")

    predictor = LinearPredictor(draw((n_classes, n_features), 0))
    x = draw((n_samples, n_features), 1)
    (handing,) = seconds(
        rounds, lambda: wait(client.scatter(list(np.split(x[:64], 4)), hash=False))
    )
    handed_out = x[:64].nbytes / handing
    print(f"examples handed out: {handed_out / 1e9:.2f} GB/s")

    models = to_each_worker(client, predictor)
    workers = list(models)
    found = {}
    for rows in blocks:
        placed = [(i, workers[i % len(workers)]) for i in range(n_samples // rows)]
        held = [client.submit(draw, (rows, n_features), i, workers=worker) for i, worker in placed]
        wait(held)

        def on_workers(held: list[Any] = held, placed: list[tuple[int, str]] = placed) -> None:
            labels = [
                client.submit(
                    LinearPredictor.predict, models[worker], held[i], workers=worker, pure=False
                )
                for i, worker in placed
            ]
            client.gather(labels)

        def here(rows: int = rows) -> None:
            for start in range(0, n_samples, rows):
                predictor.predict(x[start : start + rows])

        there, here_alone = seconds(rounds, on_workers, here)
        rates = {"workers": n_samples / there, "one_process": n_samples / here_alone}
        print(
            f"blocks of {rows} examples: {rates['workers']:,.0f} examples/s where workers hold "
            f"them, {rates['one_process']:,.0f} in one process: {there / here_alone:.2f} times the "
            "time"
        )
        found[str(rows)] = rates
    return {"task_alone": alone, "task": task, "handed_out": handed_out, "blocks": found}


def calculate(task: float, rates: dict[int, float], by_network: float) -> Table:
    """Return the examples per second of several machines.

    `task` is the seconds of one among many, `rates` are the examples per second on the workers of
    one machine, by the size of blocks, and `by_network` those that each machine can receive.
    """
    rows, rate = max(rates.items(), key=lambda item: item[1])
    heads = [f"machines, blocks of {rows}", "held by the workers", "read over the network"]
    table = [[*heads, "handed out by one machine"]]
    for machines in (1, 4, 16, 64):
        by_scheduler = rows / task
        held = min(machines * rate, by_scheduler)
        read = min(machines * min(rate, by_network), by_scheduler)
        handed_out = min(held, by_network)
        table.append([str(machines), *(f"{value:,.0f}" for value in (held, read, handed_out))])
    return table


def main() -> int:
    """Measure and calculate."""
    parser = argparse.ArgumentParser(description="Measure what Dask costs on this machine.")
    parser.add_argument(
        "--bandwidth", type=positive, default=10, metavar="GBIT",
        help="of each machine's network, in Gbit/s (default: %(default)s)",
    )  # fmt: skip
    data_files.add_out(parser, __file__)
    options = parser.parse_args()
    size = Size()
    try:
        with local_cluster() as client:
            found = measure(client, size)
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed: pip install -e '.[dask]'", file=sys.stderr)
        return 2
    by_network = options.bandwidth * 1e9 / 8 / (8 * size.features)
    data_files.add(
        options.out, {"hardware": data_files.hardware(), **found, "by_network": by_network}
    )
    rates = {int(rows): of["workers"] for rows, of in found["blocks"].items()}
    print("\nexamples/s, by the figures above:")
    print("\n".join(aligned(calculate(found["task"], rates, by_network))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
