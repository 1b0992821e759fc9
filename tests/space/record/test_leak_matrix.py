"""The leak matrix: by no way out is a hidden document told from one that is not there.

Every way out (`ways_out`) × every label × every role × every purpose. Two servers, alike but for the document and what
refers to it: each request is made of both, and status, headers and body must agree. https://hl7.org/fhir/R4/security.html
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from fhir_server.access.grant import Grant
from fhir_server.app import House, opened
from fhir_server.search.parameters.registry import WITHOUT_EXPRESSION
from fhir_server.settings import Settings
from fhir_server.space.record.invisible import VISIBLE_FROM
from fhir_server.store.matching import unpack
from tests.server.calls import Answer
from tests.space.record import ways_out
from tests.space.record.callers import ALL, BASE, OWN, SYSTEM, Caller, Tree, document, grant, labelled
from tests.space.record.test_reading import patient, related

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Hiding(NamedTuple):
    """A way to hide the document: its labels, and what else it says."""

    codes: tuple[str, ...]
    more: Tree


def invisible() -> Tree:
    said = (datetime.now(UTC) + timedelta(days=10)).isoformat(timespec="seconds")
    extension = {"extension": [{"url": VISIBLE_FROM, "valueInstant": said}]}
    return {"securityLabel": [extension | labelled("INVISIBLE_PATIENT")[0]]}


HIDING = {
    "masked": Hiding(("MASQUE_PS",), {}),
    "invisible": Hiding((), invisible()),
    "of a minor": Hiding(("INVISIBLE_REPRESENTANTS_LEGAUX",), {}),
    "all labels": Hiding((), {"securityLabel": [*invisible()["securityLabel"],
                                                *labelled("MASQUE_PS", "INVISIBLE_REPRESENTANTS_LEGAUX", "V")]}),
    "deleted": Hiding(("N",), {"status": "entered-in-error"}),
    "not at all": Hiding(("N",), {}),
}  # fmt: skip

AUTHOR, OTHER = grant("Practitioner/author", ALL), grant("Practitioner/other", ALL)
CALLERS: dict[str, Grant] = {
    "patient": grant("Patient/a", ALL),
    "patient's app": grant("Patient/a", OWN, patient="a", purpose="PATRQT"),
    "representative": grant("Patient/mother", ALL, OWN, wards=frozenset({"a"})),
    "representative's app": grant("Patient/mother", OWN, patient="a", wards=frozenset({"a"})),
    "caregiver": grant("RelatedPerson/carer", ALL, wards=frozenset({"a"})),
    "author": replace(AUTHOR, purpose="TREAT"),
    "author's tool": grant("Practitioner/author", OWN, patient="a", purpose="TREAT"),
    "professional": replace(OTHER, purpose="TREAT"),
    "professional's tool": grant("Practitioner/other", OWN, patient="a", purpose="TREAT"),
    "call centre": grant("Practitioner/other", OWN, patient="a", purpose="ETREAT"),
    "breaks the glass": grant("Practitioner/other", OWN, patient="a", purpose="BTG", reason="unconscious"),
    "stranger": grant("Practitioner/stranger", ALL, purpose="TREAT"),
    "system": grant(None, SYSTEM),
}
_PATIENTS = {"patient", "patient's app"}
_FOR_OTHERS = {"representative", "representative's app", "caregiver"}
_OTHERS = {"stranger", "professional", "professional's tool", "call centre", "breaks the glass"}
#: How it is hidden → from whom.
FROM: dict[str, set[str]] = {
    "masked": _OTHERS,
    "invisible": {*_PATIENTS, *_FOR_OTHERS, "stranger"},
    "of a minor": {*_FOR_OTHERS, "stranger"},
    "all labels": _PATIENTS | _FOR_OTHERS | _OTHERS,
    "deleted": set(CALLERS),
    # Whoever does not care for the patient is let in to nothing of the record.
    "not at all": {"stranger"},
}


async def peopled(house: House, hiding: Hiding | None) -> None:
    """Everybody and what they wrote; with the hidden document where there is to be one."""
    own = Caller(house)
    for tree in (
        patient("a", f"{datetime.now(UTC).year - 15}-06-01"),
        patient("mother", "1980-01-01"),
        related("carer", "a", "CAREGIVER", "inscarer"),
        *({"resourceType": "Practitioner", "id": id} for id in ("author", "other", "signs", "stranger")),
        {"resourceType": "Organization", "id": "keeps", "name": "x"},
        {"resourceType": "Encounter", "id": "e", "status": "finished", "class": {"code": "AMB"}, "subject": {"reference": "Patient/a"}},
        care_team("author", "other"),
        document("other", "N", description="plain"),
    ):  # fmt: skip
        await own.put(tree)
    if hiding is not None:
        # Its first version was hidden from nobody.
        content = {"contentType": "text/plain", "data": "eA==", "securityContext": {"reference": ways_out.H}}
        await own.put(ways_out.rich("Practitioner/author", "N"))
        await own.put({"resourceType": "Binary", "id": "h", **content})
        await own.put(ways_out.rich("Practitioner/author", *hiding.codes, **hiding.more))
    for tree in ways_out.linkers(hiding is not None):
        await own.put(tree)


def care_team(*ids: str) -> Tree:
    """Those who care for the patient, and are let in by that."""
    members = [{"member": {"reference": f"Practitioner/{id}"}} for id in ids]
    team = {"resourceType": "CareTeam", "id": "team", "status": "active", "subject": {"reference": "Patient/a"}}
    return {**team, "participant": members}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worlds(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[House, House]]:
    """With the document, hidden so, and without it."""
    async with AsyncExitStack() as stack:
        made = []
        for hiding in (HIDING[request.param], None):
            settings = Settings(data=tmp_path_factory.mktemp("world"), base_url=BASE)
            house = await stack.enter_async_context(opened(settings))
            await peopled(house, hiding)
            made.append(house)
        yield made[0], made[1]


def told(answer: Answer) -> tuple[Any, ...]:
    """All that is answered, but ids that the server made, instants and positions."""
    body = answer.response.body
    text = json.dumps([answer.response.location, sorted(answer.headers.items()), body.decode("utf-8", "replace")])
    for pattern in (r"[0-9a-z]*[0-9a-f]{18}", UUID, r"20\d\d-\d\d-\d\dT[^\\\"]+", r"_cursor=[^\\\"&]+"):
        text = re.sub(pattern, "…", text)
    return answer.status, answer.version, text


#: Of the Bundles that are answered.
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


async def all_ways(house: House, caller: Grant, hidden: Tree) -> list[ways_out.Call]:
    """Every way out; what changes something comes last."""
    version = await house.engine.store.read("DocumentReference", "h")
    assert version is not None
    index = unpack(version.packed)
    found = [
        *ways_out.direct(),
        *(call for _, call in ways_out.searches(index, house.registry.of("DocumentReference"))),
        *(ways_out.get(f"DocumentReference?{query}") for query in ways_out.SPECIAL),
        *map(ways_out.get, ways_out.linking(house.registry, ways_out.LINKING)),
        *ways_out.generic(),
        *(call for calls in ways_out.OPERATIONS.values() for call in calls),
        # An administrator's software sees no more of what is deleted, and may write over it by its id.
        *(() if caller.subject is None else ways_out.writes(hidden)),
    ]
    return list({json.dumps(call): call for call in found}.values())


@pytest.mark.parametrize(
    "worlds, name",
    [(how, name) for how, names in FROM.items() for name in CALLERS if name in names],
    indirect=["worlds"],
)
async def test_no_way_out_tells_a_hidden_document_from_none(
    worlds: tuple[House, House], name: str, request: pytest.FixtureRequest
) -> None:
    hiding = HIDING[request.node.callspec.params["worlds"]]
    one, other = (Caller(house, CALLERS[name]) for house in worlds)
    hidden = ways_out.rich("Practitioner/author", *hiding.codes, **hiding.more)
    telling = []
    for method, url, body, type, headers in await all_ways(worlds[0], CALLERS[name], hidden):
        there, absent = [await caller(method, url, body, type, **headers) for caller in (one, other)]
        if told(there) != told(absent) or there.status >= 500:
            telling.append((method, url, body, dict(headers), there.status, absent.status))
    assert telling == []


@pytest.mark.parametrize(
    "worlds, name",
    [(how, name) for how, names in FROM.items() for name in CALLERS if name not in names],
    indirect=["worlds"],
)
async def test_from_others_it_is_not_hidden(worlds: tuple[House, House], name: str) -> None:
    """The matrix would be as green if nobody saw anything."""
    caller = Caller(worlds[0], CALLERS[name])
    for url in (ways_out.H, "Binary/h", f"{ways_out.H}/_history/2"):
        assert (await caller("GET", url)).status == 200, url
    assert (await caller("GET", "DocumentReference?_tag=hiddentag&_total=accurate")).json["total"] == 1
    assert (await caller("GET", f"List?item={ways_out.H}")).json["total"] == 2
    assert (await caller("GET", "List/lot")).json["entry"][0]["item"] == {"reference": ways_out.H}


@pytest.mark.parametrize("worlds", ["not at all"], indirect=True)
async def test_every_search_parameter_has_a_way_by_which_it_would_find_the_document(
    worlds: tuple[House, House],
) -> None:
    params = worlds[0].registry.of("DocumentReference")
    version = await worlds[0].engine.store.read("DocumentReference", "h")
    assert version is not None
    asked = {code for code, param in params.items() if [*ways_out.values(unpack(version.packed), code, param)]}
    special = {query.partition("=")[0].partition(":")[0] for query in ways_out.SPECIAL}
    assert (
        set(params) - asked - special - (WITHOUT_EXPRESSION - {"_text", "_content", "_filter", "_has", "_list"})
        == set()
    )


async def test_every_operation_has_a_row() -> None:
    assert ways_out.offered() - ways_out.OPERATIONS.keys() == set()
