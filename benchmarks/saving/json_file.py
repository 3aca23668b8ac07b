"""Keep the earlier file of ``--benchmark-json`` until a whole new one takes its place.

pytest-benchmark would write over it, also with the few cases of an interrupted run.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.saving import atomic_write


class Destination(os.PathLike[str]):
    """What pytest-benchmark writes to: memory, under the name of `target`, which is asked for.

    Where the system has no such files, it is a temporary one.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        if sys.platform == "linux":
            self._descriptor = os.memfd_create("run.json")
            self._path = f"/proc/self/fd/{self._descriptor}"
        else:
            self._descriptor, self._path = tempfile.mkstemp()
        self.is_kept = self.is_written = False

    def __fspath__(self) -> str:
        """Return where pytest-benchmark writes."""
        return self._path

    def __str__(self) -> str:
        """Say what pytest-benchmark's line ``Wrote benchmark data in: …`` is to end with."""
        if self.is_kept:
            return str(self.target)
        return f"memory, not {self.target}: the run was cut short"

    def write(self) -> None:
        """Write the file, if the run is to be kept and is wholly in memory."""
        content = Path(self).read_bytes()
        try:
            json.loads(content)
        except ValueError:
            return
        if self.is_kept:
            atomic_write.write(self.target, content)
            self.is_written = True

    def close(self) -> None:
        """Forget what pytest-benchmark wrote."""
        os.close(self._descriptor)
        if sys.platform != "linux":
            os.unlink(self._path)


DESTINATION = pytest.StashKey[Destination]()


@contextmanager
def kept(config: pytest.Config, is_whole: bool) -> Iterator[None]:
    """Write the file of a whole run when pytest-benchmark has written it to memory."""
    destination = config.stash.get(DESTINATION, None)
    if not destination:
        yield
        return
    destination.is_kept = is_whole
    try:
        try:
            yield
        finally:
            destination.write()
    except OSError as error:
        start = (
            f"{destination} is written, but"
            if destination.is_written
            else "the run cannot be saved:"
        )
        pytest.exit(f"{start} {error}", pytest.ExitCode.INTERNAL_ERROR)


def write_to_memory(config: pytest.Config) -> None:
    """Refuse a file that cannot be written, and have pytest-benchmark write to memory."""
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
    config.add_cleanup(destination.close)
