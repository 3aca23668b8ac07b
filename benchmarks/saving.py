"""Keep the earlier file of ``--benchmark-json`` until a whole new one takes its place.

pytest-benchmark would write over it, also with the few cases of an interrupted run.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

TARGET = pytest.StashKey[Path]()


def write_beside(config: pytest.Config) -> None:
    """Have pytest-benchmark write beside the file that is asked for."""
    path: Path | None = config.getoption("benchmark_json", None)
    if path is not None and "PYTEST_XDIST_WORKER" not in os.environ:
        config.stash[TARGET] = path
        config.option.benchmark_json = path.with_name(f".{path.name}.{os.getpid()}")


@contextmanager
def replacing(config: pytest.Config, is_whole: bool) -> Generator[None]:
    """Put the file that is written meanwhile in its place, if it is one of a whole run."""
    try:
        yield
        if is_whole and TARGET in config.stash and config.option.benchmark_json.exists():
            config.option.benchmark_json.replace(config.stash[TARGET])
            config.get_terminal_writer().line(f"and moved to: {config.stash[TARGET]}")
    except OSError as error:
        pytest.exit(f"the run cannot be saved: {error}", pytest.ExitCode.INTERNAL_ERROR)
    finally:
        if TARGET in config.stash:
            config.option.benchmark_json.unlink(missing_ok=True)
