"""What a person is asked before an app gets anything, and what they decided: by purpose, or scope by scope.

CSP R1111-39: where a service governs the app, each of its purposes is accepted or refused by itself. Professionals'
apps, and software certified outside, are asked about scope by scope (`Approvals`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from fhir_server.access.scopes import SPECIAL, of_levels
from fhir_server.smart.authorizing.endpoint import Approvals
from fhir_server.smart.authorizing.requests import AuthorizationRequest
from fhir_server.smart.clients.governing import Card, Governing, Offer
from fhir_server.smart.clients.registered import Client, Clients
from fhir_server.smart.people.accounts import Account
from fhir_server.store.protocol import Keep, Records


@dataclass(frozen=True, slots=True)
class Offers:
    """What the consent page asks.

    Attributes:
        client: the app that asks.
        patient: id of whom it is about.
        lines: purposes of which something is asked, in the app's order.
        special: scopes asked that are not about data (offline_access, openid…), for the page's other lines.
    """

    client: Client
    patient: str
    lines: tuple[Offer, ...]
    special: tuple[str, ...]


class Consenting:
    """Asks people, and keeps what they decide."""

    def __init__(self, records: Records, clients: Clients, governing: Governing | None) -> None:
        """Without a service that governs clients nobody is asked about purposes."""
        self._approvals = Approvals(records)
        self._clients = clients
        self._governing = governing

    async def offers(self, ask: AuthorizationRequest, account: Account) -> Offers | None:
        """What to ask about purposes; None where scopes are asked about instead.

        That is for software certified outside, for professionals and staff, and where no patient's data are asked.
        """
        if account.professional or account.staff or ask.patient is None or self._governing is None:
            return None
        asked = of_levels(ask.scope, "patient")
        client = await self._clients.get(ask.client)
        if not asked or client is None or client.device is None:
            return None
        lines = await self._governing.offers(client, ask.patient, asked)
        if lines is None:
            return None
        return Offers(client, ask.patient, lines, tuple(one for one in ask.scope if one in SPECIAL))

    async def card(self, offers: Offers) -> Card:
        """How the app that asks is shown."""
        found = await self._governing.card(offers.client) if self._governing is not None else None
        return found or Card(offers.client.name, "", "")

    async def granted(self, ask: AuthorizationRequest, account: Account) -> tuple[str, ...] | None:
        """The scopes that earlier decisions grant; None when the person is to be asked.

        They are asked when a purpose was never decided on, has changed since, or was withdrawn; when nothing is
        accepted at all; and when something besides data is asked that was not allowed before. As `Approvals.covers`
        where scopes are asked about.

        A professional who opens a governed tool on a patient has decided already: its purposes were judged for them,
        and nothing is typed again. Access while they are away is not given without their word.
        """
        if ask.account == account.id and account.professional and await self._opens_unasked(ask):
            return tuple(one for one in ask.scope if one != "offline_access")
        offers = await self.offers(ask, account)
        if offers is None:
            return ask.scope if await self._approvals.covers(ask, account) else None
        if not all(line.current for line in offers.lines) or not any(line.accepted for line in offers.lines):
            return None
        return ask.scope if await self._approvals.covers(replace(ask, scope=offers.special), account) else None

    async def accept(
        self, ask: AuthorizationRequest, account: Account, purposes: Collection[str], special: Collection[str]
    ) -> tuple[tuple[str, ...], list[Keep]]:
        """Keep what was decided on the page of `offers`.

        Args:
            ask: the app's request.
            account: who decided.
            purposes: codes accepted; the others shown are refused, and withdrawn where they were accepted before.
            special: scopes not about data that are allowed.

        Returns:
            The scopes to grant (`endpoint.granted` narrows them), and the changes that remember what else was allowed.

        Raises:
            ValueError: no purposes are to be asked about (`offers` is None).
        """
        offers = await self.offers(ask, account)
        if offers is None or self._governing is None:
            raise ValueError("The request is not asked about by purpose.")
        shown = [line.code for line in offers.lines]
        await self._governing.decide(offers.client, offers.patient, shown, purposes, account.subject)
        allowed = tuple(one for one in offers.special if one in special)
        granted = tuple(one for one in ask.scope if one in allowed or one not in SPECIAL)
        return granted, self._approvals.kept(ask, account, allowed)

    async def _opens_unasked(self, ask: AuthorizationRequest) -> bool:
        client = await self._clients.get(ask.client)
        if client is None or client.device is None or self._governing is None:
            return False
        return await self._governing.opens_unasked(client)
