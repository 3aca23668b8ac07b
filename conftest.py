"""The options of ``pytest benchmarks/``, and the rows of pytest-benchmark's tables.

Everything else is in ``benchmarks/conftest.py``, which is loaded when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from benchmarks import options


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    options.add(parser, pluginmanager)


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_group_stats(
    config: pytest.Config | None, benchmarks: Iterable[dict[str, Any]], group_by: str
) -> Any:
    """Name the rows of the tables by what differs, so that sorting by name gives a useful order.

    ``pytest-benchmark compare`` calls this function itself, and in place of its own.
    """
    from pytest_benchmark.plugin import pytest_benchmark_group_stats as grouped

    from benchmarks.wording.tables import name_rows

    groups = grouped(config, benchmarks, group_by)
    for _, group in groups:
        name_rows(group)
    return groups
