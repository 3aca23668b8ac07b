"""Description of the machine: for the header, the saved file, hints, and refusals."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import threadpoolctl

from benchmarks.workers import worker
from linpredict.cores import control_groups, usable_cores
from linpredict.kernel import kernel

VARIABLES = (
    "OPENBLAS_", "GOTO_", "MKL_", "OMP_", "KMP_", "GOMP_", "BLIS_", "VECLIB_", "NUMEXPR_", "NPY_",
    "LINPREDICT_",
)  # fmt: skip
BY_THREADPOOLCTL = ("KMP_DUPLICATE_LIB_OK", "True")  # set when that is imported
# Kernels of OpenBLAS for x86 ("TARGET"s of its build, TargetList.txt), by what a CPU must have.
FOR_AVX2 = ("Haswell", "Zen")
FOR_OLDER = (
    "Prescott", "Katmai", "Coppermine", "Northwood", "Banias", "Core2", "Penryn", "Dunnington",
    "Nehalem", "Sandybridge", "Atom", "Athlon", "Opteron", "Opteron_SSE3", "Barcelona", "Bobcat",
    "Bulldozer", "Piledriver", "Steamroller", "Excavator", "Nano", "Generic",
)  # fmt: skip


def blas_info() -> dict[str, Any]:
    """Describe NumPy's BLAS library."""
    return worker.blas_info(threadpoolctl)


def variables() -> dict[str, str]:
    """Return the environment variables that are set and may change speed."""
    named = [item for item in sorted(os.environ.items()) if item[0].startswith(VARIABLES)]
    return dict(item for item in named if item != BY_THREADPOOLCTL)


def machine_info(blas: dict[str, Any]) -> dict[str, Any]:
    """Return what is saved beside what pytest-benchmark knows of the machine."""
    return {
        "blas": blas,
        "numpy_version": np.__version__,
        "python_abiflags": getattr(sys, "abiflags", ""),  # t: without a GIL; d: for debugging
        "usable_cores": usable_cores(),
        "kernel": str(kernel()),
        "environment": variables(),
    }


def header(blas: dict[str, Any]) -> list[str]:
    """Say what computes: the kernel or why there is none, NumPy's BLAS, cores, and variables."""
    cores, n_cpus = usable_cores(), os.cpu_count()
    library = " ".join(filter(None, (blas["name"], blas["version"])))
    chosen = f", kernels: {blas['architecture']}" if blas.get("architecture") else ""
    lines = [f"linpredict: kernel: {kernel()}; BLAS: {library}{chosen}; cores: {cores} of {n_cpus}"]
    if found := variables():
        lines.append(f"set: {', '.join(f'{name}={value}' for name, value in found.items())}")
    return lines


def hints(blas: dict[str, Any]) -> Iterator[str]:
    """Say what keeps others than ``packed`` from their best on this machine."""
    extensions = np.show_config(mode="dicts").get("SIMD Extensions", {})
    has = {*extensions.get("baseline", ()), *extensions.get("found", ())}
    chosen, variable = blas.get("architecture"), os.environ.get("OPENBLAS_CORETYPE")
    cpu = None
    if chosen in (*FOR_AVX2, *FOR_OLDER) and has & {"AVX512F", "AVX512_SKX", "X86_V4"}:
        cpu = "AVX-512"
    elif chosen in FOR_OLDER and has & {"AVX2", "X86_V3"}:
        cpu = "AVX2"
    if cpu:
        why = f"OPENBLAS_CORETYPE={variable} is set" if variable else "OPENBLAS_CORETYPE is not set"
        yield f"hint: NumPy's BLAS uses kernels for {chosen}; {why}; this CPU has {cpu}"
    cores, threads = usable_cores(), blas.get("threads") or 0
    if threads > cores:  # as under a container's quota
        own = [name for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS") if name in os.environ]
        yield (
            f"hint: NumPy's BLAS has {threads} threads for {cores} usable core"
            f"{'s' if cores > 1 else ''}; packed has no more threads than cores, and looks better "
            f"than it is: set {own[0] if own else 'OMP_NUM_THREADS'}={cores}"
        )


def available_memory() -> int:
    """Return the bytes this process can still allocate without swapping or being killed.

    The least of what the machine, the control groups (containers) and ``ulimit`` leave.
    """
    available: list[int] = [psutil.virtual_memory().available]
    for folder in control_groups("memory"):
        available += left_by(folder)
    if sys.platform == "linux":
        process = psutil.Process()
        used = process.memory_info()
        for kind, n_used in ((psutil.RLIMIT_AS, used.vms), (psutil.RLIMIT_DATA, used.data)):
            limit_bytes, _ = process.rlimit(kind)
            if limit_bytes != psutil.RLIM_INFINITY:
                available.append(limit_bytes - n_used)
    return max(0, min(available))


def left_by(group: Path) -> Iterator[int]:
    """Yield the bytes that each limit of a control group leaves."""
    for limit, usage in (
        ("memory.max", "memory.current"),
        ("memory.high", "memory.current"),  # beyond it, processes hardly get on
        ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            left = int((group / limit).read_text()) - int((group / usage).read_text())
            stat = dict(map(str.split, (group / "memory.stat").read_text().splitlines()))
        except (OSError, ValueError):  # the other version, or "max"
            continue
        # Cached files and the kernel's caches count as used, but make room when memory is asked
        # for. Version 1 counts those of the groups inside this one apart.
        yield left + sum(
            int(stat.get(f"total_{name}", stat.get(name, 0)))
            for name in ("active_file", "inactive_file", "slab_reclaimable")
        )
