"""Declarations of events, flow 3 of https://interop.esante.gouv.fr/ig/fhir/nde: who sends them, of whom, and in which form.

R4 https://hl7.org/fhir/R4/communicationrequest.html.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from fhir_server.app import House
from fhir_server.fhir.xml import to_json, to_xml
from tests.space.events.people import (
    CALLERS,
    CLINIC,
    GUIDE,
    INS,
    RECORD,
    SELVES,
    ask,
    at,
    changed,
    dated,
    declaration,
    inside,
    named,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Caller → what they are answered who declare an event of patient a as themselves.
ANSWERS = {
    "patient": 403,
    "patient's app": 403,
    "parent": 403,
    "parent of a grown child": 403,
    "another patient": 403,
    "team": 201,
    "team in the record": 201,
    # Declaring, as filing a document, needs no agreement (CSP L1111-15).
    "authorised": 201,
    "stranger": 201,
    "blocked": 422,
    "clinic": 201,
    "other clinic": 201,
    "publisher's app": 403,
    "operator": 201,
}


@pytest.mark.parametrize("who", CALLERS)
async def test_who_declares_an_event(house: House, who: str) -> None:
    as_whom = SELVES[who] if SELVES[who][0] in ("Practitioner", "Organization") else CLINIC
    answer = await ask(house, who, "POST", "CommunicationRequest", declaration(as_whom))
    assert answer.status == ANSWERS[who], answer.json


async def test_an_event_is_declared_by_who_asks_or_their_organisation(house: House) -> None:
    for who, as_whom, status in (
        ("team", "clinic", 201),
        ("team", "other clinic", 403),
        ("team", "stranger", 403),
        ("stranger", "clinic", 403),
        ("clinic", "team", 403),
        ("operator", "stranger", 201),
    ):
        answer = await ask(house, who, "POST", "CommunicationRequest", declaration(SELVES[as_whom]))
        assert answer.status == status, (who, as_whom, answer.json)
        if status == 403:
            assert answer.json["issue"][0]["expression"] == ["CommunicationRequest.requester"]
    # By a name alone anybody could be named.
    unnamed = changed(declaration(), "contained.1", named("dec", "Organization", "", "", "clinic"))
    assert (await ask(house, "clinic", "POST", "CommunicationRequest", unnamed)).status == 403
    assert (await ask(house, "operator", "POST", "CommunicationRequest", unnamed)).status == 201


#: What of the contained Patient is otherwise → whether it is still patient a.
WHOM: dict[str, tuple[Any, bool]] = {
    "as they are": (inside(), True),
    "another INS": (inside(identifier=[{**INS, "value": "2800199999999"}]), False),
    "the INS of another": (inside(identifier=inside("b")["identifier"]), False),
    "no INS, every trait": (changed(inside(), "identifier"), True),
    "no INS, no birth date": (changed(changed(inside(), "identifier"), "birthDate"), False),
    "no INS, another given name": (changed(changed(inside(), "identifier"), "name.0.given.0", "Zoé"), False),
    "INS, another birth date": (changed(inside(), "birthDate", "2015-01-02"), False),
    "INS, a year of birth": (changed(inside(), "birthDate", "2015"), True),
    "INS, another year": (changed(inside(), "birthDate", "2014"), False),
    "INS, an unknown sex": (changed(inside(), "gender", "unknown"), True),
    "INS, another sex": (changed(inside(), "gender", "male"), False),
    "INS, another name": (changed(inside(), "name.0.family", "Martin"), False),
    "INS, accents and case": (changed(inside(), "name.0.family", "FAMILLÉA"), True),
    "INS alone": (changed(changed(changed(inside(), "name"), "gender"), "birthDate"), True),
    "a local number, and no other": (inside(identifier=[{"system": "urn:ipp", "value": "1"}]), False),
    "an INS that ended": (changed(inside(), "identifier.0.use", "old"), True),
    "of a closed record": (inside("closed"), False),
    "many numbers": (inside(identifier=[{**INS, "value": f"2800100000{n:03d}"} for n in range(21)]), False),
    "numbers of two": (inside(identifier=[*inside()["identifier"], *inside("b")["identifier"]]), False),
    "a local number, and another's INS": (
        inside(identifier=[{"system": "urn:local", "value": "a"}, {**INS, "value": "2800199999999"}]),
        False,
    ),
    "a local number alone": (inside(identifier=[{"system": "urn:local", "value": "a"}]), True),
    "a number like a search": (inside(identifier=[{"system": "urn:x", "value": "1,urn:oid|2"}]), False),
    "nobody": ({"resourceType": "Patient", "id": "pat"}, False),
}


@pytest.mark.parametrize("what", WHOM)
async def test_whose_event_it_is_says_an_ins_or_every_trait(house: House, what: str) -> None:
    """One person or nobody, and whom the caller may not declare events of is answered as nobody is."""
    who, is_a = WHOM[what]
    answer = await ask(house, "team", "POST", "CommunicationRequest", changed(declaration(), "contained.0", who))
    assert answer.status == (201 if is_a else 422), answer.json
    if is_a:
        found = answer.json["subject"]["extension"][0]
        assert found == {"url": RECORD, "valueReference": {"reference": "Patient/a"}}
        assert answer.json["subject"]["reference"] == "#pat"
    else:
        nobody = await ask(house, "blocked", "POST", "CommunicationRequest", declaration(SELVES["blocked"]))
        assert answer.json["issue"] == nobody.json["issue"]


#: What is otherwise → the elements that are refused.
WRONG: dict[str, tuple[Any, str]] = {
    "subject": (changed(declaration(), "subject"), "CommunicationRequest.subject"),
    "about": (changed(declaration(), "about", [{"reference": "Patient/a"}]), "CommunicationRequest"),
    "requester": (changed(declaration(), "requester"), "CommunicationRequest.requester"),
    "payload": (changed(declaration(), "payload"), "CommunicationRequest.payload"),
    "two payloads": (declaration(payload=[{"contentString": "a"}] * 2), "CommunicationRequest.payload"),
    "contained": (changed(declaration(), "contained"), "CommunicationRequest.contained"),
    "event type": (changed(declaration(), "extension.0"), "CommunicationRequest.extension"),
    "event time": (changed(declaration(), "extension.1"), "CommunicationRequest.extension"),
    "unknown type": (declaration(code="XXX"), "CommunicationRequest.extension[0].value.coding[0].code"),
    "type not notified": (declaration(code="NRE"), "CommunicationRequest.extension[0].value"),
    "draft": (declaration(status="draft"), "CommunicationRequest.status"),
    "based on": (declaration(basedOn=[{"reference": "ServiceRequest/1"}]), "CommunicationRequest.basedOn"),
    "requester elsewhere": (
        changed(declaration(), "requester.reference", "Organization/clinic"),
        "CommunicationRequest.requester.reference",
    ),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_a_declaration_lacks_is_named(house: House, what: str) -> None:
    tree, element = WRONG[what]
    answer = await ask(house, "operator", "POST", "CommunicationRequest", tree)
    named = {place for issue in answer.json["issue"] for place in issue.get("expression", ())}
    assert answer.status == 422 and element in named, answer.json


async def test_an_event_is_found_by_type_and_person_in_json_and_xml(house: House) -> None:
    """SearchParameter NdE-CommunicationRequest-EventType (token)."""
    tree = json.loads(to_json(to_xml(json.dumps(declaration(code="ADM")).encode())))
    made = (await ask(house, "clinic", "POST", "CommunicationRequest", tree)).json
    for query in ("event-type=ADM", f"event-type={GUIDE}x|ADM", "subject=Patient/a&event-type=ADM", "patient=b"):
        found = await ask(house, "operator", "GET", f"CommunicationRequest?{query}&_id={made['id']}")
        right = query in ("event-type=ADM", "subject=Patient/a&event-type=ADM")
        assert (found.json["total"] == 1) is right, query
    everything = await ask(house, "operator", "GET", "Patient/a/$everything?_type=CommunicationRequest")
    assert made["id"] in json.dumps(everything.json)


async def test_who_reads_and_changes_what_was_declared(house: House) -> None:
    made = (await ask(house, "clinic", "POST", "CommunicationRequest", declaration())).json
    url = f"CommunicationRequest/{made['id']}"
    reads = {"patient", "patient's app", "parent", "team", "team in the record", "authorised", "clinic", "operator"}
    for who in CALLERS:
        answer = await ask(house, who, "GET", url)
        assert answer.status == (200 if who in reads else 404), who
        found = await ask(house, who, "GET", f"CommunicationRequest?_id={made['id']}&_total=accurate")
        assert found.json["total"] == (who in reads), who
    changes = {"team", "clinic", "operator"}
    for who in CALLERS:
        answer = await ask(house, who, "PUT", url, {**made, "priority": "urgent"})
        assert (answer.status == 200) is (who in changes), (who, answer.json)
    taken_back = {**made, "status": "entered-in-error"}
    assert (await ask(house, "clinic", "PUT", url, taken_back)).status == 200
    for who in CALLERS:
        assert ((await ask(house, who, "GET", url)).status == 200) is (who in ("clinic", "operator")), who


async def test_an_event_stays_its_person_s(house: House) -> None:
    made = (await ask(house, "clinic", "POST", "CommunicationRequest", declaration())).json
    other = {**made, "contained": [inside("b"), made["contained"][1]]}
    answer = await ask(house, "operator", "PUT", f"CommunicationRequest/{made['id']}", other)
    assert answer.status == 422 and answer.json["issue"][0]["expression"] == ["CommunicationRequest.subject"]


async def test_what_a_caller_says_of_whom_the_server_found_counts_for_nothing(house: House) -> None:
    said = {"reference": "#pat", "extension": [{"url": RECORD, "valueReference": {"reference": "Patient/b"}}]}
    answer = await ask(house, "clinic", "POST", "CommunicationRequest", declaration(subject=said))
    assert answer.status == 201
    assert [one["valueReference"]["reference"] for one in answer.json["subject"]["extension"]] == ["Patient/a"]


@pytest.mark.parametrize("who", ["team", "stranger", "publisher's app", "operator"])
async def test_no_other_request_is_put_into_anothers_record_by_what_it_says_of_its_subject(
    house: House, who: str
) -> None:
    """R4 communicationrequest.html: `subject` says whose it is, and writes are judged by that."""
    said = {"reference": "Patient/a", "extension": [{"url": RECORD, "valueReference": {"reference": "Patient/b"}}]}
    tree = {"resourceType": "CommunicationRequest", "status": "draft", "subject": said}
    made = await ask(house, who, "POST", "CommunicationRequest", tree)
    others = {**said["extension"][0], "url": "urn:other"}
    patch = [{"op": "add", "path": "/subject/extension", "value": [said["extension"][0], others]}]
    patched = await ask(
        house, "operator", "POST", "CommunicationRequest", {**tree, "subject": {"reference": "Patient/a"}}
    )
    url = f"CommunicationRequest/{patched.json['id']}"
    patched = await ask(house, "operator", "PATCH", url, patch, "application/json-patch+json")
    assert patched.json["subject"]["extension"] == [others]
    for answer in (made, patched):
        if answer.status >= 400:
            continue
        assert RECORD not in json.dumps(answer.json)
        for patient, found in (("a", True), ("b", False)):
            there = await ask(house, "operator", "GET", f"CommunicationRequest?subject=Patient/{patient}&_count=200")
            assert (answer.json["id"] in json.dumps(there.json)) is found


@pytest.mark.parametrize("who", [one for one in CALLERS if one != "operator"])
async def test_who_may_not_declare_is_not_told_whether_somebody_is_here(house: House, who: str) -> None:
    """Hidden and absent look the same: nobody learns by what they may not do that an INS, or an id, is known here."""
    nobody = inside(
        "a", identifier=[{**INS, "value": "199019999999999"}], name=[{"family": "Personne", "given": ["X"]}]
    )
    as_another = declaration(("Organization", "urn:others", "1"))
    bare = {name: value for name, value in as_another.items() if name != "meta"}
    bare["contained"] = as_another["contained"][1:]
    sent = [
        as_another,
        declaration(("Organization", "urn:others", "1"), "closed"),
        {**as_another, "contained": [nobody, as_another["contained"][1]]},
        *({**bare, "subject": {"reference": f"Patient/{id}"}} for id in ("b", "absent")),
    ]
    answers = [await ask(house, who, "POST", "CommunicationRequest", tree) for tree in sent]
    told = {(one.status, *(issue["diagnostics"] for issue in one.json["issue"])) for one in answers}
    assert len(told) == 1 and next(iter(told))[0] == 403, told


async def test_other_requests_to_communicate_are_as_they_were(house: House) -> None:
    tree = {"resourceType": "CommunicationRequest", "status": "draft", "subject": {"reference": "Patient/a"}}
    assert (await ask(house, "operator", "POST", "CommunicationRequest", tree)).status == 201
    assert (await ask(house, "patient", "POST", "CommunicationRequest", tree)).status == 201


async def test_the_statement_says_what_is_served(house: House) -> None:
    """NdE-GestionnaireDAbonnements, NdE-GestionnaireDeNotifications."""
    statement = (await ask(house, "operator", "GET", "metadata")).json
    managers = {one.rpartition("/")[2] for one in statement["instantiates"]}
    assert {"NdE-GestionnaireDAbonnements", "NdE-GestionnaireDeNotifications"} <= managers
    rows = {one["type"]: one for one in statement["rest"][0]["resource"]}
    asked = {"Subscription": {"create", "update", "delete"}, "CommunicationRequest": {"create"}}
    for type, profiles in {"Subscription": ["subscription"], "CommunicationRequest": ["eventdeclaration", "notificationrequest"]}.items():  # fmt: skip
        assert {f"{GUIDE}nde-{one}" for one in profiles} <= {*rows[type]["supportedProfile"]}
        assert asked[type] <= {one["code"] for one in rows[type]["interaction"]}
    assert {"name": "event-type", "type": "token"}.items() <= next(
        one for one in rows["CommunicationRequest"]["searchParam"] if one["name"] == "event-type"
    ).items()


async def test_what_happened_may_be_said_beside_when_it_was_declared(house: House) -> None:
    tree = declaration()
    tree["extension"].append(dated("event-emission-time", 0))
    tree["authoredOn"] = at(0)
    assert (await ask(house, "clinic", "POST", "CommunicationRequest", tree)).status == 201
