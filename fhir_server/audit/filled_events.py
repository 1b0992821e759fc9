"""The AuditEvents of exchanges as writes: what differs from an earlier one by instant and version touched is filled in.

https://hl7.org/fhir/R4/auditevent.html. Who reads twenty documents of a patient leaves twenty events alike. The JSON
and the index of the first are made with a place for what differs; whatever does not fit is made anew.
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
_PLACE = "AuditEvent filled in"
#: Forms that are remembered; beyond, all are made anew.
MOST = 1_000
#: A literal reference to a version of a resource of this server.
_VERSIONED = re.compile(r"([A-Z][A-Za-z]{2,40})/([A-Za-z0-9\-.]{1,64})/_history/([0-9]{1,18})")
#: Types of what an event may name beside what was touched, so that both may be the same.
_NAMED = frozenset(
    {"Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person", "Organization", "Device", "Group"}
)
#: What stands for the id of the event, and for the id, version and instant it is about. Nobody can guess the ids.
_ID, _OBJECT, _VERSION = secrets.token_hex(12), secrets.token_hex(16), "917364528190"
_AT = datetime(2000, 1, 1, tzinfo=UTC)
_AT_MS = int(_AT.timestamp()) * 1000


@dataclass(frozen=True, slots=True)
class _Form:
    """An event with places for what differs.

    Attributes:
        body: its JSON, for `%` with the event's id, the instant twice, and what was touched.
        stamp: where the instant of its commit stands in it.
        words, named: rows that stay, and those of what was touched.
        spans: rows of the instant, relative to it.
        content: its words.
    """

    body: bytes
    stamp: int
    words: tuple[Word, ...]
    named: tuple[Word, ...]
    spans: tuple[Span, ...]
    content: str

    def filled(self, event: str, ms: int, type: str, id: str, version: str) -> Put:
        """The write of an event under that id, at that instant, about that version."""
        at, target = instant(ms).encode(), f"{type}/{id}"
        body = self.body % (event.encode(), at, at, f"{target}/_history/{version}".encode())
        named = [Word(w.param, target, version if w.qualifier else "", w.group) for w in self.named]
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
        form = None if found is None else _form(repository, part, found[0], interaction, type, status, source)
        if form is None or found is None:
            party = repository.touched.party
            tree = exchange_event(repository.grant, part, interaction, type, status, source, party)
            yield witnessed(repository, tree)
        else:
            yield form.filled(repository.new_id(_TYPE), time.time_ns() // 1_000_000, *found)


def _matched(touched: Touched) -> Sequence[str] | None:
    """Type, id and version of the one thing touched, where it can be filled in."""
    if len(touched.objects) != 1:
        return None
    matched = _VERSIONED.fullmatch(next(iter(touched.objects)))
    return None if matched is None or matched[1] in _NAMED else matched.groups()


def _form(
    repository: Repository, touched: Touched, kind: str, interaction: str, type: str | None, status: int, source: str
) -> _Form | None:
    if not is_divisible(_TYPE, repository.registry):
        return None
    forms: dict[Hashable, _Form | None] = repository.registry.compiled.setdefault(_PLACE, {})
    grant, party = repository.grant, repository.touched.party
    who = (grant.subject, grant.client, grant.role, grant.purpose, grant.reason, party)
    key = (who, kind, interaction, status // 100, source, *touched.patients)
    if key not in forms:
        if len(forms) >= MOST:
            forms.clear()
        alike = Touched(True)
        alike.objects = {f"{kind}/{_OBJECT}/_history/{_VERSION}": ()}
        alike.patients = touched.patients
        tree = exchange_event(grant, alike, interaction, type, status, source, party, _AT)
        index = made_here(by_parts(_TYPE, tree, repository.registry, repository.base))
        forms[key] = _made(*begun(tree, _ID), index, kind)
    return forms[key]


def _made(body: bytes, stamp: int, index: Index, kind: str) -> _Form | None:
    """The form of an event made with what stands for the rest; None where that stands where it is not looked for."""
    at, target = instant(_AT_MS).encode(), f"{kind}/{_OBJECT}"
    places = [_ID.encode(), at, at, f"{target}/_history/{_VERSION}".encode()]
    parted = re.split(b"(" + b"|".join(map(re.escape, dict.fromkeys(places))) + b")", body)
    named = [word for word in index.words if word.value == target and word.qualifier in ("", _VERSION)]
    words = [word for word in index.words if word not in named]
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
