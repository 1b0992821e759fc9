"""What a service answers that governs clients: which there are, what they hold now, what is asked of people for them.

Most software is certified outside and is what its record says. A client that names a device (`Client.device`) is
governed instead: the service decides whether it gets in at all, whom it is for, and what of its scopes gives something
at this moment. Here stand the questions; the service that answers is handed to `Authorization`. CSP R1111-38, R1111-39.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from fhir_server.access.grant import Grant
from fhir_server.smart.clients.metadata import Metadata
from fhir_server.smart.clients.registered import Client
from fhir_server.smart.consent_words import Line
from fhir_server.smart.people.accounts import Account


@dataclass(frozen=True, slots=True)
class Card:
    """A governed client as people are shown it.

    Attributes:
        name, version, description: of the app; "" where it says nothing.
        publisher: what its publisher is called.
        privacy_url: its publisher's words on personal data; anything a publisher may write.
        trial: whether it reaches invented patients only.
    """

    name: str
    version: str
    publisher: str
    description: str = ""
    privacy_url: str = ""
    trial: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """One purpose that a person accepts or refuses: a line of the consent page.

    Attributes:
        code: unique within the app.
        label: in plain words, as the publisher says it.
        lines: what is read and written, in words, each once.
        categories: (French, English) names of the data that alone are concerned; () for all.
        justification: why the data are needed; retention: how long they are kept. "" where nothing is said.
        decided: when the patient decided on it before; None when never asked.
        current: whether that was decided on the purpose as it is now; False asks anew, and says that it changed.
        accepted: whether it is accepted at present, on the terms of now.
    """

    code: str
    label: str
    lines: tuple[Line, ...]
    categories: tuple[tuple[str, str], ...]
    justification: str = ""
    retention: str = ""
    decided: datetime | None = None
    current: bool = False
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """What the service keeps of a client that registered itself.

    Attributes:
        id: by which the client names it (`Client.device`).
        version: at which it was read; 0 for one that was never kept.
        reviewed: whether it is past its draft, and changes by the service's own workflow alone.
        software_version, client_uri, policy_uri: as registered; "" for what was not said.
    """

    id: str
    version: int
    reviewed: bool
    software_version: str = ""
    client_uri: str = ""
    policy_uri: str = ""


class Drafts(Protocol):
    """What the service keeps of clients that register themselves: RFC 7591, RFC 7592.

    Attributes:
        scope: that a publisher's token must have to register in the publisher's name, such as "user/Task.c".
    """

    scope: str

    def publisher(self, grant: Grant) -> str:
        """In whose name a token registers ("Organization/1"); "" for one that may not."""

    async def make(self, client: str, publisher: str, metadata: Metadata) -> Draft:
        """A new draft of a client id; `publisher` is "" for one of nobody.

        Raises:
            Conflict: the client id is another's (409).
        """

    async def get(self, id: str, *, stored: bool = False) -> Draft | None:
        """The draft; None when there is none. `stored`: as the store has it, whatever this worker remembers."""

    async def change(self, draft: Draft, client: str, metadata: Metadata) -> Draft | None:
        """The draft with other metadata; None when it is not at `draft.version` any more, or is not there."""

    async def remove(self, id: str) -> None:
        """Forget a draft; nothing when there is none."""


class Governing(Protocol):
    """A service that governs clients. It says what its answers hang on (`changes.cache`).

    Attributes:
        management: path, under the issuer, of the page where people see and end what apps may do; None without one.
    """

    management: str | None

    @property
    def drafts(self) -> Drafts:
        """Where clients that register themselves are kept."""

    async def client(self, client_id: str) -> Client | None:
        """A client of the service's own, that never registered; None when it has none of this id."""

    async def governed(self, client: Client) -> Client:
        """A client with a device, as it may be used now: suspended where it may not be."""

    async def governed_each(self, found: Sequence[Client]) -> list[Client]:
        """As `governed`, of many clients with a device, same order."""

    async def card(self, client: Client) -> Card | None:
        """How people are shown the client; None when the service has nothing of it."""

    async def held(
        self, client: Client, scope: Sequence[str], account: Account | None, patient: str | None
    ) -> tuple[str, ...]:
        """Those of the scopes that give something now to a client with a device.

        Args:
            client: with a device.
            scope: granted before, or asked for.
            account: the person; None for software alone.
            patient: id of the patient in context.
        """

    async def admits(self, client: Client, account: Account, patient: str | None, scope: Sequence[str]) -> bool:
        """Whether the person may open the client for `scope`, on the patient."""

    async def opens_unasked(self, client: Client) -> bool:
        """Whether a professional who opens it on a patient need not decide again: its purposes were judged for them."""

    async def offers(self, client: Client, patient: str, asked: Sequence[str]) -> tuple[Offer, ...] | None:
        """Purposes to be asked about, in the app's order; None when the service has nothing of the client.

        Args:
            client: with a device.
            patient: id of whom the data are about.
            asked: scopes of the level `patient/`; purposes that none of them needs are left out.
        """

    async def decide(
        self, client: Client, patient: str, shown: Collection[str], accepted: Collection[str], performer: str
    ) -> None:
        """Keep a decision on each purpose (code) shown: accepted, or refused, and withdrawn if accepted before.

        Args:
            client: with a device.
            patient: id.
            shown: codes of the purposes asked about.
            accepted: codes of those accepted.
            performer: who decides: "Patient/1", or "RelatedPerson/1" for them.
        """
