"""What both records restrict, for the one that goes on: nothing that was blocked, refused or masked is opened.

CSP R1111-47 to R1111-49: the choices are the person's, whichever record they stand in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from fhir_server.space.record.choices import OF_PROFESSIONALS, Choice, Kind

#: Choices that restrict: of either record, they hold for both.
RESTRICTING: frozenset[Kind] = frozenset({"blocked", "regulation-refused", "btg-refused", "masked-by-default"})
#: Choices that open the record to whoever comes: they hold where both records say so.
OPENING: frozenset[Kind] = frozenset({"emergency-sees-masked"})


def united(source: Sequence[Choice], target: Sequence[Choice], into: str, now: datetime) -> list[Choice]:
    """The choices that are made anew where the record goes on (id); none where nothing changes."""
    known = {(one.kind, one.professional): one for one in target}
    found = {(one.kind, one.professional): one for one in _restricted(source, known, into, now)}
    theirs = {one.kind for one in source if one.holds(now)}
    by = f"Patient/{into}"
    for one in target:
        key = (one.kind, one.professional)
        block = found.get(("blocked", one.professional), known.get(("blocked", one.professional)))
        is_blocked = one.kind == "authorised" and block is not None and block.holds(now)
        if one.holds(now) and (is_blocked or (one.kind in OPENING and one.kind not in theirs)):
            found[key] = replace(one, chosen=False, when=now, performer=by, until=None)
    return list(found.values())


def _restricted(
    source: Sequence[Choice], known: dict[tuple[Kind, str], Choice], into: str, now: datetime
) -> Iterator[Choice]:
    for one in source:
        if one.kind not in RESTRICTING or not one.holds(now):
            continue
        here = known.get((one.kind, one.professional if one.kind in OF_PROFESSIONALS else ""))
        holds = here is not None and here.holds(now)
        until = _longer(one.until, here.until) if holds and here is not None else one.until
        if not holds or (here is not None and until != here.until):
            yield Choice(into, one.kind, one.professional, True, now, f"Patient/{into}", until)


def _longer(one: datetime | None, other: datetime | None) -> datetime | None:
    return None if one is None or other is None else max(one, other)
