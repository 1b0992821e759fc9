"""The red list: to third parties a mailbox on it is by no way out told from one that is not there.

https://interop.esante.gouv.fr/ig/fhir/mss (`listeRouge`), https://hl7.org/fhir/R4/search.html,
https://hl7.org/fhir/R4/http.html#history. Two servers, alike but for the mailboxes: what is answered must agree.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
import pytest_asyncio

from fhir_server.app import House, opened
from fhir_server.search.answering.cursors import START, sign
from fhir_server.search.indexing.extract import extract
from fhir_server.search.parameters.registry import Registry
from fhir_server.settings import Settings
from fhir_server.space.mailboxes.holders import holders
from fhir_server.space.mailboxes.model import EMAIL_TYPE, HOLDERS, MAIL_TYPES, MAILBOX_TYPES, MSSANTE
from tests.space.mailboxes.directory import CONCERNED, OPERATOR, THIRD, Tree, mailbox, organization, practitioner, role
from tests.space.record import ways_out
from tests.space.record.callers import BASE, Caller, document
from tests.space.record.test_leak_matrix import told
from tests.space.record.test_reading import patient

pytestmark = pytest.mark.asyncio(loop_scope="module")
#: No word of it stands anywhere else.
RED = "zzhidden.zzperson@zzdomain.mssante.fr"
PHONE = {"system": "phone", "value": "+33 2 61 91 00 00"}
NARRATIVE = {"status": "additional", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{RED}</div>'}


def red(type: str) -> Tree:
    kind = {"url": EMAIL_TYPE, "valueCoding": MSSANTE}
    made = mailbox(RED, type, red=True)
    return {**made, "extension": [kind, *made["extension"]]}


def holding(there: bool) -> Iterator[Tree]:
    """All that has a mailbox of the red list, version after version, and is the same without it."""

    def points(*some: Tree) -> list[Tree]:
        return [*some, PHONE] if there else [PHONE]

    text = {"text": NARRATIVE} if there else {}
    yield practitioner("p", *points(mailbox(RED, "CAB")))
    yield practitioner("p", *points(red("CAB"), {"system": "email", "value": RED.upper(), "use": "work"}), **text)
    yield organization("o", *points(mailbox(RED.replace("zzhidden", "zzhidden.o"), "ORG")))
    yield organization("o", *points({**red("ORG"), "value": RED.replace("zzhidden", "zzhidden.o")}))
    yield role("r", "p", *points({**red("PER"), "value": RED.replace("zzhidden", "zzhidden.r")}))
    # Published, and taken away since.
    yield practitioner("q", *points(mailbox(RED.replace("zzhidden", "zzhidden.q"))))
    yield practitioner("q", PHONE)
    yield {"resourceType": "Patient", "id": "a", "generalPractitioner": [{"reference": "Practitioner/p"}]}
    inside = {"contained": [practitioner("in", *points(red("CAB")))], "author": {"reference": "#in"}}
    yield document("d", **inside, **text)
    entry = {
        "fullUrl": "urn:uuid:5c2f0c5e-8f6c-4f0a-9d0f-6f0c2b6a1e11",
        "resource": practitioner("e", *points(red("CAB"))),
    }
    yield {"resourceType": "Bundle", "id": "b", "type": "collection", "entry": [entry]}


async def peopled(house: House, there: bool) -> None:
    own = Caller(house)
    for id in ("other", "author"):
        await own.put(practitioner(id))
    await own.put(patient("a", "1980-01-01"))
    await own.put({"resourceType": "CareTeam", "id": "team", "status": "active", "subject": {"reference": "Patient/a"},
                   "participant": [{"member": {"reference": "Practitioner/other"}}]})  # fmt: skip
    for tree in holding(there):
        await own.put(tree)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worlds(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[House, House]]:
    async with AsyncExitStack() as stack:
        made = []
        for there in (True, False):
            settings = Settings(data=tmp_path_factory.mktemp("world"), base_url=BASE)
            house = await stack.enter_async_context(opened(settings))
            await peopled(house, there)
            made.append(house)
        yield made[0], made[1]


KEPT = {"Practitioner": "p", "PractitionerRole": "r", "Organization": "o", "DocumentReference": "d", "Bundle": "b"}


#: Search parameters of how somebody is reached.
REACHING = {"telecom", "email", "phone", "mailbox-mss", "mailbox-mss-type"}


def ways(registry: Registry) -> Iterator[ways_out.Call]:
    """Every way out that could tell of a mailbox."""
    for type, id in [*KEPT.items(), ("Practitioner", "q"), ("Patient", "a")]:
        for url in (f"{type}/{id}", f"{type}/{id}/_history", f"{type}/{id}/_history/1", f"{type}/{id}/_history/2"):
            yield ways_out.get(url)
            yield ways_out.get(f"{url}?_elements=telecom")
            yield ways_out.get(f"{url}?_summary=true")
        yield ways_out.get(f"{type}?_id={id}&_contained=both&_include=*&_revinclude=*")
        yield ways_out.get(f"{type}/_history")
    yield from map(ways_out.get, ("_history", "?_type=Practitioner,PractitionerRole,Organization&_elements=telecom"))
    yield ways_out.get("Patient/a/$everything")
    for type in HOLDERS:
        published = {**next(one for one in holding(True) if one["resourceType"] == type)}
        index = extract(type, published, registry, BASE)
        for code, param in registry.of(type).items():
            found = [word.value for word in index.words if word.param == code and "zz" in word.value]
            guesses = ["zzhidden", RED, f"{MAILBOX_TYPES}|CAB", f"{MAIL_TYPES}|CAB", "ORG", "PER", "CAB"]
            for value in dict.fromkeys([*found, *(guesses if code in REACHING else [])]):
                for modifier in ("", *((":contains", ":exact") if param.type == "string" else (":not",))):
                    yield ways_out.get(f"{type}?{code}{modifier}={quote(value, safe='|')}&_total=accurate")
            if code in REACHING:
                yield ways_out.get(f"{type}?{code}:missing=false&_total=accurate&_elements=id")
                yield ways_out.get(f"{type}?_sort=-{code}&_elements=id&_count=1")
        for word in ("zzhidden", "zzperson", "zzdomain", quote(RED)):
            yield ways_out.get(f"{type}?_content={word}&_total=accurate")
            yield ways_out.get(f"{type}?_text={word}&_total=accurate")
            yield ways_out.get(f"{type}?_filter=mailbox-mss%20co%20%22{word}%22")
    for word in ("zzhidden", "zzperson"):
        yield ways_out.get(f"DocumentReference?patient=a&_content={word}")
        yield ways_out.get(f"Bundle?_content={word}")
        yield ways_out.get(f"Bundle?_text={word}")
        yield ways_out.get(f"DocumentReference?patient=a&_text={word}")
        yield ways_out.get(f"DocumentReference?patient=a&author:Practitioner.mailbox-mss:contains={word}")
        yield ways_out.get(f"DocumentReference?patient=a&author:Practitioner.email={word}")
        yield ways_out.get(f"Practitioner?_contained=true&mailbox-mss:contains={word}")
        yield ways_out.get(f"PractitionerRole?practitioner.mailbox-mss:contains={word}")
        yield ways_out.get(f"Patient?general-practitioner:Practitioner.mailbox-mss:contains={word}")
        yield ways_out.get(f"Practitioner?_has:PractitionerRole:practitioner:mailbox-mss:contains={word}")
    entries = [{"request": {"method": "GET", "url": f"{type}/{id}"}} for type, id in KEPT.items()]
    yield ways_out.post("", {"resourceType": "Bundle", "type": "batch", "entry": entries})


def read(body: bytes) -> str:
    """What is answered, with the positions in its links in the clear: their signatures are any letters at all."""

    def position(token: re.Match[str]) -> str:
        signed = urlsafe_b64decode(token[1] + "=" * (-len(token[1]) % 4))
        return f"_cursor={msgspec.msgpack.decode(signed[16:])!r}"

    return re.sub(r"_cursor=([\w-]+)", position, body.decode()).casefold()


async def test_signatures_say_nothing_and_positions_are_read() -> None:
    """Else a signature with two letters of the mailbox were a leak, and a position with all of them none."""
    place = ("a@zzdomain.mssante.fr", 7)
    tokens = [sign(START.following(place), b"query", bytes([n])) for n in range(250)]
    assert any("zz" in token.casefold() for token in tokens)
    assert {read(f'"?_cursor={token}&_count=1"'.encode()) for token in tokens} == {
        "\"?_cursor=[['a@zzdomain.mssante.fr', 7], [none]]&_count=1\""
    }


@pytest.mark.parametrize("name", THIRD)
async def test_by_no_way_out_is_it_told_from_none(worlds: tuple[House, House], name: str) -> None:
    one, other = (Caller(house, THIRD[name]) for house in worlds)
    telling = []
    calls = {json.dumps(call): call for call in ways(worlds[0].registry)}
    for method, url, body, type, headers in calls.values():
        there, absent = [await caller(method, url, body, type, **headers) for caller in (one, other)]
        text = read(there.response.body)
        if told(there) != told(absent) or there.status >= 500 or ("zz" in text and "zz" not in url.casefold()):
            telling.append((method, url, there.status, absent.status))
    assert telling == []


@pytest.mark.parametrize("name", CONCERNED)
async def test_who_keeps_the_directory_and_whose_it_is_see_it(worlds: tuple[House, House], name: str) -> None:
    """The matrix would be as green if nobody saw anything."""
    caller = Caller(worlds[0], CONCERNED[name])
    for url in ("Practitioner/p", "PractitionerRole/r", "Practitioner/p/_history/1"):
        assert "zzhidden" in (await caller("GET", url)).response.body.decode(), url
    assert "zzhidden" in (await caller("GET", "Practitioner?_id=p")).response.body.decode()


@pytest.mark.parametrize("name", CONCERNED)
async def test_by_no_parameter_do_they_find_it_either(worlds: tuple[House, House], name: str) -> None:
    caller = Caller(worlds[0], CONCERNED[name])
    for query in ("mailbox-mss:contains=zz", "telecom=" + RED, "email=" + RED, "_content=zzhidden", "_text=zzhidden"):
        assert (await caller("GET", f"Practitioner?{query}&_total=accurate")).json["total"] == 0, query


async def test_the_server_itself_knows_whose_it_is(worlds: tuple[House, House]) -> None:
    found = await holders(worlds[0].repository(), RED)
    assert [one.reference for one in found] == ["Practitioner/p"]


async def test_whoever_is_not_shown_it_does_not_take_it_away(worlds: tuple[House, House]) -> None:
    """A document whose author holds such a mailbox is written by somebody who is not shown it."""
    caller = Caller(worlds[0], THIRD["professional"])
    shown = (await caller("GET", "Bundle/b")).json
    assert "zz" not in json.dumps(shown)
    answer = await caller("PUT", "Bundle/b", {**shown, "timestamp": "2026-01-01T00:00:00Z"})
    if answer.status == 200:
        assert RED in (await Caller(worlds[0], OPERATOR)("GET", "Bundle/b")).response.body.decode()
    else:
        assert answer.status in (403, 404, 405), answer.json


async def test_a_mailbox_that_is_published_again_is_found_and_shown(worlds: tuple[House, House]) -> None:
    for name, who in THIRD.items():
        caller, url = Caller(worlds[0], who), "Practitioner?mailbox-mss:contains=zznot"
        await Caller(worlds[0]).put(practitioner("n", mailbox("zznot@x.mssante.fr", red=True)))
        assert (await caller("GET", f"{url}&_total=accurate")).json["total"] == 0, name
        await Caller(worlds[0]).put(practitioner("n", mailbox("zznot@x.mssante.fr", red=False)))
        assert (await caller("GET", f"{url}&_total=accurate")).json["total"] == 1, name
        assert "zznot" in (await caller("GET", "Practitioner/n")).response.body.decode(), name


SEEN: Any = {
    "mailbox-mss=anne.martin": ["Practitioner/n1", "PractitionerRole/n2"],
    "mailbox-mss:contains=MEDECIN": ["Practitioner/n1"],
    "mailbox-mss:exact=anne.martin@medecin.mssante.fr": ["Practitioner/n1"],
    "mailbox-mss:exact=anne.martin@medecin.mssante": [],
    "mailbox-mss=%2B33": [],
    f"mailbox-mss-type={MAILBOX_TYPES}|PER&_id=n1,n2,n3": ["Practitioner/n1", "PractitionerRole/n2"],
    f"mailbox-mss-type={MAIL_TYPES}|PER&_id=n1,n2,n3": ["Practitioner/n1", "PractitionerRole/n2"],
    "mailbox-mss-type=ORG&_id=n1,n2,n3": ["Organization/n3"],
    f"mailbox-mss-type={MAIL_TYPES}|ORG&_id=n1,n2,n3&_elements=identifier,telecom": ["Organization/n3"],
}


@pytest.mark.parametrize("query, expected", SEEN.items())
async def test_mailboxes_are_found_as_the_guide_asks(
    worlds: tuple[House, House], query: str, expected: list[str]
) -> None:
    """By type at the root, by type each in a batch, and with the system of the guide's examples."""
    own = Caller(worlds[1])
    await own.put(practitioner("n1", mailbox("anne.martin@medecin.mssante.fr"), PHONE))
    await own.put(role("n2", "n1", mailbox("anne.martin@hopital.mssante.fr")))
    await own.put(organization("n3", mailbox("accueil@hopital.mssante.fr", "ORG"), PHONE))
    caller = Caller(worlds[1], THIRD["professional"])
    found = (await caller("GET", f"?_type={','.join(HOLDERS)}&{query}")).resources
    assert sorted(f"{one['resourceType']}/{one['id']}" for one in found) == expected
    entries = [{"request": {"method": "GET", "url": f"{type}?{query}"}} for type in HOLDERS]
    answer = await caller("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": entries})
    inner = [one for entry in answer.json["entry"] for one in entry["resource"].get("entry", ())]
    assert sorted(f"{one['resource']['resourceType']}/{one['resource']['id']}" for one in inner) == expected


