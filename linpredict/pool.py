"""Share the parts of one computation among the cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from linpredict.machine import usable_cores

T = TypeVar("T")


def in_parallel(work: Callable[[T], object], parts: Iterable[T]) -> None:
    """Call ``work(part)`` for each part, on the calling thread and on helpers where they are free.

    `work` must release the GIL, as NumPy's matrix products do, for this to be worth while. Handing
    over takes tens of microseconds. Parts are taken one at a time, so a core that is slow or busy
    takes fewer; callers that come at the same time share the helpers, and none waits for one to
    become free.
    """
    todo = list(parts)[::-1]

    def take_parts() -> None:
        try:
            while todo:
                try:
                    part = todo.pop()
                except IndexError:  # another thread took the last one
                    return
                work(part)
        except BaseException:  # Ctrl-C, too: nobody needs the rest
            todo.clear()
            raise

    helpers: list[Future[None]] = []
    while len(helpers) + 1 < min(n_threads(), len(todo)):
        try:
            helpers.append(executor().submit(take_parts))
        except RuntimeError:  # the interpreter is shutting down and starts no thread
            break
    try:
        take_parts()
    finally:
        for helper in helpers:
            if not helper.cancel():
                helper.result()


def threads_asked_for() -> int | None:
    """Return what ``OPENBLAS_NUM_THREADS`` or ``OMP_NUM_THREADS`` says, as OpenBLAS does."""
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(variable, "").partition(",")[0].strip()
        if value.isdecimal() and int(value) > 0:
            return int(value)
    return None


# Read when OpenBLAS reads them. Dask sets them to 1 when it starts workers, here as well as there.
ASKED_FOR = threads_asked_for()


@cache
def n_threads() -> int:
    """Return how many threads may compute at once: the usable cores, or fewer if asked for."""
    return min(ASKED_FOR or usable_cores(), usable_cores())


@cache
def executor() -> ThreadPoolExecutor:
    """Return the threads that all predictors of the process share; the interpreter ends them."""
    return ThreadPoolExecutor(max(1, n_threads() - 1), thread_name_prefix="linpredict")


if hasattr(os, "register_at_fork"):
    # A forked process has none of its parent's threads, and may be given other cores.
    os.register_at_fork(after_in_child=executor.cache_clear)
    os.register_at_fork(after_in_child=n_threads.cache_clear)
