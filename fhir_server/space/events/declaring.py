"""Events declared (flow 3) and notifications asked for (flow 4): what is refused, and in which form they are stored.

https://interop.esante.gouv.fr/ig/fhir/nde. Who declares is who calls, or their organisation; whose event it is the
server finds, and keeps beside what was sent.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fhir_server.access.trees import tree_of
from fhir_server.fhir.outcome import Forbidden, Invalid, Issue
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change
from fhir_server.space.acting import minute
from fhir_server.space.events.callers import DECLARERS, Party, not_refusing, party
from fhir_server.space.events.model import (
    CHANNELS,
    ENDPOINT,
    HAPPENED,
    MAIL,
    RECORD,
    dicts,
    event_types,
    follows_events,
    kind,
    local,
    record,
    said,
)
from fhir_server.space.events.narrowing import start
from fhir_server.space.events.rows import declared
from fhir_server.space.events.whom import whose
from fhir_server.store.filters import Id, both
from fhir_server.subscriptions.model import ends, mailbox

_TYPE = "CommunicationRequest"
#: Of an event that is declared, and of one that is taken back.
_STATUSES = frozenset({"active", "completed", "revoked", "entered-in-error"})
#: Of a Subscription that is in force.
_IN_FORCE = frozenset({"requested", "active", "error"})


async def validate(context: Context, tree: dict[str, Any], profiles: Sequence[str]) -> list[Issue]:
    """What is wrong with a declaration or a request alone, whatever its profile's level is."""
    found = kind(tree)
    if found is None:
        return []
    return [*_wrong(tree), *(_wrong_declaration(tree) if found == "declaration" else _wrong_request(tree))]


def _wrong(tree: Mapping[str, Any]) -> Iterator[Issue]:
    if tree.get("status") not in _STATUSES:
        yield _issue("An event is declared (active), done (completed) or taken back.", "status")
    if not isinstance(tree.get("subject"), dict) or tree.get("about"):
        yield _issue("An event has a subject, and is about nothing else.", "subject", "required")
    if not isinstance(tree.get("requester"), dict):
        yield _issue("An event has a requester: who declares it.", "requester", "required")
    if not event_types(tree):
        yield _issue("An event has a type, coded.", "extension", "required")


def _wrong_declaration(tree: Mapping[str, Any]) -> Iterator[Issue]:
    if said(tree, HAPPENED) is None:
        yield _issue("A declaration says when the event was.", "extension", "required")
    if tree.get("basedOn"):
        yield _issue("A declaration is based on no subscription: what is, is a request to notify.", "basedOn")


def _wrong_request(tree: Mapping[str, Any]) -> Iterator[Issue]:
    if len(tree.get("basedOn") or ()) != 1:
        yield _issue("A request to notify is based on one subscription.", "basedOn", "required")
    media = [coding for one in dicts(tree.get("medium")) for coding in dicts(one.get("coding"))]
    if not any((one.get("system"), one.get("code")) == (CHANNELS, MAIL) for one in media):
        yield _issue("This server notifies by mail: TRE_R200-CanalCommunication, 3.", "medium", "not-supported")
    recipients = [*dicts(tree.get("recipient"))]
    endpoint = said(recipients[0], ENDPOINT) if len(recipients) == 1 else None
    if not isinstance(endpoint, str) or mailbox(endpoint) is None:
        yield _issue("There is one recipient, whose endpoint is mailto: and one address.", "recipient", "required")


async def arrange(context: Context, change: Change) -> Change:
    """A declaration or a request with whom the server found its subject to be; of any other nobody says that.

    Raises:
        Forbidden: the caller declares no events, or names another as who declares it (403): before anybody is looked
            for, so that whether somebody is here is nothing they are told.
        Invalid: it is nobody here (422).
    """
    tree = change.tree
    if tree is None or not isinstance(tree.get("subject"), dict):
        return change
    if kind(tree) is None:
        return (
            change.arranged({**tree, "subject": without(tree["subject"])}) if said(tree["subject"], RECORD) else change
        )
    if not change.as_server:
        _require_declarer(await party(context.repository), tree, context.base)
    found = await whose(context, tree)
    if not found:
        raise nobody(f"{_TYPE}.subject")
    return change.arranged({**tree, "subject": kept_with(tree["subject"], found)})


