"""Our verdicts on HL7's published cases for validators are theirs, or stand in a list with the reason.

https://github.com/FHIR/fhir-test-cases/tree/master/validator. A case whose verdict changes, either way, fails: the list
`differing.json` says no more and no less than how the two differ.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_server.changes.follower import Follower
from fhir_server.fhir.json import serialize
from fhir_server.fhir.outcome import FhirError
from fhir_server.store.embedded.concepts import EmbeddedConcepts
from fhir_server.store.embedded.engine import open_engine
from fhir_server.store.engine import Engine
from fhir_server.terminology.resources import KINDS, artifact, concepts
from fhir_server.terminology.service import Terminology
from fhir_server.validation.profiles.activation import refuse
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator
from tests.published import validator_cases
from tests.validation.published.cases import Case, cases, read, readable

DIFFERING = Path(__file__).parent / "differing.json"
Tree = dict[str, Any]


def test_our_verdicts_are_theirs_or_differ_for_a_known_reason(tmp_path: Path) -> None:
    folder = validator_cases()
    if folder is None:
        pytest.skip("HL7's cases for validators are not here and could not be fetched")
    found = {case.name for case, refused in verdicts(folder, tmp_path) if refused != case.refused}
    known = {name for names in json.loads(DIFFERING.read_bytes()).values() for name in names}
    assert found - known == set(), "verdicts that are no longer theirs"
    assert known - found == set(), "verdicts that are theirs by now: take them from the list"


#: Which cases → the share of them whose verdict is ours, at least.
SHARES: dict[str, tuple[Callable[[Case], bool], float]] = {
    "all": (lambda case: True, 0.81),
    "the resource by itself": (lambda case: case.alone, 0.87),
    "the resource by itself, no terminology server asked": (lambda case: case.alone and not case.coded, 0.92),
}


@pytest.mark.parametrize("which", SHARES)
def test_most_of_their_verdicts_are_ours(which: str) -> None:
    folder = validator_cases()
    if folder is None:
        pytest.skip("HL7's cases for validators are not here and could not be fetched")
    wanted, share = SHARES[which]
    differing = [name for names in json.loads(DIFFERING.read_bytes()).values() for name in names]
    assert len(differing) == len(set(differing))
    chosen = [case.name for case in cases(folder) if wanted(case)]
    assert len([name for name in chosen if name not in differing]) >= share * len(chosen)


def verdicts(folder: Path, aside: Path) -> Iterator[tuple[Case, bool]]:
    """Each case and whether we find an error."""
    engine = open_engine(aside / "fhir.sqlite")
    plain = Terminology(lambda: EmbeddedConcepts(aside / "plain.sqlite"), engine.store, Follower(engine))
    try:
        asyncio.run(plain.refresh())
        for case in cases(folder):
            yield case, _is_refused(case, folder, aside, plain, engine)
    finally:
        plain.library.close()
        asyncio.run(engine.close())


def _is_refused(case: Case, folder: Path, aside: Path, plain: Terminology, engine: Engine) -> bool:
    definitions = [*readable(folder, case.supporting), *readable(folder, (case.profile,))]
    coded = [one for one in definitions if one.get("resourceType") in KINDS]
    codes = _with(coded, aside, engine) if coded else plain
    try:
        judge = Validator(_registry(definitions), codes=codes)
        tree = read(folder / case.file)
        profiles = [_canonical(folder, case.profile)] if case.profile else []
        issues = judge.validate(tree, profiles=profiles)
        if tree.get("resourceType") == "StructureDefinition" and judge.profiles is not None:
            refuse(tree, judge.profiles)  # as `$validate` does
    except FhirError:
        return True
    finally:
        if coded:
            codes.library.close()
    return any(issue.severity in ("error", "fatal") for issue in issues)


def _canonical(folder: Path, profile: str) -> str:
    return str(read(folder / profile)["url"]) if profile.endswith((".json", ".xml")) else profile


def _with(coded: list[Tree], aside: Path, engine: Engine) -> Terminology:
    """What comes with the server, and a case's own code systems and value sets."""
    shutil.copy(aside / "plain.sqlite", aside / "own.sqlite")
    found = Terminology(lambda: EmbeddedConcepts(aside / "own.sqlite"), engine.store, Follower(engine))
    asyncio.run(found.refresh())
    bodies = [(one["resourceType"], serialize(one)) for one in coded]
    rows = [
        (artifact(f"{kind}/{n}", "1", body), [*concepts(body)] if kind == "CodeSystem" else [])
        for n, (kind, body) in enumerate(bodies)
    ]
    found.concepts.load(rows, [], found.concepts.mark())
    found.library.generation += 1
    return found


def _registry(definitions: list[Tree]) -> Profiles:
    """The profiles among definitions, each after what it builds on; one that nothing can be judged by is left out."""
    found, waiting = Profiles(), [one for one in definitions if one.get("resourceType") == "StructureDefinition"]
    for _ in range(3):
        left = []
        for one in waiting:
            try:
                found.add(one)
            except FhirError:
                left.append(one)
        waiting = left
    return found
