#!/usr/bin/env bash
# Expected: half the bytes, so about half the time: float16 examples and weights multiply faster
# than float32, or at worst as fast.
# Seen: tens of times slower. The BLAS that NumPy calls has no float16 product there, so NumPy runs
# a plain loop of its own that converts each number. Converting both to float32 first, the
# conversion counted, is much faster than multiplying them as they are.
# Why it matters: storing weights as float16 "to save time" costs far more time than it saves, with
# the same call and no warning.
# Library: NumPy 2.4.6 from its wheel, Linux x86-64.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    'numpy==2.4.6'
cd "$dir"
"$dir/venv/bin/python" - <<'PY'
import sys, time
import numpy as np
rng = np.random.default_rng(0)
x, w = rng.normal(size=(500, 784)).astype(np.float16), rng.normal(size=(784, 10)).astype(np.float16)
x32, w32 = x.astype(np.float32), w.astype(np.float32)

def milliseconds(f):
    best = float("inf")
    for _ in range(7):
        started = time.perf_counter()
        f()
        best = min(best, time.perf_counter() - started)
    return 1000 * best

half = milliseconds(lambda: x @ w)
single = milliseconds(lambda: x32 @ w32)
converted = milliseconds(lambda: x.astype(np.float32) @ w.astype(np.float32))
print("NumPy", np.__version__, "Python", sys.version.split()[0])
print(f"500x784 times 784x10: float16 {half:.1f} ms, float32 {single:.2f} ms, float16 converted first {converted:.2f} ms")
if not (half > 5 * single and half > 2 * converted):
    sys.exit("no longer as stated: the float16 product is no longer many times slower")
PY
