"""Which rule decides, and rules of services that must read something first.

https://hl7.org/fhir/R4/security.html#authorization.access, https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from fhir_server.access.grant import OPEN, Grant, Scope
from fhir_server.access.policy import Policy
from fhir_server.access.record_owner import readable
from fhir_server.access.repository import Repository
from fhir_server.access.rules import Asked, Decision, Facts, Rule
from fhir_server.app import House, opened
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError
from fhir_server.interactions.exchange import Request
from fhir_server.interactions.routes import dispatch
from fhir_server.settings import Settings
from fhir_server.space.catalogue.reach import RULES
from fhir_server.space.service import Service
from fhir_server.space.services import SERVICES
from fhir_server.store.filters import EVERYTHING, Filter, Index, Refers, Token, Word, either
from fhir_server.store.matching import has_links, matches
from tests.server.people import a_care_team

BASE = "http://127.0.0.1/fhir"
OWN = "https://fhir-server.example/CodeSystem"
APP = Word("type", "application", f"{OWN}/ens-app")
FILE = Word("code", "referencing", f"{OWN}/ens-task")
ALICES = Index((Word("patient", "Patient/alice"), Word("subject", "Patient/alice")))
DRAFT = Index((APP, Word("organization", "Organization/pub")))


def scope(level: Any, type: str, verbs: str = "cruds", where: Filter = EVERYTHING) -> Scope:
    return Scope(level, type, frozenset(verbs), where)


ALICE = Grant((scope("patient", "*"),), subject="Patient/alice", patient="alice", client="app")
DOCTOR = Grant((scope("user", "*"),), subject="Practitioner/d", client="practice")
ADMINISTRATOR = Grant((scope("system", "*"),), client="backend")
PUBLISHER = Grant(
    (scope("user", "*", "rs"),), subject="Person/1", duties=frozenset({"publisher"}), organization="Organization/pub"
)


@pytest.mark.parametrize(
    ("grant", "type", "verb", "index", "outcome", "rule"),
    [
        # grant          type                 verb  index    outcome    rule
        (OPEN, "Observation", "r", ALICES, "allowed", "everything"),
        (ADMINISTRATOR, "Observation", "d", ALICES, "allowed", "everything"),
        (ADMINISTRATOR, "AuditEvent", "u", ALICES, "denied", "traces"),
        (ADMINISTRATOR, "Device", "u", DRAFT, "denied", "catalogue-kept"),
        (ADMINISTRATOR, "Device", "r", DRAFT, "allowed", "everything"),
        (ADMINISTRATOR, "Task", "d", Index((FILE,)), "denied", "catalogue-kept"),
        (ADMINISTRATOR, "Task", "d", Index((Word("code", "other"),)), "allowed", "everything"),
        (DOCTOR, "Observation", "r", ALICES, "allowed", "scopes"),
        (DOCTOR, "Device", "r", DRAFT, "masked", "catalogue-internal"),
        (
            DOCTOR,
            "Device",
            "r",
            Index((APP, Word("status", "active", "http://hl7.org/fhir/device-status"))),
            "allowed",
            "scopes",
        ),
        (DOCTOR, "Task", "s", Index((FILE,)), "masked", "catalogue-internal"),
        (ALICE, "Observation", "r", ALICES, "allowed", "scopes"),
        (ALICE, "Observation", "r", Index((Word("patient", "Patient/bob"),)), "masked", "out-of-reach"),
        (replace(ALICE, scopes=(scope("patient", "Condition"),)), "Observation", "r", ALICES, "denied", "no-scope"),
        (
            replace(DOCTOR, scopes=(scope("user", "Observation", "rs", Token("category", "laboratory")),)),
            "Observation",
            "r",
            ALICES,
            "masked",
            "out-of-reach",
        ),
        (PUBLISHER, "Device", "r", DRAFT, "allowed", "catalogue-desk"),
        (PUBLISHER, "Device", "r", Index((APP, Word("organization", "Organization/other"))), "masked", "out-of-reach"),
        (PUBLISHER, "Observation", "r", ALICES, "denied", "no-scope"),
        (
            replace(DOCTOR, client=None),
            "Binary",
            "r",
            Index((Word("_securityContext", "Observation/1"),)),
            "masked",
            "no-context",
        ),
    ],
)
async def test_a_decision_names_the_rule_that_made_it(
    grant: Grant, type: str, verb: str, index: Index, outcome: str, rule: str
) -> None:
    async def satisfies(where: Filter) -> bool:
        return not has_links(where) and matches(where, index)

    decided = await Policy(RULES).decide(grant, type, verb, index, satisfies)
    assert (decided.outcome, decided.rule) == (outcome, rule)
    assert decided.reason and "alice" not in decided.reason


# A rule that asks for facts: patients block professionals, by a Flag.


async def _blocked_by(own: Repository, professional: Any) -> frozenset[str]:
    page = await own.find({"Flag": Refers("author", professional)})
    return frozenset(parse(one.body)["subject"]["reference"].removeprefix("Patient/") for one in page.versions)


def _professional(grant: Grant) -> str | None:
    return grant.subject if (grant.subject or "").startswith("Practitioner/") else None


def _blocked(asked: Asked) -> Filter:
    patients: Any = asked.facts
    return either([readable(id, asked.type) for id in sorted(patients)])


BLOCKED = Rule(
    "blocked",
    "of a patient who shows this professional nothing",
    frozenset({"Observation"}),
    withholds=_blocked,
    facts=Facts(_professional, _blocked_by, frozenset({"Flag"})),
)
BLOCKING = Service("blocking", rules=(BLOCKED,))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path, base_url=BASE), (*SERVICES, BLOCKING)) as found:
        for tree in (
            *({"resourceType": "Patient", "id": id} for id in ("p", "q")),
            {"resourceType": "Practitioner", "id": "d"},
            *(a_care_team(id, "Practitioner/d", "Practitioner/e") for id in ("p", "q")),
            an_observation("op", "p"),
            an_observation("oq", "q"),
            {
                "resourceType": "DiagnosticReport",
                "id": "r",
                "status": "final",
                "code": {"text": "x"},
                "subject": {"reference": "Patient/q"},
                "result": [{"reference": "Observation/op"}],
            },
        ):
            await ask(found, OPEN, "PUT", f"{tree['resourceType']}/{tree['id']}", tree)
        yield found


def an_observation(id: str, patient: str) -> dict[str, Any]:
    subject = {"reference": f"Patient/{patient}"}
    return {"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"}, "subject": subject}


async def ask(house: House, grant: Grant, method: str, url: str, tree: dict[str, Any] | None = None) -> Any:
    """What is answered: the body, or the status of a refusal."""
    path, _, query = url.partition("?")
    body = json.dumps(tree).encode() if tree else b""
    request = Request(method, tuple(path.split("/")), tuple(parse_qsl(query)), body, "application/fhir+json")
    context = house.context_of(await house.seen_by(grant, BASE), BASE, True, "representation", "")
    try:
        response = await dispatch(request, context)
    except FhirError as error:
        return error.status
    return json.loads(response.body) if response.body else response.status


async def seen(house: House, grant: Grant, url: str) -> Any:
    """Ids of what a Bundle holds, or its total; the id of a resource, or a status."""
    answer = await ask(house, grant, "GET", url)
    if isinstance(answer, int):
        return answer
    if answer["resourceType"] != "Bundle":
        return answer["id"]
    return answer["total"] if "_summary=count" in url else {one["resource"]["id"] for one in answer.get("entry", ())}


#: URL → what the doctor sees before p blocks them, and after.
ASKED: list[tuple[str, Any, Any]] = [
    ("Observation/op", "op", 404),
    ("Observation/oq", "oq", "oq"),
    ("Observation", {"op", "oq"}, {"oq"}),
    ("Observation?patient=p", {"op"}, set()),
    ("Observation?_summary=count", 2, 1),
    ("Observation/op/_history", {"op"}, 404),
    ("Observation/op/_history/1", "op", 404),
    ("Observation/_history", {"op", "oq"}, {"oq"}),
    ("DiagnosticReport?result.status=final", {"r"}, set()),
    ("Patient?_has:Observation:patient:status=final", {"p", "q"}, {"q"}),
    ("DiagnosticReport?_include=DiagnosticReport:result", {"r", "op"}, {"r"}),
    ("Patient?_id=p&_revinclude=Observation:patient", {"p", "op"}, {"p"}),
]

FLAG = {
    "resourceType": "Flag",
    "id": "f",
    "status": "active",
    "code": {"text": "blocked"},
    "subject": {"reference": "Patient/p"},
    "author": {"reference": "Practitioner/d"},
}
ANOTHER = replace(DOCTOR, subject="Practitioner/e")


async def test_a_blocked_professional_sees_nothing_of_that_patient_by_any_way(house: House) -> None:
    for url, before, _ in ASKED:
        assert await seen(house, DOCTOR, url) == before, url
    await ask(house, OPEN, "PUT", "Flag/f", FLAG)
    for url, before, blocked in ASKED:
        assert await seen(house, DOCTOR, url) == blocked, url
        assert await seen(house, ANOTHER, url) == before, url
        assert await seen(house, OPEN, url) == before, url
    assert await ask(house, DOCTOR, "PUT", "Observation/op", an_observation("op", "p")) == 404
    await ask(house, OPEN, "DELETE", "Flag/f")
    for url, before, _ in ASKED:
        assert await seen(house, DOCTOR, url) == before, url


async def test_a_rule_whose_facts_were_not_read_shows_nothing_of_its_types(house: House) -> None:
    unread = house.repository(DOCTOR)
    assert await unread.count({"Observation": EVERYTHING}) == 0
    assert await unread.count({"Patient": EVERYTHING}) == 2


async def test_facts_are_read_once_until_what_they_are_made_of_changes(house: House) -> None:
    own, reads = house.repository, 0

    async def read(own: Repository, key: Any) -> frozenset[str]:
        nonlocal reads
        reads += 1
        return await _blocked_by(own, key)

    policy = Policy([replace(BLOCKED, facts=Facts(_professional, read, frozenset({"Flag"})))])
    for _ in range(3):
        assert await policy.known(DOCTOR, own, house.cache) == (("blocked", frozenset()),)
    assert await policy.known(ANOTHER, own, house.cache) == (("blocked", frozenset()),)
    assert reads == 2
    await ask(house, OPEN, "PUT", "Observation/other", an_observation("other", "q"))
    await policy.known(DOCTOR, own, house.cache)
    assert reads == 2
    await ask(house, OPEN, "PUT", "Flag/f", FLAG)
    assert await policy.known(DOCTOR, own, house.cache) == (("blocked", frozenset({"p"})),)
    assert reads == 3


@pytest.mark.parametrize("grant", [ALICE, ADMINISTRATOR, OPEN])
async def test_whom_a_rule_does_not_concern_nothing_is_read_for(house: House, grant: Grant) -> None:
    assert "blocked" not in dict(await house.policy.known(grant, house.repository, house.cache))
    assert await Policy(RULES).known(DOCTOR, house.repository, house.cache) == ()


async def test_why_says_which_rule_hides_a_resource_and_the_log_says_no_more(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    await ask(house, OPEN, "PUT", "Flag/f", FLAG)
    repository = await house.seen_by(DOCTOR)
    assert await repository.why("Observation", "op", "r") == Decision("masked", "blocked", BLOCKED.reason)
    allowed = await repository.why("Observation", "oq", "r")
    assert allowed is not None and (allowed.outcome, allowed.rule) == ("allowed", "scopes")
    assert await repository.why("Observation", "none", "r") is None
    with caplog.at_level(logging.DEBUG, "fhir_server.access"):
        assert await seen(house, DOCTOR, "Observation/op") == 404
    [line] = [one.getMessage() for one in caplog.records if one.name.startswith("fhir_server.access")]
    assert line == "masked by blocked: r Observation"


def test_answers_are_remembered_for_one_policy_and_no_more_than_it_says() -> None:
    policy, other = Policy(remembered=2), Policy(RULES)
    for type in ("Observation", "Condition", "Device"):
        assert policy.rule(DOCTOR, type, "r") == EVERYTHING
    assert policy._remembered.cache_info().currsize == 2
    assert other.rule(DOCTOR, "Device", "r") != EVERYTHING
