"""What is refused of a Subscription that is written, and the form in which it is stored.

https://hl7.org/fhir/R4/subscription.html. A caller asks (`requested`) or stops (`off`); that it is active or in error
is the server's to say. What its headers say are secrets: they are kept beside it, and it shows their names.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from fhir_server.access.grant import held
from fhir_server.access.write_rules import administers
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError, Forbidden, Invalid, Issue
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.lots import Lot
from fhir_server.interactions.pipeline import Among, Change, Extra
from fhir_server.smart.fetch import Refused, pinned, public
from fhir_server.store.filters import Filter, Token
from fhir_server.store.protocol import Keep
from fhir_server.subscriptions.criteria import compiled, type_of
from fhir_server.subscriptions.kept import HOLDERS, UNCLAIMED_SECONDS, Holder, holder
from fhir_server.subscriptions.model import (
    CONTENT,
    CONTENTS,
    ENGINE,
    FILTER,
    HEARTBEAT,
    HOLDER,
    JSON,
    MAX_COUNT,
    OWNER,
    SUBSCRIBER,
    TIMEOUT,
    XML,
    ends,
    extensions,
    mailbox,
    media_type,
    tag,
    topic_of,
)
from fhir_server.subscriptions.owners import owner

#: Headers of a channel, and characters of each.
MOST_HEADERS, LONGEST_HEADER = 20, 8_192
_CHANNELS = ("rest-hook", "websocket", "email")
#: Extension of a topic's channel → its least and greatest value: seconds, seconds, events.
_BOUNDS = ((HEARTBEAT, 5, 86_400), (TIMEOUT, 0, 3_600), (MAX_COUNT, 1, 100))
_HEADER = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)(?::[ \t]*([\t\x20-\x7e\x80-\xff]*))?").fullmatch
#: Headers that are the connection's, or that say what is sent: RFC 9110 §7.2, §7.6.1, §8.
_RESERVED = frozenset(
    """connection content-encoding content-length content-type expect host keep-alive proxy-authorization
    proxy-connection te trailer transfer-encoding upgrade""".split()
)


async def validate(context: Context, tree: dict[str, Any], profiles: Sequence[str]) -> list[Issue]:
    """What is wrong with a Subscription alone: status, end, criteria, channel."""
    if context.repository.grant == ENGINE:
        return []
    issues = [*_wrong(tree), *_wrong_channel(tree.get("channel") or {}), *_wrong_criteria(context, tree)]
    issues += [*_wrong_topic(tree), *_wrong_socket(tree)]
    if not issues and tree["channel"]["type"] == "rest-hook":
        issues += await _wrong_endpoint(tree["channel"], context)
    return issues


def _wrong(tree: Mapping[str, Any]) -> Iterator[Issue]:
    if tree.get("status") == "error":
        yield _said("That it is in error is the server's to say: ask (requested) or stop (off).", "status")
    end = ends(tree)
    if end is not None and end <= datetime.now(UTC) and tree.get("status") != "off":
        yield _said("The end is past.", "end")


def _wrong_channel(channel: Mapping[str, Any]) -> Iterator[Issue]:
    if channel.get("type") not in _CHANNELS:
        words = f"Channels of this server are {', '.join(_CHANNELS)}."
        yield _said(words, "channel.type", "not-supported")
    endpoint, payload = channel.get("endpoint"), channel.get("payload")
    if channel.get("type") == "rest-hook" and not endpoint:
        yield _said("A rest-hook has an endpoint.", "channel.endpoint", "required")
    if channel.get("type") == "email":
        yield from _wrong_mail(channel)
    if payload is not None and media_type(payload) not in (*JSON, *XML):
        yield _said("The payload is FHIR in JSON or XML, or there is none.", "channel.payload", "not-supported")
    headers = channel.get("header") or []
    if len(headers) > MOST_HEADERS:
        yield _said(f"A channel has {MOST_HEADERS} headers at most.", "channel.header", "too-costly")
    for n, one in enumerate(headers[:MOST_HEADERS]):
        found = _HEADER(one) if isinstance(one, str) and len(one) <= LONGEST_HEADER else None
        if found is None or found[1].lower() in _RESERVED:
            # Never with its words: they are a secret.
            yield _said("It is not `Name: value` of a header that may be sent.", f"channel.header[{n}]")


def _wrong_mail(channel: Mapping[str, Any]) -> Iterator[Issue]:
    """What no mail is told of: mails go through others' hands, and say that there is something, and no more."""
    if mailbox(str(channel.get("endpoint", ""))) is None:
        yield _said("A mail goes to mailto: and one address.", "channel.endpoint", "required")
    content = extensions(channel.get("_payload"), CONTENT)
    if channel.get("payload") is not None or (content and content[0] != "empty"):
        yield _said("A mail has no payload, and of a topic empty content.", "channel.payload", "not-supported")
    if channel.get("header"):
        yield _said("A mail has no headers of the subscriber's.", "channel.header", "not-supported")


