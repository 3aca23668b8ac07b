#!/usr/bin/env bash
# Expected: all of scikit-learn's linear classifiers answer an example that lies exactly on
# the boundary between two classes (decision_function is 0) in the same way.
# Seen: SVC(kernel="linear") answers with the second class, and LinearSVC, LogisticRegression,
# SGDClassifier, Perceptron and RidgeClassifier answer with the first. SVC asks libsvm, which
# decides by its own sign; the others take the second class where the value is above 0.
# Why it matters: a predictor rebuilt from coef_ and intercept_ (scores above 0) gives other
# labels than the SVC it was made from: an example of all zeros with no intercept, or data of
# small whole numbers, does fall on the boundary.
# Library: scikit-learn 1.9.1.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    'scikit-learn==1.9.1' 'scipy==1.17.1' 'numpy==2.4.6'
cd "$dir"
"$dir/venv/bin/python" - <<'PY'
import sys
import numpy as np, sklearn
from sklearn.linear_model import LogisticRegression, Perceptron, RidgeClassifier, SGDClassifier
from sklearn.svm import SVC, LinearSVC

x, y = np.array([[-1.0], [1.0]]), np.array(["first", "second"])
on_boundary = np.array([[0.0]])
models = [SVC(kernel="linear"), LinearSVC(), LogisticRegression(), Perceptron(), RidgeClassifier(),
          SGDClassifier(fit_intercept=False, random_state=0)]
answers = {}
for model in models:
    model.fit(x, y)
    if model.decision_function(on_boundary)[0] != 0:
        sys.exit(f"no longer as stated: {model} no longer puts the example on its boundary")
    answers[type(model).__name__] = str(model.predict(on_boundary)[0])
print("scikit-learn", sklearn.__version__, "NumPy", np.__version__)
print("label where decision_function is 0:", answers)
if answers.pop("SVC") != "second" or set(answers.values()) != {"first"}:
    sys.exit("no longer as stated: SVC should answer with the second class and all others with the first")
PY
