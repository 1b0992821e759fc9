"""What a platform of access to care is answered: the guide's prefixes, and for SOS Médecins Slots where that is chosen.

https://interop.esante.gouv.fr/ig/fhir/sas (INT_R01, INT_R04, SOS), 1.1.0: an identifier is IdNatPS or IdNatStruct with
its prefix; the page of the search for SOS Médecins counts Slots, though it is one of Schedules.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.access.grant import Grant
from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.space.agenda.platforms import is_platform
from fhir_server.space.agenda.prefixes import prefixed
from tests.server.people import kept
from tests.space.agenda import platform
from tests.space.agenda.platform import RPPS, STRUCTURE
from tests.space.agenda.test_sas import MISSING, R01, RESOURCES, SOS
from tests.space.messages.exchange import person
from tests.space.record.callers import BASE, Caller, Tree

#: What is stored of a professional, or of a structure → what a platform is answered.
REGISTRY, FINESS, SIRENE = "https://rpps.esante.gouv.fr", "https://finess.esante.gouv.fr", "https://sirene.fr"
IDENTIFIERS: list[tuple[str, list[tuple[str, str]], list[str]]] = [
    ("Practitioner", [(RPPS, "810000000011")], ["810000000011"]),
    ("Practitioner", [(RPPS, "10000000011")], ["810000000011"]),
    ("Practitioner", [(REGISTRY, "10000000011")], ["810000000011"]),
    ("Practitioner", [(REGISTRY, "10000000011"), (RPPS, "810000000011")], ["810000000011"]),
    ("Practitioner", [(RPPS, "991234567")], ["0991234567"]),
    ("Practitioner", [(RPPS, "0991234567"), (REGISTRY, "10000000011")], ["810000000011", "0991234567"]),
    ("Practitioner", [("urn:oid:1.2.250.1.213.3.6", "11111111-2222")], []),
    ("Practitioner", [("urn:x", "10000000011")], []),
    ("Organization", [(STRUCTURE, "1750000001")], ["1750000001"]),
    ("Organization", [(STRUCTURE, "750000001")], ["1750000001"]),
    ("Organization", [(FINESS, "750000001")], ["1750000001"]),
    ("Organization", [(SIRENE, "12345678901234")], ["312345678901234"]),
    ("Organization", [(STRUCTURE, "12345678901234")], ["312345678901234"]),
    # FINESS, else SIRET.
    ("Organization", [(SIRENE, "12345678901234"), (FINESS, "750000001")], ["1750000001", "312345678901234"]),
    ("Organization", [(SIRENE, "123456789")], ["2123456789"]),
]


def test_identifiers_have_the_prefix_of_their_kind() -> None:
    for type, stored, expected in IDENTIFIERS:
        assert prefixed(type, [{"system": system, "value": value} for system, value in stored]) == expected, stored
    for odd in (
        {},
        {"system": RPPS},
        {"value": "810000000011"},
        {"system": 1, "value": 2},
        {"system": RPPS, "value": ""},
    ):
        assert prefixed("Practitioner", [odd]) == []


async def wire_of(folder: Path, resources: list[Tree], **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(Settings(data=folder, open=True, **settings)) as house:
        transport = httpx.ASGITransport(house.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://example.org/fhir/") as one:
            for tree in resources:
                url, headers = f"{tree['resourceType']}/{tree['id']}", {"content-type": "application/fhir+json"}
                answer = await one.put(url, content=json.dumps(tree), headers=headers)
                assert answer.status_code == 201, answer.text
            yield one


wire = asynccontextmanager(wire_of)


def stored_otherwise() -> list[Tree]:
    """The guide's world, its professional by the registry's own system, without claims to the guide's profiles."""
    made = []
    for tree in RESOURCES:
        if tree["id"] == "p1":
            tree = {key: one for key, one in tree.items() if key != "meta"}
            tree |= {"identifier": [{"system": REGISTRY, "value": "10000000011"}, {"system": "urn:own", "value": "7"}]}
        if tree["id"] == "p1-here" and tree["resourceType"] == "PractitionerRole":
            tree = {key: one for key, one in tree.items() if key != "meta"}
            tree |= {"organization": {"identifier": {"system": FINESS, "value": "750000001"}}}
        made.append(tree)
    return made


