"""Predictors for ``--predictor tests.predictors:NAME``."""

import atexit
import gc
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import linpredict
from benchmarks.array_types import Array
from benchmarks.measuring.disturbance import Watch


def function(coef: Array, **attributes: Any) -> Callable[[Array], Array]:
    predict = partial(linpredict.predict, coef)
    vars(predict).update(attributes)
    return predict


in_float32 = partial(function, precision=np.float32)
of_int16 = partial(function, precision=np.float32, read_as=np.int16)
in_no_precision = partial(function, precision="high")


def copying(coef: Array) -> Callable[[Array], Array]:
    predict = partial(linpredict.predict, coef)
    predict.coef = np.array(coef)  # type: ignore[attr-defined]
    return predict


def slow(coef: Array) -> Callable[[Array], Array]:
    def predict(x: Array) -> Array:
        time.sleep(0.01)
        return linpredict.predict(coef, x)

    return predict


class Promise:
    """Labels that are computed when they become an array."""

    def __init__(self, coef: Array, x: Array) -> None:
        self.coef, self.x = coef, x

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        time.sleep(0.01)
        return np.asarray(linpredict.predict(self.coef, self.x), dtype)


def promising(coef: Array) -> Callable[[Array], Any]:
    return partial(Promise, coef)


def on_one_core(coef: Array) -> Callable[[Array], Array]:
    """Change what is the whole process's."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return partial(linpredict.predict, coef)


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
    """Call itself with the same batch, in a bare loop, before every other call is over.

    The file that LOOPS names gets the loop's durations for each call, none for the others. All
    rounds are kept, so that they are the last of these calls, in order.
    """
    setattr(Watch, "has_waited", lambda _: False)  # noqa: B010
    predict = linpredict.LinearPredictor(coef).predict
    loops: list[list[float]] = []
    atexit.register(lambda: Path(os.environ["LOOPS"]).write_text(json.dumps(loops)))
    is_next = False

    def predict_or_loop(x: Array) -> Array:
        nonlocal is_next
        if is_next := not is_next:
            loops.append([])
            return predict(x)
        seconds = []
        for _ in range(2):
            is_next = False
            start = time.perf_counter()
            predict_or_loop(x)
            seconds.append(time.perf_counter() - start)
            loops.pop()
        loops.append(seconds)
        is_next = False
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


def scaled(coef: Array) -> Callable[[Array], Array]:
    coef /= np.linalg.norm(coef, axis=1, keepdims=True)
    return partial(linpredict.predict, coef)


def doubling(coef: Array) -> Callable[[Array], Array]:
    """Change weights and examples in calls, and no label."""

    def predict(x: Array) -> Array:
        np.multiply(coef, 2, out=coef)
        np.multiply(x, 2, out=x)
        return linpredict.predict(coef, x)

    return predict


def standardising(coef: Array) -> Callable[[Array], Array]:
    """Change the examples in calls, and some labels."""

    def predict(x: Array) -> Array:
        x *= np.linspace(0.1, 3, x.shape[1])
        return linpredict.predict(coef, x)

    return predict


def late(coef: Array) -> Callable[[Array], Array]:
    """Change the examples when no label is checked any longer."""
    calls = count(1)

    def predict(x: Array) -> Array:
        if next(calls) > 100:
            x[:, 0] = 0
        return linpredict.predict(coef, x)

    return predict


def reshaping(coef: Array) -> Callable[[Array], Array]:
    shape = coef.shape
    coef.shape = (-1,)
    return partial(linpredict.predict, coef.reshape(shape))


def raising(coef: Array) -> None:
    raise OSError("no\nluck")


def exiting(coef: Array) -> None:
    raise SystemExit("no licence")


def raising_in_calls(coef: Array) -> Callable[[Array], Array]:
    def predict(x: Array) -> Array:
        raise ZeroDivisionError("nothing there")

    return predict


def raising_late(coef: Array) -> Callable[[Array], Array]:
    predict = linpredict.LinearPredictor(coef).predict
    calls = count(1)

    def predict_or_raise(x: Array) -> Array:
        return predict(x) if next(calls) < 50 else predict(x[:, 1:])

    return predict_or_raise


def without_gc(coef: Array) -> Callable[[Array], Array]:
    """Fail where garbage may be collected when no call warms up any longer."""
    calls = count(1)

    def predict(x: Array) -> Array:
        assert next(calls) < 150 or not gc.isenabled()
        return linpredict.predict(coef, x)

    return predict


def forking(coef: Array) -> Callable[[Array], Array]:
    """Answer when a child has."""
    asked, ask = os.pipe()
    answer, answering = os.pipe()
    if not os.fork():
        os.close(ask)
        while os.read(asked, 1):
            os.write(answering, b"x")
        os._exit(0)
    os.close(asked)

    def predict(x: Array) -> Array:
        os.write(ask, b"x")
        os.read(answer, 1)
        return linpredict.predict(coef, x)

    return predict


HELD: list[Any] = []


def with_semaphore(coef: Array) -> Callable[[Array], Array]:
    """It does not end by itself, and holds what multiprocessing's tracker removes."""
    HELD.append(multiprocessing.get_context("spawn").Semaphore())
    threading.Thread(target=time.sleep, args=(60,)).start()
    Path(os.environ["SEMAPHORE"]).write_text(HELD[0]._semlock.name)
    return partial(linpredict.predict, coef)


def printing(coef: Array) -> Callable[[Array], Array]:
    def predict(x: Array) -> Array:
        print('{"seconds": [0]}' * 10_000, flush=True)
        os.write(1, b"more\n")
        return linpredict.predict(coef, x)

    return predict


def dying(coef: Array) -> None:
    print("the last words", flush=True)
    os._exit(3)


def killed(coef: Array) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleeping(coef: Array) -> Callable[[Array], Array]:
    def predict(x: Array) -> Array:
        time.sleep(60)
        return linpredict.predict(coef, x)

    return predict


def without_lines(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Have a function be without lines, as the ends of loops are in Python 3.11."""
    code = function.__code__
    no_line = b"\xff"  # for eight instructions of two bytes
    function.__code__ = code.replace(co_linetable=no_line * (len(code.co_code) // 16 + 1))
    return function


def interrupted(coef: Array) -> Callable[[Array], Array]:
    def predict(x: Array) -> Array:
        raise KeyboardInterrupt

    return without_lines(predict)


def terminated(coef: Array) -> Callable[[Array], Array]:
    def predict(x: Array) -> Array:
        pytest.exit("SIGTERM", 128 + signal.SIGTERM)

    return without_lines(predict)
