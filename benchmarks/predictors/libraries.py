"""Other libraries, each the way its own users would serve a linear classifier.

To add one, write a function like those below and name it in ``by_name.py``. Weights are loaded
once; examples are taken over from NumPy without a copy where the library can. An intercept
(n_classes,) is added where there is one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.array_types import Array, Predict
from benchmarks.errors import UnavailableError
from benchmarks.measuring.timing import timed
from linpredict.cores import n_threads


def fewer_threads() -> int | None:
    """Return how many threads a library is told to use, or None where it may choose.

    It may where all cores of the machine are ours: one thread for each physical core, say.
    Libraries heed a process's affinity (ONNX Runtime does not), none a container's quota, and few
    heed ``OMP_NUM_THREADS``.
    """
    return n_threads() if n_threads() < (os.cpu_count() or 1) else None


def sklearn(coef: Array, intercept: Array | None = None) -> Predict:
    """`sklearn.linear_model.LogisticRegression`, without the scan for NaN and infinity."""
    from sklearn import config_context
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression()
    model.classes_, model.n_features_in_ = np.arange(len(coef)), coef.shape[1]
    model.coef_ = coef
    model.intercept_ = np.zeros(len(coef), coef.dtype) if intercept is None else intercept

    def predict(x: Array) -> Array:
        with config_context(assume_finite=True):
            return model.predict(x)  # type: ignore[no-any-return]

    return predict


def torch(coef: Array, intercept: Array | None = None) -> Predict:
    """PyTorch on the CPU in inference mode."""
    return torch_on("cpu", coef, intercept)


def torch_cuda(coef: Array, intercept: Array | None = None) -> Predict:
    """PyTorch on a CUDA device in inference mode; the time includes the transfers."""
    import torch as library

    if not library.cuda.is_available():
        raise UnavailableError("PyTorch finds no CUDA device")
    return torch_on("cuda", coef, intercept)


def torch_on(device: str, coef: Array, intercept: Array | None) -> Predict:
    import torch as library

    library.set_num_threads(min(library.get_num_threads(), n_threads()))
    w = library.from_numpy(coef.copy()).to(device)
    b = None if intercept is None else library.from_numpy(intercept.copy()).to(device)

    def weights_first(x: Array) -> Array:
        with library.inference_mode():
            scores = w @ library.from_numpy(x).to(device).T
            if b is not None:
                scores += b[:, None]
            return scores.argmax(0).cpu().numpy()  # type: ignore[no-any-return]

    def examples_first(x: Array) -> Array:
        with library.inference_mode():
            scores = library.nn.functional.linear(library.from_numpy(x).to(device), w, b)
            return scores.argmax(1).cpu().numpy()  # type: ignore[no-any-return]

    return choose_fastest(weights_first, examples_first)


def onnxruntime(coef: Array, intercept: Array | None = None) -> Predict:
    """ONNX Runtime's default session, the weights an initializer of the graph.

    By default it pins a thread to each core of the machine, also to those that are not ours. With a
    number of threads it pins none.
    """
    import onnx
    import onnxruntime as library
    from onnx import helper, numpy_helper

    kind = helper.np_dtype_to_tensor_dtype(coef.dtype)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["scores"])]
    values = [numpy_helper.from_array(np.ascontiguousarray(coef.T), "w")]
    if intercept is not None:
        nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["scores"])]
        values.append(numpy_helper.from_array(intercept, "b"))
    graph = helper.make_graph(
        [*nodes, helper.make_node("ArgMax", ["scores"], ["labels"], axis=1, keepdims=0)],
        "linear classifier",
        [helper.make_tensor_value_info("x", kind, ["n_samples", coef.shape[1]])],
        [helper.make_tensor_value_info("labels", onnx.TensorProto.INT64, ["n_samples"])],
        values,
    )
    # The oldest versions with these operators, so that any ONNX Runtime of late reads them.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = library.SessionOptions()
    options.intra_op_num_threads = fewer_threads() or 0
    session = library.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda x: session.run(None, {"x": x})[0]


def openvino(coef: Array, intercept: Array | None = None) -> Predict:
    """OpenVINO on the CPU, for latency, the weights a constant of the model; float32 alone.

    It computes float64 in float32, and float32 in bfloat16 where the CPU can and no hint says
    otherwise. A model for each batch size, and an argmax in the model, were as fast as this; the
    weights as the first matrix were slower, 1.1 to 2.2 times for 1 to 256 examples.
    """
    if coef.dtype != np.float32:
        raise UnavailableError(f"OpenVINO would compute {coef.dtype} in float32: --dtype float32")
    import openvino as library
    from openvino import opset13

    x = opset13.parameter([-1, coef.shape[1]], coef.dtype)
    scores = opset13.matmul(x, opset13.constant(coef), False, True)
    if intercept is not None:
        scores = opset13.add(scores, opset13.constant(intercept))
    config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    if n := fewer_threads():
        config["INFERENCE_NUM_THREADS"] = n
    model = library.compile_model(library.Model([scores], [x]), "CPU", config)
    return lambda x: model([x], share_inputs=True, share_outputs=True)[0].argmax(1)


def jax(coef: Array, intercept: Array | None = None) -> Predict:
    """JAX on the CPU, compiled for each batch size."""
    import jax as library

    library.config.update("jax_enable_x64", True)
    n = fewer_threads()
    is_told = n is not None and "NPROC" not in os.environ
    if is_told:
        os.environ["NPROC"] = str(n)  # which JAX reads as it starts
    device = library.devices("cpu")[0]
    if is_told:
        del os.environ["NPROC"]
    w = library.device_put(coef, device)
    b = library.device_put(np.zeros((), coef.dtype) if intercept is None else intercept, device)

    def in_order(scores: Callable[[Any, Any, Any], Any], axis: int) -> Predict:
        compiled = library.jit(lambda w, b, x: scores(w, b, x).argmax(axis))
        return lambda x: np.asarray(compiled(w, b, library.device_put(x, device)))

    return choose_fastest(
        in_order(lambda w, b, x: w @ x.T + b[..., None], 0),
        in_order(lambda w, b, x: x @ w.T + b, 1),
    )


def choose_fastest(*ways: Predict) -> Predict:
    """Return a predictor that tries several for each batch size and goes on with the fastest.

    The trial, the better of 3 calls each after one to compile and warm up, is made in the first
    call with a batch size: the benchmark makes that one before it starts to time.
    """
    chosen: dict[int, Predict] = {}

    def time_of(way: Predict, x: Array) -> float:
        way(x)
        return min(timed(way, x)[0] for _ in range(3))

    def predict(x: Array) -> Array:
        if len(x) not in chosen:
            chosen[len(x)] = min(ways, key=lambda way: time_of(way, x))
        return chosen[len(x)](x)

    return predict
