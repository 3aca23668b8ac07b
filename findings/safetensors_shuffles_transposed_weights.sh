#!/usr/bin/env bash
# Expected: an array that is saved and loaded is the same array, or saving it is refused.
# Seen: safetensors' functions for NumPy write an array's memory as it lies, and load it as if its
# rows had been in order. A transposed array, or one in Fortran's order, comes back with the right
# shape and dtype and the numbers in other places. Nothing is raised or warned. The functions for
# PyTorch refuse the same weights in a sentence.
# Why it matters: weights of (n_features, n_classes) that an exporter transposes for a layer that
# wants (n_classes, n_features) load without complaint, and label at random: of 1,000 examples of
# 10 classes a tenth keep their label. `np.ascontiguousarray` before saving helps.
# Library: safetensors 0.8.0 with NumPy 2.4.6. The documentation of `safetensors.numpy` says nothing
# of the order of an array's memory.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'safetensors==0.8.0' 'numpy==2.4.6'
cd "$dir"
"$dir/venv/bin/python" - <<'PY'
import sys
import numpy as np, safetensors
from safetensors.numpy import load_file, save_file

rng = np.random.default_rng(0)
trained = rng.standard_normal((50, 10))  # (n_features, n_classes)
examples = rng.standard_normal((1000, 50))
labels = (examples @ trained).argmax(axis=1)
kept = {}
for name, weights in {
    "as it lies": trained,
    "transposed": trained.T,
    "in Fortran's order": np.asfortranarray(trained),
    "transposed and made contiguous": np.ascontiguousarray(trained.T),
}.items():
    save_file({"weights": weights}, "weights.safetensors")
    loaded = load_file("weights.safetensors")["weights"]
    if loaded.shape != weights.shape or loaded.dtype != weights.dtype:
        sys.exit("no longer as stated: shape or dtype are others")
    scores = examples @ (loaded if len(loaded) == 50 else loaded.T)
    kept[name] = (np.array_equal(loaded, weights), float((scores.argmax(axis=1) == labels).mean()))
print("safetensors", safetensors.__version__, "NumPy", np.__version__)
print("the same numbers, and the share of labels that stay:", kept)
if not kept["as it lies"][0] or not kept["transposed and made contiguous"][0]:
    sys.exit("contiguous weights are changed, too: this script is at fault")
if kept["transposed"][0] or kept["in Fortran's order"][0] or kept["transposed"][1] > 0.3:
    sys.exit("no longer as stated: weights that are not in C's order come back as they were")
PY
