"""Who writes of documents, whose these are, and what is kept before a write, for tests of writes."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fhir_server.access.grant import VERBS, Grant, Scope
from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.space.record.label_changes import ROWS
from tests.profiles import resources as r
from tests.server.people import kept
from tests.space.record.callers import Caller, Tree, labelled

PATCH = "application/json-patch+json"


ARCHIVED = {"url": r.PDSM + "pdsm-ext-is-archived", "valueBoolean": True}


_numbers = itertools.count(1)


def _grant(level: str, subject: str | None, **more: Any) -> Grant:
    return Grant((Scope(level, "*", VERBS),), subject, client="app", traced=False, **more)  # type: ignore[arg-type]


CALLERS: Mapping[str, Grant] = {
    "author": _grant("user", "Practitioner/author"),
    "author by role": _grant("user", "PractitionerRole/author"),
    "author in a record": _grant("user", "Practitioner/author", patient="a"),
    "colleague": _grant("user", "Practitioner/colleague", role="PractitionerRole/colleague"),
    "other": _grant("user", "Practitioner/other"),
    "patient": _grant("patient", "Patient/a", patient="a", wards=frozenset({"a"})),
    "representative": _grant("patient", "RelatedPerson/parent", patient="a", wards=frozenset({"a"})),
    "caregiver": _grant("patient", "RelatedPerson/carer", patient="a", wards=frozenset({"a"})),
    "software": Grant((Scope("system", "*", frozenset("cruds")),), client="lab", traced=False),
}


#: Whose document → its author, and which of the callers that is.
WHOSE: Mapping[str, tuple[dict[str, Any], frozenset[str]]] = {
    "a professional's": ({"reference": "#me"}, frozenset({"author", "author by role", "author in a record"})),
    "the patient's": ({"reference": "Patient/a"}, frozenset({"patient"})),
}


PEOPLE = tuple(one for one in CALLERS if one != "software")


LABELS = ("N", *ROWS)


def a_practitioner(id: str, rpps: str) -> Tree:
    return {
        "resourceType": "Practitioner",
        "id": id,
        "identifier": [{"system": "https://rpps.esante.gouv.fr", "value": rpps}],
    }


def a_role(id: str, organization: str) -> Tree:
    found = {
        "practitioner": {"reference": f"Practitioner/{id}"},
        "organization": {"reference": f"Organization/{organization}"},
    }
    return {"resourceType": "PractitionerRole", "id": id, **found}


def a_proche(id: str, code: str) -> Tree:
    relation = {"coding": [{"system": r.nos("TRE_R260-HL7RoleClass"), "code": code}]}
    return {
        "resourceType": "RelatedPerson",
        "id": id,
        "patient": {"reference": "Patient/a"},
        "relationship": [relation],
    }


PROFESSIONALS = ("author", "colleague", "other")


RESOURCES: list[Tree] = [
    {"resourceType": "Patient", "id": "a", "active": True, "birthDate": "2015-01-01"},
    {"resourceType": "Patient", "id": "b", "active": True},
    {"resourceType": "Organization", "id": "1", "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.2", "value": "1750000001"}]},
    {"resourceType": "Organization", "id": "2", "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.2", "value": "1750000002"}]},
    *(a_practitioner(id, f"9970021889{n}") for n, id in enumerate(PROFESSIONALS)),
    a_role("author", "1"),
    a_role("colleague", "1"),
    a_role("other", "2"),
    a_proche("parent", "PRS"),
    a_proche("carer", "CAREGIVER"),
    {
        "resourceType": "CareTeam",
        "id": "team",
        "status": "active",
        "subject": {"reference": "Patient/a"},
        "period": {"start": "2020-01-01"},
        "participant": [{"member": {"reference": f"Practitioner/{id}"}} for id in PROFESSIONALS],
    },
]  # fmt: skip


def a_document(whose: str, *codes: str, **more: Any) -> Tree:
    """A document of patient a; a professional's names them by their RPPS alone, and the organisation it was for."""
    contained = [
        {
            "resourceType": "PractitionerRole",
            "id": "me",
            "practitioner": {"reference": "#p"},
            "organization": {"identifier": {"system": "urn:oid:1.2.250.1.71.4.2.2", "value": "1750000001"}},
        },
        {"resourceType": "Practitioner", "id": "p", "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "899700218890"}]},
    ]  # fmt: skip
    return {
        "resourceType": "DocumentReference",
        **({"contained": contained} if whose == "a professional's" else {}),
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:1.2.250.1.213.7.{next(_numbers)}"},
        "status": "current",
        "subject": {"reference": "Patient/a"},
        "author": [WHOSE[whose][0]],
        "content": [{"attachment": {"contentType": "text/plain", "url": "http://example.org/x"}}],
        **({"securityLabel": labelled(*codes)} if codes else {}),
        **more,
    }


async def stored(house: House, tree: Tree) -> str:
    id = f"d{next(_numbers)}"
    await kept(house, {**tree, "id": id})
    return id


def replacing(element: str, value: Any) -> list[Tree]:
    return [{"op": "add", "path": f"/{element}", "value": value}]


def parts(caller: str, whose: str) -> frozenset[str]:
    """What a caller is of a document."""
    if caller in WHOSE[whose][1]:
        return frozenset({"author", caller.partition(" ")[0]})
    if caller in ("colleague", "author", "author by role", "author in a record"):
        return frozenset({"colleague"} if caller == "colleague" and whose == "a professional's" else {"professional"})
    return frozenset({caller})


async def sees(house: House, caller: str, id: str) -> bool:
    return (await Caller(house, CALLERS[caller])("GET", f"DocumentReference/{id}")).status == 200


def replaced(id: str) -> list[Tree]:
    return [{"code": "replaces", "target": {"reference": f"DocumentReference/{id}"}}]


A05 = r.nos("TRE_A05-TypeDocComplementaire")


@asynccontextmanager
async def writing(folder: Path) -> AsyncIterator[House]:
    """A closed server with patients, professionals, and those who act for a patient."""
    async with opened(Settings(data=folder, base_url="http://127.0.0.1/fhir")) as found:
        await kept(found, *RESOURCES)
        yield found