def kept_with(reference: Mapping[str, Any], found: str) -> dict[str, Any]:
    """A Reference to whom a resource contains, with who of this server that is; a literal one says it itself."""
    bare = without(reference)
    inside = not str(reference.get("reference", "")) or str(reference["reference"]).startswith("#")
    if not inside:
        return bare
    mine = {"url": RECORD, "valueReference": {"reference": found}}
    return {**bare, "extension": [*dicts(bare.get("extension")), mine]}


def without(reference: Mapping[str, Any]) -> dict[str, Any]:
    """A Reference without what a caller says of who the server found it to be."""
    others = [one for one in dicts(reference.get("extension")) if one.get("url") != RECORD]
    made = {name: value for name, value in reference.items() if name != "extension"}
    return {**made, "extension": others} if others else made


async def judge(context: Context, change: Change) -> None:
    """Refuse an event of whom the caller may declare none.

    Raises:
        Invalid: the person is nobody here, or nobody of whom this caller declares events; it became another's; a
            request fits no subscription (422).
    """
    tree = change.tree
    if tree is None or change.as_server or kind(tree) is None:
        return
    before = {} if change.before is None else tree_of(change.before)
    about, who = record(tree, context.base), await party(context.repository)
    if kind(before) is not None and record(before, context.base) not in ("", about):
        raise Invalid("An event stays the same person's.", f"{_TYPE}.subject", code="business-rule")
    own = context.repository.as_server()
    where = both(Id((about.removeprefix("Patient/"),)), not_refusing(who.references, minute()))
    if who.kind != "administrator" and not (await own.find({"Patient": where}, count=1)).versions:
        raise nobody(f"{_TYPE}.subject")
    if kind(tree) == "request":
        await _require_subscription(context, tree, about)


def _require_declarer(who: Party, tree: dict[str, Any], base: str) -> None:
    if who.kind not in DECLARERS:
        words = "Events are declared by professionals, organisations and software that an administrator admitted."
        raise Forbidden(words, _TYPE)
    names = {one.value for one in declared(tree, tree.get("requester"), base)}
    if who.kind != "administrator" and not names & who.may_say:
        words = "Who declares an event is who asks, or the organisation that they act for, by a national identifier."
        raise Forbidden(words, f"{_TYPE}.requester")


async def _require_subscription(context: Context, tree: Mapping[str, Any], about: str) -> None:
    """Refuse a request that fits no subscription; all that does not fit is answered alike, so that none is told of."""
    type, _, id = local(next(dicts(tree.get("basedOn")), {}), context.base).partition("/")
    version = await context.repository.as_server().current(type, id) if type == "Subscription" else None
    found = tree_of(version)
    endpoint = said(next(dicts(tree.get("recipient")), {}), ENDPOINT)
    fits = (
        follows_events(found)
        and record(found, context.base) == about
        and bool({*event_types(found)} & {*event_types(tree)})
        and _same_mailbox(endpoint, (found.get("channel") or {}).get("endpoint"))
        and _in_force(found)
    )
    if not fits:
        words = "It is based on no subscription in force to such events of this person, at this address."
        raise Invalid(words, f"{_TYPE}.basedOn", code="business-rule")


def _same_mailbox(one: object, other: object) -> bool:
    return isinstance(one, str) and isinstance(other, str) and one.casefold() == other.casefold()


def _in_force(tree: Mapping[str, Any]) -> bool:
    end = ends(tree)
    lasts = end is None or end > datetime.now(UTC)
    return tree.get("status") in _IN_FORCE and lasts and start(tree) <= time.time() * 1000


def nobody(element: str) -> Invalid:
    """The refusal of a person who is nobody here, and of one whose events are not the caller's business: the same."""
    words = "It is about nobody here whose events you may declare or follow: an INS, or every trait, says who it is."
    return Invalid(words, element, code="business-rule")


def _issue(words: str, element: str, code: str = "business-rule") -> Issue:
    return Issue("error", code, words, f"{_TYPE}.{element}", "event")
