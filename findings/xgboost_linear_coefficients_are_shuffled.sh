#!/usr/bin/env bash
# Expected: coef_ of an XGBClassifier(booster="gblinear") with three classes, documented with
# the shape (n_classes, n_features), holds in row k the weights of class k.
# Seen: the shape is right and the numbers are all there, but in the wrong places: they lie by
# feature, and are only cut anew into rows. X @ coef_.T + intercept_ gives other labels than
# the model; reordered, it gives the model's.
# Why it matters: who exports the model as a plain linear classifier, or reads its weights,
# gets a wrong one with no error, for the shapes fit.
# Library: xgboost 3.2.0 (package xgboost-cpu, the same code without the parts for GPUs).
# Reported as issue 9547 of dmlc/xgboost; the issue is closed, the behaviour is there.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    'xgboost-cpu==3.2.0' 'scikit-learn==1.9.1' 'scipy==1.17.1' 'numpy==2.4.6'
cd "$dir"
"$dir/venv/bin/python" - <<'PY'
import sys
import numpy as np, xgboost
rng = np.random.default_rng(0)
x = rng.normal(size=(600, 4))
y = (x @ rng.normal(size=(4, 3))).argmax(axis=1)
model = xgboost.XGBClassifier(booster="gblinear", n_estimators=50, n_jobs=1, base_score=0.5).fit(x, y)
labels, coef = model.predict(x), model.coef_
agree = lambda by_feature: float(((x @ by_feature + model.intercept_).argmax(axis=1) == labels).mean())
as_given, reordered = agree(coef.T), agree(coef.reshape(4, 3))
print("xgboost", xgboost.__version__, "NumPy", np.__version__)
print(f"coef_ has shape {coef.shape}; labels equal to the model's: as given {as_given:.2f}, reordered {reordered:.2f}")
if not (coef.shape == (3, 4) and as_given < 0.9 and reordered > 0.99):
    sys.exit("no longer as stated: coef_ as given now gives the model's labels, or reordered it does not")
PY
