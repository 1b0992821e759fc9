"""What loading makes of a part: ids, links, refusals, and what is left to the server's own transaction.

https://hl7.org/fhir/R4/http.html#transaction, https://hl7.org/fhir/R4/bundle.html#references
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from fhir_server.app import opened
from fhir_server.fhir.json import parse, serialize
from fhir_server.loading.preparation import Prepared, Preparer
from fhir_server.loading.sources import Part
from fhir_server.settings import Settings

URN = "urn:uuid:6a0f6e0d-7b0e-4f9b-8e3c-2f7b9e1d0c22"


class Sync:
    """A Preparer that is asked outside an event loop."""

    def __init__(self, runner: asyncio.Runner, preparer: Preparer) -> None:
        self._runner = runner
        self._preparer = preparer

    def prepare(self, part: Part, key: str, defined: bool = False) -> Prepared:
        return self._runner.run(self._preparer.prepare(part, key, defined))


@pytest.fixture(scope="module")
def preparer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sync]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        house = runner.run(stack.enter_async_context(opened(Settings(data=tmp_path_factory.mktemp("store")))))
        yield Sync(runner, Preparer(house))
        runner.run(stack.aclose())


def document(preparer: Sync, tree: dict[str, Any], key: str = "key") -> Prepared:
    return preparer.prepare(Part(serialize(tree), False, 1, 1, 0), key)


def bundle(type: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": type, "entry": list(entries)}


def create(resource: dict[str, Any], full: str | None = None, **request: str) -> dict[str, Any]:
    entry = {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"], **request}}
    return {"fullUrl": full, **entry} if full else entry


def update(resource: dict[str, Any]) -> dict[str, Any]:
    url = f"{resource['resourceType']}/{resource['id']}"
    return {"resource": resource, "request": {"method": "PUT", "url": url}}


PATIENT = {"resourceType": "Patient"}


def observation(subject: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "poids"},
        "subject": {"reference": subject},
    }


def test_a_line_with_an_id_keeps_it_and_one_without_gets_one_that_stays(preparer: Sync) -> None:
    part = Part(b'{"resourceType":"Patient","id":"a"}\n\n{"resourceType":"Patient"}', True, 10, 3, 0)
    once, again, other = (preparer.prepare(part, key).groups[0] for key in ("key", "key", "another"))
    assert [(row.id, row.method, row.place) for row in once] == [
        ("a", "PUT", "line 10"),
        (once[1].id, "POST", "line 12"),
    ]
    assert once[1].id == again[1].id != other[1].id


def test_a_refused_line_says_where_and_which_element_and_the_others_go_on(preparer: Sync) -> None:
    lines = b'{"resourceType":"Patient","gender":"femme"}\n{"resourceType":"Patient"}\nnot json\n'
    found = preparer.prepare(Part(lines, True, 1, 3, 0), "key")
    assert [refusal.place for refusal in found.refused] == ["line 1", "line 3"]
    assert "Patient.gender" in found.refused[0].reason and "femme" not in found.refused[0].reason
    assert [row.place for row in found.groups[0]] == ["line 2"]


def test_links_to_an_entry_become_links_to_what_it_becomes(preparer: Sync) -> None:
    found = document(preparer, bundle("transaction", create(PATIENT, URN), create(observation(URN))))
    [[patient, measured]] = found.groups
    assert parse(measured.body)["subject"]["reference"] == f"Patient/{patient.id}"


def test_an_identifier_that_equals_a_full_url_stays(preparer: Sync) -> None:
    named = {"resourceType": "Patient", "identifier": [{"system": "urn:ietf:rfc:3986", "value": URN}]}
    [[patient]] = document(preparer, bundle("transaction", create(named, URN))).groups
    assert parse(patient.body)["identifier"][0]["value"] == URN


def test_a_transaction_with_one_bad_entry_is_not_begun(preparer: Sync) -> None:
    bad = {"resourceType": "Patient", "active": "yes"}
    found = document(preparer, bundle("transaction", create(PATIENT), create(bad)))
    assert not found.groups
    assert [refusal.place for refusal in found.refused] == ["document entry 2", "document"]


@pytest.mark.parametrize("type", ["batch", "collection"])
def test_elsewhere_the_good_entries_are_taken(preparer: Sync, type: str) -> None:
    bad = {"resourceType": "Patient", "active": "yes"}
    found = document(preparer, bundle(type, create(PATIENT), create(bad)))
    assert [len(rows) for rows in found.groups] == [1]
    assert [refusal.place for refusal in found.refused] == ["document entry 2"]


@pytest.mark.parametrize(
    "entry",
    [
        create(PATIENT, ifNoneExist="identifier=1"),
        {"request": {"method": "DELETE", "url": "Patient/1"}},
        {"request": {"method": "GET", "url": "Patient/1"}},
        {"resource": PATIENT, "request": {"method": "PUT", "url": "Patient?identifier=1"}},
        {"resource": {**PATIENT, "id": "1"}, "request": {"method": "PUT", "url": "Patient/2"}},
        {**update({**PATIENT, "id": "1"}), "request": {"method": "PUT", "url": "Patient/1", "ifMatch": 'W/"1"'}},
        create(observation("Patient?identifier=1")),
        create(observation(URN)),
        create(PATIENT, "http://elsewhere.example/Patient/1"),
    ],
    ids=["if-none-exist", "delete", "get", "conditional update", "other id", "if-match", "conditional reference",
         "link to nowhere", "full URL of a server"],
)  # fmt: skip
def test_what_needs_the_server_s_own_transaction_is_left_to_it(preparer: Sync, entry: dict[str, Any]) -> None:
    found = document(preparer, bundle("transaction", entry))
    assert len(found.wholes) == 1
    assert not found.groups and not found.refused


def test_an_update_in_a_transaction_keeps_its_id(preparer: Sync) -> None:
    [[row]] = document(preparer, bundle("transaction", update({**PATIENT, "id": "mine"}))).groups
    assert (row.id, row.method) == ("mine", "PUT")


def test_two_entries_for_one_id_are_left_to_the_server_to_refuse(preparer: Sync) -> None:
    twice = update({**PATIENT, "id": "mine"})
    assert len(document(preparer, bundle("transaction", twice, twice)).wholes) == 1


@pytest.mark.parametrize("entry", [5, "x", [{}, 5], {"a": 1}])
def test_entries_that_are_not_objects_are_refused(preparer: Sync, entry: Any) -> None:
    found = document(preparer, {"resourceType": "Bundle", "type": "transaction", "entry": entry})
    assert len(found.refused) == 1 and not found.groups and not found.wholes


def test_decimals_come_through_with_their_digits(preparer: Sync) -> None:
    body = (
        b'{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"POST","url":"Observation"},'
        b'"resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.10}}}]}'
    )
    [[row]] = preparer.prepare(Part(body, False, 1, 1, 0), "key").groups
    assert b'"value":1.10' in row.body


@pytest.mark.parametrize(
    "spelled",
    [
        b'"reference":"%s"',
        b'"reference" : "%s"',
        b'"reference"\t:\n "%s"',
        b'"reference":"\\u0075%s"',
        b'"\\u0072eference":"%s"',
    ],
)
def test_a_link_by_a_name_that_no_entry_has_is_refused_however_it_is_spelled(preparer: Sync, spelled: bytes) -> None:
    name = URN.encode()[1:] if b"u0075" in spelled else URN.encode()
    body = serialize(observation("Patient/1")).replace(b'"reference":"Patient/1"', spelled % name).replace(b"\n", b" ")
    found = preparer.prepare(Part(body, True, 1, 1, 0), "key")
    assert [one.reason.partition(":")[0] for one in found.refused] == ["Observation.subject.reference"]
