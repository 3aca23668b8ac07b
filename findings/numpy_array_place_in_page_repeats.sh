#!/usr/bin/env bash
# Expected: with address space randomisation on, where an array of NumPy lies within its
# memory page (address modulo 4096) is another in each process, so that ten processes of
# one benchmark average over it.
# Seen: all ten (now and then nine) put it at the same place, though their addresses differ:
# only whole pages are randomised, and the program allocates the same each time. One more
# import, of a module that is never used, moves it to another place, and again it is the
# same in each process.
# Why it matters: alignment can change the speed of small products. Repeating a run does not
# average it out, and a change that only adds an import can look faster or slower.
# Library: NumPy 2.4.6 on Linux with glibc (any version of Python seen: 3.11 to 3.13).
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    'numpy==2.4.6'
cd "$dir"
cat > place.py <<'PY'
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
import numpy as np
weights = np.random.default_rng(0).normal(size=(10, 784))
print(weights.ctypes.data, weights.ctypes.data % 4096)
PY
cat > check.py <<'PY'
import platform, subprocess, sys
from collections import Counter
import numpy
print("NumPy", numpy.__version__, "Python", platform.python_version(), *platform.libc_ver())

def ten(*names):
    run = lambda: subprocess.run([sys.executable, "place.py", *names], capture_output=True, text=True, check=True).stdout.split()
    run()  # the first run compiles what it imports: it allocates differently
    found = [run() for _ in range(10)]
    return {address for address, _ in found}, Counter(int(place) for _, place in found).most_common(1)[0]

addresses, plain = ten()
if len(addresses) == 1:
    print("skipped: the addresses do not differ, address space randomisation is off here")
    sys.exit(0)
others = {name: ten(name)[1] for name in ("decimal", "csv", "zipfile")}
print(f"10 processes: {len(addresses)} addresses, commonest (place within the page, processes) {plain}; with one more import: {others}")
if plain[1] < 7 or not any(count >= 7 and place != plain[0] for place, count in others.values()):
    sys.exit("no longer as stated: the place is not the same in seven of ten processes, or no import moves it")
PY
"$dir/venv/bin/python" check.py
