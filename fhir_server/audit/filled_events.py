"""The AuditEvents of exchanges as writes: what differs from an earlier one by instant and version touched is filled in.

https://hl7.org/fhir/R4/auditevent.html. Who reads twenty documents of a patient leaves twenty events alike, and so do
pages of as many documents, and lots of the same entries. The JSON and the index of the first are made with places for
what differs; whatever does not fit is made anew.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fhir_server.access.repository import Repository
from fhir_server.access.touched import Touched
from fhir_server.audit.exchanges import exchange_event
from fhir_server.audit.recording import made_here, witnessed
from fhir_server.fhir.json import begun, instant
from fhir_server.search.indexing.parts import by_parts, is_divisible
from fhir_server.store.filters import Index, Span, Word
from fhir_server.store.protocol import Put

_TYPE = "AuditEvent"
#: Where the registry remembers forms: a search parameter that is added lets go of them.
PLACE = "AuditEvent filled in"
#: Forms that are remembered, beyond which all are made anew; and things that one of them has places for.
MOST, MOST_THINGS = 1_000, 24
#: A literal reference to a version of a resource of this server.
_VERSIONED = re.compile(r"([A-Z][A-Za-z]{2,40})/([A-Za-z0-9\-.]{1,64})/_history/([0-9]{1,18})")
#: Types of what an event may name beside what was touched, so that both may be the same.
_NAMED = frozenset(
    {"Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person", "Organization", "Device", "Group"}
)
#: What stands for the id of the event, and for the ids, versions and instant it is about: each thing's id is this one
#: and its place. Nobody can guess the ids.
_ID, _OBJECT, _VERSION = secrets.token_hex(12), secrets.token_hex(16), "917364528190"
_AT = datetime(2000, 1, 1, tzinfo=UTC)
_AT_MS = int(_AT.timestamp()) * 1000

#: Type, id and version of a thing that was touched.
_Thing = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Form:
    """An event with places for what differs.

    Attributes:
        body: its JSON, for `%` with the event's id, the instant twice, and each thing that was touched.
        stamp: where the instant of its commit stands in it.
        words, named: rows that stay, and those of what was touched, each with the place of its thing.
        spans: rows of the instant, relative to it.
        content: its words.
    """

    body: bytes
    stamp: int
    words: tuple[Word, ...]
    named: tuple[tuple[int, Word], ...]
    spans: tuple[Span, ...]
    content: str

    def filled(self, event: str, ms: int, things: Sequence[_Thing]) -> Put:
        """The write of an event under that id, at that instant, about those versions."""
        at = instant(ms).encode()
        body = self.body % (event.encode(), at, at, *(f"{t}/{id}/_history/{v}".encode() for t, id, v in things))
        targets = [f"{type}/{id}" for type, id, _ in things]
        named = [Word(w.param, targets[n], things[n][2] if w.qualifier else "", w.group) for n, w in self.named]
        spans = [Span(s.param, s.low + ms * 1000, s.high + ms * 1000, s.code, s.system, s.group) for s in self.spans]
        index = Index((*self.words, *named), tuple(spans), "", self.content)
        return Put(_TYPE, event, 0, body, self.stamp + len(event) - len(_ID), index, "POST")


def exchange_puts(
    repository: Repository, touched: Touched, interaction: str, type: str | None, status: int, source: str
) -> Iterator[Put]:
    """The writes of an exchange's AuditEvents, for a commit of `repository`, whose grant is the caller's.

    Arguments as `exchange_event`.
    """
    for part in touched.apart():
        found = _matched(part)
        kinds = tuple([kind for kind, _, _ in found or ()])
        form = None if found is None else _form(repository, part, kinds, interaction, type, status, source)
        if form is None or found is None:
            party = repository.touched.party
            tree = exchange_event(repository.grant, part, interaction, type, status, source, party)
            yield witnessed(repository, tree)
        else:
            yield form.filled(repository.new_id(_TYPE), time.time_ns() // 1_000_000, found)


def _matched(touched: Touched) -> list[_Thing] | None:
    """What was touched, where it can be filled in."""
    if not 0 < len(touched.objects) <= MOST_THINGS:
        return None
    found: list[_Thing] = []
    for one in touched.objects:
        matched = _VERSIONED.fullmatch(one)
        if matched is None or matched[1] in _NAMED:
            return None
        found.append((matched[1], matched[2], matched[3]))
    # Two versions of one resource share rows, which then are one.
    return found if len({(type, id) for type, id, _ in found}) == len(found) else None


def _form(
    repository: Repository,
    touched: Touched,
    kinds: tuple[str, ...],
    interaction: str,
    type: str | None,
    status: int,
    source: str,
) -> _Form | None:
    if not is_divisible(_TYPE, repository.registry):
        return None
    forms: dict[Hashable, _Form | None] = repository.registry.compiled.setdefault(PLACE, {})
    grant, party = repository.grant, repository.touched.party
    who = (grant.subject, grant.client, grant.role, grant.purpose, grant.reason, party)
    key = (who, kinds, interaction, status // 100, source, *touched.patients)
    if key not in forms:
        if len(forms) >= MOST:
            forms.clear()
        alike = Touched(True)
        alike.objects = {f"{target}/_history/{_VERSION}": () for target in _targets(kinds)}
        alike.patients = touched.patients
        tree = exchange_event(grant, alike, interaction, type, status, source, party, _AT)
        index = made_here(by_parts(_TYPE, tree, repository.registry, repository.base))
        forms[key] = _made(*begun(tree, _ID), index, _targets(kinds))
    return forms[key]


def _targets(kinds: Sequence[str]) -> list[str]:
    """What stands for the resources of a form's places."""
    return [f"{kind}/{_OBJECT}{place:02d}" for place, kind in enumerate(kinds)]


def _made(body: bytes, stamp: int, index: Index, targets: Sequence[str]) -> _Form | None:
    """The form of an event made with what stands for the rest; None where that stands where it is not looked for."""
    at, place_of = instant(_AT_MS).encode(), {target: place for place, target in enumerate(targets)}
    places = [_ID.encode(), at, at, *(f"{target}/_history/{_VERSION}".encode() for target in targets)]
    parted = re.split(b"(" + b"|".join(map(re.escape, dict.fromkeys(places))) + b")", body)
    is_named = [word.value in place_of and word.qualifier in ("", _VERSION) for word in index.words]
    named = [(place_of[word.value], word) for word, is_so in zip(index.words, is_named, strict=True) if is_so]
    words = [word for word, is_so in zip(index.words, is_named, strict=True) if not is_so]
    spans = [
        Span(s.param, s.low - _AT_MS * 1000, s.high - _AT_MS * 1000, s.code, s.system, s.group) for s in index.spans
    ]
    if (
        parted[1::2] != places
        or any(_OBJECT in f"{word.value}{word.qualifier}" for word in words)
        or any(abs(span.low) > 1_000 or abs(span.high) > 1_000 for span in spans)
        or index.narrative
        or _OBJECT in index.content
    ):
        return None
    form = b"%b".join(one.replace(b"%", b"%%") for one in parted[::2])
    return _Form(form, stamp, tuple(words), tuple(named), tuple(spans), index.content)
