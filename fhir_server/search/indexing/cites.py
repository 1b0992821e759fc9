"""Which resources of some types another one refers to, as index rows beside those of search parameters.

Where a resource of such a type may be hidden, what refers to it is searched as if it did not say so
(`access.confining`). For that the rows of its references must tell which of them are left:

- `Word("item:cites", "alone")` where all references of the parameter are to such types, `"among"` where others are too;
- `Word("_cites", "DocumentReference/1")` for each, and `Word("_citesOne", …)` where there is one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from fhir_server.store.filters import Word

CITES, CITES_ONE = "_cites", "_citesOne"
#: After the name of a parameter.
AMONG = ":cites"


def is_citing(word: Word) -> bool:
    """Whether a row is one of these."""
    return word.param in (CITES, CITES_ONE) or word.param.endswith(AMONG)


def cites(words: Sequence[Word], types: Collection[str]) -> Iterator[Word]:
    """The rows of a resource, given those that search parameters make of its references."""
    prefixes = tuple(f"{type}/" for type in types)
    found = [word for word in words if word.value.startswith(prefixes) and word.param[:1] != "_"] if prefixes else ()
    if not found:
        return
    cited = dict.fromkeys(word.value for word in found)
    yield from (Word(CITES, value) for value in cited)
    if len(cited) == 1:
        yield Word(CITES_ONE, next(iter(cited)))
    for param in dict.fromkeys(word.param for word in found if not word.group):
        others = any(word.param == param and not word.value.startswith(prefixes) for word in words)
        yield Word(param + AMONG, "among" if others else "alone")
