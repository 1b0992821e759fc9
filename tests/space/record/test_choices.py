"""What patients choose of their record, and who may: CSP R1111-47 to R1111-49, L1111-19.

https://hl7.org/fhir/R4/consent.html, https://fhir-server.example/OperationDefinition/Patient-record-choose.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import OPEN, Grant, Scope
from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.space.record.choices import KINDS, choice_id, in_force, patients_with
from fhir_server.store.filters import EVERYTHING, Token
from tests.access.test_rules import ask
from tests.server.people import kept

BASE = "http://127.0.0.1/fhir"
RPPS = "https://rpps.esante.gouv.fr"


def grant(subject: str | None, level: Any = "patient", **more: Any) -> Grant:
    return Grant((Scope(level, "*", frozenset("cruds")),), subject=subject, client="app", **more)


TODAY = datetime.now(UTC).date()
HOLDER = grant("Patient/p", patient="p")
ANOTHER = grant("Patient/q", patient="q")
PARENT = grant("Patient/q", patient="child", wards=frozenset({"child", "grown"}))
OF_GROWN = grant("Patient/q", patient="grown", wards=frozenset({"child", "grown"}))
CAREGIVER = grant("RelatedPerson/helper", patient="p", wards=frozenset({"p"}))
GUARDIAN = grant("RelatedPerson/guard", patient="child", wards=frozenset({"child"}))
DOCTOR = grant("Practitioner/d", "user")
STAFF = grant("Person/s", "user")
ADMINISTRATOR = grant(None, "system")
PUBLISHED = grant(None, "system", referenced=True)
READER = Grant((Scope("patient", "*", frozenset("rs")),), subject="Patient/p", patient="p", client="app")
NARROW = Grant(
    (Scope("patient", "Consent", frozenset("cruds"), Token("category", "x")),), subject="Patient/p", patient="p"
)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path, base_url=BASE)) as found:
        relation = "https://mos.esante.gouv.fr/NOS/TRE_R260-HL7RoleClass/FHIR/TRE-R260-HL7RoleClass"
        await kept(
            found,
            {"resourceType": "Patient", "id": "p", "birthDate": "1980-01-01"},
            {"resourceType": "Patient", "id": "q", "birthDate": "1980-01-01"},
            {"resourceType": "Patient", "id": "child", "birthDate": f"{TODAY.year - 10}-01-01"},
            {"resourceType": "Patient", "id": "grown", "birthDate": f"{TODAY.year - 19}-01-01"},
            {"resourceType": "Practitioner", "id": "d", "identifier": [{"system": RPPS, "value": "99700000001"}]},
            {"resourceType": "Practitioner", "id": "e"},
            {"resourceType": "PractitionerRole", "id": "d1", "practitioner": {"reference": "Practitioner/d"}},
            *(
                {
                    "resourceType": "RelatedPerson",
                    "id": id,
                    "patient": {"reference": f"Patient/{patient}"},
                    "relationship": [{"coding": [{"system": relation, "code": code}]}],
                }
                for id, patient, code in (("helper", "p", "CAREGIVER"), ("guard", "child", "GUARD"))
            ),
        )
        yield found


def choice(kind: str, practitioner: Any = None, **more: Any) -> dict[str, Any]:
    """One parameter of the operation; keywords are its other parts."""
    parts = [{"name": "kind", "valueCode": kind}]
    if practitioner is not None:
        named = practitioner if isinstance(practitioner, dict) else {"reference": practitioner}
        parts.append({"name": "practitioner", "valueReference": named})
    parts += [{"name": "chosen", "valueBoolean": more["chosen"]}] if "chosen" in more else []
    parts += [{"name": "until", "valueDateTime": more["until"]}] if "until" in more else []
    return {"name": "choice", "part": parts}


async def choose(house: House, caller: Grant, patient: str, *choices: dict[str, Any]) -> Any:
    """What is answered, or the status of a refusal."""
    body = {"resourceType": "Parameters", "parameter": list(choices)}
    return await ask(house, caller, "POST", f"Patient/{patient}/$record-choose", body)


async def chosen(house: House, caller: Grant, patient: str) -> Any:
    """(kind, professional) of what the operation says is so, or the status of a refusal."""
    answer = await ask(house, caller, "GET", f"Patient/{patient}/$record-choices")
    if isinstance(answer, int):
        return answer
    found = set()
    for one in answer.get("parameter", ()):
        parts = {part["name"]: next(v for k, v in part.items() if k != "name") for part in one["part"]}
        if parts["chosen"]:
            found.add((parts["kind"], parts.get("practitioner", {}).get("reference", "")))
    return found


@pytest.mark.parametrize(
    ("caller", "patient", "own", "block"),
    [
        # caller, patient: an agreement to Practitioner/d, a block of Practitioner/e
        (HOLDER, "p", 200, 200),
        (ADMINISTRATOR, "p", 200, 200),
        (OPEN, "p", 200, 200),
        (PARENT, "child", 200, 200),
        (GUARDIAN, "child", 200, 200),
        (DOCTOR, "p", 200, 403),
        (replace(DOCTOR, subject="PractitionerRole/d1"), "p", 200, 403),
        (replace(DOCTOR, subject="Practitioner/e"), "p", 403, 403),
        (CAREGIVER, "p", 403, 403),
        # Whom nobody represents any more: as where there is no such patient.
        (OF_GROWN, "grown", 404, 404),
        (STAFF, "p", 404, 404),
        (PUBLISHED, "p", 404, 404),
        (ANOTHER, "p", 404, 404),
        (replace(HOLDER, patient="q", wards=frozenset({"q"})), "p", 404, 404),
        (replace(DOCTOR, patient="q"), "p", 404, 404),
        (HOLDER, "nobody", 404, 404),
        (READER, "p", 403, 403),
        (NARROW, "p", 403, 403),
    ],
)
async def test_who_may_choose_what(house: House, caller: Grant, patient: str, own: int, block: int) -> None:
    for wanted, status in ((choice("authorised", "Practitioner/d"), own), (choice("blocked", "Practitioner/e"), block)):
        answer = await choose(house, caller, patient, wanted)
        assert (answer if isinstance(answer, int) else 200) == status, wanted


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ([], 400),
        ([choice("unknown")], 400),
        ([choice("blocked")], 422),
        ([choice("btg-refused", "Practitioner/d")], 422),
        ([choice("blocked", "Practitioner/none")], 422),
        ([choice("blocked", "practitioner/d")], 400),
        ([choice("blocked", "Patient/q")], 400),
        ([choice("blocked", "#d")], 400),
        ([choice("blocked", "http://elsewhere/Practitioner/d")], 400),
        ([choice("blocked", {"identifier": {"system": RPPS, "value": "0"}})], 400),
        ([choice("blocked", {"display": "d"})], 400),
        ([choice("authorised", "Practitioner/d", until="2001-01-01")], 422),
        ([choice("authorised", "Practitioner/d", until="soon")], 400),
        ([choice("authorised", "Practitioner/d", chosen=False, until="2999-01-01")], 422),
        ([choice("blocked", "Practitioner/d"), choice("blocked", "Practitioner/d", chosen=False)], 400),
        ([choice("blocked", "Practitioner/d"), choice("authorised", "Practitioner/d")], 422),
        ([choice("btg-refused")] * 51, 400),
        (
            [
                {
                    "name": "choice",
                    "part": [{"name": "kind", "valueCode": "btg-refused"}, {"name": "more", "valueCode": "x"}],
                }
            ],
            400,
        ),
        ([{"name": "choice", "part": [{"name": "kind", "valueString": {"a": 1}}]}], 400),
        ([{"name": "choice", "valueCode": "btg-refused"}], 400),
    ],
)
async def test_what_cannot_be_chosen_is_refused_and_nothing_is_kept(house: House, wanted: Any, status: int) -> None:
    assert await choose(house, HOLDER, "p", choice("btg-refused"), *wanted) == status or not wanted
    assert await choose(house, HOLDER, "p", *wanted) == status
    assert await house.repository().count({"Consent": EVERYTHING}) <= (0 if wanted else 1)


async def test_every_kind_is_kept_as_a_consent_that_is_right_by_its_profile(house: House) -> None:
    named = {"authorised": "Practitioner/d", "administrator": "Practitioner/d"}
    wanted = [choice(kind, named.get(kind)) for kind in KINDS if kind != "blocked"]
    await choose(
        house,
        HOLDER,
        "p",
        *wanted,
        choice("blocked", {"identifier": {"system": RPPS, "value": "99700000001"}}, chosen=False),
    )
    await choose(house, HOLDER, "p", choice("blocked", "Practitioner/e"))
    found = await ask(house, HOLDER, "GET", "Consent?patient=p")
    assert len(found["entry"]) == len(KINDS)
    for entry in found["entry"]:
        issues = house.validator.validate(entry["resource"])
        assert not [one for one in issues if one.severity in ("error", "fatal")], (entry, issues)
    assert {kind for kind, _ in await chosen(house, HOLDER, "p")} == set(KINDS)


async def test_what_is_taken_back_is_kept_and_does_not_hold(house: House) -> None:
    await choose(house, HOLDER, "p", choice("blocked", "Practitioner/d"))
    await choose(house, HOLDER, "p", choice("blocked", "Practitioner/d", chosen=False))
    assert await chosen(house, HOLDER, "p") == set()
    id = choice_id("p", "blocked", "Practitioner/d")
    versions = await ask(house, HOLDER, "GET", f"Consent/{id}/_history")
    assert [one["resource"]["status"] for one in versions["entry"]] == ["inactive", "active"]
    # The same once more is no new version.
    await choose(house, HOLDER, "p", choice("blocked", "Practitioner/d", chosen=False))
    assert (await ask(house, HOLDER, "GET", f"Consent/{id}"))["meta"]["versionId"] == "2"


async def test_who_is_blocked_is_authorised_no_more_also_when_the_block_is_taken_back(house: House) -> None:
    await choose(house, HOLDER, "p", choice("authorised", "Practitioner/d"))
    await choose(house, HOLDER, "p", choice("blocked", "Practitioner/d"))
    assert await choose(house, DOCTOR, "p", choice("authorised", "Practitioner/d")) == 422
    await choose(house, HOLDER, "p", choice("blocked", "Practitioner/d", chosen=False))
    assert await chosen(house, HOLDER, "p") == set()
    await choose(house, HOLDER, "p", choice("authorised", "Practitioner/d"))
    assert await chosen(house, HOLDER, "p") == {("authorised", "Practitioner/d")}


async def test_an_agreement_that_a_professional_declares_ends(house: House) -> None:
    answer = await choose(house, DOCTOR, "p", choice("authorised", "Practitioner/d"))
    [parts] = [one["part"] for one in answer["parameter"]]
    until = next(datetime.fromisoformat(part["valueDateTime"]) for part in parts if part["name"] == "until")
    assert timedelta(days=89) < until - datetime.now(UTC) <= timedelta(days=90)
    late = (datetime.now(UTC) + timedelta(days=91)).isoformat(timespec="seconds")
    assert await choose(house, DOCTOR, "p", choice("authorised", "Practitioner/d", until=late)) == 422


async def test_a_professional_is_told_what_is_about_them_alone(house: House) -> None:
    await choose(house, HOLDER, "p", choice("btg-refused"), choice("blocked", "Practitioner/e"))
    await choose(house, HOLDER, "p", choice("authorised", "Practitioner/d"))
    assert await chosen(house, DOCTOR, "p") == {("authorised", "Practitioner/d")}
    assert await chosen(house, replace(DOCTOR, subject="Practitioner/e"), "p") == {("blocked", "Practitioner/e")}
    assert await chosen(house, CAREGIVER, "p") == 403


@pytest.mark.parametrize("caller", [HOLDER, DOCTOR, ADMINISTRATOR])
async def test_choices_change_by_their_operation_alone(house: House, caller: Grant) -> None:
    await choose(house, HOLDER, "p", choice("blocked", "Practitioner/e"))
    id = choice_id("p", "blocked", "Practitioner/e")
    tree = await ask(house, OPEN, "GET", f"Consent/{id}")
    for method, url, body in (
        ("PUT", f"Consent/{id}", {**tree, "status": "inactive"}),
        ("PUT", f"Consent/{id}", {**a_consent(), "id": id, "category": [{"text": "x"}]}),
        ("DELETE", f"Consent/{id}", None),
        ("POST", "Consent", {**tree, "status": "active"}),
    ):
        assert await ask(house, caller, method, url, body) in (403, 404), (method, url)
    assert await ask(house, OPEN, "GET", f"Consent/{id}") == tree


async def test_a_choice_has_one_id_whoever_writes_it(house: House) -> None:
    await choose(house, HOLDER, "p", choice("btg-refused"))
    id = choice_id("p", "btg-refused")
    tree = await ask(house, OPEN, "GET", f"Consent/{id}")
    assert await ask(house, OPEN, "POST", "Consent", tree) == 422
    assert await ask(house, OPEN, "PUT", "Consent/another", {**tree, "id": "another"}) == 422
    assert (await ask(house, OPEN, "PUT", f"Consent/{id}", tree))["id"] == id


def a_consent(**more: Any) -> dict[str, Any]:
    provision = {"type": "deny", "actor": [{"role": {"text": "x"}, "reference": {"reference": "Practitioner/d"}}]}
    return {
        "resourceType": "Consent",
        "id": "c",
        "status": "active",
        "scope": {"text": "x"},
        "category": [
            {"coding": [{"system": "https://fhir-server.example/CodeSystem/ens-consent-kind", "code": "blocked"}]}
        ],
        "patient": {"reference": "Patient/p"},
        "policy": [{"uri": "urn:x"}],
        "provision": provision,
        **more,
    }


def provision(**more: Any) -> dict[str, Any]:
    return {"provision": {**a_consent()["provision"], **more}}


def actor(reference: dict[str, Any]) -> dict[str, Any]:
    return provision(actor=[{"role": {"text": "x"}, "reference": reference}])


@pytest.mark.parametrize(
    ("changed", "holds"),
    [
        ({}, True),
        (provision(period={"start": "2020-01-01", "end": "2999-01-01"}), True),
        (provision(period={"end": "2020-01-01"}), False),
        (provision(period={"start": "2999-01-01"}), False),
        ({"status": "entered-in-error"}, False),
        ({"status": "inactive"}, False),
        ({"status": "draft"}, False),
        ({"patient": {"reference": "Patient/q"}}, False),
        (actor({"reference": "Practitioner/e"}), False),
        (actor({"reference": "practitioner/d"}), False),
        (actor({"reference": "Practitioner/D"}), False),
        (actor({"reference": "#d"}), False),
        (actor({"reference": "PractitionerRole/d1"}), False),
        (actor({"identifier": {"value": "99700000001"}}), False),
        (provision(actor=[]), False),
        (actor({"reference": "http://elsewhere/Practitioner/d"}), False),
        ({"category": [{"coding": [{"system": "urn:other", "code": "blocked"}]}]}, False),
    ],
)
async def test_which_consents_hold(house: House, changed: dict[str, Any], holds: bool) -> None:
    await kept(house, {**a_consent(), **changed})
    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    own = house.repository()
    found = await own.count({"Patient": patients_with("blocked", now, "Practitioner/d")})
    assert (await own.count({"Consent": in_force("blocked", now, "Practitioner/d")}) > 0) == (
        holds or changed == {"patient": {"reference": "Patient/q"}}
    )
    ids = {
        version.id
        for version in (await own.find({"Patient": patients_with("blocked", now, "Practitioner/d")})).versions
    }
    assert ("p" in ids) == holds and found <= 1


async def test_two_who_choose_at_once_leave_one_history(house: House) -> None:
    import asyncio

    answers = await asyncio.gather(
        *(choose(house, HOLDER, "p", choice("btg-refused", chosen=n % 2 == 0)) for n in range(8))
    )
    assert all(not isinstance(one, int) for one in answers)
    history = await ask(house, HOLDER, "GET", f"Consent/{choice_id('p', 'btg-refused')}/_history")
    assert [one["resource"]["meta"]["versionId"] for one in history["entry"]] == [
        str(n) for n in range(len(history["entry"]), 0, -1)
    ]
