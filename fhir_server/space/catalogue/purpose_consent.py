"""Asks a patient, or who acts for them, about each purpose of an app of the catalogue, and keeps what they decide.

CSP R1111-39: each purpose is accepted or refused by itself. Professionals' apps, and software outside the catalogue,
are asked about scope by scope (`authorize.Approvals`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from fhir_server.access.scopes import SPECIAL, meet, of_levels
from fhir_server.smart.authorizing.endpoint import Approvals
from fhir_server.smart.authorizing.requests import Ask
from fhir_server.smart.clients.registered import Clients
from fhir_server.smart.people.accounts import Account
from fhir_server.space.catalogue import rights
from fhir_server.space.catalogue.apps import App, Purpose
from fhir_server.space.catalogue.consent_resource import Decision
from fhir_server.space.catalogue.consents import Consents
from fhir_server.space.catalogue.registry import Catalogue
from fhir_server.store.protocol import Keep, Records


@dataclass(frozen=True, slots=True)
class Offer:
    """One line of the consent page.

    Attributes:
        purpose: with its label, actions, categories, justification and retention.
        decision: what the patient decided before; None when never asked.
        current: whether that decision is on the purpose as it is now; False asks anew, and says that it changed.
    """

    purpose: Purpose
    decision: Decision | None
    current: bool

    @property
    def accepted(self) -> bool:
        """Whether it is accepted at present, on the terms of now."""
        return self.current and self.decision is not None and self.decision.permit


@dataclass(frozen=True, slots=True)
class Offers:
    """What the consent page asks.

    Attributes:
        app: that asks.
        patient: id of whom it is about.
        lines: purposes of which something is asked, in the app's order.
        special: scopes asked that are not about data (offline_access, openid…), for the page's other lines.
    """

    app: App
    patient: str
    lines: tuple[Offer, ...]
    special: tuple[str, ...]


class Consenting:
    """Consent pages over the catalogue."""

    def __init__(self, records: Records, clients: Clients, catalogue: Catalogue | None) -> None:
        """Without a catalogue nobody is asked about purposes."""
        self._approvals = Approvals(records)
        self._clients = clients
        self._catalogue = catalogue
        self._consents = Consents(catalogue) if catalogue is not None else None

    async def offers(self, ask: Ask, account: Account) -> Offers | None:
        """What to ask about purposes; None where scopes are asked about instead.

        That is for software outside the catalogue, for professionals and staff, and where no patient's data are asked.
        """
        if account.professional or account.staff or ask.patient is None:
            return None
        asked = of_levels(ask.scope, "patient")
        client = await self._clients.get(ask.client)
        if not asked or client is None or client.device is None or self._catalogue is None or self._consents is None:
            return None
        app = await self._catalogue.get(client.device)
        if app is None:
            return None
        decisions = await self._consents.decided(ask.patient, app)
        lines = tuple(_offer(one, decisions) for one in app.purposes if app.exchanges and meet(asked, one.scopes))
        return Offers(app, ask.patient, lines, tuple(one for one in ask.scope if one in SPECIAL))

    async def granted(self, ask: Ask, account: Account) -> tuple[str, ...] | None:
        """The scopes that earlier decisions grant; None when the person is to be asked.

        They are asked when a purpose was never decided on, has changed since, or was withdrawn; when nothing is
        accepted at all; and when something besides data is asked that was not allowed before. As `Approvals.covers`
        where scopes are asked about.
        """
        offers = await self.offers(ask, account)
        if offers is None:
            return ask.scope if await self._approvals.covers(ask, account) else None
        if not all(line.current for line in offers.lines) or not any(line.accepted for line in offers.lines):
            return None
        return ask.scope if await self._approvals.covers(replace(ask, scope=offers.special), account) else None

    async def accept(
        self, ask: Ask, account: Account, purposes: Collection[str], special: Collection[str]
    ) -> tuple[tuple[str, ...], Keep]:
        """Keep what was decided on the page of `offers`.

        Args:
            ask: the app's request.
            account: who decided.
            purposes: codes accepted; the others shown are refused, and withdrawn where they were accepted before.
            special: scopes not about data that are allowed.

        Returns:
            The scopes to grant (`authorize.granted` narrows them), and the change that remembers what else was allowed.

        Raises:
            ValueError: no purposes are to be asked about (`offers` is None).
        """
        offers = await self.offers(ask, account)
        if offers is None or self._consents is None:
            raise ValueError("The request is not asked about by purpose.")
        shown = [line.purpose.code for line in offers.lines]
        await self._consents.decide(offers.patient, offers.app, purposes, account.subject, shown)
        allowed = tuple(one for one in offers.special if one in special)
        granted = tuple(one for one in ask.scope if one in allowed or one not in SPECIAL)
        return granted, self._approvals.kept(ask, account, allowed)


def _offer(purpose: Purpose, decisions: Mapping[str, Decision]) -> Offer:
    return Offer(purpose, decisions.get(purpose.code), rights.current(purpose, decisions))
