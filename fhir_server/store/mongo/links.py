"""What the links of a filter lead to: found first where it is little, else asked for what was found otherwise.

A chain is never a join over everything. Up to `FEW` resources at the other end, the query names them; beyond, each lot
of candidates is asked which of the resources it refers to, or is referred to by, satisfy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from fhir_server.fhir.outcome import TooCostly
from fhir_server.store.filters import And, Filter, Index, Linked, LinkedFrom, Not, Or, Text, Together
from fhir_server.store.matching import has_links, matches
from fhir_server.store.mongo import rows
from fhir_server.store.mongo.documents import Document, index_of
from fhir_server.store.mongo.queries import equals

if TYPE_CHECKING:
    from fhir_server.store.mongo.candidates import Candidates

#: How many resources at the other end a query names.
FEW = 300
#: Links that may follow one another.
_DEEPEST = 40

Link = Linked | LinkedFrom


def links(where: Filter) -> Iterable[Link]:
    """The links of a filter, but for those behind other links."""
    match where:
        case And() | Or() | Together():
            for part in where.parts:
                yield from links(part)
        case Not():
            yield from links(where.part)
        case Linked() | LinkedFrom():
            yield where


def asks_texts(where: Filter) -> bool:
    """Whether a filter asks for words of texts, links aside."""
    match where:
        case And() | Or() | Together():
            return any(map(asks_texts, where.parts))
        case Not():
            return asks_texts(where.part)
        case _:
            return isinstance(where, Text)


async def resolved(
    among: Candidates, where: Filter, types: Sequence[str], depth: int
) -> dict[int, frozenset[str] | None]:
    """What each link of a filter leads to, by its identity; None: more than `FEW`."""
    if not has_links(where):
        return {}
    require_shallow(depth)
    known: dict[Link, frozenset[str] | None] = {}
    found: dict[int, frozenset[str] | None] = {}
    for link in links(where):
        if link not in known:
            known[link] = await _few(among, link, types, depth + 1)
        found[id(link)] = known[link]
    return found


async def judged(
    among: Candidates, where: Filter, documents: Sequence[Document], depth: int = 0, *, with_texts: bool = True
) -> list[Document]:
    """Those of `documents`, of `res` or `hist`, that satisfy a filter by the index that each was stored with."""
    texts = with_texts and asks_texts(where)
    indexes = [index_of(one, texts) for one in documents]
    held: dict[int, set[str]] = {}
    if has_links(where):
        require_shallow(depth)
        names = [f"{one['t']}/{one['id']}" for one in documents]
        for link in links(where):
            if isinstance(link, Linked):
                referred = [rows.referred(index.words, link.param, link.type) for index in indexes]
                there = await _there(among, link, referred, depth + 1)
                held[id(link)] = {
                    one["_id"] for one, ids in zip(documents, referred, strict=True) if not there.isdisjoint(ids)
                }
            else:
                referring = await _referring(among, link, names, depth + 1)
                held[id(link)] = {one["_id"] for one, name in zip(documents, names, strict=True) if name in referring}

    def fits(one: Document, index: Index) -> bool:
        return matches(where, index, one["id"], one["at"] * 1000, lambda link: one["_id"] in held[id(link)])

    return [one for one, index in zip(documents, indexes, strict=True) if fits(one, index)]


def require_shallow(depth: int) -> None:
    """Refuse links that follow one another further than any query needs.

    Raises:
        TooCostly: they do.
    """
    if depth > _DEEPEST:
        raise TooCostly(f"The query follows more than {_DEEPEST} links in a row.")


async def _few(among: Candidates, link: Link, types: Sequence[str], depth: int) -> frozenset[str] | None:
    if isinstance(link, Linked):
        found = [one["_id"] async for one in among.few({link.type: link.where}, FEW + 1, depth)]
        return frozenset(found) if len(found) <= FEW else None
    names: set[str] = set()
    met = 0
    refers = {"s": rows.present(link.param)}
    async with aclosing(among.few({link.type: link.where}, FEW + 1, depth, refers)) as found_by:
        async for one in found_by:
            met += 1
            words = index_of(one).words
            names |= {f"{type}/{id}" for type in types for id in rows.referred(words, link.param, type)}
            if met > FEW or len(names) > FEW:
                return None
    return frozenset(names)


async def _there(among: Candidates, link: Linked, referred: Sequence[Sequence[str]], depth: int) -> set[str]:
    """The ids, of those referred to, of current resources that satisfy the link."""
    names = sorted({f"{link.type}/{id}" for ids in referred for id in ids})
    if not names:
        return set()
    found = among.few({link.type: link.where}, None, depth, {"_id": {"$in": names}})
    return {one["id"] async for one in found}


async def _referring(among: Candidates, link: LinkedFrom, names: Sequence[str], depth: int) -> set[str]:
    """Those of `names` that a current resource refers to which satisfies the link."""
    asked = [text for name in names for text in rows.valued(link.param, name)]
    if not asked:
        return set()
    found: set[str] = set()
    async for one in among.few({link.type: link.where}, None, depth, equals(asked).text):
        found |= {word.value for word in index_of(one).words if word.param == link.param}
    return found
