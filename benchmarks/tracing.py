"""Tracers, profilers and debuggers, put off while something is timed.

They cost time for each line or call of the code that they watch, and may watch one version of the
package and not the other: with coverage on, the gate passed a commit that was 1.4 times slower.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from cProfile import Profile
from typing import Any

if sys.version_info >= (3, 12):
    from sys import monitoring

    N_TOOLS = 6  # as `sys.monitoring` documents
    # Those that a callback may switch off where they happen.
    LOCAL = (
        *("PY_START", "PY_RESUME", "PY_RETURN", "PY_YIELD", "CALL", "LINE", "INSTRUCTION"),
        *("JUMP", "BRANCH", "BRANCH_LEFT", "BRANCH_RIGHT", "STOP_ITERATION"),
    )
    BOTH = ("BRANCH",) if hasattr(monitoring.events, "BRANCH_LEFT") else ()  # names two of these


@contextmanager
def beyond_this_thread_paused() -> Iterator[None]:
    """Put off what watches all threads, and what would watch the threads that start meanwhile."""
    tracer, profiler = threading.gettrace(), threading.getprofile()
    threading.settrace(None)
    threading.setprofile(None)
    try:
        with monitoring_paused():
            yield
    finally:
        threading.settrace(tracer)
        threading.setprofile(profiler)


@contextmanager
def monitoring_paused() -> Iterator[None]:
    """Put off the tools of `sys.monitoring`, such as coverage's from Python 3.14 on.

    Their events cannot be listed, as each code object has its own. So each event is switched off
    where it happens, once, and all are switched on again at the end.
    """
    paused: list[tuple[int, int, Any]] = []
    if sys.version_info >= (3, 12):
        for tool in filter(monitoring.get_tool, range(N_TOOLS)):
            for name, event in vars(monitoring.events).items():
                if event and name not in BOTH:
                    callback = monitoring.register_callback(tool, event, None)
                    paused.append((tool, event, callback))
                    if callback and name in LOCAL:
                        monitoring.register_callback(tool, event, lambda *_: monitoring.DISABLE)
    try:
        yield
    finally:
        if sys.version_info >= (3, 12):
            for tool, event, callback in paused:
                if monitoring.get_tool(tool):
                    monitoring.register_callback(tool, event, callback)
            monitoring.restart_events()


def resume(profiler: Any) -> None:
    """Set what `sys.getprofile` returned as this thread's profiler."""
    if isinstance(profiler, Profile):  # which cannot be called
        profiler.enable()
    elif profiler is None or callable(profiler):
        sys.setprofile(profiler)
