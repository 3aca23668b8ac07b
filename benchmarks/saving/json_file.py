"""Keep the earlier file of ``--benchmark-json`` until that of a whole run takes its place.

pytest-benchmark would write over it, also with the few cases of an interrupted run. So it writes to
a temporary file without a name, which nothing leaves behind.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.saving import atomic_write


class Destination(os.PathLike[str]):
    """What pytest-benchmark writes to, under the name of the file that is asked for."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by pytest's clean-up

    def __fspath__(self) -> str:
        return f"/dev/fd/{self.file.fileno()}"

    def __str__(self) -> str:  # in pytest-benchmark's line "Wrote benchmark data in: …"
        return f"{self.target}, if the run is whole"

    def write(self) -> None:
        """Write the file, if pytest-benchmark has written all of it."""
        self.file.seek(0)
        content = self.file.read()
        try:
            json.loads(content)
        except ValueError:
            return
        atomic_write.write(self.target, content)


DESTINATION = pytest.StashKey[Destination]()


def keep_earlier(config: pytest.Config) -> None:
    """Refuse a file that cannot be written, and have pytest-benchmark write elsewhere for now."""
    path: Path | None = config.getoption("benchmark_json", None)
    if path is None or "PYTEST_XDIST_WORKER" in os.environ:
        return
    try:
        atomic_write.check_writable(path)
    except OSError as error:
        raise pytest.UsageError(
            f"--benchmark-json: {path} cannot be written ({error.strerror}): choose a file "
            "in a folder that exists"
        ) from error
    destination = config.option.benchmark_json = config.stash[DESTINATION] = Destination(path)
    config.add_cleanup(destination.file.close)


@contextmanager
def written(config: pytest.Config, is_whole: bool) -> Iterator[None]:
    """Write the file of a whole run, after pytest-benchmark, whatever that raises."""
    destination = config.stash.get(DESTINATION, None)
    try:
        try:
            yield
        finally:
            if destination and is_whole:
                destination.write()
    except OSError as error:
        pytest.exit(f"the run cannot be saved: {error}", pytest.ExitCode.INTERNAL_ERROR)
