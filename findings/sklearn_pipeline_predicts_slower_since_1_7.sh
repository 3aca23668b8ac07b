#!/usr/bin/env bash
# Expected: a fitted pipeline of StandardScaler and LogisticRegression takes as long for one
# row in scikit-learn 1.9.1 as in 1.7.2, or less: its arithmetic is a few hundred products.
# Seen: 2.1 times as long for a single row (2.07 to 2.13 in three runs), with the same NumPy
# and SciPy, timed in turns. The arithmetic is the same: what is added is work around it.
# Why it matters: whoever serves rows one by one pays it for each request, and an upgrade of a
# minor version is not expected to move a latency by that much.
# Library: scikit-learn 1.7.2 and 1.9.1, NumPy 2.3.5, SciPy 1.16.3.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for version in 1.7.2 1.9.1; do
    python3 -m venv "$dir/$version"
    "$dir/$version/bin/pip" install --quiet --disable-pip-version-check \
        "scikit-learn==$version" 'numpy==2.3.5' 'scipy==1.16.3'
done
cd "$dir"
cat > serve.py <<'PY'
import sys, time
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

rows = np.random.default_rng(0).standard_normal((500, 64)).astype("float32")
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, rows[:, 0] > 0)
for _ in sys.stdin:  # a line for each block of calls, answered by the seconds of the fastest
    taken = []
    for row in rows[:40]:
        start = time.perf_counter()
        model.predict(row[None])
        taken.append(time.perf_counter() - start)
    print(sorted(taken)[10], flush=True)
PY
python3 - <<'PY'
import statistics, subprocess, sys
pipe = subprocess.PIPE
servers = [
    subprocess.Popen([f"{version}/bin/python", "serve.py"], stdin=pipe, stdout=pipe, text=True)
    for version in ("1.7.2", "1.9.1")
]

def block(server):
    server.stdin.write("\n")
    server.stdin.flush()
    return float(server.stdout.readline())

ratios = []
for turn in range(61):
    order = servers if turn % 2 else servers[::-1]
    seconds = {id(server): block(server) for server in order}
    ratios.append(seconds[id(servers[1])] / seconds[id(servers[0])])
for server in servers:
    server.stdin.close()
    server.wait()
ratio = statistics.median(ratios[1:])
print(f"scikit-learn 1.9.1 over 1.7.2, one row: {ratio:.2f} (median of {len(ratios) - 1} turns)")
if ratio < 1.3:
    sys.exit("no longer as stated: 1.9.1 takes less than 1.3 times as long")
PY
