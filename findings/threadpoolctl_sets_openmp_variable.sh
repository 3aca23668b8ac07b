#!/usr/bin/env bash
# Expected: importing a library that reads and limits thread counts changes nothing in the
# process's environment.
# Seen: "import threadpoolctl" (and so "import sklearn", which imports it) sets
# KMP_DUPLICATE_LIB_OK=True in os.environ; every child process inherits it.
# Why it matters: the variable switches off the check by which the OpenMP runtime of Intel
# and LLVM refuses to be loaded twice, so a set-up with two runtimes, which would stop
# with a clear error, runs on; a record of the environment made before the import differs
# from one made after it.
# Library: threadpoolctl 3.8.0; a comment in its source gives the reason.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    'threadpoolctl==3.8.0'
cd "$dir"
unset KMP_DUPLICATE_LIB_OK
"$dir/venv/bin/python" - <<'PY'
import os, subprocess, sys
from importlib.metadata import version
before = dict(os.environ)
import threadpoolctl
changed = {key: value for key, value in os.environ.items() if before.get(key) != value}
child = subprocess.run([sys.executable, "-c", "import os; print(os.environ.get('KMP_DUPLICATE_LIB_OK'))"],
                       capture_output=True, text=True, check=True).stdout.strip()
print("threadpoolctl", version("threadpoolctl"), "Python", sys.version.split()[0])
print(f"changed in os.environ by the import: {changed}; a child process sees {child}")
if changed != {"KMP_DUPLICATE_LIB_OK": "True"} or child != "True":
    sys.exit("no longer as stated: the import should set KMP_DUPLICATE_LIB_OK=True and nothing else")
PY
