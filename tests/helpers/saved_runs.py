"""Runs as pytest-benchmark saves them, and scripts that read them."""

import importlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any
from unittest.mock import patch

from matplotlib.figure import Figure

from benchmarks.plot import main
from benchmarks.saving.limit import Limit
from benchmarks.saving.record import CaseRecord, GateRecord
from tests.helpers.processes import in_process
from tests.helpers.suite import ROOT

# What is saved with each case of a gate beside its pairs.
JUDGED: dict[str, Any] = {
    "commit": "abcdef0123456789", "n_builds": 3, "turn": 8, "max_slowdown": 0.05,
}  # fmt: skip


def case(predictor: str, batch_size: int, median: float, **extra_info: Any) -> dict[str, Any]:
    """Make a case as pytest-benchmark saves it, down to what the plots read."""
    return {
        "name": f"test_predict[{predictor}-{batch_size}]",
        "extra_info": {
            "predictor": predictor,
            "batch_size": batch_size,
            "n_classes": 64,
            "n_features": 1000,
            "n_samples": 1024,
            "dtype": "float64",
            **extra_info,
        },
        "stats": {"median": median, "q1": 0.9 * median, "q3": 1.1 * median},
    }


def run(commit: str = "0123456789abcdef", dirty: bool = False, day: int = 1) -> dict[str, Any]:
    """Make a saved run of two predictors and three batch sizes."""
    return {
        "commit_info": {"id": commit, "dirty": dirty},
        "machine_info": {"node": "here"},
        "datetime": f"2026-01-{day:02}T00:00:00+00:00",
        "benchmarks": [
            {"name": "test_of_another_suite", "extra_info": {}, "stats": {}},
            *(
                case(
                    predictor, size, slowness * 1e-3 * (1 + size), p95=slowness * 2e-3 * (1 + size)
                )
                for predictor, slowness in (("formula", 2), ("packed", 1))
                for size in (4, 1, 16)
            ),
        ],
    }


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def gated(pairs: Any) -> dict[str, Any]:
    """Return a run with pairs of durations (current, baseline) in each case."""
    content = run()
    for benchmark in content["benchmarks"][1:]:
        benchmark["extra_info"]["gate"] = JUDGED | {"pairs": pairs}
    return content


def script(
    *arguments: Any, folder: Path = ROOT, name: str = "plot.py"
) -> subprocess.CompletedProcess[str]:
    """Run a script's ``main`` in this process, which saves a second.

    Processes of their own show that scripts start in any folder, and how they end.
    """
    module = importlib.import_module(f"benchmarks.{name.removesuffix('.py')}")
    return in_process(lambda: module.main([*map(str, arguments)]), folder)


def drawn_by(*arguments: Any) -> dict[str, Figure]:
    """Return the figures that ``main`` draws; to write them to files takes three times as long."""
    with patch("benchmarks.plot.save") as saving:
        assert main([*map(str, arguments), "--out", str(Path(arguments[0]).parent)]) == 0
    figures: dict[str, Figure] = saving.call_args.args[0]
    return figures


def legend(figure: Figure) -> list[str]:
    """Return what the legend of the first axes names, each on one line."""
    found = figure.axes[0].get_legend()
    assert found
    return [" ".join(text.get_text().split()) for text in found.get_texts()]


def texts(svg: Path) -> str:
    """Return the drawn texts, which matplotlib leaves in comments."""
    return "\n".join(re.findall("<!-- *(.*?) *-->", svg.read_text()))


def record(
    predictor: str = "packed",
    batch_size: int = 1,
    limit: Limit | None = None,
    gate: dict[str, Any] | None = None,
    p50: float = 0.001,
) -> CaseRecord:
    """Return a record of 64 classes and 1,000 features."""
    return CaseRecord(
        predictor=predictor, batch_size=batch_size, p50=p50, n_classes=64, n_features=1000,
        n_samples=32, dtype="float64", throughput=batch_size / p50, limit=limit,
        gate=GateRecord(**JUDGED | {"pairs": [(0.01, 0.01)] * 2} | gate) if gate else None,
    )  # fmt: skip
