#!/usr/bin/env bash
# Expected: row k of the weights belongs to the k-th class in order, as in scikit-learn, whose
# LogisticRegression(solver="liblinear") and LinearSVC hold the same solver.
# Seen: rows stand in the order in which the classes first occur in the training data. The argmax
# of the scores is an index into get_labels(), and most labels are wrong where it is taken for
# a class. Sorting the training data by class hides it.
# Why it matters: weights that are taken out of a trained model to be served elsewhere have the right
# shape, and give labels that are right for a test set whose classes came in order.
# Library: liblinear-official 2.50.0 (NumPy 2.4.6), Linux x86-64.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'liblinear-official==2.50.0' 'numpy==2.4.6'
cd "$dir"
"$dir/venv/bin/python" - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from liblinear.liblinearutil import predict, train

rng = np.random.default_rng(0)
centers = np.array([[5.0, 0.0], [0.0, 5.0], [-5.0, -5.0]])


def right(y):
    """Train, and return the order of the labels and the shares of right ones, by row and by order."""
    x = centers[y] + rng.normal(size=(len(y), 2))
    model = train(y.tolist(), x.tolist(), "-s 2 -q")
    coef = np.array([[model.get_decfun_coef(j + 1, k) for j in range(2)] for k in range(3)])
    rows, order = (x @ coef.T).argmax(axis=1), np.array(model.get_labels())
    own = np.array(predict(y.tolist(), x.tolist(), model, "-q")[0])
    return order.tolist(), np.mean(rows == own), np.mean(order[rows] == own)


print("liblinear-official", version("liblinear-official"), "Python", sys.version.split()[0])
mixed, ordered = right(np.array([2, 0, 1] * 30)), right(np.repeat([0, 1, 2], 30))
for said, (order, by_row, by_order) in (("2, 0, 1, 2, …", mixed), ("0, 0, … 1, … 2", ordered)):
    print(f"classes come as {said}: rows are those of {order}; "
          f"argmax is predict's label in {by_row:.0%}, get_labels()[argmax] in {by_order:.0%}")
if not (mixed[0] == [2, 0, 1] and mixed[1] < 0.2 and mixed[2] == ordered[1] == ordered[2] == 1):
    sys.exit("no longer as stated: rows of the weights stand in the order of the classes")
PY
