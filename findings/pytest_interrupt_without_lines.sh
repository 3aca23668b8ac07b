#!/usr/bin/env bash
# Expected: a KeyboardInterrupt in a test ends pytest's run with its short "interrupted"
# report and exit status 2, wherever it is raised.
# Seen: where the interrupted function's code has no line numbers (valid: CPython lets an
# instruction have none, and code generators and rewriters make such code), pytest's own
# report fails with TypeError: 'NoneType' and 'int', and the exit status is 1.
# Why it matters: a long benchmark run stopped by hand, or by a tool that sends SIGINT,
# can end without its report, under a status that means "tests failed".
# Library: pytest 9.2.0, seen under Python 3.11, 3.12 and 3.13. It is not bound to one
# version of Python: tb_lineno is None there, and pytest subtracts 1 from it.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    'pytest==9.2.0'
cd "$dir"
unset PYTEST_ADDOPTS
: > pytest.ini
cat > test_plain.py <<'PY'
def stop():
    raise KeyboardInterrupt

def test_stop():
    stop()
PY
cat > test_without.py <<'PY'
def stop():
    raise KeyboardInterrupt

# An entry of the table: 0x80, kind 15 ("no location") times 8, number of code units less one (at most 8).
units = len(stop.__code__.co_code) // 2
table = bytes(0x80 | 15 << 3 | min(8, units - at) - 1 for at in range(0, units, 8))
stop.__code__ = stop.__code__.replace(co_linetable=table)
assert all(line is None for *_, line in stop.__code__.co_lines())

def test_stop():
    stop()
PY
"$dir/venv/bin/python" -c 'import sys, pytest; print("pytest", pytest.__version__, "Python", sys.version.split()[0])'
plain=0; "$dir/venv/bin/python" -m pytest -q -p no:cacheprovider test_plain.py > plain.txt 2>&1 || plain=$?
without=0; "$dir/venv/bin/python" -m pytest -q -p no:cacheprovider test_without.py > without.txt 2>&1 || without=$?
echo "with lines: exit status $plain; $(grep -m1 -o 'KeyboardInterrupt' plain.txt || true)"
echo "without lines: exit status $without; $(grep '^TypeError' without.txt | tail -n 1 || true)"
if [ "$plain" != 2 ] || [ "$without" = 2 ] || ! grep -q '^TypeError' without.txt; then
    echo "no longer as stated: pytest should end with 2 with lines, and with a TypeError of its own without" >&2
    exit 1
fi
