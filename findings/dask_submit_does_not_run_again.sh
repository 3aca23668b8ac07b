#!/usr/bin/env bash
# Expected: calling client.submit(work, x) five times does the work five times.
# Seen: it is done once. Dask takes every function for pure unless told otherwise, makes
# the task's key from the function and its arguments, and gives back the held result.
# Why it matters: a timing loop that sends the same batch again and again, and keeps its
# futures, times the first call and then only a lookup: it looks a hundred times faster
# than it is. pure=False gives each call its own key.
# Library: Dask distributed 2026.8.0. Documented: the parameter "pure" of Client.submit.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    'distributed==2026.8.0' 'dask==2026.8.0'
cd "$dir"
"$dir/venv/bin/python" - <<'PY'
import os, sys, time
import distributed

def work(x, log):
    with open(log, "a") as file:
        file.write("x")
    time.sleep(0.05)
    return x + 1

print("distributed", distributed.__version__, "Python", sys.version.split()[0])
with distributed.Client(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None, silence_logs=50) as client:
    done = {}
    for log, more in (("default", {}), ("pure=False", {"pure": False})):
        held = []
        for _ in range(5):
            held.append(client.submit(work, 1, log, **more))
            assert held[-1].result() == 2
        done[log] = os.path.getsize(log)
print("5 calls of submit, all answered; times the work was done:", done)
if done != {"default": 1, "pure=False": 5}:
    sys.exit("no longer as stated: five equal calls of submit should do the work once, and five times with pure=False")
PY
