"""No way out of the server tells of an event, or of a subscription to events, to whom it is hidden from.

R4 https://hl7.org/fhir/R4/security.html, https://hl7.org/fhir/R4/search.html (chains, `_has`, includes, counts).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fhir_server.app import House
from tests.space.events.people import GUIDE, ask, declaration, event_type, subscription

pytestmark = pytest.mark.asyncio(loop_scope="module")
#: Who may not know of either.
STRANGERS = ("stranger", "blocked", "other clinic", "another patient", "parent of a grown child", "publisher's app")
C, S = "CommunicationRequest", "Subscription"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(house: House) -> AsyncIterator[dict[str, str]]:
    """An event of patient a, and a subscription to such, by their types."""
    found = {}
    for who, type, tree in (("clinic", C, declaration(code="ADM")), ("team", S, subscription("team", code="ADM"))):
        tree["meta"]["tag"] = [{"system": "urn:t", "code": "hiddentag"}]
        answer = await ask(house, who, "POST", type, tree)
        assert answer.status == 201, answer.json
        found[type] = str(answer.json["id"])
    yield found


#: Ways to each; {id} is its own. What a way answers to whom it is shown has its id.
WAYS: dict[str, tuple[str, ...]] = {
    C: (
        "{type}/{id}",
        "{type}/{id}/_history",
        "{type}/{id}/_history/1",
        "{type}/_history",
        "{type}?_id={id}",
        "{type}?event-type=ADM",
        "{type}?event-type:missing=false&_count=200",
        "{type}?subject=Patient/a&_count=200",
        "{type}?patient=a&_count=200",
        "{type}?patient.family=Famillea&_count=200",
        "{type}?subject:Patient.identifier=2800100000001&_count=200",
        "{type}?requester:Organization.identifier=750000001&_count=200",
        "{type}?status=active&_sort=-_lastUpdated",
        "{type}?_tag=hiddentag",
        "{type}?_profile=" + GUIDE + "nde-eventdeclaration&_count=200",
        "Patient?_id=a&_revinclude=CommunicationRequest:subject&_count=200",
        "Patient/a/CommunicationRequest?_count=200",
        "Patient/a/$everything?_count=200",
    ),
    S: (
        "{type}/{id}",
        "{type}/{id}/_history",
        "{type}/{id}/_history/1",
        "{type}/{id}/$status",
        "{type}/{id}/$events",
        "{type}/$status",
        "{type}/_history",
        "{type}?_id={id}",
        "{type}?status=requested,active&_count=200",
        "{type}?type=email&_count=200",
        "{type}?url=mailto:team@exemple.fr&_count=200",
        "{type}?criteria=CommunicationRequest&_count=200",
        "{type}?_tag=hiddentag",
        "{type}?_profile=" + GUIDE + "nde-subscription&_count=200",
    ),
}
EACH = [(type, way) for type, ways in WAYS.items() for way in ways]


@pytest.mark.parametrize(("type", "way"), EACH, ids=[way for _, way in EACH])
async def test_no_way_leads_a_stranger_to_it(house: House, made: dict[str, str], type: str, way: str) -> None:
    url = way.format(type=type, id=made[type])
    shown = await ask(house, "operator", "GET", url)
    assert made[type] in json.dumps(shown.json), shown.json
    for who in STRANGERS:
        answer = await ask(house, who, "GET", url)
        assert answer.status in (200, 403, 404), (who, answer.json)
        # A resource that is asked for by its id is named in no answer.
        found = [one for one in answer.json.get("entry", ()) if made[type] in one.get("fullUrl", "")]
        assert not found and (answer.status != 200 or answer.json.get("id") != made[type]), who
        if answer.status == 200 and "link" in answer.json:
            bare = {name: one for name, one in answer.json.items() if name != "link"}
            assert made[type] not in json.dumps(bare), who


#: Searches of what everybody finds, by what is hidden → whom it would find.
BY_WHAT_IS_HIDDEN = (
    "Patient?_has:CommunicationRequest:subject:event-type=ADM",
    "Patient?_has:CommunicationRequest:patient:_tag=hiddentag",
)


@pytest.mark.parametrize("url", BY_WHAT_IS_HIDDEN)
async def test_nobody_is_found_by_an_event_that_is_hidden(house: House, made: dict[str, str], url: str) -> None:
    assert made[C]
    assert (await ask(house, "operator", "GET", f"{url}&_total=accurate")).json["total"] == 1
    for who in STRANGERS:
        answer = await ask(house, who, "GET", f"{url}&_total=accurate")
        assert answer.json.get("total", 0) == 0, who


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("type", [C, S])
async def test_a_stranger_writes_over_neither(house: House, made: dict[str, str], type: str, method: str) -> None:
    """It is refused, and stays as it was."""
    url = f"{type}/{made[type]}"
    before = (await ask(house, "operator", "GET", url)).json
    tree = {**(declaration() if type == C else subscription("operator")), "id": made[type]}
    body = {"PUT": tree, "PATCH": [{"op": "add", "path": "/language", "value": "fr"}]}.get(method)
    for who in STRANGERS:
        media = "application/json-patch+json" if method == "PATCH" else ""
        answer = await ask(house, who, method, url, body, media)
        # Who may delete anything is told, as of what is not there, that nothing was.
        assert answer.status in ((204, 403, 404) if method == "DELETE" else (403, 404, 422)), (who, answer.json)
    assert (await ask(house, "operator", "GET", url)).json == before


async def test_a_transaction_and_a_conditional_write_find_nothing_hidden(house: House, made: dict[str, str]) -> None:
    for type in (C, S):
        answer = await ask(house, "stranger", "DELETE", f"{type}?_tag=hiddentag")
        assert answer.status in (204, 404), answer.json
        entry = {"request": {"method": "GET", "url": f"{type}/{made[type]}"}}
        batch = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
        answer = await ask(house, "stranger", "POST", "", batch)
        assert answer.json["entry"][0]["response"]["status"].startswith("404")
        assert (await ask(house, "operator", "GET", f"{type}/{made[type]}")).status == 200
    assert event_type("ADM")["url"].startswith(GUIDE)
