#!/usr/bin/env bash
# Expected: np.load("model.npz", mmap_mode="r") maps the weights, as it does for a .npy file, or
# refuses; and an array that was read once from the file is not read again.
# Seen: mmap_mode is passed over without a word, and each access by name, model["coef"], reads the
# array from the file into new memory.
# Why it matters: a predictor that keeps what np.load returned and writes x @ model["coef"].T reads
# the file in every call.
# Library: NumPy 2.4.6 from its wheel, Linux x86-64.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'numpy==2.4.6'
cd "$dir"
"$dir/venv/bin/python" -W error - <<'PY'
import sys
import time

import numpy as np

coef, x = np.ones((64, 16384)), np.ones((1, 16384))
np.save("coef.npy", coef)
np.savez("model.npz", coef=coef)
mapped, model = np.load("coef.npy", mmap_mode="r"), np.load("model.npz", mmap_mode="r")


def milliseconds(call):
    best = float("inf")
    for _ in range(9):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return 1000 * best


kept = model["coef"]
once, each = milliseconds(lambda: x @ kept.T), milliseconds(lambda: x @ model["coef"].T)
is_shared = np.shares_memory(kept, model["coef"])
print("NumPy", np.__version__, "Python", sys.version.split()[0])
print(f"mmap_mode='r': {type(mapped).__name__} of a .npy file, {type(kept).__name__} of a .npz file")
print(f"two accesses by name share memory: {is_shared}")
print(f"one row times weights: read once {once:.2f} ms, by name in each call {each:.2f} ms")
if not isinstance(mapped, np.memmap) or isinstance(kept, np.memmap) or is_shared or each < 3 * once:
    sys.exit("no longer as stated: arrays of a .npz file are mapped, or kept")
PY
