#!/usr/bin/env bash
# Expected: a DataFrame of numbers with one boolean column becomes, by np.asarray, a float64
# array, as it does with a column of whole numbers, and as NumPy's own rule for bool and
# float64 says.
# Seen: it becomes an array of Python objects. Products with it still work and still give the
# right numbers, as objects, through Python and without BLAS: some hundred times slower.
# (polars gives float64.)
# Why it matters: one flag among the features slows a predictor by orders of magnitude, with
# no error; "dtype object" then spreads to the scores.
# Library: pandas 3.1.1 with NumPy 2.4.6, beside polars 2.1.0.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    'pandas==3.1.1' 'numpy==2.4.6' 'polars==2.1.0'
cd "$dir"
"$dir/venv/bin/python" - <<'PY'
import sys, time
import numpy as np, pandas, polars
columns = {f"f{i}": np.ones(2000) for i in range(99)}
flag, count = np.ones(2000, dtype=bool), np.ones(2000, dtype=np.int64)
with_flag = np.asarray(pandas.DataFrame({**columns, "more": flag}))
with_count = np.asarray(pandas.DataFrame({**columns, "more": count}))
in_polars = polars.DataFrame({**columns, "more": flag}).to_numpy()
w = np.ones((100, 10))

def seconds(x):
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        x @ w
        best = min(best, time.perf_counter() - started)
    return best

ratio = seconds(with_flag) / seconds(with_count)
print("pandas", pandas.__version__, "NumPy", np.__version__, "polars", polars.__version__)
print(f"float64 columns and one more: int64 gives {with_count.dtype}, bool gives {with_flag.dtype} (polars {in_polars.dtype}; "
      f"NumPy's rule {np.result_type(bool, float)}); scores {(with_flag @ w).dtype}, product {ratio:.0f} times slower")
if not (with_flag.dtype == object and with_count.dtype == in_polars.dtype == np.float64 and (with_flag @ w).dtype == object and ratio > 5):
    sys.exit("no longer as stated: the boolean column no longer turns the array into slow objects")
PY
