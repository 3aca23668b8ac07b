"""Write a file whole: replace a plain file at once, write into anything else."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import sys
from pathlib import Path

# A folder that takes no new file, an owner that cannot be kept, a file that is itself mounted.
IRREPLACEABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY)


def write(path: Path, content: bytes) -> None:
    """Write a file, in a folder that exists: wholly, or not at all.

    A plain file is replaced at once by a new one of the same mode and owner, and a link is
    followed to its target. Where it cannot be replaced, it is written over, and restored should
    that fail. Anything else (a device, a pipe, ``/dev/stdout``) is written to as it is.

    Raises
    ------
    OSError
        If it cannot be written. An earlier plain file is then as it was.
    """
    mode = mode_of(path)
    if (descriptor := descriptor_of(path)) is not None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # what was printed before comes first
        write_all(descriptor, content)
    elif mode and not stat.S_ISREG(mode):
        with open(os.open(path, os.O_WRONLY), "wb", buffering=0) as file:
            write_all(file.fileno(), content)
    else:
        target = Path(os.path.realpath(path))
        try:
            replace(target, content)
        except OSError as error:
            if error.errno not in IRREPLACEABLE or not target.exists():
                raise
            write_over(target, content)


def check_writable(path: Path) -> None:
    """Refuse early what `write` would refuse, and leave everything as it is.

    Raises
    ------
    OSError
        If the path cannot be written; its `strerror` says why.
    """
    mode = mode_of(path)
    if not mode:
        target = Path(os.path.realpath(path))
        if not target.parent.exists():
            raise FileNotFoundError(errno.ENOENT, f"there is no folder {target.parent}", str(path))
        target.open("xb").close()
        target.unlink()
    elif stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    elif stat.S_ISSOCK(mode):
        raise OSError(errno.ENXIO, "it is a socket", str(path))
    elif (descriptor := descriptor_of(path)) is not None:
        import fcntl  # which Windows lacks; nor are there such paths

        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise PermissionError(errno.EACCES, "it is open for reading only", str(path))
    elif stat.S_ISREG(mode):
        os.close(os.open(path, os.O_WRONLY))
    elif not os.access(path, os.W_OK):  # to open a pipe or a device may do something
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def mode_of(path: Path) -> int:
    """Return the type and mode of what a path leads to, or 0 where there is nothing."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return 0


def descriptor_of(path: Path) -> int | None:
    """Return the descriptor of this process that a path such as ``/dev/stdout`` stands for.

    Its file may be plain, and hold other output that must not be lost.
    """
    own = Path("/proc/self/fd").resolve()
    while path.is_symlink():
        if path.parent.resolve() == own:
            return int(path.name)
        path = path.parent / path.readlink()
    return None


def replace(target: Path, content: bytes) -> None:
    """Put a new file in the place of a plain one, or where there is none."""
    new = target.with_name(f".{secrets.token_hex(8)}")
    try:
        with new.open("xb") as file:
            if target.exists():
                status = target.stat()
                if hasattr(os, "chown"):
                    os.chown(new, status.st_uid, status.st_gid)
                shutil.copystat(target, new)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)


def write_over(target: Path, content: bytes) -> None:
    """Write over a plain file, and restore it where that fails."""
    with target.open("r+b", buffering=0) as file:
        earlier = target.read_bytes()
        try:
            write_all(file.fileno(), content)
            file.truncate()
        except BaseException:
            file.seek(0)
            write_all(file.fileno(), earlier)
            file.truncate()
            raise


def write_all(descriptor: int, content: bytes) -> None:
    """Write to a descriptor, which may take a part at a time."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
