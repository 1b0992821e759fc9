"""A request that turns out long is begun here, breaks off before it writes, and is done apart: once, and whole.

The process beside is played by the same server in the same process: what matters here is what is handed to it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import OPEN
from fhir_server.interactions.audited import audited
from fhir_server.interactions.exchange import FHIR_JSON, Context, Request, Response
from fhir_server.interactions.long_requests import INLINE, LONG, too_costly, tried
from fhir_server.interactions.routes import dispatch
from fhir_server.work.budget import Budget, Exhausted, within
from tests import engines
from tests.server.calls import Answer, Server, serving


class Apart:
    """Does requests here, without the event loop's limit, and remembers them; `steps` is their budget."""

    def __init__(self, steps: float = inf) -> None:
        self.done: list[Request] = []
        self.steps = steps

    async def __call__(self, request: Request, context: Context, audits: bool) -> Response:
        self.done.append(request)
        with within(Budget(self.steps)):
            try:
                return await dispatch(request, replace(context, apart=None))
            except Exhausted:
                raise too_costly() from None


class Door(Server):
    """A server whose long requests are done apart."""

    apart: Apart

    async def call(self, method: str, url: str, body: Any = None, **more: Any) -> Answer:
        return await super().call(method, url, body, context=self.context(apart=self.apart), **more)

    @staticmethod
    async def door(request: Request, context: Context) -> Response:  # type: ignore[override]
        return await tried(request, context, dispatch)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Door]:
    async with serving(tmp_path) as found:
        door = Door(found.engine, found.settings, found.registry)
        door.apart = Apart()
        yield door


def patient(size: int = 0, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "name": [{"family": "x" * 80} for _ in range(size // 100 + 1)], **more}


def bundle(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def asks(method: str, url: str, resource: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"request": {"method": method, "url": url}} | ({"resource": resource} if resource else {})


#: A path that goes through everything again for each name.
COSTLY = "Patient.name.where(%resource.descendants().count() > 0).given"


def patch(path: str = COSTLY) -> dict[str, Any]:
    part = [{"name": "type", "valueCode": "delete"}, {"name": "path", "valueString": path}]
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]}


async def test_what_is_short_is_done_here(server: Door) -> None:
    made = await server.post("Patient", patient())
    assert made.status == 201
    assert (await server.get(f"Patient/{made.id}")).status == 200
    assert (await server.get("Patient?_count=1000&_elements=name")).status == 200
    assert (await server.post("", bundle("batch", *[asks("POST", "Patient", patient())] * 16))).status == 200
    assert server.apart.done == []


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("PUT", "Patient/a", patient(2 * LONG, id="a")),
        ("POST", "Patient/$validate", patient(2 * LONG)),
        ("PATCH", "Patient/large", patch("Patient.active")),
        ("PATCH", "Patient/named", patch()),
        ("GET", "Patient/large/$validate", None),
        ("GET", "Patient?_id=large&_elements=identifier", None),
        ("POST", "Patient/_search?name=" + ",".join(f"a{n}" for n in range(3_000)), None),
        ("POST", "", bundle("transaction", *[asks("POST", "Patient", patient())] * (INLINE // 100 + 1))),
        ("POST", "", bundle("batch", *[asks("POST", "Patient", patient())] * (INLINE // 100 + 1))),
    ],
    ids=[
        "body", "operation", "stored resource", "expression", "of what is stored", "elements", "values", "transaction", "batch",
    ],
)  # fmt: skip
async def test_what_is_long_is_done_apart_and_once(server: Door, method: str, url: str, body: Any) -> None:
    for id, size in (("large", 5 * LONG), ("named", LONG // 4)):
        assert (await server.put(f"Patient/{id}", patient(size, id=id))).status == 201
    before = (await server.get("Patient?_summary=count")).json["total"]
    server.apart.done.clear()
    answer = await server.call(method, url, body)
    assert answer.status < 400 or answer.status == 422, answer.json
    assert len(server.apart.done) == 1
    made = (await server.get("Patient?_summary=count")).json["total"] - before
    written = sum(e["request"]["method"] == "POST" for e in body["entry"]) if url == "" else method == "PUT"
    assert made == written


async def test_of_a_small_batch_only_the_long_entries_are_done_apart(server: Door) -> None:
    assert (await server.put("Patient/large", patient(5 * LONG, id="large"))).status == 201
    server.apart.done.clear()
    entries = [asks("POST", "Patient", patient()), asks("PATCH", "Patient/large", patch("Patient.active"))]
    answer = await server.post("", bundle("batch", *entries))
    assert [row["response"]["status"][:3] for row in answer.json["entry"]] == ["201", "200"]
    assert [request.method for request in server.apart.done] == ["PATCH"]
    assert (await server.get("Patient?_summary=count")).json["total"] == 2


async def test_a_spent_budget_refuses_the_entries_of_a_batch_that_are_left(server: Door) -> None:
    assert (await server.put("Patient/named", patient(LONG // 2, id="named"))).status == 201
    server.apart.steps = 3 * INLINE
    entries = [asks("POST", "Patient", patient())] * 100 + [
        asks("PATCH", "Patient/named", patch("Patient.active"))
    ] * 20
    answer = await server.post("", bundle("batch", *entries))
    said = [row["response"] for row in answer.json["entry"]]
    statuses = [one["status"][:3] for one in said]
    assert statuses[:100] == ["201"] * 100
    assert set(statuses[100:]) == {"200", "400"}
    # Entries of one kind are under way together: which of them is left is the store's to say, but near by it is the last.
    if engines.KIND == "embedded":
        assert statuses[100:] == sorted(statuses[100:])
    refused = [one["outcome"]["issue"][0] for one in said if one["status"].startswith("400")]
    assert refused and {issue["code"] for issue in refused} == {"too-costly"}
    kept = (await server.get("Patient/named")).version
    assert kept == 1 + statuses.count("200")


async def test_a_spent_budget_refuses_a_transaction_whole(server: Door) -> None:
    server.apart.steps = 3 * INLINE
    entries = [asks("POST", "Patient", patient(500))] * 400
    answer = await server.post("", bundle("transaction", *entries))
    assert (answer.status, answer.codes) == (400, ["too-costly"])
    assert (await server.get("Patient?_summary=count")).json["total"] == 0


async def test_an_invariant_that_is_cut_off_refuses_the_write(server: Door) -> None:
    """An expression that cannot be judged forgives; a spent budget does not: nothing unjudged is written."""
    server.apart.steps = INLINE
    answer = await server.put("Patient/a", patient(2 * LONG, id="a"))
    assert (answer.status, answer.codes) == (400, ["too-costly"])
    assert (await server.get("Patient/a")).status == 404


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_refusal_for_its_cost_leaves_a_trace_where_it_is_refused(server: Door, elsewhere: bool) -> None:
    caller = Door(server.engine, server.settings, server.registry, replace(OPEN, traced=True))
    body = json.dumps(patient(LONG // 2)).encode()
    request = Request("POST", ("Patient",), (), body, FHIR_JSON)
    with within(Budget(1_000)), pytest.raises(Exhausted):
        await audited(request, caller.context(apart=server.apart if elsewhere else None))
    assert (await server.get("AuditEvent?_summary=count")).json["total"] == (0 if elsewhere else 1)
