"""The operator's desk for identities: somebody by number, who shares their traits, what is asked to be put right.

RNIV. What is typed stands in no address; a record is named there by its number alone. Whom somebody of the staff looks
at is traced, as what their software would ask is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import Response

from fhir_server.access.grant import Grant, Scope
from fhir_server.access.trees import tree_of
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.identities.identity import in_force
from fhir_server.space.identities.pages.own import read
from fhir_server.space.identities.rectifying.operations import LONGEST
from fhir_server.space.national_identity import with_ins
from fhir_server.space.record.pages.asking import Asking, parameters
from fhir_server.space.record.pages.people import SITE
from fhir_server.space.service import Surroundings

_GRANTED = (Scope("user", "Patient", frozenset("ru")), Scope("user", "Basic", frozenset("r")))
_EVENTS = frozenset({"extend", "accept", "refuse"})


async def show(guest: Guest[Surroundings]) -> Response:
    """The desk: who is looked for, and the requests that wait."""
    done = guest.query("done")
    return await _page(guest, done=done if done == "answered" else "")


async def find(guest: Guest[Surroundings]) -> Response:
    """On to somebody, or to two records beside each other."""
    typed = {name: guest.field(name, 64).replace(" ", "") for name in ("source", "target")}
    found = {name: await _named(guest, value) for name, value in typed.items() if value}
    wrong = [name for name in typed if (typed[name] or name == "source") and not found.get(name)]
    if wrong:
        return await _page(guest, typed, wrong, 422)
    return guest.to("/identites/" + "/".join(found.values()))


async def person(guest: Guest[Surroundings]) -> Response:
    """Somebody: traits, what was done to the identity, and who has the same traits."""
    patient = guest.path("patient")
    try:
        shared = await asking(guest).operate(("Patient", patient, "$homonyms"))
        history = await asking(guest).operate(("Patient", patient, "$identity-history"))
    except FhirError:
        return guest.nothing()
    rows = [one for one in shared["parameter"] if one["name"] == "other"]
    others = [{part["name"]: part for part in one["part"]} for one in rows]
    ids = [one["patient"]["valueReference"]["reference"].removeprefix("Patient/") for one in others]
    values = {
        "person": await traits(guest, patient),
        "others": [
            {**await traits(guest, id), "kind": one["kind"]["valueCode"]} for id, one in zip(ids, others, strict=True)
        ],
        "steps": [{part["name"]: part for part in one["part"]} for one in history.get("parameter", ())],
    }
    return guest.page("identities/person", values)


async def answer(guest: Guest[Surroundings]) -> Response:
    """A request is answered."""
    event, words, id = guest.field("event", 20), guest.field("answer", LONGEST + 1), guest.path("request")
    if event not in _EVENTS:
        return guest.nothing()
    waiting = read(await asking(guest).operate(("Patient", "$rectifications")))
    one = next((row for row in waiting if row["id"] == id), None)
    if one is None:
        return guest.nothing()
    if not 0 < len(words) <= LONGEST:
        return await _page(guest, {"answer": words}, [f"answer-{id}"], 422)
    given = [
        {"name": "request", "valueId": id},
        {"name": "event", "valueCode": event},
        {"name": "answer", "valueString": words},
    ]
    patient = str(one["patient"]["reference"]).removeprefix("Patient/")
    try:
        await asking(guest).operate(("Patient", patient, "$rectification-answer"), parameters(given))
    except FhirError:
        return await _page(guest, {"answer": words}, [f"refused-{id}"], 422)
    return guest.to("/identites?done=answered")


def asking(guest: Guest[Surroundings]) -> Asking:
    """The server as somebody of the staff may ask it."""
    account = guest.account
    grant = Grant(_GRANTED, subject=account.subject, client=SITE, duties=frozenset(account.duties))
    return Asking(guest.service, grant, guest.visit.addresses.base)


async def traits(guest: Guest[Surroundings], patient: str) -> dict[str, Any]:
    """The traits of an identity, as they are compared."""
    tree = tree_of(await guest.service.repository().current("Patient", patient))
    names = [one for one in tree.get("name", ()) if isinstance(one, dict)]
    name: Mapping[str, Any] = next((one for one in names if one.get("use") == "official"), next(iter(names), {}))
    number = in_force(tree)
    links = [one for one in tree.get("link", ()) if one.get("type") in ("replaced-by", "replaces")]
    return {
        "id": patient,
        "family": str(name.get("family", "")),
        "given": " ".join(map(str, name.get("given") or ())),
        "born": str(tree.get("birthDate", "")),
        "gender": str(tree.get("gender", "")),
        "ins": str(number["value"]) if number is not None else "",
        "active": tree.get("active") is not False,
        "links": [
            (str(one["type"]), str(one.get("other", {}).get("reference", "")).removeprefix("Patient/")) for one in links
        ],
    }


async def _named(guest: Guest[Surroundings], typed: str) -> str:
    """Id of the one Patient with that INS or that number; "" for nobody, or several."""
    own = guest.service.repository()
    page = await own.find({"Patient": with_ins(typed.upper())}, count=2)
    if len(page.versions) == 1:
        return str(parse(page.versions[0].body)["id"])
    version = await own.current("Patient", typed) if not page.versions and typed.isascii() else None
    return typed if version is not None and not version.deleted else ""


async def _page(
    guest: Guest[Surroundings],
    typed: Mapping[str, str] | None = None,
    wrong: list[str] | None = None,
    status: int = 200,
    done: str = "",
) -> Response:
    requests = read(await asking(guest).operate(("Patient", "$rectifications")))
    for one in requests:
        one["number"] = str(one["patient"]["reference"]).removeprefix("Patient/")
    values = {"requests": requests, "typed": typed or {}, "wrong": wrong or [], "done": done, "longest": LONGEST}
    return guest.page("identities/desk", values, status)
