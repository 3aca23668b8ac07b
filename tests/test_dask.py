"""The predictor on Dask, with real local clusters of two processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import psutil
import pytest
import zarr
from dask.distributed import Client, LocalCluster

from benchmarks.errors import ClusterError
from benchmarks.predictors import dask as dask_cluster
from linpredict import LinearPredictor, predict
from linpredict.cores import n_threads, usable_cores
from tests.helpers.processes import ENVIRONMENT, heed_interrupts
from tests.helpers.suite import ROOT, SMALL, run


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A cluster for those who leave it as it is."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with Client(memory_limit="400 MB", **options) as client:
        yield client


class Counted(LinearPredictor):
    """A predictor that counts how often it is unpickled in a process."""

    unpickled = 0

    def __setstate__(self, state: dict[str, Any]) -> None:
        type(self).unpickled += 1
        super().__setstate__(state)


def unpickled() -> int:
    return Counted.unpickled


def score(x: da.Array, model: Any) -> da.Array:
    """The recipe of the README."""
    return x.rechunk({1: -1}).map_blocks(
        lambda block, model: model.predict(block), model, dtype=np.intp, drop_axis=1
    )


def test_recipe(client: Client) -> None:
    rng = np.random.default_rng(1)
    coef, x = rng.standard_normal((20, 300)), rng.standard_normal((1000, 300))
    model = client.scatter(Counted(coef), broadcast=True)
    labels = score(da.from_array(x, chunks=(70, 100)), model)
    assert labels.dtype == np.intp
    assert labels.chunks == ((70,) * 14 + (20,),)
    np.testing.assert_array_equal(labels.compute(), predict(coef, x))
    counts = client.run(unpickled).values()
    assert 1 <= min(counts) <= max(counts) <= 2, counts  # and not with each of 15 blocks


def test_out_of_core(client: Client, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    coef = rng.standard_normal((10, 10_000))
    rows = rng.standard_normal((200, 10_000))
    n_samples = 10_000  # 800 MB, more than the workers may hold
    stored = zarr.create_array(
        tmp_path / "examples.zarr", shape=(n_samples, 10_000), chunks=(200, 10_000),
        dtype="float64", compressors=None,
    )  # fmt: skip
    for start in range(0, n_samples, 200):
        stored[start : start + 200] = np.roll(rows, start // 200, axis=0)
    model = client.scatter(LinearPredictor(coef), broadcast=True)
    workers = client.run(os.getpid)
    labels = score(da.from_zarr(tmp_path / "examples.zarr"), model).compute()
    assert client.run(os.getpid) == workers  # none was ended for want of memory
    expected = predict(coef, rows)
    for block in range(n_samples // 200):
        np.testing.assert_array_equal(
            labels[block * 200 : (block + 1) * 200], np.roll(expected, block)
        )


def test_local_cluster_leaves_the_environment() -> None:
    environment = dict(os.environ)
    with dask_cluster.local_cluster() as client:
        assert dict(os.environ) == environment
        assert set(client.run(n_threads).values()) == {1}


@contextmanager
def connected_to(client: Client) -> Iterator[None]:
    """Have the predictor `dask` connect to a cluster."""
    # Dask would try for 30 s to connect to a worker that is gone.
    wait = {"distributed.comm.timeouts.connect": "2s"}
    with dask.config.set({"scheduler-address": client.scheduler.address} | wait):
        yield


@pytest.mark.parametrize("n_samples", [1, 2, 3, 100])
def test_labels(client: Client, n_samples: int) -> None:
    rng = np.random.default_rng(3)
    coef, x = rng.standard_normal((20, 300)), rng.standard_normal((n_samples, 300))
    with connected_to(client):
        on_workers = dask_cluster.dask(coef)
        for _ in range(3):
            np.testing.assert_array_equal(on_workers(x), predict(coef, x))


@contextmanager
def workers() -> Iterator[tuple[Client, list[subprocess.Popen[bytes]]]]:
    """A cluster whose four workers stay dead, and their processes in the order of their addresses.

    It is one that drops copies of a result at once, and not after 2 s.
    """
    soon = {"distributed.scheduler.active-memory-manager.interval": "20ms"}
    with (
        dask.config.set(soon),
        LocalCluster(n_workers=0, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        command = [sys.executable, "-m", "dask", "worker", "--no-nanny", "--nthreads=1"]
        started = [subprocess.Popen([*command, cluster.scheduler_address]) for _ in range(4)]
        try:
            client.wait_for_workers(len(started), timeout=60)
            by_pid = {process.pid: process for process in started}
            with connected_to(client):
                yield client, [by_pid[pid] for _, pid in sorted(client.run(os.getpid).items())]
        finally:
            for process in started:
                process.kill()
                process.wait()


def test_lost_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    coef, x = rng.standard_normal((20, 20_000)), rng.standard_normal((400, 20_000))
    expected = predict(coef, x)
    with ThreadPoolExecutor() as threads, workers() as (client, (first, second, slow, last)):
        on_workers = dask_cluster.dask(coef)
        time.sleep(0.3)
        assert [len(keys) for keys in client.has_what().values()] == [1] * 4  # the weights

        for delay, victim in ((0, first), (0.02, second)):
            timer = threading.Timer(delay, victim.kill)
            timer.start()
            for _ in range(2):  # the call that loses it, and one more
                np.testing.assert_array_equal(on_workers(x), expected)
            timer.join()

        # Before it gets its part, while the other gets its own: Dask raises KeyError.
        slow.send_signal(signal.SIGSTOP)
        labels = threads.submit(on_workers, x)
        time.sleep(0.2)
        last.kill()
        while len(client.nthreads()) > 1:
            time.sleep(0.01)
        slow.send_signal(signal.SIGCONT)
        np.testing.assert_array_equal(labels.result(60), expected)

        monkeypatch.setattr(dask_cluster, "ANOTHER", 0.1)
        slow.kill()
        slow.wait()
        with pytest.raises(ClusterError, match="no Dask worker is left"):
            on_workers(x)


def test_in_the_suite(client: Client) -> None:
    with connected_to(client):
        done = run("--predictor=dask")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_unreachable_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_cluster, "CONNECT", 0.5)
    with dask.config.set({"scheduler-address": "tcp://127.0.0.1:9"}):
        done = run("--predictor=dask")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    text = done.stdout + done.stderr
    assert "the Dask scheduler tcp://127.0.0.1:9 cannot be reached" in text
    assert "Traceback" not in text


def test_interruption_ends_the_cluster() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "benchmarks", *SMALL, "--predictor=dask", "-v",
         "--benchmark-max-time=0.3"],
        cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=heed_interrupts,
    )  # fmt: skip
    assert process.stdout
    for line in process.stdout:
        if "[dask-1-" in line:  # its case is over, and the other has begun
            break
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= usable_cores()
    time.sleep(0.1)  # pytest itself would fail where an interrupt meets the start of a case
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    process.stdout.read()
    process.stdout.close()
    assert process.wait(60) == pytest.ExitCode.INTERRUPTED
    assert psutil.wait_procs(children, timeout=30)[1] == []
