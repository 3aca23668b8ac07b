"""Whom the gate blames: each difference alone, with durations that are made up."""

import importlib.metadata
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from benchmarks.errors import BaselineError, WorkerError
from benchmarks.gate import blame as blame_module
from benchmarks.gate.blame import Blame, conflicting, pin
from benchmarks.gate.report import Report
from benchmarks.gate.sides import Sides
from benchmarks.saving.record import CaseRecord, GateRecord, Verdict
from tests.helpers.saved_runs import record

BASELINE = {"numpy": "2.2.6", "scikit-learn": "1.6.1", "polars": "1.0", "pytest": "8.0", "six": "1"}
CURRENT = {"numpy": "2.4.6", "scikit-learn": "1.9.1", "polars": "1.3", "pytest": "9.0", "six": "1"}
LOADED = {"numpy": ["numpy"], "scikit-learn": ["sklearn"], "polars": ["polars"], "six": ["six"]}


def facts(distributions: Mapping[str, str], commit: str = "") -> dict[str, Any]:
    return {
        "distributions": distributions, "loaded": LOADED, "origins": {}, "variables": {},
        "commit": commit,
    }  # fmt: skip


class FakeBaseline:
    """The current side with what is asked for, as the baseline has it."""

    options: tuple[str, ...] = ()
    python = "python"

    def __init__(
        self,
        names: list[str],
        revision: str | None = None,
        requirements: list[str] | None = None,
        variables: Mapping[str, str] | None = None,
        **_: object,
    ) -> None:
        self.revision, self.variables = revision, dict(variables or {})
        asked = [*(requirements or ()), *([revision] if revision else []), *self.variables]
        self.asked = tuple(asked)

    def close(self) -> None: ...


class FakeGate:
    """Times by what is asked for: a case takes the product of their ratios."""

    ratios: Mapping[str, float] = {}
    failing: Mapping[str, Exception] = {}
    asked: ClassVar[list[tuple[str, ...]]] = []

    def __init__(self, sides: Any, max_slowdown: float, *_: object, **__: object) -> None:
        self.sides, self.max_slowdown = sides, max_slowdown

    def start(self, _: object, n_cases: int) -> Any:
        asked = self.sides.baseline.asked
        self.asked.append(asked)
        for one in asked:
            if one in self.failing:
                raise self.failing[one]
        versions = dict(one.split("==") for one in asked if "==" in one)
        return type("Compared", (), {"facts": (facts(CURRENT), facts(CURRENT | versions))})

    def measure(self, *_: object) -> tuple[GateRecord, list[float], None]:
        ratio = 1.0
        for one in self.sides.baseline.asked:
            ratio *= self.ratios.get(one, 1)
        return judged(ratio, self.max_slowdown), [], None


def judged(ratio: float, max_slowdown: float = 0.05) -> GateRecord:
    verdict = Verdict.SAME
    if ratio * 0.99 > 1 + max_slowdown:
        verdict = Verdict.SLOWER
    elif ratio * 1.01 < 1 / (1 + max_slowdown):
        verdict = Verdict.FASTER
    return GateRecord(
        commit="old", pairs=[(ratio, 1.0)] * 2, n_builds=3, turn=4, max_slowdown=max_slowdown,
        ratio=ratio, interval=(ratio * 0.99, ratio * 1.01), verdict=verdict,
    )  # fmt: skip


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[list[CaseRecord], list[str]]]:
    """Return a search among what differs, by what each does and what all of it does."""
    monkeypatch.setattr(blame_module, "Gate", FakeGate)
    monkeypatch.setattr(blame_module, "Baseline", FakeBaseline)
    monkeypatch.setattr(blame_module, "conflicting", lambda *_: [])
    monkeypatch.setattr(blame_module, "added", lambda _: [])
    monkeypatch.setattr(FakeGate, "asked", [])

    def search(
        ratios: Mapping[str, float],
        *of_all: float,
        baseline: FakeBaseline | None = None,
        failing: Mapping[str, Exception] | None = None,
    ) -> tuple[list[CaseRecord], list[str]]:
        monkeypatch.setattr(FakeGate, "ratios", ratios)
        monkeypatch.setattr(FakeGate, "failing", failing or {})
        cases = [record("packed", 2**k) for k in range(len(of_all))]
        for case, ratio in zip(cases, of_all, strict=True):
            case.gate = judged(ratio)
        sides: Any = Sides(baseline or FakeBaseline([]))  # type: ignore[arg-type]
        sides.shared = SimpleNamespace(data=SimpleNamespace(weights=[1]))
        gate: Any = FakeGate(sides, 0.05)
        both: Any = type("Compared", (), {"facts": (facts(CURRENT, "new"), facts(BASELINE, "old"))})
        said: list[str] = []
        Blame(gate, {"packed": both}, said.append).search(cases)
        return cases, said

    return search


