#!/usr/bin/env bash
# Expected: a test run imports an installed library when a test does.
# Seen: zarr registers its module zarr.testing as a plugin of pytest. Where zarr is installed, each
# start of pytest imports all of zarr, some eighty modules and those it needs, also for tests that
# have nothing to do with it: a run of one test takes three or four times as long, two seconds
# instead of half a one. `-p no:zarr` leaves it out.
# Why it matters: suites that start pytest in a process of its own for each test or case, as those
# that test a pytest plugin or a benchmark do, spend most of their time in this.
# Library: zarr 3.4.2 (3.1.5 under Python 3.11) with pytest 9.2.0. What a distribution registers
# under `pytest11` is loaded by pytest, as pytest's documentation says; zarr's does not say that it
# registers anything.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    'zarr==3.1.5; python_version < "3.12"' 'zarr==3.4.2; python_version >= "3.12"' 'pytest==9.2.0'
cd "$dir"
echo 'def test_of_something_else(): assert 1 + 1 == 2' > test_it.py
"$dir/venv/bin/python" - <<'PY'
import statistics, subprocess, sys, time
from importlib.metadata import entry_points, version

registered = {e.name: e.value for e in entry_points(group="pytest11")}
ways = {"as installed": [], "without zarr's plugin": ["-p", "no:zarr"]}
seconds = {name: [] for name in ways}
for _ in range(6):
    for name, options in ways.items():
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "pytest", "-q", *options], check=True, capture_output=True)
        seconds[name].append(time.perf_counter() - start)
medians = {name: statistics.median(taken[1:]) for name, taken in seconds.items()}
imported = {}
for name, options in ways.items():
    said = subprocess.run([sys.executable, "-X", "importtime", "-m", "pytest", "-q", *options],
                          check=True, capture_output=True, text=True).stderr
    modules = {line.rpartition("|")[2].strip() for line in said.splitlines()}
    imported[name] = sum(module.partition(".")[0] == "zarr" for module in modules)
print("zarr", version("zarr"), "pytest", version("pytest"), "plugins", registered)
print("modules of zarr imported:", imported)
print("seconds of a run of one test:", {name: round(median, 2) for name, median in medians.items()})
if imported["without zarr's plugin"]:
    sys.exit("zarr is imported without its plugin, too: this script is at fault")
if imported["as installed"] < 50 or medians["as installed"] < 1.3 * medians["without zarr's plugin"]:
    sys.exit("no longer as stated: zarr is not imported by each pytest, or hardly takes time")
PY
