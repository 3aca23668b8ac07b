#!/usr/bin/env bash
# Expected: np.dot(X, S) of an ordinary array and a SciPy sparse matrix is their product, as
# X @ S is, or raises.
# Seen: it is an array of shape (rows of X, columns of X) with dtype object in which every
# entry is a whole sparse matrix: each number of X times S. Shapes that do not even fit are
# taken too. np.asarray(S) likewise is an array of no dimensions holding the matrix.
# Why it matters: a predictor that accepts "array-likes" with np.asarray and np.dot fails late
# and oddly on sparse examples, or fills the memory, instead of refusing them at the door.
# Library: NumPy 2.4.6 with SciPy 1.17.1 (csr_array and csr_matrix alike).
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    'numpy==2.4.6' 'scipy==1.17.1'
cd "$dir"
"$dir/venv/bin/python" - <<'PY'
import sys
import numpy as np, scipy, scipy.sparse as sparse
print("NumPy", np.__version__, "SciPy", scipy.__version__)
x, does_not_fit, wrong = np.ones((5, 3)), np.ones((5, 2)), []
for kind in (sparse.csr_array, sparse.csr_matrix):
    s = kind(np.ones((3, 4)))
    right, dot, odd, array = x @ s, np.dot(x, s), np.dot(does_not_fit, s), np.asarray(s)
    print(f"{kind.__name__}: X @ S {right.shape} {right.dtype}; np.dot(X, S) {dot.shape} {dot.dtype} of {type(dot[0, 0]).__name__} "
          f"{dot[0, 0].shape}; with shapes that do not fit {odd.shape} {odd.dtype}; np.asarray(S) {array.shape} {array.dtype}")
    if not (right.shape == (5, 4) and right.dtype == np.float64 and dot.shape == (5, 3) and odd.shape == (5, 2)
            and dot.dtype == object and sparse.issparse(dot[0, 0]) and array.shape == () and array.dtype == object):
        wrong.append(kind.__name__)
if wrong:
    sys.exit(f"no longer as stated: np.dot or np.asarray treats {wrong} in another way")
PY
