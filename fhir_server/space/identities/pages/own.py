"""What a person asks to have put right, of themself or of a minor whom they represent, and what they were answered.

RGPD art. 16. All of it happens by the operations, as if the person's own software had asked: judged and traced alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import Response

from fhir_server.access.grant import Grant, Scope
from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.identities.rectifying.operations import LONGEST
from fhir_server.space.identities.rectifying.request import ABOUTS
from fhir_server.space.record import choosing
from fhir_server.space.record.pages.asking import Asking, parameters
from fhir_server.space.service import Surroundings

_SCOPE = Scope("user", "*", frozenset("cruds"))
#: Documents that one may choose among; of more, it is said in words which one is meant.
_CHOICE = 100


async def show(guest: Guest[Surroundings]) -> Response:
    """What was asked, and a form for each space that the person decides for."""
    done = guest.query("done")
    return await _page(guest, done=done if done in ("ask", "withdraw") else "")


async def act(guest: Guest[Surroundings]) -> Response:
    """Ask for something, or take it back."""
    patient, what = guest.path("patient"), guest.field("act", 20)
    if patient not in guest.account.patients or what not in ("ask", "withdraw"):
        return guest.nothing()
    given = {name: guest.field(name, LONGEST + 1) for name in ("about", "document", "words")}
    if what == "withdraw":
        path, rows = (
            "$rectification-answer",
            [
                {"name": "request", "valueId": guest.field("request", 64)},
                {"name": "event", "valueCode": "withdraw"},
            ],
        )
    else:
        path, rows = "$rectify", _asked(given)
        if wrong := _wrong(given):
            return await _page(guest, patient, given, wrong, 422) if await _decides(guest, patient) else guest.nothing()
    try:
        await _asking(guest, patient).operate(("Patient", patient, path), parameters(rows))
    except FhirError as error:
        if error.status in (403, 404):
            return guest.nothing()
        return await _page(guest, patient, given, {"": "refused"}, error.status)
    return guest.to(f"/mes-rectifications?done={what}")


def _asked(given: Mapping[str, str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"name": "about", "valueCode": given["about"]},
        {"name": "words", "valueString": given["words"]},
    ]
    if given["document"]:
        reference = {"reference": f"DocumentReference/{given['document']}"}
        rows.append({"name": "document", "valueReference": reference})
    return rows


def _wrong(given: Mapping[str, str]) -> dict[str, str]:
    """Field → what is wrong with it, as a key of the page's words."""
    found = {} if given["about"] in ABOUTS else {"about": "about"}
    if not 0 < len(given["words"]) <= LONGEST:
        found["words"] = "words"
    if given["about"] == "document" and not given["document"]:
        found["document"] = "document"
    return found


def _asking(guest: Guest[Surroundings], patient: str) -> Asking:
    account = guest.account
    grant = Grant((_SCOPE,), subject=account.subject, patient=patient, wards=frozenset(account.wards))
    return Asking(guest.service, grant, guest.visit.addresses.base)


async def _decides(guest: Guest[Surroundings], patient: str) -> bool:
    try:
        grant = _asking(guest, patient).grant
        return await choosing.decider(guest.service.repository(), grant, patient) == "holder"
    except FhirError:
        return False


async def _page(
    guest: Guest[Surroundings],
    of: str = "",
    given: Mapping[str, str] | None = None,
    wrong: Mapping[str, str] | None = None,
    status: int = 200,
    done: str = "",
) -> Response:
    spaces = [await _space(guest, one) for one in guest.account.patients if await _decides(guest, one)]
    values = {
        "spaces": spaces,
        "of": of,
        "given": given or {},
        "wrong": wrong or {},
        "done": done,
        "longest": LONGEST,
    }
    return guest.page("identities/own", values, status)


async def _space(guest: Guest[Surroundings], patient: str) -> dict[str, Any]:
    asking = _asking(guest, patient)
    answer = await asking.operate(("Patient", patient, "$rectifications"))
    said = [("patient", f"Patient/{patient}"), ("status", "current"), ("_count", str(_CHOICE))]
    found = await asking.find("DocumentReference", said)
    return {
        "patient": patient,
        "name": await guest.entrance.name_of(guest.account, patient),
        "own": guest.account.subject == f"Patient/{patient}",
        "requests": read(answer),
        "documents": [(str(one["id"]), _title(one)) for one in found.trees],
    }


def read(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The requests of an answer, each its parts by name."""
    return [
        {part["name"]: next(value for name, value in part.items() if name != "name") for part in row["part"]}
        for row in answer.get("parameter", ())
        if row.get("name") == "request"
    ]


def _title(tree: Mapping[str, Any]) -> str:
    attachment: Mapping[str, Any] = next((one.get("attachment", {}) for one in tree.get("content", ())), {})
    codings = tree.get("type", {}).get("coding", ())
    named = next((str(one["display"]) for one in codings if one.get("display")), "")
    title = str(attachment.get("title") or tree.get("description") or named or "?")[:100]
    return f"{title} ({str(tree.get('date', ''))[:10] or '?'})"
