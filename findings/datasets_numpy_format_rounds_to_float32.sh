#!/usr/bin/env bash
# Expected: a dataset whose column is declared float64 gives float64 arrays when it is asked for
# NumPy's: each value can be had as it was stored.
# Seen: they are float32, each value rounded, without a warning, while `features` go on saying
# float64. Integers of 64 bits stay as they are; so do the values in Python's lists, or as Arrow.
# `with_format("numpy", dtype=np.float64)` gives the values stored.
# Why it matters: examples are read in another precision than the model was trained in, so labels
# near a boundary change, and a benchmark "in float64" is one that converts each batch from float32.
# Library: datasets 5.2.0 with NumPy 2.4.6.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'datasets==5.2.0' 'numpy==2.4.6'
cd "$dir"
HF_HOME="$dir" HF_HUB_OFFLINE=1 "$dir/venv/bin/python" - <<'PY'
import sys
import datasets, numpy as np

x = np.random.default_rng(0).standard_normal((100, 8))
dataset = datasets.Dataset.from_dict({"x": x, "n": np.arange(100) + 2**40})
rows = dataset.with_format("numpy")[:]
wide = dataset.with_format("numpy", dtype=np.float64)[:]["x"]
print("datasets", datasets.__version__, "NumPy", np.__version__, "features", dataset.features)
print("x:", rows["x"].dtype, "n:", rows["n"].dtype, "greatest change:", abs(rows["x"] - x).max())
if str(dataset.features["x"]).find("float64") < 0 or (np.array(dataset["x"][:]) != x).any():
    sys.exit("it is not float64 that is stored: this script is at fault")
if rows["x"].dtype != np.float32 or (rows["x"] == x).all():
    sys.exit("no longer as stated: NumPy's format keeps float64")
if rows["n"].dtype != np.int64 or (wide != x).any():
    sys.exit("no longer as stated: integers are rounded, or dtype is not heeded")
PY
