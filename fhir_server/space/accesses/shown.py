"""Which documents that a trace names whoever is told may see, and what they are called.

What is hidden from them is not named, nor counted: a trace tells of no document that the record itself does not show.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.access import binaries
from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse
from fhir_server.store.filters import Id
from fhir_server.store.matching import unpack

#: Documents asked for at once.
_PART = 200


class ShownDocuments:
    """The documents of some traces, for one person."""

    def __init__(self, titles: Mapping[str, str], contexts: Mapping[str, tuple[str, ...]]) -> None:
        """`titles` of what may be seen, by reference; `contexts`: Binary → the documents whose content it is."""
        self._titles = titles
        self._contexts = contexts

    def of(self, reference: str) -> tuple[str, ...]:
        """The documents that may be seen of what a trace names: itself, or those whose content it is."""
        own = self._contexts.get(reference, (reference,))
        return tuple(one for one in own if one in self._titles)

    def title(self, document: str) -> str:
        """What it is called."""
        return self._titles[document]


async def documents(references: Iterable[str], seen: Repository, own: Repository) -> ShownDocuments:
    """What `seen`, the store as somebody may see it, shows of what traces name; `own` is the server's own sight.

    Args:
        references: without versions: of documents and of Binaries; others are passed over.
        seen: whose search decides.
        own: tells only which document a Binary belongs to.
    """
    asked = list(dict.fromkeys(references))
    held = await contexts([one for one in asked if one.startswith("Binary/")], own)
    named = [one for one in asked if one.startswith("DocumentReference/")]
    named += [one for many in held.values() for one in many if one.startswith("DocumentReference/")]
    ids = sorted({one.partition("/")[2] for one in named})
    titles: dict[str, str] = {}
    for n in range(0, len(ids), _PART):
        # As `consultations.Teller.events` does: others have a turn between two reads.
        await asyncio.sleep(0)
        page = await seen.find({"DocumentReference": Id(tuple(ids[n : n + _PART]))}, count=_PART)
        titles |= {f"DocumentReference/{one.id}": _title(parse(one.body)) for one in page.versions}
    return ShownDocuments(titles, held)


async def contexts(names: Iterable[str], own: Repository) -> dict[str, tuple[str, ...]]:
    """Binary → the resources whose content it is, as references; `own` is the server's own sight."""
    keys = [("Binary", one.partition("/")[2]) for one in names]
    with own.together():
        await own.ahead(keys)
        versions = [await own.current(*key) for key in keys]
    found = {}
    for (type, id), version in zip(keys, versions, strict=True):
        held = binaries.contexts(unpack(version.packed)) if version is not None else ()
        found[f"{type}/{id}"] = tuple(f"{kind}/{one}" for kind, one in held)
    return found


def _title(tree: Mapping[str, Any]) -> str:
    attached = (one.get("attachment", {}).get("title") for one in tree.get("content", ()))
    kind = tree.get("type", {})
    displays = (one.get("display") for one in kind.get("coding", ()))
    called = next((str(one) for one in (*attached, tree.get("description"), kind.get("text"), *displays) if one), "")
    return " ".join(called.split())[:200]
