"""Measure how often the gate errs: false alarms, slowdowns missed, and what it takes.

``python benchmarks/evidence/gate_error_rates.py --runs 10 --slowdown 10%`` makes a repository of
two commits in a temporary folder, the second one slower by so much of each call's own time, runs
the gate ten times and adds a line for each run to ``data/gate_error_rates.jsonl`` beside this file.
``--kind`` chooses what else differs between the sides, other things in each run. With ``--size
tiny`` the sizes of small models take turns, and a package of one's own that copies the weights is
measured, too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a script, from any folder

from benchmarks import script
from benchmarks.evidence import stubs
from benchmarks.evidence.readme_tables import DATA
from benchmarks.gate.checkout import current_commit, undirected
from benchmarks.saving.runs import read_run
from benchmarks.wording.quantities import percentage, positive

ROOT = Path(__file__).parents[2]
SIZES = {"full": [], "small": ["--features=16384"], "tiny": ["--predictor=packed"]}
TINY = [(3, 30), (10, 784), (16, 2000), (64, 512), (100, 256), (8, 4096), (64, 4096)]
KINDS = {
    "commit": "nothing but the slowdown",
    "layout": "unused code in the kernel",
    "imports": "imports and unused code in a package of one's own",
    "variable": "an environment variable without effect",
    "distribution": "a package that nothing imports",
    "bumps": "the versions of six dependencies, one of which the slowdown is in",
    "two-bumps": "the same, and two of them have it each",
    "extension": "a module in C, which the slowdown is in",
}
OF_STUBS = (*stubs.SLOW_BUMPS, "extension")  # kinds
SLOWED = ("commit", *OF_STUBS)
PACKAGE = ("conftest.py", "pyproject.toml", "linpredict", "benchmarks")
OWN = """
import numpy as np

def predict(coef, x):
    return (x @ coef.T).argmax(axis=1)

def serve(coef):
    coef = np.array(coef)
    return lambda x: predict(coef, x)
"""
IMPORTS = ("decimal", "email.message", "html.parser", "http.client", "sqlite3", "xml.dom.minidom")

UNUSED = """
/* Nothing calls this. */
__attribute__((noinline)) double unused_{0}(const double *x, long n) {{
    double sum = {0};
    for (long i = 0; i < n; i++) sum += x[i] * x[i % {0}];
    return sum;
}}
"""


def slower(slowdown: float, *calls: str) -> str:
    """Return code after which calls take longer."""
    return stubs.WAITING + "".join(f"\n\n{call} = _slower({call}, {slowdown})\n" for call in calls)


def copy_work_tree(folder: Path, *paths: str) -> None:
    """Copy the files that would be committed, as they are now; of some paths, or all."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *paths],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if (ROOT / name).exists():  # or it was removed
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())


@undirected()
def make_repository(folder: Path, slowdown: float, kind: str = "commit", n: int = 1) -> None:
    """Commit the package and one of one's own, and then slower or with what nothing calls."""
    copy_work_tree(folder, *PACKAGE)
    own = folder / "own.py"
    own.write_text(OWN)
    stubs.commit(folder, "as it stands")
    if slowdown:
        own.write_text(OWN + slower(slowdown, "predict"))
        with (folder / "linpredict" / "__init__.py").open("a") as file:
            file.write(slower(slowdown, "predict", "LinearPredictor.predict"))
    if kind == "layout":
        kernel = folder / "linpredict" / "c" / "kernel.c"
        head, include, rest = kernel.read_text().rpartition("#include")
        line, _, rest = rest.partition("\n")
        unused = "".join(UNUSED.format(k) for k in range(1, n + 1))
        kernel.write_text(f"{head}{include}{line}\n{unused}{rest}")
    if kind == "imports":
        imports = "".join(f"import {name}\n" for name in IMPORTS[: n % len(IMPORTS) + 1])
        unused = "".join(f"def unused_{k}(x):\n    return x + {k}\n" for k in range(80))
        own.write_text(imports + OWN + unused)
    stubs.commit(folder, f"slower by {slowdown:.0%}")


