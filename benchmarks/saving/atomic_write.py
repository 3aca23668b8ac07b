"""Write a plain file whole: a new one takes its place at once, or it stays as it was."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from pathlib import Path

# A folder that takes no new file, an owner that cannot be kept, a file that is itself mounted.
IRREPLACEABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY)


def write(path: Path, content: bytes) -> None:
    """Write a file, or the one that a link leads to; an earlier one's mode and owner are kept."""
    target = Path(os.path.realpath(path))
    new = target.with_name(f".{secrets.token_hex(8)}")
    try:
        with new.open("xb") as file:
            if target.exists():
                os.chown(new, target.stat().st_uid, target.stat().st_gid)
                shutil.copymode(target, new)
            file.write(content)
            os.fsync(file.fileno())
        new.replace(target)
    except OSError as error:
        if error.errno not in IRREPLACEABLE or not target.exists():
            raise
        earlier = target.read_bytes()
        try:
            write_over(target, content)
        except BaseException:
            write_over(target, earlier)
            raise
    finally:
        new.unlink(missing_ok=True)


def write_over(target: Path, content: bytes) -> None:
    """Write over a file that is there; what is cut off is so at last, when all has found room."""
    with target.open("r+b") as file:
        file.write(content)
        file.truncate()


def check_writable(path: Path) -> None:
    """Refuse early what `write` cannot write, by an `OSError` whose `strerror` says why."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        target = Path(os.path.realpath(path))
        if not target.parent.exists():
            reason = f"there is no folder {target.parent}"
            raise FileNotFoundError(errno.ENOENT, reason, str(path)) from None
        target.open("xb").close()
        target.unlink()
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if not stat.S_ISREG(mode) or leads_to_descriptor(path):
        raise OSError(errno.EINVAL, "it is no plain file", str(path))
    os.close(os.open(path, os.O_WRONLY))


def leads_to_descriptor(path: Path) -> bool:
    """Tell whether a path such as ``/dev/stdout`` is an open file, which may hold other output."""
    while path.is_symlink():
        if path.parent.resolve() == Path("/proc/self/fd").resolve():
            return True
        path = path.parent / path.readlink()
    return False
