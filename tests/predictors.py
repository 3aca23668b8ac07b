"""Predictors for ``--predictor tests.predictors:NAME``."""

import atexit
import json
import os
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import linpredict

Array = NDArray[Any]


def function(coef: Array) -> Callable[[Array], Array]:
    return partial(linpredict.predict, coef)


def object_with_predict(coef: Array) -> Any:
    return linpredict.LinearPredictor(coef)


def slow(coef: Array) -> Callable[[Array], Array]:
    def predict(x: Array) -> Array:
        time.sleep(0.01)
        return linpredict.predict(coef, x)

    return predict


def waiting(seconds: float, coef: Array) -> Callable[[Array], Array]:
    def predict(x: Array) -> Array:
        end = time.perf_counter() + seconds
        labels = linpredict.predict(coef, x)
        while time.perf_counter() < end:
            pass
        return labels

    return predict


wait_1_ms, wait_10_ms, wait_100_ms = (partial(waiting, ms / 1000) for ms in (1, 10, 100))


def beside_a_bare_loop(coef: Array) -> Callable[[Array], Array]:
    """Label earlier batches in a bare loop before every other call is over.

    The file that CALLS names gets, for each call, its batch size and the durations of its loop.
    """
    predict = linpredict.LinearPredictor(coef).predict
    batches: deque[Array] = deque(maxlen=8)  # the first of them are no longer in cache
    calls: list[tuple[int, list[float]]] = []
    atexit.register(lambda: Path(os.environ["CALLS"]).write_text(json.dumps(calls)))

    def predict_or_loop(x: Array) -> Array:
        batches.append(x)
        seconds = []
        for batch in list(batches)[:3] if len(calls) % 2 else []:
            start = time.perf_counter()
            predict(batch)
            seconds.append(time.perf_counter() - start)
        calls.append((len(x), seconds))
        return predict(x)

    return predict_or_loop


def wrong_last(coef: Array) -> Callable[[Array], Array]:
    def predict(x: Array) -> Array:
        labels = linpredict.predict(coef, x)
        labels[-1] = 0
        return labels

    return predict


def too_many(coef: Array) -> Callable[[Array], Array]:
    return lambda x: np.zeros(len(x) + 1, np.int64)


def scores(coef: Array) -> Callable[[Array], Array]:
    return lambda x: x @ coef.T


def minus_one(coef: Array) -> Callable[[Array], Array]:
    return lambda x: np.full(len(x), -1)


def nothing(coef: Array) -> None:
    return None
