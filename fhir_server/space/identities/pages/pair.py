"""Two records beside each other: what would become of them, and the buttons that make them one, or two again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fastapi.responses import Response

from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.identities.pages.desk import asking, traits
from fhir_server.space.identities.who import LONGEST
from fhir_server.space.record.pages.asking import parameters
from fhir_server.space.service import Surroundings

_ACTS: Mapping[str, str] = {"merge": "$merge", "unmerge": "$unmerge"}
#: A row of what becomes of things, as the operation says it.
_ROW = re.compile(r"([A-Z]\w+): (\d+) (.+)\.")


async def show(guest: Guest[Surroundings]) -> Response:
    """The two, and what a merge would do."""
    done = guest.query("done")
    return await _page(guest, done=done if done in _ACTS else "")


async def act(guest: Guest[Surroundings]) -> Response:
    """Make them one, or two again."""
    what, reason = guest.field("act", 20), guest.field("reason", LONGEST + 1)
    if what not in _ACTS:
        return guest.nothing()
    if not 0 < len(reason) <= LONGEST:
        return await _page(guest, reason, "reason", 422)
    if guest.field("sure") != "yes":
        return await _page(guest, reason, "sure", 422)
    source, target = guest.path("source"), guest.path("target")
    try:
        await asking(guest).operate(("Patient", _ACTS[what]), parameters(_said(guest, reason)))
    except FhirError as error:
        if error.status == 404:
            return guest.nothing()
        return await _page(guest, reason, error.issues[0].key or "refused", error.status)
    return guest.to(f"/identites/{source}/{target}?done={what}")


def _said(guest: Guest[Surroundings], reason: str = "", preview: bool = False) -> list[dict[str, Any]]:
    pair = {"source-patient": guest.path("source"), "target-patient": guest.path("target")}
    rows: list[dict[str, Any]] = [
        {"name": name, "valueReference": {"reference": f"Patient/{id}"}} for name, id in pair.items()
    ]
    rows += [{"name": "reason", "valueString": reason}] if reason else []
    return [*rows, {"name": "preview", "valueBoolean": True}] if preview else rows


async def _page(
    guest: Guest[Surroundings], reason: str = "", wrong: str = "", status: int = 200, done: str = ""
) -> Response:
    source, target = guest.path("source"), guest.path("target")
    try:
        # Looking at somebody leaves a trace: it is asked as their software would.
        for one in (source, target):
            await asking(guest).operate(("Patient", one, "$homonyms"))
    except FhirError:
        return guest.nothing()
    two = {"source": await traits(guest, source), "target": await traits(guest, target)}
    merged = ("replaced-by", target) in two["source"]["links"]
    rows, against = await _would(guest, "$unmerge" if merged else "$merge")
    values = {
        "two": two,
        "merged": merged,
        "rows": rows,
        "against": "" if wrong or done else against,
        "reason": reason,
        "wrong": wrong,
        "done": done,
        "longest": LONGEST,
    }
    return guest.page("identities/pair", values, status)


async def _would(guest: Guest[Surroundings], what: str) -> tuple[list[tuple[str, int, str]], str]:
    """What would become of how many (type, number, what), and the key of what stands against it."""
    try:
        answer = await asking(guest).operate(("Patient", what), parameters(_said(guest, preview=True)))
    except FhirError as error:
        return [], error.issues[0].key or "refused"
    outcome = next(one["resource"] for one in answer["parameter"] if one["name"] == "outcome")
    found = (_ROW.fullmatch(str(one.get("diagnostics", ""))) for one in outcome["issue"])
    return [(one[1], int(one[2]), one[3]) for one in found if one is not None], ""
