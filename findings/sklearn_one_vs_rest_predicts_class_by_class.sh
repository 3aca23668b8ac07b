#!/usr/bin/env bash
# Expected: `OneVsRestClassifier(LogisticRegression())` predicts about as fast as
# `LogisticRegression` itself: either way there is a row of weights for each class, and a label is
# that of the highest score. It is what scikit-learn named when it gave up
# `LogisticRegression(multi_class="ovr")`, whose prediction was one product.
# Seen: it calls the prediction of each class by itself, so a row of 64 classes takes 20 to 50 times
# as long, and the time grows with the number of classes: for three it is 2 to 3 times. Linear
# classifiers that do the same within themselves, as SGDClassifier, keep to one product.
# Why it matters: whoever follows the advice for a model of many classes has its latency multiplied
# by an upgrade that changes hardly any label, and batches of examples hide only part of it.
# Library: scikit-learn 1.9.1 with NumPy 2.4.6. The documentation compares strategies by what they
# fit, not by what a prediction costs.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'scikit-learn==1.9.1' 'numpy==2.4.6'
cd "$dir"
"$dir/venv/bin/python" - <<'PY'
import statistics, sys, time, warnings
import numpy as np, sklearn
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier

warnings.simplefilter("ignore")  # a few steps of training are enough here


def milliseconds(call):
    call()
    taken = []
    for _ in range(15):
        start = time.perf_counter()
        call()
        taken.append(1e3 * (time.perf_counter() - start))
    return round(statistics.median(taken), 3)


rng = np.random.default_rng(0)
found = {}
for n_classes in (3, 64):
    x, y = rng.standard_normal((20 * n_classes, 100)), np.arange(20 * n_classes) % n_classes
    single, wrapped, sgd = (
        model.fit(x, y)
        for model in (
            LogisticRegression(max_iter=20),
            OneVsRestClassifier(LogisticRegression(max_iter=20)),
            SGDClassifier(loss="log_loss", max_iter=20),
        )
    )
    coef = np.vstack([one.coef_ for one in wrapped.estimators_])
    scores = x @ coef.T + np.concatenate([one.intercept_ for one in wrapped.estimators_])
    if (scores.argmax(axis=1) != wrapped.predict(x)).any():
        sys.exit("it is not the highest score that decides: this script is at fault")
    found[n_classes] = {
        "LogisticRegression": milliseconds(lambda: single.predict(x[:1])),
        "SGDClassifier": milliseconds(lambda: sgd.predict(x[:1])),
        "OneVsRestClassifier": milliseconds(lambda: wrapped.predict(x[:1])),
    }
print("scikit-learn", sklearn.__version__, "NumPy", np.__version__)
print("milliseconds for a row, by classes:", found)
many = found[64]
if many["OneVsRestClassifier"] < 10 * max(many["LogisticRegression"], many["SGDClassifier"]):
    sys.exit("no longer as stated: a row of 64 classes is predicted quickly")
if many["OneVsRestClassifier"] < 5 * found[3]["OneVsRestClassifier"]:
    sys.exit("no longer as stated: the time does not grow with the classes")
PY
