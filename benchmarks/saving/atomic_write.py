"""Write a plain file whole: a new one takes its place at once, or it stays as it was."""

import errno
import os
import secrets
import shutil
from pathlib import Path

# A folder that takes no new file, an owner that cannot be kept, a file that is itself mounted.
IRREPLACEABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY)
OUTPUT = ("/dev/stdout", "/dev/stderr")  # may be plain files, and then hold other output


def check_writable(path: Path) -> None:
    """Refuse what `write` would refuse, by an `OSError` whose `strerror` says why."""
    target, is_there = Path(os.path.realpath(path)), path.exists()
    is_output = is_there and any(os.path.exists(name) and path.samefile(name) for name in OUTPUT)
    if path.is_dir():
        raise OSError(errno.EISDIR, "it is a folder", str(path))
    if is_output or (is_there and not path.is_file()):
        raise OSError(errno.EINVAL, "it is no plain file", str(path))
    if not target.parent.is_dir():
        raise OSError(errno.ENOENT, f"there is no folder {target.parent}", str(path))
    target.open("ab" if os.path.lexists(target) else "xb").close()
    if not is_there:
        target.unlink()


def write(path: Path, content: bytes) -> None:
    """Write a file, or the one that a link leads to; an earlier one's mode and owner are kept."""
    check_writable(path)
    target = Path(os.path.realpath(path))
    new = target.with_name(f".{secrets.token_hex(8)}")
    try:
        with new.open("xb") as file:
            if target.exists():
                os.chown(new, target.stat().st_uid, target.stat().st_gid)
                shutil.copymode(target, new)
            file.write(content)
            file.flush()
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
    with target.open("r+b") as file:
        file.write(content)
        file.truncate()  # at last, when all has found room
