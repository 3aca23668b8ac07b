#!/usr/bin/env bash
# Expected: an example's label does not depend on which other examples are in its batch:
# the row X[i] times W is the same numbers alone or among others.
# Seen: it is not. NumPy gives a product with one row to another routine of the BLAS
# (matrix times vector) than one with many, which adds in another order; the last bits of
# most scores differ, and where two classes all but tie, so does the label.
# Why it matters: "same labels as one at a time" fails as a check of a batched server, by
# no fault of it; compare scores with a tolerance, or labels away from ties.
# Library: NumPy 2.4.6 with the OpenBLAS of its wheel. Which rows differ depends on the
# processor; the script tries 20 seeds.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    'numpy==2.4.6'
cd "$dir"
"$dir/venv/bin/python" - <<'PY'
import sys
import numpy as np
print("NumPy", np.__version__, "BLAS", np.show_config(mode="dicts")["Build Dependencies"]["blas"]["version"])
seen = {}
for name, gap in (("float32", 1e-7), ("float64", 1e-16)):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, w = rng.normal(size=(256, 784)), 0.01 * rng.normal(size=(784, 10))
        w[:, 3] = rng.normal(size=784)
        w[:, 7] = w[:, 3] * (1 + gap * rng.normal(size=784))  # two classes that all but tie
        x, w = x.astype(name), w.astype(name)
        batch, alone = x @ w, np.vstack([row @ w for row in np.split(x, len(x))])
        labels = int((batch.argmax(axis=1) != alone.argmax(axis=1)).sum())
        if labels:
            seen[name] = f"seed {seed}: {100 * (batch != alone).mean():.0f} % of the scores and {labels} of 256 labels differ"
            break
print("alone against in the batch:", seen)
if len(seen) < 2:
    sys.exit("no longer as stated: in 20 seeds no label differed between a row alone and the same row in its batch")
PY
