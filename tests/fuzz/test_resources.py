"""Whatever is sent is taken or refused with an OperationOutcome, and what is refused leaves nothing behind.

https://hl7.org/fhir/R4/http.html#2.21.0.4, https://hl7.org/fhir/R4/http.html#operations. Through the whole server.
"""

from __future__ import annotations

import asyncio
import copy
import json
import random
from collections.abc import Callable, Coroutine, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples_folder
from tests.server.whole import whole

JSON = {"content-type": "application/fhir+json"}
XML = {"content-type": "application/fhir+xml"}
#: Larger examples say nothing that smaller ones do not, and take longer.
LONGEST = 20_000
ODD: list[Any] = [
    None, True, 0, -1, 1.5, 10**30, 1e300, "", " ", "x", "\x00", "\u2028", "\ud83d\ude00", "Patient", "#", "2020-02-30",
    [], {}, [[]], [{}], [None], {"": 1}, {"resourceType": "Patient"}, {"reference": {}}, {"extension": [{}]}, "a" * 3000,
]  # fmt: skip
FEW = [
    {"resourceType": "Patient", "id": "a", "name": [{"family": "Durand", "_family": {"id": "x"}}], "birthDate": "1980"},
    {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "valueQuantity": {"value": 1.50}},
    {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"resourceType": "Basic"}}]},
]


@cache
def examples() -> list[dict[str, Any]]:
    folder = examples_folder()
    found = [json.loads(path.read_bytes()) for path in _small(folder)] if folder else []
    return [*FEW, *found]


def _small(folder: Path) -> Iterator[Path]:
    for n, path in enumerate(sorted(folder.glob("*.json"))):
        if n % 7 == 0 and path.stat().st_size < LONGEST and b'"resourceType"' in path.read_bytes()[:200]:
            yield path


def mutated(tree: dict[str, Any], source: random.Random) -> dict[str, Any]:
    """A copy in which a few things have been replaced, dropped, doubled, renamed, wrapped or moved."""
    changed = copy.deepcopy(tree)
    for _ in range(source.choice([1, 1, 2, 4])):
        holder, key = source.choice(list(_places(changed)) or [(changed, "resourceType")])
        match source.randrange(6):
            case 0 | 1:
                holder[key] = copy.deepcopy(source.choice(ODD))
            case 2:
                del holder[key]
            case 3 if isinstance(holder, dict):
                holder[source.choice(["_" + str(key), str(key) + "x", "value", "resourceType"])] = holder.pop(key)
            case 3 | 4:
                holder[key] = [holder[key], copy.deepcopy(holder[key])]
            case _:
                other, place = source.choice(list(_places(changed)) or [(changed, "id")])
                holder[key] = copy.deepcopy(other[place])
    return changed


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(node) if isinstance(node, dict) else range(len(node))
    for key in keys:
        yield node, key
        if isinstance(node[key], dict | list):
            yield from _places(node[key])


trees = st.builds(
    lambda n, seed: mutated(examples()[n % len(examples())], random.Random(seed)),
    st.integers(0, 10_000),
    st.integers(0, 2**32),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["Patient", "id"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["resourceType", "id", "meta", "name", "entry", "type"]) | st.text(max_size=4), inner
        )
    ),
    max_leaves=12,
)
Ask = Callable[[httpx.AsyncClient, Any], Coroutine[Any, Any, httpx.Response]]


def _body(tree: Any) -> bytes:
    return json.dumps(tree).encode()


def _type(tree: Any) -> str:
    said = tree.get("resourceType") if isinstance(tree, dict) else None
    return said if isinstance(said, str) and said.isalpha() else "Patient"


async def create(client: httpx.AsyncClient, tree: Any) -> httpx.Response:
    return await client.post(_type(tree), content=_body(tree), headers=JSON)


async def update(client: httpx.AsyncClient, tree: Any) -> httpx.Response:
    named = {**tree, "id": "fuzz"} if isinstance(tree, dict) else tree
    return await client.put(f"{_type(tree)}/fuzz", content=_body(named), headers=JSON)


async def bundled(client: httpx.AsyncClient, tree: Any) -> httpx.Response:
    entries = [
        {"request": {"method": "POST", "url": _type(tree)}, "resource": tree},
        {"request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=urn:f|1"}, "resource": FEW[0]},
    ]
    return await client.post("", content=_body({"resourceType": "Bundle", "type": "transaction", "entry": entries}))


async def as_bundle(client: httpx.AsyncClient, tree: Any) -> httpx.Response:
    made = {**tree, "resourceType": "Bundle", "type": "transaction"} if isinstance(tree, dict) else tree
    return await client.post("", content=_body(made), headers=JSON)


async def validate(client: httpx.AsyncClient, tree: Any) -> httpx.Response:
    return await client.post(f"{_type(tree)}/$validate", content=_body(tree), headers=JSON)


