"""Which of the things that differ makes cases slower or faster: each is measured alone.

For each, the baseline is the current side with that one as it was. A case that several things make
slower by less than the threshold each shows it as well: what one does is judged by half of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import distributions
from typing import Any, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from benchmarks.errors import (
    BaselineError,
    ChangedDataError,
    UnavailableError,
    WorkerError,
    WrongLabelsError,
)
from benchmarks.gate.baseline import Baseline
from benchmarks.gate.environments import added
from benchmarks.gate.gate import SECONDS_EACH, Gate
from benchmarks.gate.sides import Compared, Sides
from benchmarks.gate.what_differs import Facts
from benchmarks.predictors.by_name import find
from benchmarks.saving.record import CHANGED, Blamed, CaseRecord, GateRecord

MOST_CASES = 4  # those that changed most
MOST_SECONDS = 300.0  # of measuring

Judged = tuple[CaseRecord, GateRecord]  # a case, and what the gate found of it
ERRORS = BaselineError, WorkerError, WrongLabelsError, UnavailableError, ChangedDataError


class Difference(NamedTuple):
    """Some of what differs, and the current side with that as it was in the baseline."""

    title: str
    names: tuple[str, ...]  # of distributions; none if it is something else
    baseline: Callable[[], Baseline]


class Blame:
    """A search for what made the cases of a run slower or faster.

    `gate` has measured them, and `compared` are its processes, by predictor. `say` is told what
    takes seconds.
    """

    def __init__(
        self, gate: Gate, compared: Mapping[str, Compared | None], say: Callable[[str], None]
    ) -> None:
        self._gate, self._say = gate, say
        self._facts = {name: found.facts for name, found in compared.items() if found}

    def search(self, cases: Sequence[CaseRecord]) -> None:
        """Give the records of the cases that changed most what each difference alone does."""
        judged = [(case, case.gate) for case in cases if case.gate]
        changed = [(case, gate) for case, gate in judged if gate.verdict in CHANGED]
        if not changed:
            return
        most = sorted(changed, key=lambda judged: -abs(math.log(judged[1].ratio)))[:MOST_CASES]
        by_predictor: dict[str, list[Judged]] = {}
        for case, gate in most:
            by_predictor.setdefault(case.predictor, []).append((case, gate))
        found = {name: list(self._differences(name)) for name in by_predictor}
        n_most = max(map(len, found.values()))
        if n_most < 2:
            self._say("--blame: no two things differ that could be measured alone")
            return
        n_cases = {name: len(found[name]) * len(of_one) for name, of_one in by_predictor.items()}
        seconds = min(MOST_SECONDS, SECONDS_EACH * sum(n_cases.values()))
        names = "; ".join(case.name for case, _ in most)
        self._say(
            f"--blame measures {n_most} differences, each alone, for {names}: at most "
            f"{seconds:.0f} s, besides making environments and processes"
        )
        self._gate.sides.close()  # its processes
        sides = Sides(self._gate.sides.baseline, self._gate.sides.collects)
        sides.shared = self._gate.sides.shared
        self._judge = Gate(sides, self._gate.max_slowdown / 2, n_cases, seconds=seconds)
        for name, of_one in by_predictor.items():
            self._search(name, of_one, found[name])

    def _search(self, name: str, cases: list[Judged], found: list[Difference]) -> None:
        """Measure each difference alone, and the two greatest together if they do not explain."""
        alone: list[Difference] = []
        for difference in found:
            judged = self._measure(name, cases, difference)
            if len(difference.names) < 2:
                alone.append(difference)
            elif any(one.verdict in CHANGED for one in judged):
                for each in difference.names:
                    alone.append(self._distributions(name, (each,)))
                    self._measure(name, cases, alone[-1])
        if any(gate.left != 1 for _, gate in cases):
            of = {one.what: abs(math.log(one.ratio)) for one in cases[0][1].blame if one.ratio}
            measured = [one for one in alone if one.names and one.title in of]
            if len(measured) > 1:
                first, second, *_ = sorted(measured, key=lambda one: -of[one.title])
                self._measure(name, cases, self._distributions(name, first.names + second.names))

    def _measure(self, name: str, cases: list[Judged], difference: Difference) -> list[Blamed]:
        """Measure cases of a predictor with a difference alone, and add it to their records."""
        gate, found = self._judge, list[Blamed]()
        one = Blamed(what=difference.title, together=len(difference.names) > 1)
        self._say(f"measuring {difference.title}")
        try:
            gate.sides.baseline = difference.baseline()
            source = find(name, bool(gate.sides.shared.data.weights))
            compared = gate.start(source, n_cases=len(cases))
            if compared:
                one.dragged = [
                    f"{name} {version}"
                    for name, version in differing(compared.facts).items()
                    if difference.names and name not in difference.names
                ]
                for case, _ in cases:
                    judged, _, _ = gate.measure(compared, case.starts)
                    found.append(one.of(judged))
            else:
                one.reason = "it lacks the predictor"
        except ERRORS as error:
            one.reason = " ".join(str(error).split())
        finally:
            gate.sides.close()
        found += [one] * (len(cases) - len(found))
        for (_, of_case), of_one in zip(cases, found, strict=True):
            of_case.blame.append(of_one)
        return found

    def _differences(self, name: str) -> Iterator[Difference]:
        """Yield what differs for a predictor: what it has loaded first, others together."""
        current, baseline = self._facts[name]
        names = list(differing(self._facts[name]))
        loaded = [one for one in names if one in current["loaded"]]
        for one in loaded:
            yield self._distributions(name, (one,))
        if others := tuple(one for one in names if one not in loaded):
            yield self._distributions(name, others)
        of = self._gate.sides.baseline
        if of.revision is not None:
            title = f"commit {baseline['commit']} → {current['commit']}"
            yield Difference(title, (), partial(Baseline, [name], of.revision, say=self._say))
        for variable, value in of.variables.items():
            only = {variable: value}
            yield Difference(
                f"{variable} {value} → {current['variables'].get(variable, '(not set)')}", (),
                partial(Baseline, [name], variables=only, say=self._say),
            )  # fmt: skip

    def _distributions(self, name: str, names: tuple[str, ...]) -> Difference:
        """Return the difference that distributions make, with what they drag along."""
        before, now = (facts["distributions"] for facts in reversed(self._facts[name]))
        changes = [f"{one} {before[one]} → {now.get(one, '(not installed)')}" for one in names]
        make = partial(self._with, names, self._facts[name][1])
        return Difference(", ".join(changes), names, make)

    def _with(self, names: tuple[str, ...], baseline: Facts) -> Baseline:
        """Return the current side with distributions as they were in the baseline.

        What these do not go with now, or bring along, is as it was there, too.
        """
        pinned = list(names)
        while True:
            pinned += [one for one in conflicting(pinned, baseline) if one not in pinned]
            made = Baseline(
                [],
                requirements=[pin(one, baseline) for one in pinned],
                say=self._say,
                options=self._gate.sides.baseline.options,
            )
            brought = [one for one in added(made.python) if one in baseline["distributions"]]
            more = [one for one in brought if one not in pinned]
            if not more:
                return made
            pinned += more


def differing(facts: tuple[Facts, Facts]) -> dict[str, str]:
    """Return the baseline's versions of the distributions of which the current side has others."""
    current, baseline = (of_side["distributions"] for of_side in facts)
    return {name: version for name, version in baseline.items() if current.get(name) != version}


