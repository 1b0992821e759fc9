"""Who may listen to which Subscriptions: by the token of the handshake, or by one that was made for it.

Browsers set no header at a handshake: `$get-ws-binding-token` gives them a secret, which they send in a message and not
in a URL, which logs keep. http://hl7.org/fhir/uv/subscriptions-backport, channels; RFC 6455 §10.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from fhir_server.access.grant import Grant, Held, held
from fhir_server.changes.follower import Change
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Forbidden
from fhir_server.smart.secret import digest, made
from fhir_server.store.notes import Noted
from fhir_server.store.protocol import Records
from fhir_server.subscriptions import kept
from fhir_server.subscriptions.model import OWNER, tag, wanted
from fhir_server.subscriptions.owners import owner
from fhir_server.subscriptions.table import Entry

if TYPE_CHECKING:
    from fhir_server.subscriptions.surroundings import Surroundings

#: Kind of the records: key = digest of the token, value = `Asked`.
_KIND = "subscription-binding"
#: How long a token may be used, once, in seconds.
SECONDS = 60
#: Kinds of records that somebody's right to listen hangs on.
KINDS = ("access", "account", "client", "family")


@dataclass(frozen=True, slots=True)
class Authority:
    """By what somebody listens.

    Attributes:
        owner: whose Subscriptions they may listen to, as `owners.owner` says.
        held: what their grant was made of.
        token: digest of their access token, with which all of it ends; None on an open server.
    """

    owner: str
    held: Held
    token: str | None = None

    def hangs_on(self, change: Change) -> bool:
        """Whether a change may have ended it."""
        if not isinstance(change, Noted) or change.new:
            return False
        mine = {"access": self.token, "client": self.held.client, "family": self.held.family}
        return change.kind == "account" or mine.get(change.kind) == change.key


@dataclass(frozen=True, slots=True)
class Asked:
    """What a binding token was made for."""

    by: Authority
    ids: tuple[str, ...]


def authority(grant: Grant) -> Authority:
    """By what the caller of a grant listens."""
    return Authority(owner(grant), held(grant), grant.token)


async def token_for(records: Records, by: Authority, ids: tuple[str, ...]) -> str:
    """A token that binds to these Subscriptions once, within `SECONDS`."""
    token = made()
    await records.put(_KIND, digest(token), msgspec.json.encode(Asked(by, ids)), SECONDS)
    return token


async def taken(records: Records, token: str) -> Asked | None:
    """What a token was made for, and it is used up; None where it is none, or was used."""
    found = await records.take(_KIND, digest(token))
    return None if found is None else msgspec.json.decode(found, type=Asked)


async def bindable(around: Surroundings, by: Authority, id: str) -> Entry | None:
    """The Subscription of that id; None where it is absent, another's, off, told otherwise, or not to be searched now.

    All of these are answered alike.
    """
    version = await around.repository().current("Subscription", id)
    if version is None or version.deleted:
        return None
    said, grant = wanted(version), await around.renewed(by.held)
    holder = await kept.holder(around.records, said.holder)
    mine = tag(parse(version.body), OWNER) == by.owner
    if grant is None or holder is None or not mine or said.kind != "websocket" or said.status == "off":
        return None
    found = Entry(said, holder, await kept.state(around.records, id))
    try:
        seen = await around.seen_by(grant, holder.base)
        for verb in "sr":
            seen.require(found.type, verb)
    except Forbidden:
        return None
    return found
