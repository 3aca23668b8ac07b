#!/usr/bin/env bash
# Expected: the check of a data frame against a model's signature costs little beside the
# prediction: names and types of the columns are compared.
# Seen: a linear model that MLflow loads as a pyfunc, with the signature that MLflow infers and asks
# for, takes a tenth of a second for one row of 2,000 columns. The model itself takes a quarter of
# that for the same frame, and a hundredth for its array. Each column is looked at and converted by
# itself: half as many columns take a third to a half of the time, a hundred rows no more than one.
# Why it matters: a server of a wide linear model spends nearly all of its time, and of its latency
# budget, before the model is called. Large batches hide it.
# Library: mlflow-skinny 3.14.0 with scikit-learn 1.9.1, pandas 2.3.3, NumPy 2.4.6. MLflow documents
# the check ("signature enforcement"), not what it costs.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'mlflow-skinny==3.14.0' \
    'scikit-learn==1.9.1' 'pandas==2.3.3' 'numpy==2.4.6' 'skops==0.13.0'
cd "$dir"
MLFLOW_DISABLE_TELEMETRY=true "$dir/venv/bin/python" - <<'PY'
import logging, statistics, sys, time, warnings
import mlflow, mlflow.pyfunc, mlflow.sklearn, numpy as np, pandas as pd, sklearn
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")


def milliseconds(call):
    call()
    taken = []
    for _ in range(7):
        start = time.perf_counter()
        call()
        taken.append(1e3 * (time.perf_counter() - start))
    return round(statistics.median(taken), 2)


rng = np.random.default_rng(0)
found = {}
for n_columns in (1000, 2000):
    x = pd.DataFrame(rng.standard_normal((100, n_columns))).add_prefix("c")
    model = LogisticRegression(max_iter=5).fit(x, rng.integers(0, 3, 100))
    mlflow.sklearn.save_model(model, f"model{n_columns}", signature=infer_signature(x, model.predict(x)))
    served = mlflow.pyfunc.load_model(f"model{n_columns}")
    row = x.iloc[:1]
    if not (served.predict(x) == model.predict(x)).all():
        sys.exit("the loaded model labels otherwise: this script is at fault")
    found[n_columns] = {
        "pyfunc": milliseconds(lambda: served.predict(row)),
        "pyfunc, 100 rows": milliseconds(lambda: served.predict(x)),
        "model, frame": milliseconds(lambda: model.predict(row)),
        "model, array": milliseconds(lambda: model.predict(row.to_numpy())),
    }
print("mlflow", mlflow.__version__, "scikit-learn", sklearn.__version__, "pandas", pd.__version__)
print("ms for a row, by columns:", found)
wide = found[2000]
if wide["pyfunc"] < 30 * wide["model, array"] or wide["pyfunc"] < 2 * wide["model, frame"]:
    sys.exit("no longer as stated: the check of the signature costs less")
if wide["pyfunc"] < 1.3 * found[1000]["pyfunc"]:
    sys.exit("no longer as stated: the check costs the same for twice the columns")
PY
