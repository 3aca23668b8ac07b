#!/usr/bin/env bash
# Expected: "pip install --target DIR name==NEW" over an older version in DIR leaves NEW
# there, or fails.
# Seen: pip says "Successfully installed name-NEW" and exits with 0, after a warning that
# DIR already holds the module. The code stays the OLD one, and beside it now lie the
# metadata of both versions: the record of the new one, for code that is not there.
# Why it matters: an image or a benchmark environment built with --target measures the old
# version while its installer's log, and a listing of its metadata, show the new one.
# --upgrade replaces the code.
# Library: pip 26.3, shown with six 1.16.0 and 1.17.0.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    'pip==26.3'
cd "$dir"
pip() { "$dir/venv/bin/pip" --disable-pip-version-check "$@"; }
pip --version | cut -d ' ' -f 1,2
pip install --quiet --target target six==1.16.0
status=0
pip install --target target six==1.17.0 > said.txt 2>&1 || status=$?
code=$(PYTHONPATH=target "$dir/venv/bin/python" -c 'import six; print(six.__version__)')
metadata=$(cd target && echo six-*.dist-info)
echo "second install: exit status $status, \"$(grep -m1 Successfully said.txt || true)\"; import six gives $code; metadata: $metadata"
echo "warned: $(grep -m1 -o 'six.py already exists.*' said.txt || true)"
if [ "$status" != 0 ] || [ "$code" != 1.16.0 ] || [ "$metadata" != "six-1.16.0.dist-info six-1.17.0.dist-info" ]; then
    echo "no longer as stated: pip should report success and leave the old code beside both versions' metadata" >&2
    exit 1
fi
pip install --quiet --upgrade --target target six==1.17.0
echo "with --upgrade: import six gives $(PYTHONPATH=target "$dir/venv/bin/python" -c 'import six; print(six.__version__)')"
