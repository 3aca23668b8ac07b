#!/usr/bin/env bash
# Expected: --benchmark-compare-fail=min:200% fails a run that is many times slower than the
# saved one, or says that there is nothing to compare.
# Seen: it does for a test of the same name. If the test has been renamed (or a parameter of
# it, or its file), nothing is compared, though a line says "Comparing against benchmarks from", no line says that the
# test has no counterpart, and the exit status is 0.
# Why it matters: a speed gate in continuous integration goes on being green, and gates nothing,
# after a harmless looking rename.
# Library: pytest-benchmark 5.3.1 with pytest 9.2.0.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    'pytest-benchmark==5.3.1' 'pytest==9.2.0'
cd "$dir"
unset PYTEST_ADDOPTS
: > pytest.ini
run() { # name of the test, seconds it takes, options
    printf 'import time\n\ndef %s(benchmark):\n    benchmark(time.sleep, %s)\n' "$1" "$2" > test_speed.py
    local status=0
    "$dir/venv/bin/python" -m pytest -q -p no:cacheprovider --benchmark-max-time=0.1 --benchmark-storage=saved "${@:3}" test_speed.py > said.txt 2>&1 || status=$?
    local said; said=$(grep -ciE 'regress|nothing to compare|no match' said.txt || true)
    echo "exit status $status, lines of a regression or a lack of a counterpart: $said"
}
"$dir/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -i pytest | tr -s ' \n' ' '; echo
base=$(run test_old 0.001 --benchmark-save=base)
gate=(--benchmark-compare=0001 --benchmark-compare-fail=min:200%)
same=$(run test_old 0.05 "${gate[@]}"); renamed=$(run test_new 0.05 "${gate[@]}")
echo "saved at 1 ms: $base"
echo "50 ms, same name: $same"
echo "50 ms, renamed: $renamed"
if [[ $base != "exit status 0"* || $same == "exit status 0"* || $renamed != "exit status 0,"*" 0" ]]; then
    echo "no longer as stated: the slow test should fail under its name and pass in silence under a new one" >&2
    exit 1
fi
