"""The user's cache folder, where it can be trusted."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def cache_folder() -> Path | None:
    """Return the folder that keeps what was compiled, or None where it cannot be trusted or made.

    Whoever can write to it can have their code run in this process.
    """
    xdg = os.environ.get("XDG_CACHE_HOME", "").strip()
    if not os.path.isabs(xdg) and os.environ.get("HOME") == "":
        return None  # it would be in /
    # Without a home, old versions of platformdirs return a path that begins with "~", and new ones
    # raise an error.
    with contextlib.suppress(OSError, RuntimeError, KeyError, ImportError):
        import platformdirs  # which an interpreter that the gate is given may lack

        folder = platformdirs.user_cache_path("linpredict")
        if folder.is_absolute():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if is_ours(folder.stat()) and os.access(folder, os.R_OK | os.X_OK):
                return folder
    return None


def is_ours(status: os.stat_result) -> bool:
    """Tell whether nobody else, but the system's administrator, can write to a file or folder."""
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022
