"""What is said of the two sides of a comparison."""

from typing import Any

import pytest

from benchmarks.gate import report
from benchmarks.gate.what_differs import as_saved, differences
from benchmarks.saving.record import CaseRecord, Verdict
from tests.helpers.saved_runs import record

SIDE: dict[str, Any] = {
    "commit": "1234567",
    "python": "3.11.7 (GCC 12.2.0)",
    "numpy": "2.4.6",
    "blas": "openblas 0.3.31, kernels Haswell, threads 2",
    "kernel": "gcc 12",
    "distributions": {"numpy": "2.4.6", "scikit-learn": "1.6.1", "threadpoolctl": "3.6.0"},
    "variables": {"HOME": "/root", "LANG": "C"},
}


def test_nothing_differs() -> None:
    assert differences(SIDE, SIDE) == []
    assert as_saved(SIDE, SIDE) == SIDE | {"distributions": {}, "variables": {}}


def test_each_thing_that_differs_has_a_line() -> None:
    other = SIDE | {
        "commit": "abcdef0+",
        "python": "3.13.0 (GCC 12.2.0)",
        "numpy": "2.2.6",
        "kernel": "",
        "distributions": {"numpy": "2.2.6", "scikit-learn": "1.9.0", "joblib": "1.5"},
        "variables": {"HOME": "/root", "OMP_NUM_THREADS": "1", "LANG": "de"},
    }
    assert differences(SIDE, other) == [
        "commit: 1234567 → abcdef0+",
        "Python: 3.11.7 (GCC 12.2.0) → 3.13.0 (GCC 12.2.0)",
        "NumPy: 2.4.6 → 2.2.6",
        "kernel: gcc 12 → none",
        "scikit-learn: 1.6.1 → 1.9.0",
        "not installed for the current side: threadpoolctl",
        "not installed for the baseline: joblib",
        "LANG: C → de",
        "OMP_NUM_THREADS: (not set) → 1",
    ]
    assert as_saved(other, SIDE)["variables"] == {"OMP_NUM_THREADS": "1", "LANG": "de"}


def case(batch_size: int, ratio: float, low: float, at_most: float, **gate: Any) -> CaseRecord:
    verdict = Verdict.SLOWER if low > 1.05 else Verdict.SAME
    if low < 1.05 < at_most:
        verdict = Verdict.UNDECIDED
    judged = {"ratio": ratio, "interval": (low, at_most), "at_most": at_most, "verdict": verdict}
    return record(batch_size=batch_size, gate={**judged, "seconds": 10.0, **gate})


def test_what_is_known() -> None:
    cases = [*(case(2**i, 1.0, 0.99, 1.019) for i in range(9)), case(512, 1.2, 1.1, 1.259)]
    assert report.resolution(cases) == ["no other case is more than 1.9 % slower"]
    assert report.resolution(cases[:9]) == ["no case is more than 1.9 % slower"]
    assert report.resolution([case(1, 0.9, 0.8, 0.99)]) == ["no case is slower"]
    assert report.resolution(cases[9:]) == report.resolution([record("torch")]) == []


def test_conclusion_passes_what_is_faster() -> None:
    cases = [case(1, 0.8, 0.79, 0.81, verdict=Verdict.FASTER), case(2, 1.0, 0.99, 1.01)]
    assert report.conclusion(cases, "old", 0.05) == (
        "gate passed against old, threshold 1.05: 1 same, 1 faster"
    )


def test_failure_names_the_answers_if_it_is_for_these() -> None:
    for ratio, low, reason in (
        (1.0, 0.99, "answers differ for 9 of 64 examples"),
        (1.04, 1.0, "answers differ for 9 of 64 examples"),
        (1.2, 1.1, "1.20x slower than old"),
    ):
        found = case(8, ratio, low, 1.3, commit="old", differing=(9, 64))
        assert found.gate
        assert reason in report.failure(found, found.gate)


def test_replaced_processes_are_told() -> None:
    cases = [case(2**i, 1.0, 0.9, 1.01, replaced=[0, 1]) for i in range(2)]
    known, said = report.resolution(cases)
    assert known == "no case is more than 1.0 % slower"
    assert said == (
        "packed: processes slower than their equals, which were replaced: 0 of the current side, "
        "1 of the baseline"
    )
    undecided = case(1, 1.0, 0.9, 1.01, replaced=[2, 0], verdict=Verdict.UNDECIDED)
    assert report.resolution([undecided])[1] == (
        "packed, batch 1: undecided, as some processes are slower and others are not"
    )


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        # Bounds twice as far from the ratio as the threshold is: four times as long.
        (case(8, 1.0, 0.9, 1.05**2), "undecided after 10 s, about 40 s would decide it"),
        (case(8, 1.05**2, 1.0, 1.2), "undecided after 10 s, about 40 s would decide it"),
        (case(8, 1.0499, 1.0, 1.2), "too near to the threshold to be decided: 1.050"),
        (
            case(8, 1.1, 1.07, 1.2, verdict=Verdict.UNDECIDED),
            "does not show with each pair of processes",
        ),
        (
            case(8, 1.1, 1.07, 1.2, verdict=Verdict.UNDECIDED, replaced=[0, 1]),
            "as slow processes of the baseline were replaced",
        ),
    ],
)
def test_what_would_decide(found: CaseRecord, sentence: str) -> None:
    said = report.resolution([found])[-1]
    assert said.startswith("packed, batch 8: undecided")
    assert sentence in said


def test_differences_of_a_run() -> None:
    cases = [case(1, 1, 0.9, 1.1), case(2, 1, 0.9, 1.1)]
    assert report.differences(cases, "old") == ["between old and current nothing differs"]
    told = ["NumPy: 1 → 2", "LANG: C → de"], ["NumPy: 1 → 2", "kernel: a → b"]
    cases = [case(1, 1, 0.9, 1.1, differences=differences) for differences in told]
    assert report.differences(cases, "old") == [
        "what differs, old → current:", "  NumPy: 1 → 2", "  LANG: C → de", "  kernel: a → b",
    ]  # fmt: skip
    assert report.differences([record("torch")], "old") == []


def test_lines_do_not_run_together_in_markdown() -> None:
    cases = [case(1, 1, 0.9, 1.04, differences=["NumPy: 1 → 2", "LANG: C → de"], replaced=[1, 1])]
    text = report.Report(cases, "old", 0.05).markdown("64x10")
    assert "\n- no case is more than 4.0 % slower\n- packed: processes slower" in text
    assert "\nwhat differs, old → current:\n\n- NumPy: 1 → 2\n- LANG: C → de\n\n| pred" in text
