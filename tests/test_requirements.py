"""Requirements files and lock files: what is read, left out, refused, and installed."""

import platform
import sys
from pathlib import Path

import pytest

from benchmarks.gate.interpreters import UnusableEnvironmentError
from benchmarks.gate.requirements import distribution, read

VERSION = sys.version_info[:2]
LOCK = """
lock-version = "1.0"
created-by = "a test"
{more}
[[packages]]
name = "numpy"
version = "2.2.6"
[[packages.wheels]]
url = "https://localhost/numpy-2.2.6-{tag}.whl"
hashes = {{sha256 = "0"}}
[[packages]]
name = "old"
version = "1"
marker = "python_version < '3'"
[[packages.wheels]]
url = "https://localhost/old-1-py3-none-any.whl"
hashes = {{sha256 = "0"}}
[[packages]]
name = "mine"
directory = {{path = ".", editable = true}}
[[packages]]
name = "forked"
[packages.vcs]
type = "git"
url = "https://localhost/forked"
commit-id = "0123456789abcdef"
[[packages]]
name = "packed"
[packages.archive]
path = "packed.tar.gz"
hashes = {{sha256 = "0"}}
"""


def test_a_requirements_file(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "old.txt").write_text(
        "\N{ZERO WIDTH NO-BREAK SPACE}# pinned\n--find-links /links\nnumpy==2.2.6 \\\n"
        "    --hash=sha256:0  # by hand\n"
        "-e .\n--editable git+https://localhost/shop#egg=shop\n-r more/others.txt\n"
        "--constraint=more/limits.txt\ncolour @ https://localhost/colour#sha256=0\n./nothing\n"
    )
    (tmp_path / "more" / "others.txt").write_text("Scikit_Learn>=1.6 ; python_version > '3'\n")
    kept, left_out = read(str(tmp_path / "old.txt"), VERSION)
    assert [" ".join(line.split()) for line in kept] == [
        "--find-links /links",
        "numpy==2.2.6 --hash=sha256:0",
        "Scikit_Learn>=1.6 ; python_version > '3'",
        f"-c {tmp_path / 'more' / 'limits.txt'}",
        "colour @ https://localhost/colour#sha256=0",
        "./nothing",  # for pip to refuse
    ]
    assert left_out == ["-e .", "--editable git+https://localhost/shop#egg=shop"]
    assert [distribution(line) for line in kept] == ["", "numpy", "scikit-learn", "", "colour", ""]


def test_a_lock_file(tmp_path: Path) -> None:
    file = tmp_path / "pylock.old.toml"
    tag = f"cp3{VERSION[1]}-cp3{VERSION[1]}-linux_{platform.machine()}"
    file.write_text(LOCK.format(tag=tag, more=""))
    kept, left_out = read(str(file), VERSION)
    assert kept == [
        "numpy==2.2.6",
        "forked @ git+https://localhost/forked@0123456789abcdef",
        f"packed @ {(tmp_path / 'packed.tar.gz').as_uri()}",
    ]
    assert left_out == ["-e ."]
    with pytest.raises(UnusableEnvironmentError, match=r"old.toml is not a pylock.toml: .*numpy"):
        read(str(file), (3, VERSION[1] - 1))  # there is no wheel for it
    file.write_text(LOCK.format(tag="py3-none-any", more='requires-python = ">=3.9"'))
    assert read(str(file), VERSION)[0] == kept
    with pytest.raises(UnusableEnvironmentError, match=r"python_full_version '3.8.0' .*'>=3.9'"):
        read(str(file), (3, 8))


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("old.txt", b"", "asks for nothing: expected requirements as pip takes them"),
        ("old.txt", b"# nothing\n--pre\n-e .\n", "asks for nothing: "),
        ("old.txt", b"\xff\xfe\x00", "is not a requirements file: 'utf-8' codec"),
        ("old.txt", b"-r absent.txt", r"absent.txt cannot be read: No such file"),
        ("old.txt", b"-r .", "cannot be read: Is a directory"),
        ("old.txt", b"-r old.txt", "old.txt names itself"),
        ("pylock.toml", b"numpy==2", "is not a pylock.toml: Invalid value"),
        ("pylock.toml", b"name = 'x'", "is not a pylock.toml: Missing required value in 'lock-v"),
    ],
)
def test_what_is_no_requirements_file(tmp_path: Path, name: str, text: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(text)
    with pytest.raises(UnusableEnvironmentError, match=f"^{tmp_path}.*{reason}"):
        read(str(tmp_path / name), VERSION)