def pin(name: str, facts: Facts) -> str:
    """Return the requirement by which a distribution is as a side has it."""
    origin: dict[str, Any] = facts["origins"].get(name, {})
    if not origin:
        return f"{name}=={facts['distributions'][name]}"
    vcs = origin.get("vcs_info")
    where = f"{vcs['vcs']}+{origin['url']}@{vcs['commit_id']}" if vcs else origin["url"]
    within = f"#subdirectory={origin['subdirectory']}" if "subdirectory" in origin else ""
    return f"{name} @ {where}{within}"


def conflicting(names: Sequence[str], baseline: Facts) -> list[str]:
    """Return what is installed that does not go with distributions as a baseline has them."""
    versions: Mapping[str, str] = baseline["distributions"]
    found = list[str]()
    for distribution in distributions():
        name = canonicalize_name(distribution.metadata["Name"] or "")
        if versions.get(name, distribution.version) == distribution.version:
            continue  # it is the same on both sides, or not in the baseline
        for text in distribution.requires or ():
            try:
                needed = Requirement(text)
            except InvalidRequirement:
                continue
            needs = not needed.marker or needed.marker.evaluate({"extra": ""})
            one = canonicalize_name(needed.name)
            if needs and one in names and not needed.specifier.contains(versions[one], True):
                found.append(name)
    return found
