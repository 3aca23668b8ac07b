#!/usr/bin/env bash
# Expected: the argmax of a sparse row with a NaN is that of the same row when it is dense: the
# place of the NaN. Or else the NaN is passed over, and it is that of the greatest number.
# Seen: neither. Where zeros that are not stored stand beside a NaN, `argmax` of a CSR array answers
# the place of such a zero, though the row holds a 1: [nan, 1, 0] gives 2, and [3, 0, nan] gives 1.
# `max` of the same rows is NaN, and `argmax(explicit=True)` the place of the NaN. No warning.
# Why it matters: scores that were made sparse by a threshold, with one overflow or missing value
# among them, are labelled with a class that scored nothing.
# Library: SciPy 1.17.1 with NumPy 2.4.6. `max` says that NaN propagate, and names `nanmax`; `argmax`
# says nothing of NaN.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'scipy==1.17.1' 'numpy==2.4.6'
cd "$dir"
"$dir/venv/bin/python" - <<'PY'
import sys
import numpy as np, scipy
from scipy.sparse import csr_array

nan = np.nan
scores = np.array([[nan, 1, 0], [1, nan, 0], [3, 0, nan], [0, 2, 1], [-1, -2, 0]])
found = {
    "dense": scores.argmax(axis=1).tolist(),
    "CSR": csr_array(scores).argmax(axis=1).tolist(),
    "CSR, stored values alone": csr_array(scores).argmax(axis=1, explicit=True).tolist(),
}
greatest = csr_array(scores).max(axis=1).toarray().ravel().tolist()
print("SciPy", scipy.__version__, "NumPy", np.__version__)
print("scores", scores.tolist())
print("argmax", found, "max of CSR", greatest)
if found["dense"] != [0, 1, 2, 1, 2] or found["CSR"][3:] != [1, 2]:
    sys.exit("rows without a NaN are labelled wrongly: this script is at fault")
if found["CSR"][:3] != [2, 2, 1] or found["CSR, stored values alone"][:3] != [0, 1, 2]:
    sys.exit("no longer as stated: sparse rows with a NaN are labelled in another way")
PY