async def json_patch(client: httpx.AsyncClient, tree: Any) -> httpx.Response:
    steps = (
        [{"op": "replace", "path": f"/{key}", "value": value} for key, value in tree.items()]
        if isinstance(tree, dict)
        else tree
    )
    headers = {"content-type": "application/json-patch+json"}
    return await client.patch("Patient/patched", content=_body(steps), headers=headers)


async def meta_added(client: httpx.AsyncClient, tree: Any) -> httpx.Response:
    meta = tree.get("meta", tree) if isinstance(tree, dict) else tree
    body = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]}
    return await client.post("Patient/patched/$meta-add", content=_body(body), headers=JSON)


ASKED: list[Ask] = [create, update, bundled, as_bundle, validate, json_patch, meta_added]


async def held(client: httpx.AsyncClient, ask: Ask, tree: Any) -> None:
    """The one rule: 2xx and readable in every format, or 4xx with an OperationOutcome and nothing written."""
    before = await versions(client)
    answer = await ask(client, tree)
    assert 200 <= answer.status_code < 300 or 400 <= answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.json()["resourceType"] == "OperationOutcome" and answer.json()["issue"]
        assert await versions(client) == before
    elif place := answer.headers.get("content-location"):
        for accept in ("application/fhir+json", "application/fhir+xml", "text/html"):
            assert (await client.get(place, headers={"accept": accept})).status_code == 200, (accept, place)


async def versions(client: httpx.AsyncClient) -> int:
    return int((await client.get("_history?_count=0")).json()["total"])


def fuzzed(folder: Path, examples: int, strategy: st.SearchStrategy[Any], asked: list[Ask]) -> None:
    with asyncio.Runner() as runner:
        server = whole(folder)
        client = runner.run(server.__aenter__())
        runner.run(client.put("Patient/patched", json={"resourceType": "Patient", "id": "patched"}))

        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.sampled_from(asked), strategy)
        def ask(how: Ask, tree: Any) -> None:
            runner.run(held(client, how, tree))

        try:
            ask()
        finally:
            runner.run(server.__aexit__(None, None, None))


def test_mutated_examples_are_taken_or_refused_whole(tmp_path: Path) -> None:
    fuzzed(tmp_path, 600, trees, ASKED)


def test_arbitrary_json_is_taken_or_refused_whole(tmp_path: Path) -> None:
    fuzzed(tmp_path, 400, anything, ASKED)


async def raw_json(client: httpx.AsyncClient, body: Any) -> httpx.Response:
    return await client.post("Patient", content=body, headers=JSON)


async def raw_xml(client: httpx.AsyncClient, body: Any) -> httpx.Response:
    return await client.post("Patient", content=body, headers=XML)


async def raw_bundle(client: httpx.AsyncClient, body: Any) -> httpx.Response:
    return await client.post("", content=body, headers=XML)


PATIENT_XML = (
    b'<Patient xmlns="http://hl7.org/fhir"><!-- c --><extension url="urn:u"><valueDecimal value="1.10"/></extension>'
    b'<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><p>x</p></div></text>'
    b'<contained><Basic><id value="b"/></Basic></contained><name><family value="D&amp;"/></name></Patient>'
)
cuts = st.tuples(st.integers(0, len(PATIENT_XML)), st.integers(0, 40), st.binary(max_size=6) | st.sampled_from([
    b"<", b">", b"&x;", b"&#0;", b"<![CDATA[", b"]]>", b"<!DOCTYPE a [<!ENTITY x 'y'>]>", b"<?pi?>", b'value="', b"\xff", b"\x00",
    b"<contained>", b"<Patient/>", b'xmlns="urn:x" ', b" id='1'", b"</div>", b"<script/>",
]))  # fmt: skip


def damaged(cut: tuple[int, int, bytes]) -> bytes:
    return PATIENT_XML[: cut[0]] + cut[2] + PATIENT_XML[cut[0] + cut[1] :]


def test_damaged_xml_is_taken_or_refused_whole(tmp_path: Path) -> None:
    fuzzed(tmp_path, 300, st.builds(damaged, cuts), [raw_xml, raw_bundle])


def test_damaged_json_is_taken_or_refused_whole(tmp_path: Path) -> None:
    start = _body(FEW[0])
    bodies = st.builds(
        lambda at, gone, put: start[:at] + put + start[at + gone :],
        st.integers(0, len(start)),
        st.integers(0, 20),
        st.binary(max_size=4)
        | st.sampled_from([b"\\ud800", b"\\u0000", b"1e999", b"NaN", b'"id":"b",', b"[" * 2000, b"\xef\xbb\xbf"]),
    )
    fuzzed(tmp_path, 300, bodies, [raw_json])


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"extension":'])
def test_the_deepest_nesting_is_refused_at_once(tmp_path: Path, opening: bytes) -> None:
    async def ask() -> int:
        async with whole(tmp_path) as client:
            body = b'{"resourceType":"Patient","extension":' + opening * 300_000
            return (await client.post("Patient", content=body, headers=JSON)).status_code

    assert asyncio.run(ask()) == 400
