"""The project's own TestScripts find what is wrong: each server here is wrong in one place, and a script must fail.

https://hl7.org/fhir/R4/testscript.html
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.app import opened
from fhir_server.conformance.client import Client
from fhir_server.conformance.runner import run
from fhir_server.conformance.script import load, shipped
from fhir_server.settings import Settings
from tests.conformance.wrong import (
    Tree,
    Wrong,
    WrongServer,
    deaf_to,
    deaf_to_header,
    idle,
    leading,
    saying,
    status,
    without_body,
    without_header,
)
from tests.server.whole import BASE


def _set(**values: Any) -> Any:
    return lambda tree: tree.update(values)


def _without(name: str) -> Any:
    return lambda tree: tree.pop(name, None)


def _entries(change: Any) -> Any:
    def each(tree: Tree) -> None:
        for entry in tree.get("entry", ()):
            change(entry)

    return each


def _no_last_entry(tree: Tree) -> None:
    if tree.get("entry"):
        tree["entry"].pop()


def _no_link(relation: str) -> Any:
    return lambda tree: tree.update(link=[row for row in tree.get("link", ()) if row["relation"] != relation])


def _other_family(tree: Tree) -> None:
    tree["name"] = [{"family": "AUTRE"}]


#: Script → what is wrong with each server.
WRONG: dict[str, dict[str, Wrong]] = {
    "metadata": {
        "another version": saying("CapabilityStatement", _set(fhirVersion="4.3.0")),
        "no instance": saying("CapabilityStatement", _set(kind="requirements")),
        "no date": saying("CapabilityStatement", _without("date")),
        "no XML": deaf_to_header("accept"),
        "all is well": status(404, 200),
        "no outcome": without_body(404),
    },
    "read": {
        "no ETag": without_header("etag"),
        "no Last-Modified": without_header("last-modified"),
        "no type": without_header("content-type"),
        "someone else": saying("Patient", _other_family),
        "no meta": saying("Patient", _without("meta")),
        "not valid": saying("Patient", _set(gender="nobody")),
        "no XML": deaf_to_header("accept"),
        "no If-None-Match": deaf_to_header("if-none-match"),
        "found": status(404, 200),
        "gone is not found": status(410, 404),
        "no outcome": without_body(404),
        "any version": leading("/_history/999", ""),
    },
    "write": {
        "no Location": without_header("location"),
        "no ETag": without_header("etag"),
        "created is ok": status(201, 200),
        "no If-None-Exist": deaf_to_header("if-none-exist"),
        "no If-Match": deaf_to_header("if-match"),
        "any id": leading("conformance-other", "conformance-write"),
        "any type": status(400, 201, "POST"),
        "deletes nothing": idle("DELETE", 204),
        "updates nothing": idle("PUT"),
        "no outcome": without_body(400),
    },
    "history": {
        "another Bundle": saying("Bundle", _set(type="searchset")),
        "no request": saying("Bundle", _entries(_without("request"))),
        "no response": saying("Bundle", _entries(_without("response"))),
        "the last only": saying("Bundle", lambda tree: tree.update(entry=tree.get("entry", [])[:1])),
        "the oldest first": saying("Bundle", lambda tree: tree.get("entry", []).reverse()),
        "no _count": deaf_to("_count"),
        "found": status(404, 200),
    },
    "patch": {
        "does nothing": idle("PATCH"),
        "all is well": status(422, 200),
        "found": status(404, 200),
        "no outcome": without_body(422),
    },
    "search": {
        **{f"no {name}": deaf_to(name) for name in (
            "family", "family:exact", "gender", "gender:not", "birthdate", "patient", "patient.identifier", "subject",
            "value-quantity", "_include", "_revinclude", "_has:Observation:patient:code", "_sort", "_summary", "_count",
            "identifier", "date", "family:contains",
        )},
        "no handling": deaf_to_header("prefer"),
        "another Bundle": saying("Bundle", _set(type="collection")),
        "no next page": saying("Bundle", _no_link("next")),
        "no self link": saying("Bundle", _no_link("self")),
        "one too few": saying("Bundle", _no_last_entry),
        "no modes": saying("Bundle", _entries(_without("search"))),
        "all is well": status(400, 200),
    },
    "transaction": {
        "a batch": saying("Bundle", _set(type="batch-response")),
        "one too few": saying("Bundle", _no_last_entry),
        "no places": saying("Bundle", _entries(lambda entry: entry["response"].pop("location", None))),
        "all is well": status(400, 200),
        "no totals": saying("Bundle", _entries(lambda entry: entry.get("resource", {}).pop("total", None))),
        "unresolved": saying("Observation", _set(subject={"reference": "urn:uuid:1"})),
    },
    "documents-fr": {
        "a batch": saying("Bundle", _set(type="batch-response")),
        "no places": saying("Bundle", _entries(lambda entry: entry.get("response", {}).pop("location", None))),
        "no status": deaf_to("status"),
        "no identifier": deaf_to("identifier"),
        "no patient.identifier": deaf_to("patient.identifier"),
        "no type": deaf_to("type"),
        "no date": deaf_to("date"),
        "no security-label": deaf_to("security-label"),
        "masks nothing": idle("PATCH"),
        "found": status(404, 200),
        "no Accept": deaf_to_header("accept"),
        "no content": saying("Binary", _without("data")),
        "no code": deaf_to("code"),
        "publishes nothing": status(201, 200),
    },
}  # fmt: skip


@pytest.mark.parametrize("script", load([shipped()]), ids=lambda script: script.id)
async def test_a_script_fails_on_each_server_that_is_wrong_about_what_it_promises(script: Any, tmp_path: Path) -> None:
    unseen = []
    for n, (name, wrong) in enumerate(WRONG[script.id].items()):
        # A store each: what a wrong server leaves behind is not in the way of the next.
        async with opened(Settings(data=tmp_path / str(n), open=True)) as house:
            server = WrongServer(httpx.ASGITransport(app=house.asgi), wrong)  # type: ignore[arg-type]
            async with Client(BASE, transport=server) as client:
                if (await run(script, client)).result != "fail":
                    unseen.append(name)
    assert unseen == []
