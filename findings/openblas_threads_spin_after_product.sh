#!/usr/bin/env bash
# Expected: once a matrix product is done, and the program sleeps, it uses no CPU time.
# Seen: the other threads of OpenBLAS (in NumPy's wheel) go on spinning, in case another
# product follows, for about a tenth of a second: the process uses a whole core per such
# thread while its main thread sleeps. After that it really uses none.
# Why it matters: CPU time measured around a product counts time after it; what is timed
# next (another library, another process on the machine) shares its cores with the
# spinning; a server with pauses of some milliseconds between calls never comes to rest.
# Library: NumPy 2.4.6 with the OpenBLAS 0.3.31 of its wheel, Linux x86-64.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    'numpy==2.4.6'
cd "$dir"
unset OPENBLAS_THREAD_TIMEOUT OPENBLAS_NUM_THREADS OMP_NUM_THREADS
"$dir/venv/bin/python" - <<'PY'
import os, sys, time
import numpy as np

cores = len(os.sched_getaffinity(0))
print("NumPy", np.__version__, "OpenBLAS", np.show_config(mode="dicts")["Build Dependencies"]["blas"]["version"], "cores", cores)
if cores < 2:
    print("skipped: with one core OpenBLAS has no other threads")
    sys.exit(0)
x = np.ones((1000, 1000))

def used_while_asleep():
    before = time.process_time()
    time.sleep(0.05)
    return 1000 * (time.process_time() - before)

soon, later = [], []
for _ in range(5):
    x @ x
    soon.append(used_while_asleep())
    time.sleep(0.6)
    later.append(used_while_asleep())
print(f"CPU time used in 50 ms of sleep: right after a product {max(soon):.1f} ms, 0.6 s later {min(later):.1f} ms")
if not (max(soon) > 20 and min(later) < 5):
    sys.exit("no longer as stated: the process does not spin right after a product and rest later")
PY
