#!/usr/bin/env bash
# Expected: weights in the other byte order, as FITS, netCDF-3 and network formats give them, are
# converted once, or as fast as they can be.
# Seen: each product converts all of them anew, in pieces. One row takes tens of times as long as
# with weights in the machine's order, and several times as long as where the same expression
# converts all weights first. Nothing tells: the result has the machine's order.
# Why it matters: a model read from such a file labels rightly and slowly, most of all in small
# batches, and a slowdown that came with a file is looked for in the code.
# Library: NumPy 2.4.6 from its wheel, Linux x86-64.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'numpy==2.4.6'
cd "$dir"
"$dir/venv/bin/python" - <<'PY'
import sys
import time

import numpy as np

rng = np.random.default_rng(0)
weights, x = rng.normal(size=(64, 16384)), rng.normal(size=(64, 16384))
swapped = weights.astype(weights.dtype.newbyteorder())


def milliseconds(call):
    best = float("inf")
    for _ in range(9):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return 1000 * best


print("NumPy", np.__version__, "Python", sys.version.split()[0])
times = {}
for n in (1, 64):
    rows = x[:n]
    times[n] = [
        milliseconds(lambda: rows @ weights.T),
        milliseconds(lambda: rows @ swapped.T),
        milliseconds(lambda: rows @ swapped.astype(np.float64).T),
    ]
    print(
        f"{n} of {x.shape[1]} times {weights.shape}: weights in the machine's order {times[n][0]:.2f} ms, "
        f"in the other {times[n][1]:.2f} ms, converted in each call {times[n][2]:.2f} ms"
    )
result = x @ swapped.T
if not np.allclose(result, x @ weights.T) or not result.dtype.isnative:
    sys.exit("no longer as stated: the result is another")
native, other, converted = times[1]
if not (other > 5 * native and other > 2 * converted):
    sys.exit("no longer as stated: weights in the other byte order are no longer many times slower")
PY
