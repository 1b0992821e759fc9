"""What people note in their own agenda: an appointment of theirs, or a reminder, as an Appointment without a slot.

https://hl7.org/fhir/R4/appointment.html. Domain file §2.8: title, notes, and whom it is with in words of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

#: Code system of the kinds of entries, and the code of one that is a reminder rather than an appointment.
ENTRY, REMINDER = "https://fhir-server.example/CodeSystem/ens-agenda-entry", "reminder"
#: System of the number that a form gives an entry: sent twice it makes one (RFC 4122; R4 `Identifier` of a URI).
URIS = "urn:ietf:rfc:3986"

Tree = dict[str, Any]


def entry(patient: str, number: str) -> Tree:
    """An entry of a patient's ("Patient/1") that says nothing yet; `number` is a UUID."""
    return {
        "resourceType": "Appointment",
        "identifier": [{"system": URIS, "value": f"urn:uuid:{number}"}],
        "status": "booked",
        "participant": [{"actor": {"reference": patient}, "status": "accepted"}],
    }


def saying(tree: Tree, title: str, notes: str, company: str, lasts: tuple[datetime, datetime], reminds: bool) -> Tree:
    """An entry with other words and times, the rest as it was.

    Args:
        tree: the entry.
        title: what it is; notes: of it; company: whom it is with, in words; "" for none of the last two.
        lasts: from when until when; aware.
        reminds: whether it is a reminder.
    """
    left = {name: one for name, one in tree.items() if name not in ("comment", "minutesDuration", "appointmentType")}
    others = [one for one in tree.get("participant", ()) if not _is_words(one)]
    named = [{"actor": {"display": company}, "status": "accepted"}] if company else []
    kind = {"coding": [{"system": ENTRY, "code": REMINDER}]} if reminds else _other_kind(tree)
    start, end = (one.isoformat(timespec="seconds") for one in lasts)
    said = {"description": title, "start": start, "end": end, "participant": [*others, *named]}
    return {
        **left,
        **said,
        **({"comment": notes} if notes else {}),
        **({"appointmentType": kind} if kind else {}),
    }


def company(tree: Mapping[str, Any]) -> str:
    """Whom an entry is with, in words alone; "" where it says none."""
    return next((one["actor"]["display"] for one in tree.get("participant", ()) if _is_words(one)), "")


def is_reminder(tree: Mapping[str, Any]) -> bool:
    """Whether an entry is a reminder."""
    codings: Sequence[Mapping[str, Any]] = tree.get("appointmentType", {}).get("coding", ())
    return any(one.get("system") == ENTRY and one.get("code") == REMINDER for one in codings)


def _other_kind(tree: Tree) -> Any:
    return None if is_reminder(tree) else tree.get("appointmentType")


def _is_words(participant: Mapping[str, Any]) -> bool:
    actor = participant.get("actor", {})
    return bool(actor.get("display")) and not actor.get("reference") and not actor.get("identifier")
