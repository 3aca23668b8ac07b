"""Limits on threads, as threadpoolctl sets them where the program uses it.

Importing it for this alone would take 3 ms and change the environment. So each call looks whether
somebody has, and registers with it then. As that may be within a ``with threadpool_limits(1):``,
the limit in force is learnt from BLAS, which threadpoolctl had found.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

ALL = os.cpu_count() or 1  # no limit
MOST_OF_OPENBLAS = 64  # threads, as NumPy's wheels build it


class Limit(threading.local):
    """Threads that a thread's calls may use."""

    n_threads = ALL


of_thread = Limit()
of_all = ALL  # set by the main thread, for all
is_registered = False
blas: list[Any] = []  # threadpoolctl's controllers, while a limit is in force that came before us
of_blas = ALL


def limited(n_threads: int) -> int:
    """Return how many of the threads threadpoolctl lets the calling thread's calls use."""
    global blas, of_blas
    if not is_registered and "threadpoolctl" in sys.modules:
        register(sys.modules["threadpoolctl"], n_threads)
    if blas and most(blas) > of_blas:  # the limit has ended
        blas, of_blas = [], ALL
    return max(1, min(n_threads, of_thread.n_threads, of_all, of_blas))


def register(threadpoolctl: Any, n_threads: int) -> None:
    """Have threadpoolctl find the kernel and set its limit; without one it has so many threads."""
    global is_registered, blas, of_blas
    # Old versions lack the first; while another thread imports it, the last may still be missing.
    if not hasattr(threadpoolctl, "register") or not hasattr(threadpoolctl, "ThreadpoolController"):
        return
    is_registered = True

    class Controller(threadpoolctl.LibController):  # type: ignore[misc]
        user_api = internal_api = "linpredict"
        # It finds libraries that are loaded. The kernel is compiled and loaded late; this part of
        # NumPy is always there.
        filename_prefixes = ("_multiarray_umath",)

        def get_num_threads(self) -> int:
            return of_all if is_main() else of_thread.n_threads

        def set_num_threads(self, num_threads: int) -> None:
            # As different threads' limits need not end in the order they began, each but the main
            # thread sets its own.
            global of_all
            if is_main():
                of_all = num_threads
            else:
                of_thread.n_threads = num_threads

        def get_version(self) -> None:
            return None

    threadpoolctl.register(Controller)
    libraries = threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers
    if most(libraries) < min(n_threads, MOST_OF_OPENBLAS):
        blas, of_blas = libraries, most(libraries)


def most(libraries: list[Any]) -> int:
    """Return how many threads the libraries may use; one that does not tell may use all."""
    return max((library.num_threads or ALL for library in libraries), default=ALL)


def is_main() -> bool:
    return threading.get_ident() == threading.main_thread().ident
