"""Records of cases that were not measured."""

from typing import Any

from benchmarks.saving.limit import Roofline
from benchmarks.saving.record import CaseRecord, GateRecord


def record(
    predictor: str = "packed",
    batch_size: int = 1,
    roofline: Roofline | None = None,
    gate: dict[str, Any] | None = None,
    p50: float = 0.001,
) -> CaseRecord:
    """Return a record of 64 classes and 1,000 features."""
    made = CaseRecord(
        predictor=predictor, batch_size=batch_size, p50=p50, n_classes=64, n_features=1000,
        n_samples=32, dtype="float64",
    )  # fmt: skip
    if roofline:
        made.roofline = roofline
    if gate:
        made.gate = GateRecord(**{"commit": "abcdef0", "pairs": [(0.01, 0.01)] * 2} | gate)
    return made
