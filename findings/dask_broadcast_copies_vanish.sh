#!/usr/bin/env bash
# Expected: client.scatter(data, broadcast=True) puts a copy on every worker, and the
# copies stay for as long as the future is held.
# Seen: every worker has a copy at first; about two seconds later all but one are gone,
# though nobody asked. The scheduler's Active Memory Manager is on by default, and its
# policy ReduceReplicas drops copies that no waiting task needs.
# Why it matters: weights "broadcast to all workers beforehand" are sent over the network
# again by the first calls that come later than that, so a timing depends on how long one
# waited before it. Keeping them takes the setting
# distributed.scheduler.active-memory-manager.start: false (or tasks that hold a copy).
# Library: Dask distributed 2026.8.0. The policy and its two-second interval are described
# on the page "Active Memory Manager" of its documentation.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    'distributed==2026.8.0' 'dask==2026.8.0' 'numpy==2.4.6'
cd "$dir"
"$dir/venv/bin/python" - <<'PY'
import sys, time
import dask, distributed, numpy as np

def copies(setting):
    dask.config.set({"distributed.scheduler.active-memory-manager.start": setting})
    with distributed.Client(n_workers=3, threads_per_worker=1, processes=False, dashboard_address=None, silence_logs=50) as client:
        future = client.scatter(np.ones(1000), broadcast=True)
        count = lambda: len(next(iter(client.who_has([future]).values())))
        first, started = count(), time.monotonic()
        while count() == first and time.monotonic() - started < (30 if setting else 8):
            time.sleep(0.1)
        return first, count(), time.monotonic() - started

print("distributed", distributed.__version__, "dask", dask.__version__)
first, last, after = copies(True)
print(f"default: {first} copies after scatter, {last} after {after:.1f} s")
kept_first, kept, waited = copies(False)
print(f"memory manager off: {kept_first} copies after scatter, {kept} after {waited:.1f} s")
if not (first == 3 and last == 1 and kept == 3):
    sys.exit("no longer as stated: the broadcast copies are not cut down to one (or go even with the memory manager off)")
PY
