"""`fhir-server why`: what a caller may do with one resource, and which rule says so, for whoever runs the server.

The caller is told no more than that something is there or not; the operator is told why.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from fhir_server.access.grant import VERBS, Grant, Purpose
from fhir_server.cli.occupancy import occupied
from fhir_server.cli.options import WRONG, Data, Store, out, refuse, settings
from fhir_server.fhir.definitions import resource_types
from fhir_server.settings import Settings

if TYPE_CHECKING:
    from fhir_server.access.rules import Decision
    from fhir_server.app import House

#: What is asked when no verb is: each of a SMART scope that is about a resource that is there.
_ASKED = "ruds"


def why(
    resource: Annotated[str, typer.Argument(metavar="TYPE/ID", help="The resource, such as DocumentReference/1.")],
    subject: Annotated[str, typer.Option(help="The person who asks, such as Practitioner/1.")] = "",
    role: Annotated[str, typer.Option(help="The PractitionerRole they act in, such as PractitionerRole/1.")] = "",
    client: Annotated[str, typer.Option(help="The software that asks, by its client id.")] = "",
    patient: Annotated[str, typer.Option(help="Id of the patient in context.")] = "",
    purpose: Annotated[str, typer.Option(help=f"Purpose of use: {', '.join(get_args(Purpose))}.")] = "",
    scope: Annotated[
        list[str] | None, typer.Option(help="A scope; may be repeated [the client's, or every one of the person's].")
    ] = None,
    verb: Annotated[str, typer.Option(help="Letters of a SMART scope: r, u, d, s.")] = _ASKED,
    data: Data = None,
    store: Store = None,
) -> None:
    """Say of each verb whether it is allowed, and by which rule; ends with 1 when none is."""
    chosen = settings(data=data, store=store)
    type, _, id = resource.partition("/")
    if type not in resource_types() or not id:
        refuse(f"{resource} is not TYPE/ID, such as DocumentReference/1.")
    if not set(verb) <= VERBS - {"c"}:
        refuse(f"--verb {verb}: letters among r, u, d, s.")
    if purpose and purpose not in get_args(Purpose):
        refuse(f"--purpose {purpose}: one of {', '.join(get_args(Purpose))}.")
    asked = _Asked(subject, role, client, patient, purpose, tuple(scope or ()))
    with occupied(chosen):
        found = asyncio.run(asked.decided(chosen, type, id, verb))
    for letter, one in found:
        if one is None:
            refuse(f"There is no {resource}.", WRONG)
        out.print(f"{letter}  {one.outcome:8}{one.rule}: {one.reason}", markup=False)
    if all(one is None or one.outcome != "allowed" for _, one in found):
        raise typer.Exit(WRONG)


class _Asked:
    """Who asks, as the options say; without scopes, with the client's, or every one of the person's."""

    def __init__(
        self, subject: str, role: str, client: str, patient: str, purpose: str, scopes: tuple[str, ...]
    ) -> None:
        self._subject = subject
        self._role = role
        self._client = client
        self._patient = patient
        self._purpose = purpose
        self._scopes = scopes

    async def decided(self, chosen: Settings, type: str, id: str, verbs: str) -> list[tuple[str, Decision | None]]:
        """What is decided of each verb."""
        from fhir_server.app import opened

        async with opened(chosen) as house:
            seen = await house.seen_by(await self._grant(house))
            return [(verb, await seen.why(type, id, verb)) for verb in verbs]

    async def _grant(self, house: House) -> Grant:
        """As a token of theirs would be read."""
        from fhir_server.access.scopes import compiled

        asking = house.authorization
        account = await asking.accounts.of_subject(self._subject) if self._subject else None
        client = await asking.clients.get(self._client) if self._client else None
        if self._client and client is None:
            refuse(f"There is no client {self._client}.", WRONG)
        person = "patient/*.cruds" if self._patient else "user/*.cruds"
        own = client.scopes if client is not None else (person if self._subject else "system/*.cruds",)
        usual = "HOPERAT" if not self._subject else "TREAT" if self._subject.startswith("Pra") else "PATRQT"
        purpose: Purpose = next(one for one in get_args(Purpose) if one == (self._purpose or usual))
        return Grant(
            compiled(self._scopes or own, asking.verifier.place(house.settings.base_url)),
            subject=self._subject or None,
            role=self._role or None,
            client=self._client or None,
            patient=self._patient or None,
            wards=frozenset(account.wards) if account is not None else frozenset(),
            purpose=purpose,
            reason="asked by an operator" if purpose == "BTG" else None,
            duties=frozenset(account.duties) if account is not None and account.staff else frozenset(),
            organization=account.organization if account is not None else None,
            referenced=client is not None and client.device is not None,
        )
