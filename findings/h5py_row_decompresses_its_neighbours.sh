#!/usr/bin/env bash
# Expected: examples that are read from a compressed HDF5 file one by one are decompressed once each,
# so all of them take about as long to read as in batches.
# Seen: h5py chooses chunks of eight rows, 64 of them side by side. One by one, rows take seven to
# eight times as long as in batches of eight, as if each decompressed its neighbours, too, and
# larger batches gain nothing more. A cache of chunks of 64 MiB (rdcc_nbytes) changes little.
# Why it matters: throughput against batch size bends where the file's chunks end, and it looks as if
# the model did. Chunks of one row, chunks=(1, n), take the bend away.
# Library: h5py 3.16.0 (NumPy 2.4.6), Linux x86-64.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'h5py==3.16.0' 'numpy==2.4.6'
cd "$dir"
"$dir/venv/bin/python" - <<'PY'
import sys
import time

import h5py
import numpy as np

x = np.random.default_rng(0).normal(size=(512, 65536))
with h5py.File("examples.h5", "w") as file:
    file.create_dataset("as chosen", data=x, compression="gzip", compression_opts=1)
    file.create_dataset("by rows", data=x, compression="gzip", compression_opts=1, chunks=(1, 65536))


def seconds(name, batch_size, **cache):
    """Return the time to read 64 rows in batches, the least of three."""
    best = float("inf")
    for _ in range(3):
        with h5py.File("examples.h5", **cache) as file:
            start = time.perf_counter()
            for first in range(0, 64, batch_size):
                file[name][first : first + batch_size]
            best = min(best, time.perf_counter() - start)
    return best


print("h5py", h5py.__version__, "HDF5", h5py.version.hdf5_version, "Python", sys.version.split()[0])
with h5py.File("examples.h5") as file:
    chunks = file["as chosen"].chunks
print(f"chunks chosen for {x.shape}: {chunks}")
bends = {}
for name, cache in (("as chosen", {}), ("by rows", {}), ("as chosen", {"rdcc_nbytes": 2**26})):
    one, eight, all_rows = (seconds(name, n, **cache) for n in (1, 8, 64))
    label = name + (", a cache of 64 MiB" if cache else "")
    bends[label] = one / eight
    print(f"chunks {label}: 64 rows in batches of 1, 8, 64: {one:.2f}, {eight:.2f}, {all_rows:.2f} s")
is_lasting = min(bends["as chosen"], bends["as chosen, a cache of 64 MiB"]) > 4
if chunks[0] != 8 or not is_lasting or bends["by rows"] > 2:
    sys.exit("no longer as stated: rows one by one no longer take so much longer than by eight")
PY
