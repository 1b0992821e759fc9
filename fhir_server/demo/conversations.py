"""Exchanges of the demonstration's people: one that waits to be read, and one that its professional has ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from fhir_server.population.tables import rows
from fhir_server.space.messages.model import communication, message_of

_BEGAN = datetime(2026, 1, 12, 8, 30, tzinfo=UTC)


class _Exchange(NamedTuple):
    """An exchange: who it is with, its row of the seed's words, and how many messages of three it has."""

    professional: str
    words: int
    turns: int


_EXCHANGES = (_Exchange("Practitioner/s1-pra-1-1", 0, 1), _Exchange("Practitioner/s1-pra-1-7", 1, 3))


def conversations(patients: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The messages of some patients (ids), each with its id; an opening, perhaps a reply and what ends it."""
    for patient in patients:
        for number, exchange in enumerate(_EXCHANGES):
            yield from _messages(patient, number, exchange)


def _messages(patient: str, number: int, exchange: _Exchange) -> Iterator[dict[str, Any]]:
    words, holder, before = rows("messages")[exchange.words], f"Patient/{patient}", None
    for turn, said in enumerate(("opening", "reply", "closing")[: exchange.turns]):
        parties = [exchange.professional, holder]
        sender, to = parties if turn != 1 else reversed(parties)
        text = [{"contentString": words[said]}]
        made = communication(holder, sender, [to], words["subject"], text, answers=before, ends=turn == 2)
        at = _BEGAN + timedelta(days=7 * number + turn)
        made |= {"id": f"demo-msg-{patient}-{number}-{turn}", "sent": at.isoformat()}
        if turn + 1 < exchange.turns:
            made["received"] = (at + timedelta(hours=3)).isoformat()
        before = message_of(made)
        yield made
