"""Other libraries, each the way its own users would serve a linear classifier.

The weights are loaded once, the examples come as a NumPy array and are taken over without a copy
where the library can, the labels go back as NumPy.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpredict import LinearPredictor
from linpredict.machine import usable_cores

Array = NDArray[Any]
Predict = Callable[[Array], Array]


class UnavailableError(Exception):
    """Why a predictor cannot run on this machine."""


def sklearn(coef: Array) -> Predict:
    """`sklearn.linear_model.LogisticRegression`, without the scan for NaN and infinity."""
    from sklearn import config_context
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression()
    model.classes_ = np.arange(len(coef))
    model.coef_ = coef
    model.intercept_ = np.zeros(len(coef), coef.dtype)
    model.n_features_in_ = coef.shape[1]

    def predict(x: Array) -> Array:
        with config_context(assume_finite=True):
            return model.predict(x)  # type: ignore[no-any-return]

    return predict


def torch(coef: Array) -> Predict:
    """PyTorch on the CPU in inference mode."""
    return torch_on("cpu", coef)


def torch_cuda(coef: Array) -> Predict:
    """PyTorch on a CUDA device in inference mode; the time includes the transfers."""
    import torch as library

    if not library.cuda.is_available():
        raise UnavailableError("PyTorch finds no CUDA device")
    return torch_on("cuda", coef)


def torch_on(device: str, coef: Array) -> Predict:
    """Return PyTorch's predictor on a device."""
    import torch as library

    w = library.from_numpy(coef.copy()).to(device)

    def weights_first(x: Array) -> Array:
        with library.inference_mode():
            return (w @ library.from_numpy(x).to(device).T).argmax(0).cpu().numpy()  # type: ignore[no-any-return]

    def examples_first(x: Array) -> Array:
        with library.inference_mode():
            return (library.from_numpy(x).to(device) @ w.T).argmax(1).cpu().numpy()  # type: ignore[no-any-return]

    return better(weights_first, examples_first)


def onnxruntime(coef: Array) -> Predict:
    """ONNX Runtime's default session, the weights an initializer of the graph."""
    import onnx
    import onnxruntime as library
    from onnx import helper, numpy_helper

    kind = helper.np_dtype_to_tensor_dtype(coef.dtype)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["scores"]),
            helper.make_node("ArgMax", ["scores"], ["labels"], axis=1, keepdims=0),
        ],
        "linear classifier",
        [helper.make_tensor_value_info("x", kind, ["n_samples", coef.shape[1]])],
        [helper.make_tensor_value_info("labels", onnx.TensorProto.INT64, ["n_samples"])],
        [numpy_helper.from_array(np.ascontiguousarray(coef.T), "w")],
    )
    # The oldest versions with these operators, so that any ONNX Runtime of late reads them.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    session = library.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return lambda x: session.run(None, {"x": x})[0]


def jax(coef: Array) -> Predict:
    """JAX on the CPU, compiled for each batch size."""
    import jax as library

    library.config.update("jax_enable_x64", True)
    device = library.devices("cpu")[0]
    w = library.device_put(coef, device)

    def in_order(scores: Callable[[Any, Any], Any], axis: int) -> Predict:
        compiled = library.jit(lambda w, x: scores(w, x).argmax(axis))
        return lambda x: np.asarray(compiled(w, library.device_put(x, device)))

    return better(in_order(lambda w, x: w @ x.T, 0), in_order(lambda w, x: x @ w.T, 1))


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
            client = Client(address, timeout=5)
            client.wait_for_workers(1, timeout=3)
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
                    client.wait_for_workers(1, timeout=10)
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


def better(first: Predict, second: Predict) -> Predict:
    """Return a predictor that tries two for each batch size and goes on with the faster one.

    The trial, the better of 3 calls each after one to compile and warm up, is made in the first
    call with a batch size: the benchmark makes that one before it starts to time.
    """
    chosen: dict[int, Predict] = {}

    def time_of(predict: Predict, x: Array) -> float:
        predict(x)
        durations = []
        for _ in range(3):
            start = time.perf_counter()
            predict(x)
            durations.append(time.perf_counter() - start)
        return min(durations)

    def predict(x: Array) -> Array:
        choice = chosen.get(len(x))
        if choice is None:
            choice = chosen[len(x)] = min((first, second), key=lambda p: time_of(p, x))
        return choice(x)

    return predict


PEERS: dict[str, Callable[[Array], Predict]] = {
    "sklearn": sklearn,
    "torch": torch,
    "torch-cuda": torch_cuda,
    "onnxruntime": onnxruntime,
    "jax": jax,
    "dask": dask,
}
