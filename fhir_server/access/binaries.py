"""Who may do what with a Binary: whoever may do it with the resource it names, and without one who wrote it.

https://hl7.org/fhir/R4/binary.html#security: a Binary has no access rules of its own, and `securityContext` names the
resource whose rules are to be applied. Where it names none, its writer is the same person, through the same software,
for the same patient; a system's own grant reaches it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fhir_server.access.grant import Grant, Scope
from fhir_server.fhir.definitions import resource_types
from fhir_server.store.filters import (
    EVERYTHING,
    NOTHING,
    Filter,
    Index,
    Linked,
    Missing,
    Token,
    Word,
    both,
    either,
)
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Version

#: Index row of a Binary naming what it is judged by; "#" where `securityContext` says nothing that could be looked up.
SECURITY_CONTEXT = "_securityContext"
#: Index row of a Binary naming the client that wrote it and, as its qualifier, for whom (`_signature`). Without a
#: qualifier a system wrote it, or it was stored before persons were noted: a person's grant does not reach it.
WRITER = "_writer"

#: Types whose content is written through them: a scope that speaks of one lets its holder write that.
_HOLDING = ("Binary", "Communication", "DocumentReference")

#: (grant, type, letter of `cruds`) → what of the type the grant reaches.
Rule = Callable[[Grant, str, str], Filter]

#: What is asked of the resource that is named. A new Binary under it is a change of what is already there.
_ASKED = {"c": "u"}


def reached(grant: Grant, verb: str, rule: Rule) -> Filter:
    """What of all Binaries the caller may `verb`."""
    named = [
        Linked(SECURITY_CONTEXT, type, allowed)
        for type in sorted(resource_types() - {"Binary"})
        if (allowed := rule(grant, type, asked(verb))) != NOTHING
    ]
    nameless = both(Missing(SECURITY_CONTEXT), unnamed(grant, verb))
    return both(constraint(grant, verb), either([*named, nameless]))


def reached_of(grant: Grant, verb: str, index: Index, rule: Rule) -> Filter:
    """As `reached`, for the one Binary whose index this is: only what it names is spoken of."""
    words = [word for word in index.words if word.param == SECURITY_CONTEXT]
    if not words:
        return both(constraint(grant, verb), unnamed(grant, verb))
    named = [Linked(SECURITY_CONTEXT, type, rule(grant, type, asked(verb))) for type, _ in contexts(index)]
    return both(constraint(grant, verb), either(named))


def constraint(grant: Grant, verb: str) -> Filter:
    """What granular scopes demand of the Binary itself; a token that names the document alone demands nothing."""
    speaking = _speaking(grant, verb)
    return either([scope.where for scope in speaking]) if speaking else EVERYTHING


def allowed(grant: Grant, verb: str) -> bool:
    """Whether some scope may let the caller `verb` some Binary, by speaking of Binaries or of what they can name."""
    return grant.unrestricted or any(
        scope.covers("Binary", verb) or asked(verb) in scope.verbs for scope in grant.scopes
    )


def asked(verb: str) -> str:
    """The letter asked of the resource that a Binary names, when the Binary itself is asked for `verb`."""
    return _ASKED.get(verb, verb)


def contexts(index: Index) -> Iterator[tuple[str, str]]:
    """Type and id of what a Binary names, where it is a resource of this server that can be named."""
    for word in index.words:
        type, slash, id = word.value.partition("/")
        if word.param == SECURITY_CONTEXT and slash and type != "Binary" and type in resource_types():
            yield type, id


def is_named(index: Index) -> bool:
    """Whether the Binary with this index has a `securityContext`."""
    return any(word.param == SECURITY_CONTEXT for word in index.words)


def unnamed(grant: Grant, verb: str) -> Filter:
    """What the caller may `verb` of Binaries that name nothing."""
    parts = [scope.where for scope in _speaking(grant, verb) if scope.level == "system"]
    if grant.client and _may(grant, verb):
        parts.append(_written_by(grant))
    return either(parts)


def fileable(grant: Grant) -> Filter:
    """Which Binaries that name nothing the caller may give a context: those they may update, or have just written."""
    if grant.unrestricted:
        return EVERYTHING
    return either([unnamed(grant, "u"), *([_written_by(grant)] if grant.client and _may(grant, "c") else [])])


def writer(grant: Grant, before: Index | None) -> tuple[Word, ...]:
    """The row that says who wrote a Binary; whoever changes it later does not become its writer."""
    kept = tuple(word for word in before.words if word.param == WRITER) if before else ()
    if kept or not grant.client:
        return kept
    return (Word(WRITER, grant.client, _signature(grant)),)


def written(index: Index, grant: Grant, before: Version | None) -> Index:
    """The index of a Binary that `grant` writes after the version `before`, with the row that says who wrote it."""
    known = unpack(before.packed) if before is not None and not before.deleted else None
    return Index((*index.words, *writer(grant, known)), index.spans, index.narrative, index.content)


def _written_by(grant: Grant) -> Filter:
    return Token(WRITER, grant.client, _signature(grant))


def _signature(grant: Grant) -> str:
    # Rows stored before persons were noted have "": what a system writes for nobody, and reaches anyway.
    return f"{grant.subject or ''} {grant.patient or ''}" if grant.subject or grant.patient else ""


def _speaking(grant: Grant, verb: str) -> list[Scope]:
    return [scope for scope in grant.scopes if scope.covers("Binary", verb)]


def _may(grant: Grant, verb: str) -> bool:
    """Whether some scope speaks of Binaries, or of the documents and messages whose content they are."""
    return any(scope.covers(type, verb) for scope in grant.scopes for type in _HOLDING)
