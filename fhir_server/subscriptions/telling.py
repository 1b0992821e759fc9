"""What a subscriber is sent: a version as R4 puts it under an endpoint, or the notification Bundle of a topic.

https://hl7.org/fhir/R4/subscription.html, http://hl7.org/fhir/uv/subscriptions-backport. What is sent of a resource is
what its subscriber would read, and is traced as that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fhir_server.access.grant import Grant
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import Forbidden, Gone, NotFound
from fhir_server.fhir.xml import to_xml
from fhir_server.interactions.exchange import FHIR_JSON, FHIR_XML, Request
from fhir_server.subscriptions import notification
from fhir_server.subscriptions.kept import Queued
from fhir_server.subscriptions.model import XML, Wanted

if TYPE_CHECKING:
    from fhir_server.subscriptions.surroundings import Surroundings
    from fhir_server.subscriptions.table import Entry

#: Versions with their numbers, each with whether it may be named.
Ready = Sequence[tuple[Queued, bool]]
#: Bytes, and their media type.
Body = tuple[bytes, str]


def put_under(endpoint: str, of: Queued) -> str:
    """Where R4 puts a resource that is told of: under the endpoint's path, as of a service base; its query stays."""
    parts = urlsplit(endpoint)
    return parts._replace(path=f"{parts.path.rstrip('/')}/{of.type}/{of.id}").geturl()


async def version(around: Surroundings, entry: Entry, rights: Grant, of: Queued) -> bytes:
    """A version as its subscriber would read it.

    Raises:
        NotFound, Gone, Forbidden: it is hidden from them now.
    """
    path = (of.type, of.id, "_history", str(of.version))
    return (await around.exchange(Request("GET", path), rights, entry.holder.base)).body


async def told(around: Surroundings, entry: Entry, rights: Grant, ready: Ready, numbered: int) -> Body:
    """The notification of events to a topic; `numbered` as for `said`."""
    return said(entry, "event-notification", ready, numbered, await _entries(around, entry, rights, ready))


def said(
    entry: Entry,
    kind: notification.Kind,
    ready: Ready,
    numbered: int,
    entries: Sequence[dict[str, Any]] = (),
) -> Body:
    """A notification; `numbered` is the number of the Subscription's last event where none is told of."""
    wanted, base = entry.wanted, entry.holder.base
    events = [(one, shown and wanted.content != "empty") for one, shown in ready]
    last = max([one.number for one, _ in ready], default=numbered)
    status = notification.status(base, wanted.id, wanted.topic, wanted.status, kind, last, events)
    return encoded(wanted, serialize(notification.bundle(wanted.id, status, entries)))


def encoded(wanted: Wanted, body: bytes) -> Body:
    """JSON in the format that the Subscription asks for."""
    return (to_xml(body), FHIR_XML) if wanted.payload in XML else (body, FHIR_JSON)


async def _entries(around: Surroundings, entry: Entry, rights: Grant, ready: Ready) -> list[dict[str, Any]]:
    found = list[dict[str, Any]]()
    for queued, shown in ready if entry.wanted.content != "empty" else ():
        whole = shown and entry.wanted.content == "full-resource" and not queued.deleted
        try:
            tree = parse(await version(around, entry, rights, queued), 1000) if whole else None
        except (NotFound, Gone, Forbidden):
            continue
        if shown:
            found.append(notification.entry(entry.holder.base, queued, tree))
    return found
