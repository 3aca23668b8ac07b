#!/usr/bin/env bash
# Expected: "with threadpool_limits(1):" limits threads inside the block; after it, all is
# as before. That each thread of a program has its own block changes nothing in this.
# Seen: the limit belongs to the whole process, and each block restores what it found. If
# the blocks of two threads overlap, the first to end lifts the limit inside the other's
# block, and the last to end leaves 1 in force for ever after, with both blocks closed.
# Why it matters: a server or a benchmark that limits BLAS in each of its worker threads
# ends up single threaded, or measures with more threads than it set.
# Library: threadpoolctl 3.8.0 with the OpenBLAS of NumPy 2.4.6.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    'threadpoolctl==3.8.0' 'numpy==2.4.6'
cd "$dir"
unset OPENBLAS_NUM_THREADS OMP_NUM_THREADS
"$dir/venv/bin/python" - <<'PY'
import sys, threading
import numpy as np
from importlib.metadata import version
from threadpoolctl import threadpool_info, threadpool_limits

def threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"][0]

print("threadpoolctl", version("threadpoolctl"), "NumPy", np.__version__)
start = threads()
if start < 2:
    print("skipped: BLAS has one thread to start with (one core)")
    sys.exit(0)
one_in, two_in, one_out = (threading.Event() for _ in range(3))
seen = {}

def one():
    with threadpool_limits(1):
        one_in.set()
        two_in.wait()
    one_out.set()

def two():
    one_in.wait()
    with threadpool_limits(1):
        two_in.set()
        one_out.wait()
        seen["inside the second block, the first closed"] = threads()

workers = [threading.Thread(target=f) for f in (one, two)]
[w.start() for w in workers], [w.join() for w in workers]
seen["both closed"] = threads()
print("BLAS threads: at the start", start, seen)
if list(seen.values()) != [start, 1]:
    sys.exit("no longer as stated: overlapping blocks should lift the limit early and then leave it at 1")
PY
