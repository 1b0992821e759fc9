"""Subscriptions to the events of a person (flows 1 and 2): what is refused, and in which form they are stored.

https://interop.esante.gouv.fr/ig/fhir/nde. Beside what every Subscription is held to: who may follow whose events, and
that mails go to an address that is the subscriber's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from fhir_server.access import trees
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Forbidden, Issue
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change
from fhir_server.space.acting import ended, minute
from fhir_server.space.events.callers import SUBSCRIBERS, Party, addresses, let_in, party
from fhir_server.space.events.declaring import kept_with, nobody
from fhir_server.space.events.model import (
    DECLARANT,
    EVENT_TYPE,
    START,
    SUBJECT,
    SUBSCRIBED,
    SUBSCRIBER,
    dicts,
    event_types,
    follows_events,
    record,
    referred,
    said,
    values,
)
from fhir_server.space.events.narrowing import start
from fhir_server.space.events.rows import declared, named
from fhir_server.space.events.whom import whose
from fhir_server.store.filters import Id, both
from fhir_server.store.protocol import Version
from fhir_server.subscriptions.criteria import type_of
from fhir_server.subscriptions.model import ENGINE, ends, mailbox, topic_of

_TYPE = "Subscription"
#: What each names once (the profile nde-subscription).
_ONCE = (START, SUBJECT, DECLARANT, EVENT_TYPE, SUBSCRIBER)
_PARAMETER = EVENT_TYPE.rpartition("/")[2]


async def validate(context: Context, tree: dict[str, Any], profiles: Sequence[str]) -> list[Issue]:
    """What is wrong with a Subscription to events alone, whatever its profile's level is."""
    if not follows_events(tree) or context.repository.grant == ENGINE:
        return []
    return [*_wrong(tree), *_wrong_criteria(tree), *_wrong_times(tree)]


def _wrong(tree: Mapping[str, Any]) -> Iterator[Issue]:
    for url in _ONCE:
        if len(values(tree, url)) != 1:
            yield _issue(f"It says its {url.rpartition('/')[2]} once.", "extension", "required")
    for one in dicts(tree.get("extension")):
        # Other types have a `reference` too, as Expression does.
        if one.get("url") in (SUBJECT, DECLARANT, SUBSCRIBER) and not isinstance(one.get("valueReference"), dict):
            yield _issue(f"Its {one['url'].rpartition('/')[2]} is a reference.", "extension", "structure")
    if said(tree, EVENT_TYPE) is not None and not event_types(tree):
        yield _issue("The type of event is coded.", "extension", "required")


def _wrong_criteria(tree: Mapping[str, Any]) -> Iterator[Issue]:
    criteria = str(tree.get("criteria", ""))
    if topic_of(tree) or type_of(criteria) != "CommunicationRequest":
        yield _issue("Events are CommunicationRequests: the criteria search them.", "criteria")
        return
    asked = [value for name, value in parse_qsl(criteria.partition("?")[2]) if name == _PARAMETER]
    codes = {code for _, code in event_types(tree)}
    if any(not codes & {one.rpartition("|")[2] for one in value.split(",")} for value in asked):
        yield _issue("The criteria choose another type of event than the one it names.", "criteria")


def _wrong_times(tree: Mapping[str, Any]) -> Iterator[Issue]:
    end = ends(tree)
    if isinstance(said(tree, START), str) and end is not None and start(tree) >= end.timestamp() * 1000:
        yield _issue("It ends before it starts.", "end")


async def arrange(context: Context, change: Change) -> Change:
    """The Subscription with whom the server found its person to be, and with the day on which it was asked for.

    Raises:
        Invalid: it is nobody here (422).
    """
    tree = change.tree
    if tree is None or not follows_events(tree) or context.repository.grant == ENGINE:
        return change
    found = await whose(context, tree)
    if not found:
        raise nobody(f"{_TYPE}.extension")
    made = [
        {**one, "valueReference": kept_with(one["valueReference"], found)} if one.get("url") == SUBJECT else one
        for one in tree["extension"]
    ]
    if said(tree, SUBSCRIBED) is None:
        made.append({"url": SUBSCRIBED, "valueDateTime": _asked_for(change.before)})
    return change.arranged({**tree, "extension": made})