def _wrong_criteria(context: Context, tree: Mapping[str, Any]) -> Iterator[Issue]:
    criteria, filters = str(tree.get("criteria", "")), extensions(tree.get("_criteria"), FILTER)
    each = [(f"criteria.extension[{n}]", [one]) for n, one in enumerate(filters)]
    # Last all of them, which may be too many together.
    for element, some in [("criteria", []), *each, *([("criteria.extension", filters)] if filters else [])]:
        try:
            compiled(criteria, [str(one) for one in some], context)
        except Forbidden:
            raise
        except FhirError as error:
            yield from (_said(one.diagnostics, element, one.code) for one in error.issues)
            return


def _wrong_topic(tree: Mapping[str, Any]) -> Iterator[Issue]:
    """What the guide demands of a Subscription to a topic (backport-subscription)."""
    channel = tree.get("channel") or {}
    content = extensions(channel.get("_payload"), CONTENT)
    if (content or topic_of(tree)) and (len(content) != 1 or content[0] not in CONTENTS):
        yield _said("How much is sent is said once: empty, id-only or full-resource.", "channel.payload", "required")
    if content and not topic_of(tree):
        yield _said("Criteria that are a search are told as R4 has it: how much is sent is of topics.", "criteria")
    for url, least, most in _BOUNDS:
        for value in extensions(channel, url):
            if not isinstance(value, int) or not least <= value <= most:
                yield _said(f"{url.rpartition('/')[2]} is from {least} to {most}.", "channel.extension")


def _wrong_socket(tree: Mapping[str, Any]) -> Iterator[Issue]:
    """What is not sent by websocket."""
    channel = tree.get("channel") or {}
    if channel.get("type") != "websocket":
        return
    if channel.get("header"):
        yield _said("A socket is opened by its client: no headers are sent.", "channel.header", "not-supported")
    if channel.get("payload") is not None and not topic_of(tree):
        words = "By websocket R4 tells that there is something (ping): a payload is of topics."
        yield _said(words, "channel.payload", "not-supported")


async def _wrong_endpoint(channel: Mapping[str, Any], context: Context) -> list[Issue]:
    url, loopback = channel["endpoint"], context.settings.subscription_loopback
    words = "The endpoint is not an address that notifications are sent to: https, on the public network."
    try:
        # Told to itself, this server would write, be told of it, and write again.
        if not public(url, loopback) or origin(url) == origin(context.base):
            raise Refused(words)
        await pinned(url, loopback)
    except (Refused, ValueError):
        # In the same words whatever it is: what names of the network here lead to is not told.
        return [_said(words, "channel.endpoint")]
    return []


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address, whichever way it is written (RFC 3986 §6.2.2.1, §6.2.3; RFC 1034 §3.1).

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").rstrip("."), parts.port or {"http": 80, "https": 443}.get(scheme)


async def arrange(context: Context, change: Change) -> Change:
    """The Subscription as it is stored: asked for, its owner named by a tag, its headers by their names alone.

    Raises:
        Invalid: a header has no value, and had none for that endpoint before (422); what its owner turned off is
            turned on by another.
    """
    grant, tree = context.repository.grant, change.tree
    if change.as_server or grant == ENGINE or context.records is None:
        return change
    assert tree is not None
    before = None if change.before is None or change.before.deleted else parse(change.before.body)
    known = None if before is None else await holder(context.records, tag(before, HOLDER))
    whose = owner(grant) if before is None or not tag(before, OWNER) else tag(before, OWNER)
    mine = whose == owner(grant)
    if known is None and not mine and tree.get("status") != "off":
        words = "Its owner turns it on again: it is judged by their rights."
        raise Invalid(words, "Subscription.status", code="business-rule")
    same = before is not None and (before.get("channel") or {}).get("endpoint") == tree["channel"].get("endpoint")
    headers = _headers(tree, dict(known.headers) if known is not None and same else {})
    name = secrets.token_urlsafe(24)
    # Another's is judged by the other's rights still, when an administrator changes it; by nobody's where these are not
    # kept any more.
    rights = held(grant) if mine else known.held if known is not None else None
    if rights is not None:
        kept = Holder(rights, context.base, tuple(headers.items()))
        await context.records.put(HOLDERS, name, msgspec.json.encode(kept), UNCLAIMED_SECONDS)
    return change.arranged(_stored(tree, whose, name, [*headers]))


