"""The predictor on the workers of a Dask cluster, measured from this process."""

from __future__ import annotations

import os
from concurrent.futures import CancelledError
from typing import Any

import numpy as np

from benchmarks.array_types import Array, Predict
from benchmarks.errors import ClusterError
from linpredict import LinearPredictor
from linpredict.cores import usable_cores

# Seconds to wait for a scheduler, for its first worker, and for another where one is lost.
CONNECT, FIRST, ANOTHER = 5, 3, 10
# What Dask raises where a worker is lost; KeyError, by a scheduler that does not know it any more.
LOST = (CancelledError, KeyError, OSError)
ATTEMPTS = 4  # at a batch


def dask(coef: Array, intercept: Array | None = None) -> Predict:
    """`linpredict.LinearPredictor` on the workers of a Dask cluster.

    The cluster is the one that Dask's configuration names (``DASK_SCHEDULER_ADDRESS``), or else a
    local one, which ends with this process. Each worker has the weights beforehand. The time
    includes handing out the examples of the batch, in as many blocks as there are workers, and
    gathering the labels. Where a worker is lost, a batch is handed out again to those left.

    Raises
    ------
    ClusterError
        If the scheduler cannot be reached, or has no worker; by a call, if none is left, or if
        workers are lost in each of four attempts.
    """
    client = connect()
    model = LinearPredictor(coef, intercept)
    models = to_each_worker(client, model)

    def labels(x: Array) -> Array:
        parts = np.array_split(x, min(len(x), len(models)))
        tasks = []
        for (worker, copy), part in zip(models.items(), parts, strict=False):
            block = client.scatter(part, workers=[worker], hash=False)
            tasks.append(client.submit(LinearPredictor.predict, copy, block, pure=False))
        return np.concatenate(client.gather(tasks))

    def predict(x: Array) -> Array:
        nonlocal models
        for attempt in range(ATTEMPTS):
            try:
                if attempt:
                    models = to_each_worker(client, model)
                return labels(x)
            except LOST as error:
                reason = error
            try:
                client.wait_for_workers(1, timeout=ANOTHER)
            except TimeoutError as error:
                raise ClusterError("no Dask worker is left: start one") from error
        raise ClusterError(
            f"Dask lost workers in each of {ATTEMPTS} attempts at a batch: see why in their logs"
        ) from reason

    return predict


def connect() -> Any:
    """Connect to the Dask cluster that the configuration names, or else to a local one."""
    from dask import config
    from dask.distributed import Client

    address = config.get("scheduler-address", None)
    try:
        if address:
            client = Client(address, timeout=CONNECT)
            client.wait_for_workers(1, timeout=FIRST)
            return client
        return local_cluster()
    except (OSError, TimeoutError) as error:
        raise ClusterError(
            f"the Dask scheduler {address} cannot be reached or has no worker: start both, or "
            "unset DASK_SCHEDULER_ADDRESS for a local cluster"
        ) from error


def to_each_worker(client: Any, model: LinearPredictor) -> dict[str, Any]:
    """Send a model to each worker of a Dask cluster, and return its futures by worker.

    One future with copies on all workers would not do: Dask drops all copies but one after 2 s (its
    policy ``ReduceReplicas``), and never ends to make them where a worker is lost meanwhile
    (dask/distributed#5704).
    """
    return {
        worker: client.scatter(model, workers=[worker], hash=False) for worker in client.nthreads()
    }


def local_cluster() -> Any:
    """Start a Dask cluster with a worker of one thread for each usable core, and connect to it.

    Examples go straight to the workers: by way of the scheduler, 128 took 271 instead of 208 ms.
    """
    from dask.distributed import Client

    before = set(os.environ)
    client = Client(
        n_workers=usable_cores(), threads_per_worker=1, dashboard_address=None,
        direct_to_workers=True,
    )  # fmt: skip
    # What Dask adds for its workers, OMP_NUM_THREADS=1, would slow down what this process loads.
    for name in set(os.environ) - before:
        del os.environ[name]
    return client