@contextmanager
def busy() -> Iterator[None]:
    """Keep a core busy."""
    core = min(os.sched_getaffinity(0))
    code = f"import os\nos.sched_setaffinity(0, [{core}])\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def gate_run(folder: Path, options: list[str], python: str) -> dict[str, Any]:
    """Run ``pytest benchmarks/`` in a folder, and return what its gate found."""
    path = folder / "run.json"
    environment = {k: v for k, v in os.environ.items() if k != "GITHUB_STEP_SUMMARY"}
    suite = folder / "benchmarks" if (folder / "benchmarks").exists() else ROOT / "benchmarks"
    command = [python, "-m", "pytest", str(suite), "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *options, f"--benchmark-json={path}"],
        cwd=folder, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    if done.returncode not in (0, 1):
        said = (done.stdout + done.stderr).strip().splitlines() or ["nothing"]
        error = next((line for line in reversed(said) if "error" in line.lower()), said[-1])
        raise RuntimeError(f"pytest ended with status {done.returncode}: {error}")
    saved = read_run(path)
    gates = [gate for _, gate in saved.judged]
    return {
        "hardware": saved.machine.hardware,
        "commit": current_commit(ROOT),
        "workload": saved.judged[0][0].workload if gates else "",
        "replaced": [list(gate.replaced) for gate in gates],
        "failed": bool(done.returncode),
        "verdicts": [gate.verdict.value for gate in gates],
        "ratios": [round(gate.ratio, 4) for gate in gates],
        "pairs": [len(gate.pairs) for gate in gates],
        "blamed": [stubs.blamed(gate) for gate in gates],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure how often the gate errs.")
    parser.add_argument("--runs", type=positive, default=10, metavar="N", help="default: 10")
    parser.add_argument("--size", choices=SIZES, default="small", help="default: small")
    parser.add_argument(
        "--slowdown", type=percentage, default=0.0, metavar="PERCENT", help="default: unchanged"
    )
    parser.add_argument("--busy", action="store_true", help="keep one core busy")
    parser.add_argument(
        "--kind", choices=KINDS, default="commit",
        help="what differs: " + "; ".join(f"{kind}: {what}" for kind, what in KINDS.items()),
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=DATA, metavar="FILE",
        help="add a line for each run here (default: %(default)s)",
    )  # fmt: skip
    options = parser.parse_args()
    if options.slowdown and options.kind not in SLOWED:
        parser.error(f"--kind {options.kind} takes no time: leave out --slowdown")
    try:
        measure(options)
    except (OSError, RuntimeError, ValueError, subprocess.CalledProcessError) as error:
        print(f"gate_error_rates.py: {error}", file=sys.stderr)
        return 2
    return 0


def measure(options: argparse.Namespace) -> None:
    change = f"{100 * options.slowdown:g}%"
    is_of_stubs = options.kind in OF_STUBS
    if is_of_stubs:
        change += f", {options.kind}"
    elif options.kind != "commit":
        change = options.kind
    other_core = "busy" if options.busy else "idle"
    scenario = ["stubs" if is_of_stubs else options.size, "gate, threshold 5%", other_core, change]
    options.out.touch()  # or it cannot be written, before anything is measured
    lines = options.out.read_text().splitlines()
    n_before = sum(json.loads(line)["scenario"] == scenario for line in lines)
    for i in range(n_before, n_before + options.runs):
        with tempfile.TemporaryDirectory() as name, busy() if options.busy else nullcontext():
            folder, python = Path(name), sys.executable
            size = stubs.SIZE if is_of_stubs else SIZES[options.size]
            slowed: list[str] = []
            compared = ["--baseline=HEAD~1"]
            if options.kind in stubs.SLOW_BUMPS:
                python, slowed, compared = stubs.bump(folder, options.kind, i, options.slowdown)
            elif options.kind == "extension":
                stubs.make_extension(folder, options.slowdown)
            else:
                make_repository(folder, options.slowdown, options.kind, i + 1)
            if options.size == "tiny" and not is_of_stubs:
                n_classes, n_features = TINY[i % len(TINY)]
                size = [*size, "--predictor=formula", "--predictor=own:serve", "--samples=64"]
                size += [f"--classes={n_classes}", f"--features={n_features}"]
                size += ["--batch-sizes=1,8,64"]
            if options.kind == "variable":
                compared = [f"--baseline-set=WITHOUT_EFFECT={'x' * (41 * i % 997)}"]
            if options.kind == "distribution":
                compared = [f"--baseline-with={stubs.make_wheel(stubs.STUBS[0], 1)}"]
            start = time.perf_counter()
            found = gate_run(folder, [*size, *compared], python)
            seconds = round(time.perf_counter() - start, 1)
        with options.out.open("a") as file:
            run = {"scenario": scenario, "seconds": seconds, **found, "slowed": slowed}
            file.write(json.dumps({key: value for key, value in run.items() if value != []}) + "\n")
        print(
            f"run {i + 1 - n_before} of {options.runs}: "
            f"{'failed' if found['failed'] else 'passed'}, "
            f"{seconds:.0f} s, {dict(Counter(found['verdicts']))}",
            flush=True,
        )


if __name__ == "__main__":
    script.run(main)
