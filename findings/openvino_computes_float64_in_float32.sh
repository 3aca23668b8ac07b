#!/usr/bin/env bash
# Expected: a model whose input, weights and output are all declared float64 is
# computed in float64, and one declared int64 in int64.
# Seen: OpenVINO's CPU device computes both in narrower types and hands the answer
# back under the declared type, with no warning. The float64 scores are about a
# hundred million times less exact than NumPy's, and two int64 numbers multiplied by an
# identity matrix come back as other numbers.
# Why it matters: near ties between two classes fall differently, and a comparison of
# speed with a float64 library compares two precisions. The output's dtype says
# nothing about it; the compiled model's INFERENCE_PRECISION_HINT does.
# Library: OpenVINO 2026.4.1, CPU device. Its page "CPU Device" lists the precisions
# the device computes in; float64 and int64 are not among them.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    'openvino==2026.4.1' 'numpy==2.4.6'
cd "$dir"
"$dir/venv/bin/python" - <<'PY'
import sys
import numpy as np, openvino as ov
from openvino import opset13 as op

def product(examples, weights):
    given = op.parameter(list(examples.shape), examples.dtype)
    model = ov.Model([op.matmul(given, op.constant(weights), False, False)], [given], "product")
    compiled = ov.Core().compile_model(model, "CPU")
    return compiled(examples)[0], compiled.get_property("INFERENCE_PRECISION_HINT")

print("OpenVINO", ov.__version__.split("-")[0], "NumPy", np.__version__)
rng = np.random.default_rng(0)
x, w = rng.normal(size=(64, 784)), rng.normal(size=(784, 10))
scores, hint = product(x, w)
exact = np.array([[sum(map(np.longdouble, a * b)) for b in w.T] for a in x[:8].astype(np.longdouble)])
ours, theirs = (float(abs(s[:8] - exact).max()) for s in (x @ w, scores))
print(f"float64 scores, largest error: NumPy {ours:.1e}, OpenVINO {theirs:.1e} (output {scores.dtype}, computed in {hint})")
big = np.array([[2**24 + 1, 2**40 + 1]])
back, _ = product(big, np.eye(2, dtype=np.int64))
print(f"int64 {big.tolist()} times the identity: NumPy {(big @ np.eye(2, dtype=np.int64)).tolist()}, OpenVINO {back.tolist()} (output {back.dtype})")
if not (scores.dtype == np.float64 and theirs > 1000 * ours):
    sys.exit("no longer as stated: the float64 product is now about as exact as NumPy's")
if not (back.dtype == np.int64 and (back != big).any()):
    sys.exit("no longer as stated: the int64 product is now exact")
PY