def asking_writes() -> Iterator[ways_out.Call]:
    """Writes by which somebody would learn of a mailbox: what they match, test, claim, or say when they are refused."""
    said = mailbox(RED, "CAB")
    fhirpath = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [
        {"name": "type", "valueCode": "delete"}, {"name": "path", "valueString": f"Practitioner.telecom.where(value='{RED}')"},
    ]}]}  # fmt: skip
    for url in (
        "Practitioner/p",
        f"Practitioner?mailbox-mss={RED}",
        f"Practitioner?email={RED}",
        "Practitioner?identifier=8p",
    ):
        yield "PATCH", url, [{"op": "test", "path": "/telecom/0/value", "value": RED}], ways_out.PATCH, {}
        yield "PATCH", url, [{"op": "remove", "path": "/telecom/1"}], ways_out.PATCH, {}
        yield "PATCH", url, b'<diff><remove sel="Practitioner/telecom[2]"/></diff>', "application/xml-patch+xml", {}
        yield "PATCH", url, fhirpath, ways_out.JSON, {}
        yield "PUT", url, practitioner("p", PHONE), ways_out.JSON, {}
        yield "PUT", url, practitioner("p", said), ways_out.JSON, {"if_match": 'W/"2"'}
        yield "DELETE", url, None, "", {}
    for query in (f"mailbox-mss={RED}", f"telecom={RED}", "mailbox-mss:contains=zzhidden"):
        yield "POST", "Practitioner", practitioner("x", PHONE), ways_out.JSON, {"if_none_exist": query}
        named = {
            "resourceType": "Basic",
            "code": {"text": "x"},
            "subject": {"reference": "Patient/a"},
            "author": {"reference": f"Practitioner?{query}"},
        }
        for type in ("batch", "transaction"):
            entry = {"resource": named, "request": {"method": "POST", "url": "Basic"}}
            yield ways_out.post("", {"resourceType": "Bundle", "type": type, "entry": [entry]})
    for type in ("Practitioner", "Organization", "PractitionerRole"):
        tree = {**practitioner("x", said), "resourceType": type}
        yield ways_out.post(type, tree)
        yield ways_out.post(f"{type}/$validate", tree)
        yield ways_out.post(f"{type}/$validate?mode=create", tree)
    for path in ("/entry/0/resource/telecom/0/value", "/entry/0/resource/telecom/1"):
        yield "PATCH", "Bundle/b", [{"op": "test", "path": path, "value": RED}], ways_out.PATCH, {}
    yield (
        "PATCH",
        "DocumentReference/d",
        [{"op": "test", "path": "/contained/0/telecom/0/value", "value": RED}],
        ways_out.PATCH,
        {},
    )


@pytest.mark.parametrize("name", THIRD)
async def test_by_no_write_is_it_told_from_none(worlds: tuple[House, House], name: str) -> None:
    """Last, since what is made here is listed."""
    one, other = (Caller(house, THIRD[name]) for house in worlds)
    telling = []
    for method, url, body, type, headers in asking_writes():
        there, absent = [await caller(method, url, body, type, **headers) for caller in (one, other)]
        if told(there) != told(absent) or there.status >= 500:
            telling.append((method, url, there.status, absent.status))
    assert telling == []
