"""Files of figures: where they go, and how they are written, all or none."""

from __future__ import annotations

import argparse
import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.saving.atomic_write import check_writable, write
from benchmarks.script import heed_signals
from benchmarks.wording.quantities import folder as folder_type


def add_output_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=folder_type, default=Path("plots"), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument("--format", choices=("png", "svg"), default="png")


def check_folder(folder: Path, names: Iterable[str], extension: str) -> None:
    """Make the folder for figures, and refuse early what `save` would refuse."""
    with saying(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        with saying(path := folder / f"{name}.{extension}"):
            check_writable(path)


def save(figures: dict[str, Figure], folder: Path, extension: str) -> None:
    """Write all figures, or none: where one cannot be written, the earlier ones stay.

    Raises
    ------
    OSError
        If one cannot be written; it says in a sentence which, and why.
    """
    content = {}
    for name, figure in figures.items():
        figure.savefig(drawn := io.BytesIO(), format=extension, dpi=150)
        content[folder / f"{name}.{extension}"] = drawn.getvalue()
    heed_signals()
    earlier = {path: path.read_bytes() for path in content if path.exists()}
    written: list[Path] = []
    try:
        for path in content:
            with saying(path):
                write(path, content[path])
            written.append(path)
    except BaseException:
        for path in reversed(written):  # each then has the room that it had
            if path in earlier:
                write(path, earlier[path])
            else:
                Path(os.path.realpath(path)).unlink()
        raise


@contextmanager
def saying(path: Path) -> Iterator[None]:
    """Have an error say what cannot be written."""
    try:
        yield
    except OSError as error:
        reason = "it is no folder" if isinstance(error, FileExistsError) else error.strerror
        raise OSError(f"{path}: cannot be written: {reason or error}") from error
