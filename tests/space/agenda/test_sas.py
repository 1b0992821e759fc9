"""What platforms of access to care ask and are told: https://interop.esante.gouv.fr/ig/fhir/sas (INT_R01 to R04, SOS)."""

from __future__ import annotations

import json
import tarfile
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import pytest_asyncio

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from tests.examples import shared_data
from tests.profiles.resources import changed
from tests.server.people import kept
from tests.space.agenda import platform
from tests.space.agenda.platform import NATIONAL, RPPS, SAS, STRUCTURE
from tests.space.agenda.world import a_slot, an_appointment, ask, status_of
from tests.space.messages.exchange import person
from tests.space.record.callers import Caller, Tree

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: As the guide writes it, in both directions.
JSON = "application/json+fhir"
_KINDS = "http://interopsante.org/fhir/CodeSystem/fr-v2-0203"
SOS_SLOT, CPTS_SLOT = f"{NATIONAL}sas-sos-slot-aggregator", f"{NATIONAL}sas-cpts-slot-aggregator"
#: Two professionals, one of whom practises in two places; a community's service; an association's two centres.
RESOURCES: list[Tree] = [
    platform.professional("p1", "810000000011"),
    platform.professional("p2", "810000000022"),
    platform.practice("p1-here", "p1"),
    platform.practice("p1-there", "p1"),
    platform.practice("p2", "p2"),
    platform.agenda("p1-here", "Practitioner/p1", "PractitionerRole/p1-here"),
    platform.agenda("p1-there", "Practitioner/p1", "PractitionerRole/p1-there"),
    platform.agenda("p2", "Practitioner/p2", "PractitionerRole/p2"),
    platform.organization("community", "1123456789", "sas-cpts-organization-aggregator"),
    platform.service("community", "community"),
    platform.slot("s1", "p1-here", "PUBLIC"),
    platform.slot("s2", "p1-there", "PRO", start="10:00", end="10:20"),
    platform.slot("s3", "p2", "SNP", start="11:00", end="11:20"),
    {**a_slot("busy", "Schedule/p2", "12:00", "12:20"), "status": "busy"},
    platform.offered_by(platform.slot("s4", "p2", "PUBLIC", "CPTS", profile=CPTS_SLOT, start="15:00", end="15:20"), "community"),
    *(platform.organization(f"sos{n}", f"3{n:014}", "sas-sos-organization-aggregator") for n in (1, 2)),
    *(platform.centre(f"centre{n}", f"sos{n}") for n in (1, 2)),
    *(
        {
            "resourceType": "Schedule",
            "id": f"centre{n}",
            "meta": {"profile": [f"{NATIONAL}sas-sos-schedule-aggregator"]},
            "actor": [{"reference": f"Location/centre{n}"}],
        }
        for n in (1, 2)
    ),
    platform.slot("s5", "centre1", "PUBLIC", "SNP", profile=SOS_SLOT),
    platform.slot("s6", "centre2", "SNP", profile=SOS_SLOT, start="16:00", end="16:20"),
]  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wire(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """An open server's client that speaks as the guide does."""
    async with opened(Settings(data=tmp_path_factory.mktemp("sas"), open=True)) as house:
        headers = {"accept": JSON, "content-type": JSON}
        transport = httpx.ASGITransport(house.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://example.org/fhir/", headers=headers) as one:
            for tree in RESOURCES:
                answer = await one.put(f"{tree['resourceType']}/{tree['id']}", content=json.dumps(tree))
                assert answer.status_code == 201, (tree["id"], answer.text)
            yield one


DAY = "start=ge2027-03-01T00:00:00%2B01:00&start=le2027-03-01T14:00:00%2B01:00"
WHOSE = "schedule.actor:Practitioner.identifier="
R01 = f"Slot?_include=Slot:schedule&_include:iterate=Schedule:actor&{DAY}&status=free&{WHOSE}"
ONE, TWO = f"{RPPS}%7C810000000011", f"{RPPS}%7C810000000022"
#: The most that the guide allows in one request, of which one is known.
MANY = ",".join(f"{RPPS}%7C8{n:011}" for n in range(24))
R04 = (
    f"Slot?_include=Slot:schedule&_include:iterate=Schedule:actor&_include=Slot:service-type-reference"
    f"&_include:iterate=HealthcareService:organization&start=ge2027-03-01&start=le2027-03-01&status=free&{WHOSE}{TWO}"
)
SOS = (
    "Schedule?_revinclude=Slot:schedule&_include=Schedule:actor:Location&_include:iterate=Location:organization"
    "&_has:Slot:schedule:start=ge2027-03-01T00:00:00%2B01:00&_has:Slot:schedule:start=le2027-03-01T14:00:00%2B01:00"
    f"&_has:Slot:schedule:status=free&actor:Location.organization.identifier={STRUCTURE}%7C3"
)
PLACE = {"Schedule/p1-here", "PractitionerRole/p1-here", "Schedule/p1-there", "PractitionerRole/p1-there"}
OF_P2 = {"Schedule/p2", "Practitioner/p2", "PractitionerRole/p2"}
#: What is asked → the matches, and what comes with them.
ASKED: dict[str, tuple[str, set[str], set[str]]] = {
    "one professional": (R01 + ONE, {"Slot/s1", "Slot/s2"}, PLACE | {"Practitioner/p1"}),
    "two": (f"{R01}{ONE},{TWO}", {"Slot/s1", "Slot/s2", "Slot/s3"}, PLACE | OF_P2 | {"Practitioner/p1"}),
    "a blank after the comma": (f"{R01}{ONE},%20{TWO}&_count=1000", {"Slot/s1", "Slot/s2", "Slot/s3"}, PLACE | OF_P2 | {"Practitioner/p1"}),
    "twenty-five": (f"{R01}{MANY},{TWO}", {"Slot/s3"}, OF_P2),
    "nobody here": (f"{R01}{RPPS}%7C899999999999", set(), set()),
    "another day": (R01.replace("2027-03-01", "2027-03-02") + ONE, set(), set()),
    "a slash before the query": ((R01 + TWO).replace("Slot?", "Slot/?"), {"Slot/s3"}, OF_P2),
    "a community": (R04, {"Slot/s3", "Slot/s4"}, OF_P2 | {"HealthcareService/community", "Organization/community"}),
    "by the community's service": ("Slot?service-type-reference=HealthcareService/community", {"Slot/s4"}, set()),
    "an association": (SOS + "00000000000001", {"Schedule/centre1"}, {"Slot/s5", "Location/centre1", "Organization/sos1"}),
    # Repeated, `_has` speaks of slots that meet each criterion; centre2's is later than the time asked for.
    "another association": (SOS + "00000000000002", set(), set()),
    "two associations": (f"{SOS}00000000000001,%20{STRUCTURE}%7C300000000000002", {"Schedule/centre1"}, {"Slot/s5", "Location/centre1", "Organization/sos1"}),
}  # fmt: skip


async def test_slots_are_found_with_what_the_guide_asks_beside_them(wire: httpx.AsyncClient) -> None:
    wrong = {}
    for name, (query, matches, beside) in ASKED.items():
        answer = await wire.get(query)
        found: dict[str, set[str]] = {"match": set(), "include": set()}
        for one in answer.json().get("entry", ()):
            tree = one["resource"]
            found[one["search"]["mode"]].add(f"{tree['resourceType']}/{tree['id']}")
            assert one["fullUrl"].endswith(f"/{tree['resourceType']}/{tree['id']}")
        total = answer.json().get("total")
        if (answer.status_code, total, found["match"], found["include"]) != (200, len(matches), matches, beside):
            wrong[name] = (answer.status_code, total, found, answer.json().get("issue"))
    assert not wrong


async def test_a_place_comes_inside_the_role_and_of_an_association_by_itself(wire: httpx.AsyncClient) -> None:
    found = (await wire.get(R01 + TWO)).json()
    role = next(one["resource"] for one in found["entry"] if one["resource"]["resourceType"] == "PractitionerRole")
    assert [one["resourceType"] for one in role["contained"]] == ["Location"]
    assert found["type"] == "searchset" and [one["relation"] for one in found["link"]] == ["self"]


#: What a platform leaves out → the element that is named.
MISSING: dict[str, tuple[str, list[str]]] = {
    "nothing": (R01 + ONE, []),
    "no end": ((R01 + ONE).replace("&start=le2027-03-01T14:00:00%2B01:00", ""), ["http.start"]),
    "no beginning": ((R01 + ONE).replace("start=ge2027-03-01T00:00:00%2B01:00&", ""), ["http.start"]),
    "no status": ((R01 + ONE).replace("&status=free", ""), ["http.status"]),
    "busy ones": ((R01 + ONE).replace("status=free", "status=busy"), ["http.status"]),
    "nobody's": (R01.removesuffix(f"&{WHOSE}"), [f"http.{WHOSE.rstrip('=')}"]),
    "twenty-six": (f"{R01}{MANY},{ONE},{TWO}", [f"http.{WHOSE.rstrip('=')}"]),
    "nothing at all": ("Slot", ["http.start", "http.start", "http.status", f"http.{WHOSE.rstrip('=')}"]),
    "an association": (SOS + "00000000000001", []),
    "an association's, whichever": (SOS[: SOS.index("&actor:")], ["http.actor:Location.organization.identifier"]),
    "an association's, at any time": (
        SOS[: SOS.index("&_has")] + "&" + SOS[SOS.index("actor:Location.") :] + "00000000000001",
        ["http._has:Slot:schedule:start", "http._has:Slot:schedule:start", "http._has:Slot:schedule:status"],
    ),
    "schedules by themselves": ("Schedule?_id=p1", []),
}


async def test_platforms_say_what_the_guide_demands_and_others_ask_as_r4(house: House) -> None:
    platform_, other = replace(person("system", None), client="platform"), person("system", None)
    for name, (query, missing) in MISSING.items():
        query = query.replace("%7C", "|").replace("%2B", "+").replace("%20", " ")
        answer = await Caller(house, platform_)("GET", query)
        assert answer.status == (400 if missing else 200), (name, answer.json)
        assert not missing or answer.expressions == missing, name
        if name != "an association's, at any time":
            assert (await Caller(house, other)("GET", query)).status == 200, name


def booked(**more: Any) -> Tree:
    """An appointment that was made after a regulator's call; it names no patient."""
    operator = {"type": {"coding": [{"system": _KINDS, "code": "IDNPS"}]}, "system": RPPS, "value": "3750000001/1"}
    return {
        "resourceType": "Appointment",
        "meta": {"profile": [f"{SAS}FrAppointmentSAS"]},
        "extension": [
            {
                "url": "http://interopsante.org/fhir/StructureDefinition/FrAppointmentOperator",
                "valueReference": {"identifier": operator},
            }
        ],
        "identifier": [{"system": "https://editor.example/rdv", "value": "rdv-1"}],
        "status": "booked",
        "start": "2027-03-01T09:00:00+01:00",
        "end": "2027-03-01T09:20:00+01:00",
        "participant": [
            {"actor": {"identifier": operator | {"value": "810000000011"}}, "status": "accepted"},
        ],
        **more,
    }


async def test_an_appointment_without_patient_is_made_and_goes_through_its_states(wire: httpx.AsyncClient) -> None:
    """INT_R03: 201 and where it is; by its identifier 200; the guide also writes `?Identifier=`."""
    made = await wire.post("Appointment", json=booked())
    assert made.status_code == 201
    id = made.json()["id"]
    assert f"/Appointment/{id}" in made.headers["location"]
    for name in ("identifier", "Identifier"):
        for status in ("fulfilled", "noshow", "cancelled", "booked"):
            url = f"Appointment?{name}=https://editor.example/rdv|rdv-1"
            answer = await wire.put(url, json=booked(status=status))
            assert (answer.status_code, answer.json()["id"], answer.json()["status"]) == (200, id, status)
    other = booked(identifier=[{"system": "https://editor.example/rdv", "value": "rdv-2"}])
    assert (await wire.put("Appointment?identifier=https://editor.example/rdv|rdv-2", json=other)).status_code == 201
    internal = {"coding": [{"system": _KINDS, "code": "INTRN"}]}
    sos = changed(booked(), "meta.profile.0", f"{NATIONAL}sas-sos-appointment")
    sos = changed(sos, "extension.0.valueReference.identifier.type", internal)
    sos = changed(sos, "participant.0.status", "needs-action")
    answer = await wire.post("Appointment", json=changed(sos, "identifier.0.value", "rdv-3"))
    assert answer.status_code == 201, answer.text


#: What is wrong with what is sent → the answer, and the element that it names.
WRONG: list[tuple[str, Any, int, str]] = [
    ("identifier", None, 422, "Appointment.identifier"),
    ("identifier.1", {"system": "urn:x", "value": "2"}, 422, "Appointment.identifier"),
    ("identifier.0.system", None, 422, "Appointment.identifier[0].system"),
    ("identifier.0.value", None, 422, "Appointment.identifier[0].value"),
    ("start", None, 422, "Appointment"),
    ("end", None, 422, "Appointment"),
    ("end", "2027-03-01T08:00:00+01:00", 422, "Appointment.end"),
    ("extension", None, 422, "Appointment.extension"),
    ("extension.0.valueReference", {"reference": "Practitioner/p1"}, 422, "Appointment.extension[0].value.identifier"),
    ("participant.0.status", "declined", 422, "Appointment.participant[0].status"),
    ("participant.0.actor.identifier.system", "urn:x", 422, "Appointment.participant[0].actor.identifier.system"),
    ("status", "taken", 422, "Appointment.status"),
    ("resourceType", "Patient", 400, "resourceType"),
]


async def test_what_breaks_a_rule_of_the_guide_is_422_and_what_is_malformed_400(wire: httpx.AsyncClient) -> None:
    before = (await wire.get("Appointment?_total=accurate&_count=0")).json()["total"]
    for path, value, status, element in WRONG:
        answer = await wire.post("Appointment", json=changed(booked(), path, value))
        errors = [one for one in answer.json()["issue"] if one["severity"] == "error"]
        assert answer.status_code == status, (path, answer.text)
        assert element in [said for one in errors for said in one["expression"]], (path, errors)
    assert (await wire.post("Appointment", content=b'{"resourceType": ')).status_code == 400
    assert (await wire.get("Appointment?_total=accurate&_count=0")).json()["total"] == before


def regulator(**more: Any) -> Tree:
    kind = {"coding": [{"system": _KINDS, "code": "INTRN"}]}
    return {
        "resourceType": "Practitioner",
        "meta": {"profile": [f"{NATIONAL}FrPractitionerRegul"], "source": "urn:oid:1.2.250.1.213.3.6"},
        "identifier": [{"type": kind, "system": "urn:oid:1.2.250.1.213.3.6", "value": "11111111-2222"}],
        "active": True,
        "name": [{"family": "ESSAI", "given": ["Ange"]}],
        "telecom": [{"system": "email", "value": "ange@example.com"}],
        **more,
    }


async def test_a_regulator_is_made_and_changed_by_identifier_and_never_deleted(wire: httpx.AsyncClient) -> None:
    """INT_R02: an update of somebody unknown makes them, and nobody twice."""
    url = "Practitioner?identifier=urn:oid:1.2.250.1.213.3.6|11111111-2222"
    answers = [await wire.put(url, json=regulator(active=active)) for active in (True, True, False)]
    assert [one.status_code for one in answers] == [201, 200, 200]
    assert len({one.json()["id"] for one in answers}) == 1
    assert (await wire.get(f"{url}&active=false")).json()["total"] == 1
    assert (await wire.post("Practitioner", json=changed(regulator(), "identifier.0.value", "3"))).status_code == 201
    for path, value, element in (
        ("active", None, "Practitioner.active"),
        ("identifier", None, "Practitioner.identifier"),
        ("identifier.1", regulator()["identifier"][0], "Practitioner.identifier"),
        ("name.0.given", ["A", "B"], "Practitioner.name[0].given"),
        ("name.0.family", None, "Practitioner.name[0].family"),
        ("telecom.0.system", "phone", "Practitioner.telecom[0].system"),
        ("meta.source", "urn:x", "Practitioner.meta.source"),
    ):
        answer = await wire.post("Practitioner", json=changed(regulator(), path, value))
        said = [one.get("expression") for one in answer.json()["issue"] if one["severity"] == "error"]
        assert (answer.status_code, [element] in said) == (422, True), (path, answer.text)


#: A slot of the guide → what is wrong with it, and where.
SLOTS: list[tuple[Tree, str, Any, str]] = [
    (platform.slot("x", "p2", "PUBLIC"), "meta.security.0.code", "CPTS", "Slot.meta.security[0]"),
    (platform.slot("x", "p2", "PUBLIC"), "status", "busy", "Slot.status"),
    (platform.slot("x", "p2", "PUBLIC"), "serviceType.0.coding.0.code", "ZZZ", "Slot.serviceType[0]"),
    (platform.slot("x", "p2", "CPTS", profile=CPTS_SLOT), "meta.security.0.code", "ZZZ", "Slot.meta.security[0]"),
    (
        platform.offered_by(platform.slot("x", "p2", "CPTS", profile=CPTS_SLOT), "community"),
        "serviceType.1.extension",
        None,
        "Slot.serviceType[1].extension",
    ),
    (platform.slot("x", "p2", "SNP", profile=SOS_SLOT), "meta.security.0.code", "PRO", "Slot.meta.security[0]"),
    (platform.slot("x", "p2", "SNP", profile=SOS_SLOT), "appointmentType.coding.0.code", "CHECKUP", "Slot.appointmentType.coding[0]"),
    (platform.slot("x", "p2", "SNP", profile=SOS_SLOT), "serviceType.0.coding.0.code", "IMP", "Slot.serviceType[0].coding[0]"),
    (platform.organization("x", "300000000000001", "sas-sos-organization-aggregator"), "identifier.0.value", "123", "Organization.identifier[0]"),
    (platform.organization("x", "1123456789", "sas-cpts-organization-aggregator"), "identifier.0.value", "2123456789", "Organization.identifier[0]"),
    (platform.centre("x", "sos1"), "address.postalCode", "292000", "Location.address.postalCode"),
    (platform.practice("x", "p1"), "contained.0.address.city", None, "PractitionerRole.contained[0].address.city"),
]  # fmt: skip


async def test_what_is_offered_conforms_to_its_profile(wire: httpx.AsyncClient) -> None:
    for tree, path, value, element in SLOTS:
        for sent, status in ((tree, 201), (changed(tree, path, value), 422)):
            type = str(tree["resourceType"])
            answer = await wire.post(type, json={k: v for k, v in sent.items() if k != "id"})
            assert answer.status_code == status, (path, value, answer.text)
        said = [one.get("expression") for one in answer.json()["issue"] if one["severity"] == "error"]
        assert [element] in said, (path, said)


async def test_a_slot_of_the_guide_is_booked_and_offered_again(house: House) -> None:
    """Its profile fixes "free", and is claimed while it is that."""
    tree = platform.slot("sas", "doctor", "PUBLIC")
    await kept(house, tree)
    made = await ask(house, "doctor", "POST", "Appointment", an_appointment("sas"))
    assert (made.status, await status_of(house, "sas")) == (201, "busy")
    stored = (await ask(house, "open", "GET", "Slot/sas")).json
    assert "profile" not in stored["meta"] and stored["meta"]["security"] == tree["meta"]["security"]
    assert (await ask(house, "doctor", "DELETE", f"Appointment/{made.id}")).status in (200, 204)
    stored = (await ask(house, "open", "GET", "Slot/sas")).json
    assert (stored["status"], stored["meta"]["profile"]) == ("free", tree["meta"]["profile"])
    assert "extension" not in stored["meta"]


async def test_the_examples_of_the_guides_are_filed(wire: httpx.AsyncClient) -> None:
    data = shared_data()
    if data is None or not (data / "ig").is_dir():
        pytest.skip("the national guides are not beside the checkout")
    seen = 0
    for name in ("ans.fhir.fr.sas-1.1.0", "ans.fhir.fr.gap-3.0.0"):
        with tarfile.open(data / "ig" / f"{name}.tgz") as archive:
            files = [one for one in archive.getmembers() if one.name.startswith("package/example/")]
            for one in files:
                file = archive.extractfile(one)
                assert file is not None
                tree = json.load(file)
                answer = await wire.put(f"{tree['resourceType']}/{tree['id']}", json=tree)
                assert answer.status_code in (200, 201), (one.name, answer.text)
                seen += 1
    assert seen > 40
    found = await wire.get(R04.replace("2027-03-01", "2024-06-12").replace("810000000022", "810002909371"))
    assert found.json()["total"] == 2
