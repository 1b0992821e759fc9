"""What stands beside a hidden document tells nothing of it: the lot that it was filed in, and traces of it.

CSP R1111-53, R1111-33; IHE MHD SubmissionSet: a title, a time, who filed. R4 auditevent.html: what was done, to what.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.space.record.invisible import VISIBLE_FROM
from fhir_server.space.record.sharing.words import LIST_TYPES
from tests.server.people import a_care_team
from tests.space.record.callers import ALL, BASE, OWN, SYSTEM, Caller, Tree, document, grant, labelled, spelt

pytestmark = pytest.mark.asyncio(loop_scope="module")

LATER = (datetime.now(UTC) + timedelta(days=10)).isoformat(timespec="seconds")
PATIENT = {"reference": "Patient/a"}
CALLERS = {
    "patient": grant("Patient/a", ALL),
    "app": grant("Patient/a", OWN, patient="a"),
    "author": grant("Practitioner/author", ALL),
    "doctor": grant("Practitioner/doctor", ALL),
    "blocked": grant("Practitioner/blocked", ALL),
    "system": grant(None, SYSTEM),
}
#: Document → from whom it is hidden.
HIDDEN = {
    "masked": {"doctor", "blocked"},
    "invisible": {"patient", "app", "blocked"},
    "plain": {"blocked"},
    "gone": set(CALLERS),
}


def a_lot(id: str, *documents: str) -> Tree:
    """A submission set of some documents."""
    return {
        "resourceType": "List",
        "id": f"lot-{id}",
        "status": "current",
        "mode": "working",
        "title": "hidden title",
        "code": spelt(LIST_TYPES, "submissionset"),
        "subject": PATIENT,
        "entry": [{"item": {"reference": f"DocumentReference/{one}"}} for one in documents],
    }


def a_trace(id: str) -> Tree:
    """That a document was filed, as the server says it."""
    system = "http://hl7.org/fhir/restful-interaction"
    named = (f"DocumentReference/{id}/_history/1", f"Binary/{id}/_history/1", f"List/lot-{id}/_history/1", "Patient/a")
    return {
        "resourceType": "AuditEvent",
        "id": f"trace-{id}",
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "subtype": [{"system": system, "code": "create"}],
        "action": "C",
        "recorded": "2026-01-01T00:00:00Z",
        "outcome": "0",
        "agent": [{"who": {"reference": "Practitioner/author"}, "requestor": True}],
        "source": {"observer": {"display": "x"}},
        "entity": [{"what": {"reference": one}} for one in named],
    }


def a_provenance(id: str, *targets: str) -> Tree:
    """Who wrote what, when and why, as its software says it."""
    return {
        "resourceType": "Provenance",
        "id": f"provenance-{id}",
        "target": [{"reference": one} for one in targets],
        "recorded": "2026-01-01T00:00:00Z",
        "reason": [{"text": "hidden reason"}],
        "agent": [{"who": {"reference": "Practitioner/author"}}],
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    labels = [{"extension": [{"url": VISIBLE_FROM, "valueInstant": LATER}]} | labelled("INVISIBLE_PATIENT")[0]]
    consent = {"kind": ("Code", "blocked"), "practitioner": ("Reference", {"reference": "Practitioner/blocked"})}
    async with opened(Settings(data=tmp_path_factory.mktemp("beside"), base_url=BASE)) as found:
        own = Caller(found)
        for tree in (
            {"resourceType": "Patient", "id": "a", "birthDate": "1980-01-01"},
            *({"resourceType": "Practitioner", "id": id} for id in ("author", "doctor", "blocked", "stranger")),
            a_care_team("a", "Practitioner/author", "Practitioner/doctor", "Practitioner/blocked"),
            document("masked", "MASQUE_PS"),
            document("invisible", securityLabel=labels),
            document("plain", "N"),
            document("gone", "N", status="entered-in-error"),
        ):
            await own.put(tree)
        for id in HIDDEN:
            of = {"securityContext": {"reference": f"DocumentReference/{id}"}}
            await own.put({"resourceType": "Binary", "id": id, "contentType": "text/plain", "data": "eA==", **of})
            await own.put(a_lot(id, id))
            await own.put(a_trace(id))
            await own.put(a_provenance(id, f"DocumentReference/{id}", f"List/lot-{id}"))
            await own.put(a_provenance(f"alone-{id}", f"DocumentReference/{id}/_history/1"))
            alone = [{"what": {"reference": one}} for one in (f"Binary/{id}/_history/1", "Patient/a")]
            await own.put({**a_trace(id), "id": f"content-{id}", "entity": alone})
        await own.put(a_lot("several", "masked", "plain"))
        await own.put(a_provenance("several", "DocumentReference/gone", "DocumentReference/plain"))
        await own.put(a_provenance("beside", "DocumentReference/gone", "Patient/a"))
        own_agent = [{"who": {"reference": "Practitioner/stranger"}, "requestor": True}]
        await own.put({**a_trace("plain"), "id": "trace-strangers-own", "agent": own_agent})
        part = [{"name": name, f"value{kind}": value} for name, (kind, value) in consent.items()]
        said = {"resourceType": "Parameters", "parameter": [{"name": "choice", "part": part}]}
        assert (await Caller(found, CALLERS["patient"])("POST", "Patient/a/$record-choose", said)).status == 200
        yield found


@pytest.mark.parametrize("id", HIDDEN)
@pytest.mark.parametrize("caller", CALLERS)
async def test_a_lot_is_hidden_with_its_documents(house: House, caller: str, id: str) -> None:
    here = Caller(house, CALLERS[caller])
    assert await here.sees("List", f"lot-{id}") == (caller not in HIDDEN[id])
    past = await here("GET", f"List/lot-{id}/_history/1")
    assert past.status == (404 if caller in HIDDEN[id] else 200)


@pytest.mark.parametrize("caller", [one for one in CALLERS if one != "blocked"])
async def test_a_lot_of_which_something_is_shown_is_shown(house: House, caller: str) -> None:
    assert await Caller(house, CALLERS[caller]).sees("List", "lot-several")


# Others than its agents and software read a Provenance by its patient, whom one of documents does not name.
@pytest.mark.parametrize("id", HIDDEN)
@pytest.mark.parametrize("caller", ["author", "system"])
async def test_a_provenance_of_hidden_documents_alone_is_hidden_with_them(house: House, caller: str, id: str) -> None:
    here, is_hidden = Caller(house, CALLERS[caller]), caller in HIDDEN[id]
    for name in (f"provenance-{id}", f"provenance-alone-{id}"):
        assert await here.sees("Provenance", name) == (not is_hidden)
        past = await here("GET", f"Provenance/{name}/_history/1")
        assert past.status == (404 if is_hidden else 200)
        found = await here("GET", f"Provenance?recorded=2026-01-01&_id={name}&_total=accurate")
        assert found.json["total"] == (not is_hidden)
    linked = await here("GET", f"Provenance?target=DocumentReference/{id}&_total=accurate")
    assert bool(linked.json["total"]) == (not is_hidden)


async def test_a_provenance_of_something_that_is_shown_is_shown_without_what_is_hidden(house: House) -> None:
    for name, left in (("several", ["DocumentReference/plain"]), ("beside", ["Patient/a"])):
        answer = await Caller(house, CALLERS["author"])("GET", f"Provenance/provenance-{name}")
        assert [one["reference"] for one in answer.json["target"]] == left


@pytest.mark.parametrize("id", [one for one in HIDDEN if one != "gone"])
@pytest.mark.parametrize("caller", ["patient", "app", "author", "doctor"])
async def test_a_trace_says_of_what_is_hidden_neither_what_it_is_nor_what_was_done(
    house: House, caller: str, id: str
) -> None:
    here = Caller(house, CALLERS[caller])
    answer = await here("GET", f"AuditEvent/trace-{id}")
    is_hidden = caller in HIDDEN[id]
    for told in (f"DocumentReference/{id}", f"Binary/{id}", f"List/lot-{id}", "create", '"action"'):
        assert (told in json.dumps(answer.json)) != is_hidden, told
    for query in (f"entity=Binary/{id}", f"entity=List/lot-{id}", f"entity=DocumentReference/{id}"):
        found = await here("GET", f"AuditEvent?_id=trace-{id}&{query}&_total=accurate")
        assert found.json["total"] == (not is_hidden), query


@pytest.mark.parametrize("query", ["action=C", "subtype=create"])
async def test_by_what_was_done_no_trace_of_what_is_hidden_is_found(house: House, query: str) -> None:
    for caller, id in (("patient", "invisible"), ("doctor", "masked")):
        both = f"_id=trace-{id},content-{id}"
        found = await Caller(house, CALLERS[caller])("GET", f"AuditEvent?{both}&{query}&_total=accurate")
        assert found.json["total"] == 0


async def test_who_is_blocked_reads_no_trace_of_the_patient(house: House) -> None:
    assert not await Caller(house, CALLERS["blocked"]).sees("AuditEvent", "trace-plain")


#: Trace of one patient's record → who reads it: those whom the record lets in, and who did what it tells of.
READ = {
    "trace-plain": {"author": True, "doctor": True, "stranger": False, "stranger in context": False},
    "trace-strangers-own": {"author": True, "doctor": True, "stranger": True, "stranger in context": True},
}
STRANGERS = {
    "stranger": grant("Practitioner/stranger", ALL),
    "stranger in context": grant("Practitioner/stranger", ALL, patient="a"),
}


@pytest.mark.parametrize(("id", "caller"), [(id, caller) for id, row in READ.items() for caller in row])
async def test_whoever_the_record_does_not_let_in_reads_of_its_traces_their_own(
    house: House, id: str, caller: str
) -> None:
    here = Caller(house, (CALLERS | STRANGERS)[caller])
    assert await here.sees("AuditEvent", id) == READ[id][caller]
    found = await here("GET", f"AuditEvent?_id={id}&_total=accurate")
    assert found.json["total"] == READ[id][caller]
