"""What a platform of access to care (SAS) must say when it looks for slots.

https://interop.esante.gouv.fr/ig/fhir/sas: from when, until when, that they are free, and whose; 25 of these at most.
Held to it are the platforms that the settings name (`platforms`): as R4, everybody else may ask whatever they like.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fhir_server.fhir.outcome import InvalidParameter, Issue
from fhir_server.search.kinds.values import split
from fhir_server.settings import Settings
from fhir_server.space.agenda.platforms import ASSOCIATIONS, OF_SLOTS, is_platform

Pairs = Sequence[tuple[str, str]]

#: Most professionals, or associations, that one search is about.
MOST = 25
#: How the guide says whose slots are looked for, of professionals.
PROFESSIONALS = "schedule.actor:Practitioner.identifier"


def slots(settings: Settings, client: str, pairs: Pairs) -> None:
    """Refuse a search of slots that leaves out what INT_R01 and INT_R04 demand.

    Raises:
        InvalidParameter: each criterion that is missing is named (400).
    """
    if is_platform(settings, client):
        _require(pairs, "", PROFESSIONALS)


def schedules(settings: Settings, client: str, pairs: Pairs) -> None:
    """Refuse a search of schedules by their slots that leaves out what the search for SOS Médecins demands.

    Raises:
        InvalidParameter: each criterion that is missing is named (400).
    """
    # Schedules are also looked for by themselves.
    by_slots = any(name.startswith("_has:Slot:") or name == ASSOCIATIONS for name, _ in pairs)
    if by_slots and is_platform(settings, client):
        _require(pairs, OF_SLOTS, ASSOCIATIONS)


def _require(pairs: Pairs, of_slots: str, whose: str) -> None:
    if any(name == "_cursor" for name, _ in pairs):
        # A page that is gone on with: its search was judged when it began.
        return
    issues = [*_missing(pairs, of_slots, whose), *_too_many(pairs, whose)]
    if issues:
        raise InvalidParameter(issues=issues)


def _missing(pairs: Pairs, of_slots: str, whose: str) -> Iterator[Issue]:
    start, status = f"{of_slots}start", f"{of_slots}status"
    starts = _said(pairs, start)
    # A day without a prefix is from when and until when.
    if not any(one.startswith(("ge", "gt", "sa")) or one[:1].isdigit() for one in starts):
        yield _issue(start, f"A search for slots says from when: `{start}=ge…`.")
    if not any(one.startswith(("le", "lt", "eb")) or one[:1].isdigit() for one in starts):
        yield _issue(start, f"A search for slots says until when: `{start}=le…`.")
    if "free" not in _said(pairs, status):
        yield _issue(status, f"A search for slots is of free ones: `{status}=free`.")
    if not any(_said(pairs, whose)):
        yield _issue(whose, f"A search for slots says whose: `{whose}=system|value`.")


def _too_many(pairs: Pairs, whose: str) -> Iterator[Issue]:
    if sum(len(split(value, ",")) for value in _said(pairs, whose)) > MOST:
        yield _issue(whose, f"A search for slots is about {MOST} identifiers at most.", "too-costly")


def _said(pairs: Pairs, name: str) -> list[str]:
    return [value.strip() for other, value in pairs if other == name]


def _issue(name: str, words: str, code: str = "required") -> Issue:
    return Issue("error", code, words, f"http.{name}")
