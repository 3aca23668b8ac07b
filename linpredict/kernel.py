"""The kernel in C: compiled when it is first asked for, and checked."""

from __future__ import annotations

import functools
import os
import sys
import warnings

import numpy as np

from .c.bindings import Kernel, load
from .c.compile import CompilerError, NoCompilerError
from .screened import ScreenedModel

# functools: its cached_property is written in Python up to 3.13 or so.
INSIDE = (os.path.join(os.path.dirname(__file__), ""), functools.__file__)


@functools.cache
def kernel() -> Kernel:
    """Return the kernel, compiled and checked when it is first asked for.

    Warns
    -----
    RuntimeWarning
        If there is a compiler and it failed, or the kernel's scores are wrong.
    """
    if os.environ.get("LINPREDICT_KERNEL", "").lower() == "off":
        return Kernel(reason="LINPREDICT_KERNEL=off is set")
    try:
        loaded = load()
        if not is_right(loaded):
            raise CompilerError(f"what {loaded.compiler} made computes wrong scores")
    except NoCompilerError as error:
        return Kernel(reason=str(error))
    except CompilerError as error:
        warn(f"linpredict uses BLAS in place of its kernel: {error}")
        return Kernel(reason=str(error))
    return loaded


def is_right(kernel: Kernel) -> bool:
    """Compare the scores of whole and ragged tiles, panels, steps and blocks with NumPy's."""
    values = np.random.default_rng(0).integers(-9, 10, (47 + 19, 2 * 128 + 45))
    w, x = values[:47], values[47:]
    w[:, ::7] += 90  # what classes have in common, and is taken from them
    expected = w @ x.T  # integers of this size are summed without rounding
    differences = (expected - expected[0]).T
    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        model, samples = ScreenedModel(w.astype(dtype), None, kernel, block=128), x.astype(dtype)
        best, all_classes = expected.argmax(axis=0), np.ones((len(x), len(w)), np.bool_)
        if (model.decide(samples, all_classes) != best).any():
            return False
        for n in (*range(1, 8), len(x)):
            labels, scores = model.call(samples[:n], with_scores=True)
            found = scores - scores[:, :1]  # type: ignore[index]
            right = np.allclose(found, differences[:n], rtol=0, atol=1)
            if not right or (labels != best[:n]).any():
                return False
    return True


def warn(message: str) -> None:
    """Warn at the line of the program that called this package.

    ``skip_file_prefixes`` would do this from Python 3.12 on.
    """
    frame, level = sys._getframe(), 1
    while frame.f_back and frame.f_code.co_filename.startswith(INSIDE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, RuntimeWarning, level)
