"""The user's cache folder. Whoever can write to it can have their code run in this process."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def cache_folder() -> Path | None:
    """Return the folder of linpredict in it, or None where it cannot be made or trusted."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # expanduser would make / of an empty HOME
        base = os.path.join(os.environ.get("HOME", os.path.expanduser("~")), ".cache")
    folder = Path(base, "linpredict")
    with contextlib.suppress(OSError):
        if folder.is_absolute():  # not where neither HOME nor the system says
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if is_ours(folder.stat()) and os.access(folder, os.R_OK | os.X_OK):
                return folder
    return None


def is_ours(status: os.stat_result) -> bool:
    """Tell whether nobody else, but the system's administrator, can write to a file or folder."""
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022
