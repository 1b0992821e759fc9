"""The websockets of one worker: which is bound to which Subscriptions, and who is woken by what was committed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fhir_server.access.grant import Grant
from fhir_server.changes.follower import Change
from fhir_server.store.changes import Changed
from fhir_server.subscriptions.kept import SOCKETS
from fhir_server.subscriptions.sockets.binding import KINDS, Authority, authority
from fhir_server.subscriptions.sockets.conversation import Conversation
from fhir_server.subscriptions.sockets.link import Link
from fhir_server.subscriptions.sockets.places import Places

if TYPE_CHECKING:
    from fhir_server.subscriptions.surroundings import Surroundings


class Hub:
    """All of them.

    Attributes:
        places: how many there are, and may be.
    """

    def __init__(self, around: Surroundings) -> None:
        """Nobody is here yet."""
        self._around = around
        self._here: set[Conversation] = set()
        #: Id of a Subscription → who is told of it.
        self._listening: dict[str, set[Conversation]] = {}
        self.places = Places(around.settings.max_sockets)
        around.hear(self._heard, ("Subscription",), (SOCKETS, *KINDS))

    def enter(self, grant: Grant | None, address: str) -> str | None:
        """Take a place for a caller, or for an address that is nobody's yet; its name, or None where there is none."""
        who = f"address {address}" if grant is None else authority(grant).owner
        return who if self.places.enter(who, unsaid=grant is None) else None

    def leave(self, who: str) -> None:
        """Give a place back in which nobody talked."""
        self.places.leave(who)

    async def hold(self, link: Link, grant: Grant | None, who: str) -> None:
        """Talk with a client until either side has had enough; the place `who` is given back then."""
        by: Authority | None = None if grant is None else authority(grant)
        made = Conversation(self._around, link, by, self.places, who, self._listening)
        self._here.add(made)
        try:
            await made.hold()
        finally:
            self._here.discard(made)
            self.places.leave(made.who)

    def _heard(self, changes: Sequence[Change] | None) -> None:
        if changes is None:
            for one in self._here:
                one.wake_all()
            return
        for change in changes if self._here else ():
            if isinstance(change, Changed):
                self._wake(change.id, has_changed=True)
            elif change.kind == SOCKETS:
                self._wake(change.key)
            elif not change.new:
                for one in self._here:
                    one.judge_if(change)

    def _wake(self, id: str, has_changed: bool = False) -> None:
        for one in self._listening.get(id, ()):
            one.wake(id, has_changed)


def opened(around: Surroundings) -> Hub:
    """The sockets of one opened server."""
    return Hub(around)
