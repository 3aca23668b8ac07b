#!/usr/bin/env bash
# Expected: after `torch.set_num_threads(1)` at the start of a program, products take one core, in
# each of its threads; `torch.get_num_threads()` answers 1 there, too.
# Seen: the first thread keeps to it. In another one, matrix products and linear layers compute on
# all cores, and go on doing so, until something in that thread asks for the number of threads:
# `get_num_threads()` answers 1, and from then on it is. To ask and then measure finds nothing wrong.
# Why it matters: a server labels in worker threads. Four of them on four cores, each limited to one,
# run sixteen threads, and latencies measured in the first thread are not those of a request.
# OMP_NUM_THREADS=1, or to set the number within each thread, holds.
# Library: PyTorch 2.14.1 with NumPy 2.4.6. It documents "the number of threads used for intraop
# parallelism on CPU", without a word on which thread calls it. Operations on single values heed it
# since pytorch #37259 (2020); products do not.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
[ "$(nproc)" -ge 2 ] || { echo "skipped: needs two cores"; exit 0; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.14.1' 'numpy==2.4.6'
cd "$dir"
env -u OMP_NUM_THREADS -u MKL_NUM_THREADS -u OPENBLAS_NUM_THREADS "$dir/venv/bin/python" - <<'PY'
import sys, time
from threading import Thread
import torch

torch.set_num_threads(1)
torch.set_grad_enabled(False)
layer = torch.nn.Linear(16384, 64)
x, y = torch.randn(256, 16384), torch.randn(256, 16384, dtype=torch.float64)
weights = torch.randn(64, 16384, dtype=torch.float64)
calls = {"linear layer": lambda: layer(x), "product of float64": lambda: y @ weights.T}


def cores(call):
    """Return how many cores the process uses on average."""
    call()
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(30):
        call()
    return round((time.process_time() - cpu) / (time.perf_counter() - wall), 2)


def in_a_thread(work):
    answers = []
    thread = Thread(target=lambda: (torch.set_grad_enabled(False), answers.append(work())))
    thread.start()
    thread.join()
    return answers[0]


found = {
    name: {
        "first thread": cores(call),
        "another": in_a_thread(lambda: cores(call)),
        "one that asks before": in_a_thread(lambda: (torch.get_num_threads(), cores(call))),
    }
    for name, call in calls.items()
}
print("PyTorch", torch.__version__, "cores in use:", found)
for of_call in found.values():
    number, after = of_call["one that asks before"]
    if number != 1 or max(of_call["first thread"], after) > 1.2:
        sys.exit("no longer as stated: the number of threads is another, or not kept after asking")
    if of_call["another"] < 1.5:
        sys.exit("no longer as stated: another thread keeps to the number of threads")
PY