ASK = f"{R01}{RPPS}%7C810000000011"


async def test_who_is_stored_by_another_system_is_found_and_answered_as_the_guide_writes(tmp_path: Path) -> None:
    async with wire(tmp_path, stored_otherwise(), sas="strict") as client:
        answer = (await client.get(ASK)).json()
        assert answer["total"] == 2
        by_id = {one["resource"]["id"]: one["resource"] for one in answer["entry"] if "identifier" in one["resource"]}
        kind = {"coding": [{"system": "http://interopsante.org/fhir/CodeSystem/fr-v2-0203", "code": "IDNPS"}]}
        assert by_id["p1"]["identifier"] == [{"type": kind, "system": RPPS, "value": "810000000011"}]
        roles = [one["resource"] for one in answer["entry"] if one["resource"]["resourceType"] == "PractitionerRole"]
        [structure] = [one["organization"]["identifier"] for one in roles if "organization" in one]
        assert (structure["system"], structure["value"]) == (STRUCTURE, "1750000001")
        # What is stored is as it was, and read so.
        read = (await client.get("Practitioner/p1")).json()
        assert [one["value"] for one in read["identifier"]] == ["10000000011", "7"]
        found = await client.get(f"Practitioner?identifier={RPPS}%7C810000000011")
        assert found.json()["entry"][0]["resource"]["identifier"] == read["identifier"]
        posted = await client.post(
            "Slot/_search",
            content=ASK.removeprefix("Slot?"),
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
        assert "10000000011" in posted.text and '"urn:own"' not in posted.text
        for name, (query, missing) in MISSING.items():
            answer_ = await client.get(query)
            assert answer_.status_code == (400 if missing else 200), name


async def test_others_are_answered_what_is_stored(tmp_path: Path) -> None:
    async with wire(tmp_path, stored_otherwise()) as client:
        answer = (await client.get(ASK)).json()
        [one] = [one["resource"] for one in answer["entry"] if one["resource"]["id"] == "p1"]
        assert [each["value"] for each in one["identifier"]] == ["10000000011", "7"]
        assert (await client.get("Slot")).status_code == 200


#: Of the slots of centre1, beside its free one of nine o'clock.
OTHERS = [
    {**platform.slot("later", "centre1", "SNP", start="16:00", end="16:20")},
    {
        **platform.slot("full", "centre1", "SNP", start="10:00", end="10:20"),
        "status": "busy",
        "meta": {"source": "urn:x"},
    },
]
#: Criteria of SOS → the slots that they speak of, whatever the Schedule has besides.
SOUGHT = {
    "morning": (SOS + "00000000000001", {"s5"}),
    "two associations": (f"{SOS}00000000000001,{STRUCTURE}%7C300000000000002", {"s5"}),
    "all day": ((SOS + "00000000000001").replace("T14:00", "T18:00"), {"s5", "later"}),
    "from the afternoon on": ((SOS + "00000000000001").replace("T00:00:00", "T13:00:00").replace("T14:00", "T18:00"), {"later"}),
    "another day": ((SOS + "00000000000001").replace("2027-03-01", "2027-03-02"), set()),
}  # fmt: skip


@pytest.mark.parametrize("way", ["schedules", "slots"])
async def test_the_search_for_sos_medecins_matches_what_the_setting_says(tmp_path: Path, way: str) -> None:
    async with wire(tmp_path, [*RESOURCES, *OTHERS], sas_sos=way) as client:
        for name, (query, slots) in SOUGHT.items():
            answer = (await client.get(query)).json()
            modes: dict[str, set[str]] = {"match": set(), "include": set()}
            for one in answer.get("entry", ()):
                modes[one["search"]["mode"]].add(one["resource"]["id"])
            if way == "slots":
                beside = {"centre1", "sos1"} if slots else set()
                assert (answer["total"], modes["match"], modes["include"]) == (len(slots), slots, beside), name
            else:
                assert modes["match"] == ({"centre1"} if slots else set()), name
                assert answer["total"] == len(modes["match"]), name
                assert not slots or {"s5", "later", "full"} <= modes["include"], name
        # Any other search of Schedules is R4's.
        plain = (await client.get("Schedule?_id=centre1&_revinclude=Slot:schedule")).json()
        assert [one["search"]["mode"] for one in plain["entry"]].count("match") == 1


#: What is asked besides, or in place of something else → how many slots of the association match: of one from 9 o'clock
#: and, where it says so, "later" from 16 o'clock.
_FIRST = SOS + "00000000000001"
_WHOLE_DAY = _FIRST.replace("T14:00", "T18:00")
_START = "&_has:Slot:schedule:start="
WRITTEN = {
    "alternatives": (_WHOLE_DAY + f"{_START}lt2027-03-01T12:00:00%2B01:00,ge2028", 1),
    "alternatives that all hold": (_WHOLE_DAY + f"{_START}ge2027,ge2028", 2),
    "an alternative of nothing": (_FIRST + f"{_START}ge2027,", 1),
    "a criterion of nothing": (_FIRST + _START, 1),
    "a plus that is none": (_FIRST.replace("%2B", "+"), 1),
    "not that day": (_WHOLE_DAY + f"{_START}ne2027-03-01", 0),
    "not that year": (_WHOLE_DAY + f"{_START}ne2026", 2),
    "that day": (_WHOLE_DAY + f"{_START}2027-03-01", 2),
    "about that day": (_WHOLE_DAY + f"{_START}ap2027-03-01", 2),
    "that day, said": (_WHOLE_DAY + f"{_START}eq2027-03-01", 2),
    "the system of the status": (_FIRST.replace("=free", "=http://hl7.org/fhir/slotstatus%7Cfree"), 1),
    "either status": (_FIRST.replace("=free", "=free,busy"), 2),
    "a count alone": (_FIRST + "&_summary=count", None),
}


async def test_slots_are_judged_as_the_search_for_their_schedules_was(tmp_path: Path) -> None:
    async with wire(tmp_path, [*RESOURCES, *OTHERS], sas_sos="slots") as client:
        for name, (query, total) in WRITTEN.items():
            answer = await client.get(query)
            assert (answer.status_code, answer.json().get("total")) == (200, total), (name, answer.text)


async def test_of_an_association_the_siret_is_answered_and_of_others_the_finess(tmp_path: Path) -> None:
    """Identifier is 1..1 in the guide's profiles of organisations, and each asks for another kind."""
    both = [{"system": FINESS, "value": "750000001"}, {"system": SIRENE, "value": "00000000000001"}]
    organization = {"resourceType": "Organization", "id": "sos1", "name": "SOS", "identifier": both}
    resources = [organization if one["id"] == "sos1" else one for one in RESOURCES]
    async with wire(tmp_path, resources, sas="strict") as client:
        answer = (await client.get(SOS + "00000000000001")).json()
        [found] = [one["resource"] for one in answer["entry"] if one["resource"]["id"] == "sos1"]
        assert [one["value"] for one in found["identifier"]] == ["300000000000001"]
        kind = {"system": "http://interopsante.org/fhir/CodeSystem/fr-location-identifier-type", "code": "IDNST"}
        assert found["identifier"][0]["type"] == {"coding": [kind]}


#: Client, setting → whether it is a platform.
PLATFORMS = [
    ("plateforme-sas", "lenient", True),
    ("plateforme-sas", "strict", True),
    ("other", "strict", False),
    ("", "lenient", False),
    ("", "strict", True),
]


def test_who_is_a_platform() -> None:
    for client, level, expected in PLATFORMS:
        assert is_platform(Settings(sas=level), client) == expected  # type: ignore[arg-type]
    assert not is_platform(Settings(sas_clients=()), "plateforme-sas")


async def test_an_app_that_calls_itself_a_platform_sees_no_slots_of_regulators(tmp_path: Path) -> None:
    async with opened(Settings(data=tmp_path, base_url=BASE)) as house:
        await kept(house, *RESOURCES)
        admitted = replace(person("system", None), client="plateforme-sas")
        for grant, sees in ((admitted, True), (replace(admitted, referenced=True), False)):
            assert await _sees(house, grant) == sees


async def _sees(house: House, grant: Grant) -> bool:
    return (await Caller(house, grant)("GET", "Slot/s3")).status == 200
