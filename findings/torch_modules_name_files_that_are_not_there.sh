#!/usr/bin/env bash
# Expected: the attribute __file__ of an imported module is the absolute path of its file.
# Seen: `torch.ops` and `torch.classes` are modules whose __file__ is "_ops.py" and
# "_classes.py", relative, and no such file is in the current folder.
# Why it matters: whoever lists the source files of a process (a reloader, a packager, a tool
# that tells one's own code from what is installed) looks for them in the current folder, and
# takes them for the user's own, or fails.
# Library: PyTorch 2.14.1.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    'torch==2.14.1' 'numpy==2.4.6'
cd "$dir"
"$dir/venv/bin/python" - <<'PY'
import os, sys
import torch

files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
found = {name: file for name, file in files.items() if isinstance(file, str) and not os.path.isabs(file)}
print("PyTorch", torch.__version__, "modules with a relative file:", found)
if found.get("torch.ops") != "_ops.py" or any(map(os.path.exists, found.values())):
    sys.exit("no longer as stated: torch.ops has no relative __file__")
PY
