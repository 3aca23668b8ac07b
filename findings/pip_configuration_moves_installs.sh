#!/usr/bin/env bash
# Expected: "pip install name" with a virtual environment's own pip, ended with exit status
# 0, means that this environment can now import name.
# Seen: a line in a configuration file of pip (here the environment's pip.conf; a person's
# own file works the same) turns it into something else. With "target = FOLDER" under
# [install] pip reports success and the package lies in FOLDER; with "dry-run = true"
# nothing is installed at all. Both exit with 0.
# Why it matters: a script that builds an environment and trusts the exit status goes on
# to measure without the package, or with another copy of it. Check by importing.
# Library: pip 26.3. Documented: every long option can be set in a configuration file.
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
run() {
    local status=0 imports=yes
    printf '[install]\n%s\n' "$1" > venv/pip.conf
    pip install six==1.17.0 > said.txt 2>&1 || status=$?
    "$dir/venv/bin/python" -c 'import six' 2> /dev/null || imports=no
    echo "exit status $status, can import: $imports, said: $(tail -n 1 said.txt)"
}
moved=$(run "target = $dir/elsewhere"); dry=$(run "dry-run = true"); plain=$(run "")
echo "target in the file: $moved (elsewhere/: $(ls elsewhere | tr '\n' ' '))"
echo "dry-run in the file: $dry"
echo "neither: $plain"
if [[ $moved != "exit status 0, can import: no"* || $dry != "exit status 0, can import: no"* || $plain != "exit status 0, can import: yes"* ]]; then
    echo "no longer as stated: both settings should end with 0 and leave the environment without the package" >&2
    exit 1
fi
