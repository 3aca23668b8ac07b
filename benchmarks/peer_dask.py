"""The predictor on the workers of a Dask cluster, measured from this process."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from benchmarks.label_check import Array, Predict
from linpredict import LinearPredictor
from linpredict.machine import usable_cores

# Seconds to wait for a scheduler, for its first worker, and for another where one is lost.
CONNECT, FIRST, ANOTHER = 5, 3, 10


def dask(coef: Array) -> Predict:
    """`linpredict.LinearPredictor` on the workers of a Dask cluster.

    The cluster is the one that Dask's configuration names (``DASK_SCHEDULER_ADDRESS``), or else a
    local one with a process of one thread for each usable core, which ends with this process. Each
    worker has the weights beforehand. The time includes handing out the examples of the batch, in
    as many blocks as there are workers, and gathering the labels.

    A batch is handed out again where a worker is lost, to those that are left.

    Raises
    ------
    ConnectionError
        If the scheduler cannot be reached, or has no worker; by a call, if none is left.
    """
    from dask import config
    from dask.distributed import CancelledError, Client

    address = config.get("scheduler-address", None)
    try:
        if address:
            client = Client(address, timeout=CONNECT)
            client.wait_for_workers(1, timeout=FIRST)
        else:
            client = local_cluster()
    except (OSError, TimeoutError) as error:
        raise ConnectionError(
            f"the Dask scheduler {address} cannot be reached or has no worker: start both, or "
            "unset DASK_SCHEDULER_ADDRESS for a local cluster"
        ) from error
    n_workers = len(client.nthreads())
    model = LinearPredictor(coef)
    on_workers = client.scatter(model, broadcast=True, hash=False)

    def labels(x: Array) -> Array:
        blocks = client.scatter(np.array_split(x, min(len(x), n_workers)), hash=False)
        tasks = client.map(LinearPredictor.predict, [on_workers] * len(blocks), blocks, pure=False)
        return np.concatenate(client.gather(tasks))

    def predict(x: Array) -> Array:
        nonlocal on_workers
        for _ in range(3):
            try:
                return labels(x)
            except (CancelledError, OSError):  # a worker has gone, and with it what it held
                try:
                    client.wait_for_workers(1, timeout=ANOTHER)
                except TimeoutError as error:
                    raise ConnectionError("no Dask worker is left: start one") from error
                on_workers = client.scatter(model, broadcast=True, hash=False)
        return labels(x)

    return predict


def local_cluster() -> Any:
    """Start a Dask cluster with a worker of one thread for each usable core, and connect to it.

    Examples go straight to the workers: by way of the scheduler, 128 took 600 instead of 430 ms.
    """
    from dask.distributed import Client

    environment = dict(os.environ)
    client = Client(
        n_workers=usable_cores(), threads_per_worker=1, dashboard_address=None,
        direct_to_workers=True,
    )  # fmt: skip
    # What Dask sets for its workers, OMP_NUM_THREADS=1, would slow down what this process loads.
    os.environ.clear()
    os.environ.update(environment)
    return client
