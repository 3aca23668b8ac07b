"""Tests run side by side with ``-n``, but those marked ``alone``: they ask for times or cores."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import nullcontext

import numpy as np  # noqa: F401  # whose BLAS is found
import pytest
import threadpoolctl

LIBRARIES = threadpoolctl.ThreadpoolController()


def pytest_configure(config: pytest.Config) -> None:
    """Have pytest-xdist hand out one test at a time, or one process would wait for the other's."""
    if config.getoption("maxschedchunk", 0) is None:
        config.option.maxschedchunk = 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep those that must wait for all others for the end."""
    items.sort(key=lambda item: item.get_closest_marker("alone") is not None)


@pytest.fixture(autouse=True)
def beside_others(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Run while no test runs that is marked ``alone``; if this one is, while no other runs.

    Beside others NumPy's BLAS has one thread: those of two tests spin, and hold each other up
    (on two cores, what takes 1 s took up to 10).
    """
    alone = request.node.get_closest_marker("alone") is not None
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # that of all processes of this run
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        beside = "PYTEST_XDIST_WORKER" in os.environ and not alone
        with LIBRARIES.limit(limits=1, user_api="blas") if beside else nullcontext():
            yield
