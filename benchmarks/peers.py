"""Other libraries, each the way its own users would serve a linear classifier.

To add one, write a function like those below; its decorator gives it the name that users type. The
weights are loaded once, the examples come as a NumPy array and are taken over without a copy
where the library can, the labels go back as NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.labels import Predict
from benchmarks.timing import timed

Array = NDArray[Any]
Factory = Callable[[Array], Predict]

PEERS: dict[str, Factory] = {}


class UnavailableError(Exception):
    """Why a predictor cannot run on this machine."""


def peer(name: str) -> Callable[[Factory], Factory]:
    """Register a function as the predictor that ``--predictor name`` measures."""

    def register(factory: Factory) -> Factory:
        PEERS[name] = factory
        return factory

    return register


@peer("sklearn")
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


@peer("torch")
def torch(coef: Array) -> Predict:
    """PyTorch on the CPU in inference mode."""
    return torch_on("cpu", coef)


@peer("torch-cuda")
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


@peer("onnxruntime")
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


@peer("jax")
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


def better(first: Predict, second: Predict) -> Predict:
    """Return a predictor that tries two for each batch size and goes on with the faster one.

    The trial, the better of 3 calls each after one to compile and warm up, is made in the first
    call with a batch size: the benchmark makes that one before it starts to time.
    """
    chosen: dict[int, Predict] = {}

    def time_of(predict: Predict, x: Array) -> float:
        predict(x)
        return min(timed(predict, x)[0] for _ in range(3))

    def predict(x: Array) -> Array:
        choice = chosen.get(len(x))
        if choice is None:
            choice = chosen[len(x)] = min((first, second), key=lambda p: time_of(p, x))
        return choice(x)

    return predict