def _headers(tree: Mapping[str, Any], before: Mapping[str, str]) -> dict[str, str]:
    """Name → value; one that is only named keeps the value it had."""
    had = {name.lower(): value for name, value in before.items()}
    found: dict[str, str] = {}
    for n, one in enumerate(tree["channel"].get("header") or ()):
        name, mark, value = one.partition(":")
        if not mark and name.lower() not in had:
            raise Invalid("It is not `Name: value` of a header that may be sent.", f"Subscription.channel.header[{n}]")
        found[name] = value.strip() if mark else had[name.lower()]
    return found


def _stored(tree: dict[str, Any], whose: str, name: str, headers: list[str]) -> dict[str, Any]:
    meta = dict(tree.get("meta") or {})
    others = [one for one in meta.get("tag", ()) if one.get("system") not in (OWNER, HOLDER)]
    meta["tag"] = [*others, {"system": OWNER, "code": whose}, {"system": HOLDER, "code": name}]
    channel = {**tree["channel"], **({"header": headers} if headers else {})}
    status = "off" if tree.get("status") == "off" else "requested"
    made = {**tree, "meta": meta, "status": status, "channel": channel}
    made.pop("error", None)
    return made


async def together(context: Context, lot: Lot) -> list[tuple[int, FhirError]]:
    """Of the Subscriptions that a transaction makes, those beyond as many as its sender may have."""
    made = [one.number for one in lot.parts if one.change is not None and _makes(one.change)]
    if len(made) < 2 or context.repository.grant == ENGINE:
        # One by itself is judged by `complete`.
        return []
    left = _most(context) - len(await _own(context))
    return [(number, _too_many(context)) for number in made[max(left, 0) :]]


async def complete(context: Context, changes: Sequence[Change], among: Among) -> Extra:
    """The condition that whoever makes a Subscription has as many as were counted, whoever else makes one meanwhile.

    Raises:
        Invalid: they have as many as anybody may (422).
    """
    if context.repository.grant == ENGINE or not any(map(_makes, changes)):
        return Extra()
    ids = await _own(context)
    if len(ids) >= _most(context):
        raise _too_many(context)
    return Extra(guards=[context.repository.as_server().guard("Subscription", _mine(context), ids)])


def _makes(change: Change) -> bool:
    written = change.type == "Subscription" and change.tree is not None
    return written and (change.before is None or change.before.deleted)


def _most(context: Context) -> int:
    return context.settings.subscriptions_per_caller


def _mine(context: Context) -> Filter:
    return Token(SUBSCRIBER, owner(context.repository.grant))


async def _own(context: Context) -> frozenset[str]:
    """The ids of the caller's, one more at most than they may have."""
    [ids] = await context.repository.as_server().ids_each([{"Subscription": _mine(context)}], _most(context) + 1)
    return ids


def _too_many(context: Context) -> Invalid:
    return Invalid(f"A caller has {_most(context)} subscriptions at most.", "Subscription", code="too-costly")


async def judge(context: Context, change: Change) -> None:
    """Refuse a Subscription to what its writer may not search.

    Raises:
        Forbidden: no scope lets them search and read the type (403).
    """
    caller, tree = context.repository, change.tree
    if change.as_server or caller.grant == ENGINE or tree is None:
        return
    type = type_of(str(tree.get("criteria", "")))
    for verb in "sr":
        caller.require(type, verb)


def require_mails(context: Context, change: Change) -> None:
    """Refuse to have others written to.

    Raises:
        Forbidden: the caller is no software that an administrator admitted (403).
    """
    grant, tree = context.repository.grant, change.tree
    if change.as_server or grant == ENGINE or tree is None or administers(grant):
        return
    if tree["channel"].get("type") == "email":
        # Whoever writes to an address that nobody confirmed answers for it.
        words = "Mails are asked for by software that an administrator of this server admitted."
        raise Forbidden(words, "Subscription.channel.type")


def _said(words: str, element: str, code: str = "business-rule") -> Issue:
    return Issue("error", code, words, f"Subscription.{element}", "subscription")


def claimed(name: str, value: Holder) -> Keep:
    """The change that keeps a holder as long as its Subscription."""
    return Keep(HOLDERS, name, msgspec.json.encode(value))
