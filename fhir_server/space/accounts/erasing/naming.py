"""Records that name somebody, of whatever kind: all are gone through, since each service keeps its own in its own way.

A record names somebody where its key or value has their reference, or a whole word that is theirs alone: an id that
nobody chose, the INS, the id of their account; a number that another has too names nobody. So what a service begins to
keep tomorrow is found too. Ids shorter than `_LEAST` are words of many things: of those only the reference counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.search.parameters.codes import spellings
from fhir_server.store.filters import Filter, Token, either
from fhir_server.store.protocol import Drop, Records

#: What is of many people, or of nobody: it never goes. What an account of another says of them is taken out of it.
STAYS = frozenset({"account", "client", "erased", "erasing", "feed", "indicator", "job", "key", "lease"})
#: What may stand in a word.
_WORD = re.compile(rb"[A-Za-z0-9.@+_%-]{8,}")
_REFERENCE = re.compile(rb"(?:Patient|RelatedPerson)/[A-Za-z0-9.-]{1,64}")
_LEAST = 8
_PAGE = 1_000


class Names:
    """What names some people."""

    def __init__(self, words: Iterable[str]) -> None:
        """References ("Patient/1") and words; those too short to be anybody's are left out."""
        some = [word.encode() for word in words]
        self._references = frozenset(word for word in some if b"/" in word)
        self._words = frozenset(word for word in some if b"/" not in word and len(word) >= _LEAST)

    def are_in(self, said: bytes) -> bool:
        """Whether one of them is."""
        return any(found in self._references for found in _REFERENCE.findall(said)) or any(
            found in self._words for found in _WORD.findall(said)
        )


#: Kinds of records in which an address or a number is whom something is sent to; elsewhere it may be a family's.
SENT = frozenset({"noticed", "outbox", "outbox-dead", "outbox-lease"})


async def forgotten(records: Records, names: Names, reached: Names) -> list[tuple[str, str, bytes]]:
    """Drop all records that name one of `names`, and what is sent to `reached`; those that were: (kind, key, value)."""
    gone: list[tuple[str, str, bytes]] = []
    after: tuple[str, str] | None = None
    while True:
        page = await records.sweep(after, _PAGE)
        found = [one for one in page if one[0] not in STAYS and _named(one, names, reached)]
        if found:
            await records.apply([Drop(kind, key) for kind, key, _ in found])
            gone += found
        if len(page) < _PAGE:
            return gone
        after = page[-1][:2]


def _named(record: tuple[str, str, bytes], names: Names, reached: Names) -> bool:
    said = b"%b %b" % (record[1].encode(), record[2])
    return names.are_in(said) or (record[0] in SENT and reached.are_in(said))


async def of_others(own: Repository, words: Sequence[str], ids: Set[str]) -> set[str]:
    """Which of some words are an identifier of a Patient beside those with some ids: a number that was mistaken once.

    Args:
        own: the server's own sight.
        words: identifiers, in any system, and whatever else.
        ids: of the Patients who are one person, whose words these are.
    """
    distinct = list(dict.fromkeys(words))
    wheres: list[Filter] = [either([Token("identifier", one) for one in spellings(word)]) for word in distinct]
    pages = await own.find_each([{"Patient": where} for where in wheres], count=len(ids) + 1, want="head")
    there = zip(distinct, pages, strict=True)
    return {word for word, page in there if {one.id for one in page.versions} - ids}


def values(patient: Mapping[str, Any], name: str) -> list[str]:
    """The values of a Patient's identifiers, or of its addresses and numbers (`telecom`)."""
    return [str(one["value"]) for one in patient.get(name, ()) if one.get("value")]
