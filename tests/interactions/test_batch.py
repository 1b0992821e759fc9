"""https://hl7.org/fhir/R4/http.html#transaction (batch), https://hl7.org/fhir/R4/bundle.html"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.server.calls import Server, serving

Json = dict[str, Any]


def batch(*entries: Any, type: str = "batch") -> Json:
    return {"resourceType": "Bundle", "type": type, "entry": list(entries)}


def asks(method: str, url: str, resource: Json | None = None, **request: str) -> Json:
    found: Json = {"request": {"method": method, "url": url, **request}}
    return {**found, "resource": resource} if resource is not None else found


PATIENT: Json = {"resourceType": "Patient", "id": "a", "active": True}


async def test_each_entry_is_answered_in_its_place_whatever_happens_to_the_others(server: Server) -> None:
    answer = await server.post(
        "",
        batch(
            asks("GET", "Patient/none"),
            asks("POST", "Patient", {"resourceType": "Patient", "gender": "x"}),
            asks("PUT", "Patient/a", PATIENT),
            asks("GET", "Patient?active=true"),
            asks("FETCH", "Patient"),
            asks("DELETE", "Patient/never"),
            asks("GET", "Foo/1"),
            asks("GET", "Patient/a"),
            {"resource": PATIENT},
        ),
    )
    assert (answer.status, answer.json["type"]) == (200, "batch-response")
    entries = answer.json["entry"]
    assert [entry["response"]["status"][:3] for entry in entries] == [
        "404", "422", "201", "200", "422", "204", "404", "200", "400"
    ]  # fmt: skip
    assert entries[1]["response"]["outcome"]["issue"][0]["expression"] == ["Bundle.entry[1].resource.gender"]
    assert entries[2]["response"]["location"] == "Patient/a/_history/1"
    assert entries[2]["response"]["etag"] == 'W/"1"' and "lastModified" in entries[2]["response"]
    assert entries[3]["resource"]["total"] == 1
    assert entries[7]["resource"]["active"] is True and entries[7]["fullUrl"].endswith("/Patient/a")


CALLED = "urn:uuid:11111111-1111-4111-8111-111111111111"


@pytest.mark.parametrize(
    "url",
    [f"Observation?subject={CALLED}", f"Patient?_id=a,{CALLED}", f"Patient/{CALLED}/Observation", CALLED],
)
async def test_a_read_that_names_another_entry_is_refused_and_not_answered_with_nothing(
    server: Server, url: str
) -> None:
    """R4 http.html#transaction: there are no interdependencies between the entries of a batch."""
    made = {"fullUrl": CALLED, **asks("POST", "Patient", {"resourceType": "Patient"})}
    answer = await server.post("", batch(made, asks("GET", url), asks("GET", url.replace("1111", "2222"))))
    first, second, third = (entry["response"] for entry in answer.json["entry"])
    assert first["status"][:3] == "201" and second["status"][:3] == "400"
    assert "only a transaction resolves" in second["outcome"]["issue"][0]["diagnostics"]
    # What no entry is called is an ordinary search, or an ordinary path.
    assert "only a transaction" not in str(third)


async def test_conditions_of_entries_are_held(server: Server) -> None:
    await server.put("Patient/a", PATIENT)
    answer = await server.post(
        "",
        batch(
            asks("PUT", "Patient/a", PATIENT, ifMatch='W/"7"'),
            asks("GET", "Patient/a", ifNoneMatch='W/"1"'),
            asks("GET", "Patient/a", ifModifiedSince="2100-01-01T00:00:00Z"),
            asks("POST", "Patient", PATIENT, ifNoneExist="active=true"),
        ),
    )
    assert [entry["response"]["status"][:3] for entry in answer.json["entry"]] == ["412", "304", "304", "200"]


async def test_a_head_is_answered_without_the_resource(server: Server) -> None:
    """http.html#head"""
    await server.put("Patient/a", {"resourceType": "Patient", "id": "a"})
    for kind in ("batch", "transaction"):
        answer = await server.post("", batch(asks("HEAD", "Patient/a"), type=kind))
        [entry] = answer.json["entry"]
        assert set(entry) == {"response"} and entry["response"]["etag"] == 'W/"1"'


@pytest.mark.parametrize("url", ["Patient/%zz", "Patient/%ff", "Patient/%00", "Patient?name=%zz", "Patient?name=%00"])
async def test_a_url_that_cannot_be_decoded_is_refused_in_an_entry_too(server: Server, url: str) -> None:
    """RFC 3986 §2.1"""
    answer = await server.post("", batch(asks("GET", url)))
    assert answer.json["entry"][0]["response"]["status"].startswith("400")


async def test_what_was_written_is_given_back_when_preferred(server: Server) -> None:
    body = batch(asks("PUT", "Patient/a", PATIENT))
    assert "resource" not in (await server.post("", body)).json["entry"][0]
    full = await server.post("", body, prefer="return=representation")
    assert full.json["entry"][0]["resource"]["id"] == "a"
    told = await server.call("POST", "", body, context=server.context(prefer="OperationOutcome"))
    assert told.json["entry"][0]["response"]["outcome"]["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{}", 400),
        ({"resourceType": "Patient"}, 400),
        ({"resourceType": "Bundle"}, 422),
        ({"resourceType": "Bundle", "type": "searchset"}, 422),
        ({"resourceType": "Bundle", "type": "collection"}, 422),
        ({"resourceType": "Bundle", "type": "batch", "entry": {}}, 400),
        ({"resourceType": "Bundle", "type": "batch", "nonsense": 1}, 422),
        ({"resourceType": "Bundle", "type": "transaction", "nonsense": 1}, 422),
    ],
)
async def test_what_is_no_batch_or_transaction_is_refused(server: Server, body: Any, status: int) -> None:
    assert (await server.post("", body)).status == status


async def test_a_batch_of_nothing_is_answered_with_nothing(server: Server) -> None:
    for type in ("batch", "transaction"):
        answer = await server.post("", {"resourceType": "Bundle", "type": type})
        assert (answer.status, answer.json) == (200, {"resourceType": "Bundle", "type": f"{type}-response"})


async def test_a_batch_in_a_batch_is_refused(server: Server) -> None:
    answer = await server.post("", batch(asks("POST", "/", batch())))
    assert answer.json["entry"][0]["response"]["status"][:3] in ("400", "422")


async def test_too_many_entries_are_413(tmp_path: Path) -> None:
    async with serving(tmp_path, max_bundle_entries=2) as server:
        many = [asks("GET", "Patient")] * 3
        assert (await server.post("", batch(*many))).status == 413
        assert (await server.post("", batch(*many, type="transaction"))).status == 413


async def test_a_bundle_posted_to_its_type_is_kept_as_it_is(server: Server) -> None:
    made = await server.post("Bundle", batch(asks("PUT", "Patient/a", PATIENT)))
    assert made.status == 201
    assert (await server.get("Patient/a")).status == 404
    assert (await server.get(f"Bundle/{made.id}")).json["entry"][0]["resource"] == PATIENT
