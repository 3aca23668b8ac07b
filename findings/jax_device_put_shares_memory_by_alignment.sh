#!/usr/bin/env bash
# Expected: jax.device_put(x) of a NumPy array gives a JAX array of its own (its documentation
# says "a copy of x"), for JAX arrays never change; with may_alias=False above all.
# Seen: on the CPU it shares the memory of x if x happens to begin at a multiple of 64 bytes,
# and copies if not. Writing into x afterwards then changes the JAX array, or does not, by the
# luck of the allocator; may_alias=False makes no difference. jnp.asarray copies.
# Why it matters: a loop that refills one input buffer for each batch may rewrite batches
# already handed over, and "the cost of the transfer" is that of a copy on one run and nearly
# none on the next.
# Library: JAX 0.10.2. Reported: issue 37830 of jax-ml/jax.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 must be Python 3.11 or later"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    'jax==0.10.2' 'jaxlib==0.10.2' 'numpy==2.4.6'
cd "$dir"
export JAX_PLATFORMS=cpu
"$dir/venv/bin/python" - <<'PY'
import sys
import jax, jax.numpy as jnp, numpy as np

def floats(offset, number=7840):
    room = np.zeros(4 * number + 128, dtype=np.uint8)
    start = -room.ctypes.data % 64 + offset
    return room[start:start + 4 * number].view(np.float32)

print("JAX", jax.__version__, "NumPy", np.__version__)
ways = {"device_put": jax.device_put, "device_put, may_alias=False": lambda x: jax.device_put(x, may_alias=False), "jnp.asarray": jnp.asarray}
seen = {}
for offset in (0, 16):
    for name, put in ways.items():
        x = floats(offset)
        x[:] = 1
        held = put(x).block_until_ready()
        x[0] = 5
        seen[name, offset] = float(held[0])
for name in ways:
    print(f"{name}: first value put as 1, after x[0] = 5: {seen[name, 0]} if aligned to 64 bytes, {seen[name, 16]} if not")
changed = [key for key, value in seen.items() if value != 1]
if changed != [("device_put", 0), ("device_put, may_alias=False", 0)]:
    sys.exit(f"no longer as stated: the JAX array changed with {changed}")
PY
