"""Who sees a document: by its labels, by whose it is, by who wrote it, and by the clock.

CSP R1111-33 and R1111-50 (minors), R1111-53 (one month), R1111-48 (emergencies); value set JDV_J58.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.access.grant import Grant, Scope
from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.space.acting import ended, minute
from fhir_server.space.record.invisible import VISIBLE_FROM
from tests.space.record.callers import ALL, BASE, OWN, SYSTEM, Caller, Tree, document, grant, labelled

pytestmark = pytest.mark.asyncio(loop_scope="module")

RPPS, ID_NAT_PS = "https://rpps.esante.gouv.fr", "urn:oid:1.2.250.1.71.4.2.1"
INS = "urn:oid:1.2.250.1.213.1.4.11"


def born(years: int, days: int = 0) -> str:
    """The birth date of somebody whose birthday of so many years is in so many days."""
    day = datetime.now(UTC).date() + timedelta(days=days)
    return date(day.year - years, day.month, 28 if (day.month, day.day) == (2, 29) else day.day).isoformat()


def patient(id: str, birth: str) -> Tree:
    return {
        "resourceType": "Patient",
        "id": id,
        "birthDate": birth,
        "identifier": [{"system": INS, "value": f"ins{id}"}],
    }


def related(id: str, ward: str, kind: str, ins: str) -> Tree:
    system = "https://mos.esante.gouv.fr/NOS/TRE_R260-HL7RoleClass/FHIR/TRE-R260-HL7RoleClass"
    return {
        "resourceType": "RelatedPerson",
        "id": id,
        "patient": {"reference": f"Patient/{ward}"},
        "relationship": [{"coding": [{"system": system, "code": kind}]}],
        "identifier": [{"system": INS, "value": ins}],
    }


def visible_from(instant: str) -> list[Tree]:
    said = {"extension": [{"url": VISIBLE_FROM, "valueInstant": instant}]}
    return [said | labelled("INVISIBLE_PATIENT")[0]]


PEOPLE: tuple[Tree, ...] = (
    patient("a", born(50)),
    patient("child", born(15)),
    patient("grown", born(18)),
    patient("almost", born(18, 2)),
    # Somebody cares for them, and has their consent.
    patient("elder", born(80)),
    {"resourceType": "Practitioner", "id": "author", "identifier": [{"system": RPPS, "value": "10000000001"}]},
    {"resourceType": "Practitioner", "id": "other", "identifier": [{"system": RPPS, "value": "10000000002"}]},
    {"resourceType": "PractitionerRole", "id": "role", "practitioner": {"reference": "Practitioner/author"}},
    {"resourceType": "PractitionerRole", "id": "alien", "practitioner": {"reference": "Practitioner/other"}},
    related("carer", "elder", "CAREGIVER", "inscarer"),
    related("mother", "child", "PRS", "insmother"),
    # The parent a of the grown one, and the carer of the elder, are one person over several resources.
    related("a-of-elder", "elder", "CAREGIVER", "insa"),
    related("a-of-grown", "grown", "PRS", "insa"),
)
IN_CONTAINED: Tree = {
    "author": {"reference": "#w"},
    "contained": [
        {"resourceType": "Practitioner", "id": "w", "identifier": [{"system": ID_NAT_PS, "value": "810000000001"}]}
    ],
}


def documents(of: str) -> list[Tree]:
    """One with each label, of a patient; `by-…` are masked, and written by the author however that is said."""
    past, future = ((datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds") for days in (-1, 1))
    made = [
        document(f"{of}-plain", patient=of),
        *(document(f"{of}-{code.lower()}", code, patient=of) for code in ("N", "R", "V")),
        document(f"{of}-masked", "MASQUE_PS", patient=of, author={"reference": "Practitioner/third"}),
        document(f"{of}-by-author", "MASQUE_PS", patient=of),
        document(f"{of}-by-role", "MASQUE_PS", patient=of, author={"reference": "PractitionerRole/role"}),
        document(f"{of}-by-contained", "MASQUE_PS", patient=of, **IN_CONTAINED),
        document(f"{of}-invisible", patient=of, securityLabel=visible_from(future)),
        document(f"{of}-was-invisible", patient=of, securityLabel=visible_from(past)),
        document(f"{of}-minors", "INVISIBLE_REPRESENTANTS_LEGAUX", patient=of),
        document(f"{of}-both", "INVISIBLE_REPRESENTANTS_LEGAUX", "MASQUE_PS", patient=of, author={"display": "x"}),
        document(f"{of}-gone", patient=of, status="entered-in-error"),
    ]
    return [tree | {"id": tree["id"].replace("_", "-")} for tree in made]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with opened(
        Settings(data=tmp_path_factory.mktemp("reading"), base_url=BASE, referential_integrity=False)
    ) as it:
        own = Caller(it)
        for tree in PEOPLE:
            await own.put(tree)
        for of in ("a", "child", "grown", "almost", "elder"):
            for tree in documents(of):
                await own.put(tree)
        yield it


PLAIN = {"plain", "n", "r", "v"}
#: All that a patient sees of their own record.
MINE = PLAIN | {"masked", "by-author", "by-role", "by-contained", "was-invisible", "minors", "both"}
REPRESENTED = MINE - {"minors", "both"}
#: What professionals see whose own nothing is, and what their author does.
UNMASKED = PLAIN | {"invisible", "was-invisible", "minors"}
WRITTEN = UNMASKED | {"by-author", "by-role", "by-contained"}
EVERY = MINE | {"invisible"}

CHILDS_APP = grant("Patient/child", OWN, patient="child")
PARENT = grant("Patient/a", ALL, OWN, wards=frozenset({"child", "grown", "almost", "elder"}))
CARER = grant("RelatedPerson/carer", ALL, wards=frozenset({"elder"}))
AUTHOR = grant("Practitioner/author", ALL)


@pytest.mark.parametrize(
    "caller, of, seen",
    [
        (grant("Patient/a", ALL), "a", MINE),
        (grant("Patient/a", OWN, patient="a"), "a", MINE),
        (grant("Patient/a", Scope("patient", "DocumentReference", frozenset("rs")), patient="a"), "a", MINE),
        (grant("Patient/a", ALL), "child", set()),
        # A minor sees what they keep from those who act for them.
        (CHILDS_APP, "child", MINE),
        (PARENT, "a", MINE),
        (PARENT, "child", REPRESENTED),
        (PARENT, "almost", REPRESENTED),
        (PARENT, "grown", set()),
        (PARENT, "elder", REPRESENTED),
        (replace(PARENT, scopes=(OWN,), patient="child"), "child", REPRESENTED),
        (replace(PARENT, scopes=(OWN,), patient="grown"), "grown", set()),
        (grant("RelatedPerson/mother", OWN, patient="child", wards=frozenset({"child"})), "child", REPRESENTED),
        (CARER, "elder", REPRESENTED),
        (AUTHOR, "a", WRITTEN),
        (replace(AUTHOR, role="PractitionerRole/role"), "a", WRITTEN),
        (grant("Practitioner/author", OWN, patient="a"), "a", WRITTEN),
        (grant("Practitioner/other", ALL), "a", UNMASKED),
        (grant("Practitioner/other", ALL, role="PractitionerRole/alien"), "a", UNMASKED),
        (grant("Practitioner/unknown", ALL), "a", UNMASKED),
        (grant(None, SYSTEM), "a", EVERY),
        (grant(None, Scope("system", "DocumentReference", frozenset("rs"))), "a", EVERY),
    ],
)
async def test_each_caller_sees_what_the_labels_leave(house: House, caller: Grant, of: str, seen: set[str]) -> None:
    asked = Caller(house, caller)
    # What lets professionals into a record is of other rules.
    if (caller.subject or "").startswith("Practitioner/"):
        await authorised(house, of, caller.subject or "")
    found = {tree["id"] for tree in documents(of) if await asked.sees("DocumentReference", tree["id"])}
    assert found == {f"{of}-{name}" for name in seen}


async def authorised(house: House, of: str, subject: str) -> None:
    """A professional who cares for the patient."""
    member = {"member": {"reference": subject}}
    team = {"resourceType": "CareTeam", "id": f"{of}-{subject.partition('/')[2]}", "status": "active"}
    await Caller(house).put({**team, "subject": {"reference": f"Patient/{of}"}, "participant": [member]})


async def test_whoever_files_makes_what_they_need_not_see(house: House) -> None:
    """R1111-47: feeding the record is not refused; what is stored is then held to the rules."""
    other = Caller(house, grant("Practitioner/other", ALL, patient="a"))
    tree = document("x", "MASQUE_PS", author={"reference": "Practitioner/third"})
    made = await other("POST", "DocumentReference", tree)
    assert made.status == 201, made.json
    assert not await other.sees("DocumentReference", made.id)
    assert (await other("PUT", f"DocumentReference/{made.id}", {**tree, "id": made.id})).status == 404


async def test_what_is_deleted_is_as_absent_to_its_author_and_written_over_by_nobody(house: House) -> None:
    author = Caller(house, replace(AUTHOR, patient="a"))
    for method, body in (("GET", None), ("PUT", document("a-gone")), ("DELETE", None), ("PATCH", [])):
        answers = [
            await author(
                method,
                f"DocumentReference/{id}",
                {**body, "id": id} if isinstance(body, dict) else body,
                "application/json-patch+json" if method == "PATCH" else "application/fhir+json",
            )
            for id in ("a-gone", "a-never")
        ]
        assert [one.status for one in answers] == [404, 404], method
        assert answers[0].response.body.replace(b"a-gone", b"") == answers[1].response.body.replace(b"a-never", b"")


# R1111-48: in an emergency masked documents are shown where the patient said so beforehand.

CHOSEN = {
    "resourceType": "Consent",
    "id": "said",
    "status": "active",
    "scope": {"text": "x"},
    "patient": {"reference": "Patient/child"},
    "category": [
        {
            "coding": [
                {
                    "system": "https://fhir-server.example/CodeSystem/ens-consent-kind",
                    "code": "emergency-sees-masked",
                }
            ]
        }
    ],
    "policyRule": {"text": "x"},
}


@pytest.mark.parametrize("purpose", ["ETREAT", "BTG"])
async def test_an_emergency_shows_masked_documents_where_the_patient_said_so(house: House, purpose: Any) -> None:
    caller = grant("Practitioner/other", OWN, patient="child", purpose=purpose, reason="unconscious")
    emergency, usual = Caller(house, caller), Caller(house, replace(caller, purpose="TREAT", reason=None))
    await authorised(house, "child", "Practitioner/other")
    assert not await emergency.sees("DocumentReference", "child-masked")
    own = house.repository()
    await own.transact([await own.put("Consent", purpose, CHOSEN, json.dumps(CHOSEN).encode(), None)])
    assert await emergency.sees("DocumentReference", "child-masked")
    assert not await usual.sees("DocumentReference", "child-masked")
    said = await own.current("Consent", purpose)
    assert said is not None
    await own.transact([await own.delete(said)])
    assert not await emergency.sees("DocumentReference", "child-masked")


# Who acts for somebody because they are a minor does so until the midnight, in Paris, of the eighteenth birthday.


@pytest.mark.parametrize(
    "birth, at, is_so",
    [
        ("2008-06-15", "2026-06-14T23:59:00+02:00", False),
        ("2008-06-15", "2026-06-15T00:00:00+02:00", True),
        ("2008-01-15", "2026-01-14T23:59:00+01:00", False),
        ("2008-01-15", "2026-01-15T00:00:00+01:00", True),
        ("2008-02-29", "2026-02-28T23:59:00+01:00", False),
        ("2008-02-29", "2026-03-01T00:00:00+01:00", True),
        ("2008-06", "2026-06-29T12:00:00+02:00", False),
        ("2008-06", "2026-06-30T00:00:00+02:00", True),
        ("2008", "2026-12-30T12:00:00+01:00", False),
        ("2008", "2026-12-31T00:00:00+01:00", True),
    ],
)
async def test_one_is_of_age_on_ones_birthday_in_paris(house: House, birth: str, at: str, is_so: bool) -> None:
    await Caller(house).put(patient("somebody", birth))
    now = int(datetime.fromisoformat(at).timestamp() * 1_000_000)
    assert await ended(house.repository(), "Patient/a", ["somebody"], now) == ({"somebody"} if is_so else set())


async def test_a_patient_whose_birth_is_not_known_stays_with_who_acts_for_them(house: House) -> None:
    await Caller(house).put({"resourceType": "Patient", "id": "unknown"})
    assert await ended(house.repository(), "Patient/a", ["unknown"], minute()) == set()


@pytest.mark.parametrize("type", ["Observation", "AuditEvent", "Patient", "Binary"])
async def test_nothing_of_the_record_is_left_to_who_acted_for_a_minor(house: House, type: str) -> None:
    parent = Caller(house, replace(PARENT, scopes=(OWN,), patient="grown"))
    assert (await parent("GET", f"{type}?_total=accurate")).json["total"] == 0
    assert (await parent("GET", "Patient/grown")).status == 404


async def test_a_decision_on_a_document_names_the_rule(house: House) -> None:
    seen = await house.seen_by(AUTHOR)
    for id, rule in (("a-gone", "document-deleted"), ("a-masked", "document-masked")):
        decided = await seen.why("DocumentReference", id, "r")
        assert decided is not None and (decided.outcome, decided.rule) == ("masked", rule)