Search = Callable[..., tuple[list[CaseRecord], list[str]]]


def test_one_of_several_did_it(search: Search) -> None:
    (case, same), said = search({"scikit-learn==1.6.1": 1.3}, 1.3, 1.0)
    assert said[0] == (
        "--blame measures 4 differences, each alone, for packed, batch 1: at most 21 s, besides "
        "making environments and processes"
    )
    # What is loaded comes first, each alone, then the rest together; nothing is left to explain.
    assert FakeGate.asked == [
        ("numpy==2.2.6",), ("scikit-learn==1.6.1",), ("polars==1.0",), ("pytest==8.0",),
    ]  # fmt: skip
    found = Report([case, same], "old.txt", 0.05)
    assert found.lines()[-7:] == [
        "predictor  batch size          as in the baseline  ratio        interval  verdict",
        "packed              1         numpy 2.2.6 → 2.4.6  1.000  0.990 to 1.010     same",
        "packed              1  scikit-learn 1.6.1 → 1.9.1  1.300  1.287 to 1.313   slower",
        "packed              1            polars 1.0 → 1.3  1.000  0.990 to 1.010     same",
        "packed              1            pytest 8.0 → 9.0  1.000  0.990 to 1.010     same",
        "packed              1                   all of it  1.300  1.287 to 1.313   slower",
        "packed, batch 1: scikit-learn 1.6.1 → 1.9.1 did it",
    ]
    assert "| packed | 1 | scikit-learn 1.6.1 → 1.9.1 | 1.300 |" in found.markdown("")


def test_two_did_it_and_explain_it(search: Search) -> None:
    (case,), _ = search({"scikit-learn==1.6.1": 1.06, "numpy==2.2.6": 1.06}, 1.1236)
    assert len(FakeGate.asked) == 4
    assert report_of(case) == [
        "packed, batch 1: numpy 2.2.6 → 2.4.6, scikit-learn 1.6.1 → 1.9.1 did it"
    ]


def test_what_is_faster_is_explained_too(search: Search) -> None:
    (case,), _ = search({"polars==1.0": 0.7}, 0.7)
    assert report_of(case) == ["packed, batch 1: polars 1.0 → 1.3 did it"]


def test_what_none_explains_alone(search: Search) -> None:
    (case,), _ = search({"scikit-learn==1.6.1": 1.1}, 1.4)
    assert FakeGate.asked[-1] == ("scikit-learn==1.6.1", "numpy==2.2.6")  # the two greatest
    assert len(FakeGate.asked) == 5
    assert report_of(case) == [
        "packed, batch 1: scikit-learn 1.6.1 → 1.9.1 did it; 1.27 of 1.40 is none of these alone"
    ]
    (case,), _ = search({}, 1.4)
    assert report_of(case) == [
        "packed, batch 1: nothing did it alone; 1.40 of 1.40 is none of these alone"
    ]


def test_others_are_measured_together_first(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blame_module, "MOST_CASES", 1)
    monkeypatch.delitem(LOADED, "polars")
    (first, case), _ = search({"polars==1.0": 1.3}, 1.2, 1.3)
    others = ("polars==1.0", "pytest==8.0")
    assert FakeGate.asked[2:] == [others, others[:1], others[1:]]
    assert report_of(case) == ["packed, batch 2: polars 1.0 → 1.3 did it"]
    assert first.gate
    assert not first.gate.blame  # the one that changed most is measured