def _asked_for(before: Version | None) -> str:
    """When it was asked for: as it said before, or now."""
    known = said(parse(before.body), SUBSCRIBED) if before is not None and not before.deleted else None
    return known if isinstance(known, str) else datetime.now(UTC).isoformat(timespec="seconds")


async def judge(context: Context, change: Change) -> None:
    """Refuse to tell somebody of whose events they may not know, or at an address that is not theirs.

    Raises:
        Forbidden: the caller follows nobody's events, names another subscriber than themself, or an address that the
            server does not know as theirs (403).
        Invalid: the person is nobody here, or nobody whose events are theirs to follow (422).
    """
    tree = change.tree
    if tree is None or change.as_server or context.repository.grant == ENGINE or not follows_events(tree):
        return
    who = await party(context.repository)
    if who.kind == "administrator":
        return
    about = record(tree, context.base)
    if not await _may_follow(context, who, about):
        raise nobody(f"{_TYPE}.extension")
    await _require_self(context, who, tree, about)
    endpoint = mailbox(str(tree["channel"].get("endpoint", "")))
    if endpoint is not None and endpoint.casefold() not in await addresses(context.repository, who):
        words = "Mails go to an address that this server knows as the subscriber's: in the telecom of their resource."
        raise Forbidden(words, f"{_TYPE}.channel.endpoint")


async def _may_follow(context: Context, who: Party, about: str) -> bool:
    id, own = about.removeprefix("Patient/"), context.repository.as_server()
    if id in who.patients:
        subject = context.repository.grant.subject or ""
        return subject == about or not await ended(own, subject, {id}, minute())
    where = both(Id((id,)), let_in(who.references, minute()))
    return bool((await own.find({"Patient": where}, count=1)).versions)


async def _require_self(context: Context, who: Party, tree: dict[str, Any], about: str) -> None:
    """Refuse a subscriber who is not who asks: by identifier, by reference, or by name where there is no identifier."""
    reference = said(tree, SUBSCRIBER)
    found = referred(tree, reference, context.base)
    type = found.partition("/")[0] if isinstance(found, str) else str(found.get("resourceType", ""))
    if type in SUBSCRIBERS[who.kind] and await _is_self(context, who, tree, found, about):
        return
    raise Forbidden("The subscriber is who asks, or who they act for.", f"{_TYPE}.extension")


async def _is_self(context: Context, who: Party, tree: dict[str, Any], found: dict[str, Any] | str, about: str) -> bool:
    names = {one.value for one in declared(tree, said(tree, SUBSCRIBER), context.base)}
    if isinstance(found, str):
        return found in who.may_say or (found == about and "Patient" in SUBSCRIBERS[who.kind])
    if found.get("resourceType") == "Patient":
        # The person followed, whom the server found already, or the caller's own self.
        return found.get("id") == str((said(tree, SUBJECT) or {}).get("reference", "")).removeprefix("#")
    if found.get("resourceType") == "RelatedPerson":
        return await _is_known(context, who, found)
    return bool(names & who.may_say)


async def _is_known(context: Context, who: Party, found: Mapping[str, Any]) -> bool:
    """Whether a RelatedPerson is the caller: by an identifier that they share, or by name where one has none."""
    known = await trees.referred(context.repository.as_server(), context.repository.grant.subject or "")
    theirs, mine = _identifiers(found), _identifiers(known)
    return bool(theirs & mine) if theirs and mine else named(dict(found)) == named(known)


def _identifiers(tree: Mapping[str, Any]) -> set[tuple[str, str]]:
    rows = dicts(tree.get("identifier"))
    return {(str(one.get("system", "")), str(one["value"])) for one in rows if one.get("value")}


def tells(version: Version) -> bool:
    """Whether the end of a Subscription is answered with words (flow 2: 200)."""
    return follows_events(parse(version.body))


def _issue(words: str, element: str, code: str = "business-rule") -> Issue:
    return Issue("error", code, words, f"{_TYPE}.{element}", "event")
