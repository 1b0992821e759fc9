"""What the entries of a Bundle ask the store, asked together before each of them does: one journey for many.

https://hl7.org/fhir/R4/http.html#trules. What is found is held by the repository (`Repository.together`), so that the
entries are resolved by the same code as single requests, which finds it there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from fhir_server.interactions import statement
from fhir_server.interactions.bundles.entries import Entry
from fhir_server.interactions.exchange import Context

#: Verb of an entry → the letter of `cruds` by which what it names is judged.
_LETTERS = {"GET": "r", "PUT": "u", "PATCH": "u", "DELETE": "d"}


def named(entries: Iterable[Entry], context: Context) -> list[tuple[str, str]]:
    """(type, id) of what entries name by their URL alone, where the caller has a scope for it."""
    return [
        (path[0], path[1])
        for entry in entries
        if len(path := entry.request.path) == 2
        and not path[1].startswith(("_", "$"))
        and statement.supports(path[0])
        and context.repository.allows(path[0], _LETTERS.get(entry.request.method, "r"))
    ]


def waves(ordered: Sequence[Entry], waits_for: Mapping[int, frozenset[str]]) -> Iterator[list[Entry]]:
    """The entries in groups that can be asked about at once: none names another of its group or ends what it finds.

    Args:
        ordered: deletions first, and each after those its condition names.
        waits_for: number of an entry → the `fullUrl`s that its condition names.
    """
    wave: list[Entry] = []
    urls: set[str] = set()
    for entry in ordered:
        ends = bool(wave) and wave[-1].request.method == "DELETE" != entry.request.method
        if ends or not urls.isdisjoint(waits_for.get(entry.number, ())):
            yield wave
            wave, urls = [], set()
        wave.append(entry)
        urls.add(entry.full_url)
    if wave:
        yield wave