def test_commit_and_variables_are_measured_alone(search: Search) -> None:
    baseline = FakeBaseline([], "old", variables={"OMP_NUM_THREADS": "1"})
    (case,), said = search({"old": 1.2}, 1.2, baseline=baseline)
    assert FakeGate.asked[4:] == [("old",), ("OMP_NUM_THREADS",)]
    assert "measuring OMP_NUM_THREADS 1 → (not set)" in said
    assert report_of(case) == ["packed, batch 1: commit old → new did it"]


@pytest.mark.parametrize("error", [BaselineError("pip: no such"), WorkerError("a crash")])
def test_what_cannot_be_measured_alone(search: Search, error: Exception) -> None:
    (case,), _ = search({"numpy==2.2.6": 1.2}, 1.2, failing={"polars==1.0": error})
    assert report_of(case) == [
        "packed, batch 1: numpy 2.2.6 → 2.4.6 did it", f"polars 1.0 → 1.3: {error}",
    ]  # fmt: skip


def test_what_is_dragged_along_is_named(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    def conflicting(names: list[str], _: object) -> list[str]:
        return ["scikit-learn"] if "numpy" in names else []

    def brought(_: object) -> list[str]:
        return ["pytest", "unknown"]  # by whatever is asked for

    monkeypatch.setattr(blame_module, "conflicting", conflicting)
    monkeypatch.setattr(blame_module, "added", brought)
    (case,), _ = search({"numpy==2.2.6": 1.2}, 1.2)
    assert FakeGate.asked[:2] == [
        ("numpy==2.2.6", "scikit-learn==1.6.1", "pytest==8.0"),
        ("scikit-learn==1.6.1", "pytest==8.0"),
    ]
    assert case.gate
    assert case.gate.blame[0].dragged == ["scikit-learn 1.6.1", "pytest 8.0"]
    (row,) = [
        line for line in Report([case], "old", 0.05).lines() if "2.2.6" in line and "slow" in line
    ]
    assert "numpy 2.2.6 → 2.4.6, with scikit-learn 1.6.1, pytest 8.0" in row


def test_nothing_changed_and_nobody_is_blamed(search: Search) -> None:
    (case,), said = search({"numpy==2.2.6": 1.2}, 1.0)
    assert said == []
    assert report_of(case) == []


def report_of(case: CaseRecord) -> list[str]:
    return Report([case], "old.txt", 0.05).explanation


def test_what_does_not_go_with_an_earlier_version_is_dragged_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, version, needed in (
        ("scipy", "2", "numpy>=2"),
        ("pandas", "2", "numpy>=1 ; python_version > '3'"),
        ("other", "2", "numpy>=2 ; extra == 'fast'"),
        ("same", "1", "numpy>=2"),
    ):
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (folder / "METADATA").write_text(f"{metadata}Requires-Dist: {needed}\n")
    found = list(importlib.metadata.distributions(path=[str(tmp_path)]))
    monkeypatch.setattr(blame_module, "distributions", lambda: found)
    versions = {"numpy": "1.26.4", "scipy": "1", "pandas": "1", "other": "1", "same": "1"}
    assert conflicting(["numpy"], facts(versions)) == ["scipy"]
    assert conflicting(["numpy"], facts(versions | {"numpy": "2.1"})) == []


def test_what_no_index_has_comes_from_where_it_came() -> None:
    of = facts({"a": "1", "b": "2", "c": "3"})
    of["origins"] = {
        "b": {"url": "file:///wheels/b.whl", "archive_info": {}},
        "c": {"url": "https://localhost/c", "vcs_info": {"vcs": "git", "commit_id": "0123"}},
    }
    assert [pin(name, of) for name in "abc"] == [
        "a==1", "b @ file:///wheels/b.whl", "c @ git+https://localhost/c@0123",
    ]  # fmt: skip
