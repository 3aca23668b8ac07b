"""``pytest benchmarks/`` with a small workload."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tests.helpers.processes import ENVIRONMENT, in_process

ROOT = Path(__file__).parents[2]
SMALL = (
    "--classes=5", "--features=40", "--samples=32", "--batch-sizes=1,32",
    "--benchmark-max-time=0.01",
)  # fmt: skip

CASE = "benchmarks/test_predict.py::test_predict"


def run(
    *options: str,
    folder: Path = ROOT,
    environment: dict[str, str] | None = None,
    defaults: tuple[str, ...] = SMALL,
    plugin: object = None,
) -> subprocess.CompletedProcess[str]:
    """Run ``pytest`` with a small workload where nothing else is asked for.

    It runs in this process, which saves two seconds, where it needs no other: for another folder,
    other variables, or several processes.
    """
    if not any(option.startswith(str(ROOT)) for option in options):
        options = (str(ROOT / "benchmarks"), *options)
    arguments = ["-p", "no:cacheprovider", *defaults, *options]
    if "--codspeed" in options:
        environment = {"PYTEST_ADDOPTS": ""}  # its plugin is needed
    if folder != ROOT or environment or "-n" in options:
        return subprocess.run(
            [sys.executable, "-m", "pytest", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
            env=ENVIRONMENT | (environment or {}),
        )
    # Ceilings are measured once before the first case, and for 1 ms instead of 10; other tests that
    # run take cores, and nothing waits for them.
    first = patch("benchmarks.session.FIRST", 0)
    at_once = patch("benchmarks.measuring.ceilings.AT_ONCE", 1e-3)
    impatient = patch("benchmarks.test_predict.PATIENCE", 0)
    # What else is in this process is not collected at the end of each run.
    arguments = ["--capture=sys", "-p", "no:unraisableexception", *arguments]
    with patch.dict(os.environ, ENVIRONMENT, clear=True), first, at_once, impatient:
        return in_process(lambda: pytest.main(arguments, [plugin or object()]), folder)


def saved(tmp_path: Path, *options: str, **how: Any) -> dict[str, Any]:
    """Run the benchmarks and return the JSON they saved."""
    path = tmp_path / "run.json"
    done = run(f"--benchmark-json={path}", *options, **how)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(path.read_text())  # type: ignore[no-any-return]
