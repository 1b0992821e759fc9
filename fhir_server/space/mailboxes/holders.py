"""Whose a mailbox is: asked by the server's own parts that speak mail, and never shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse
from fhir_server.space.mailboxes.model import HOLDERS, Mailbox, compared, mailboxes
from fhir_server.space.mailboxes.rows import MAILBOX
from fhir_server.store.filters import Token

#: Of a mailbox of several (CAB): its holders that are looked at.
_MOST = 20


class Holder(NamedTuple):
    """Who has a mailbox.

    Attributes:
        reference: "Practitioner/1", "PractitionerRole/1" or "Organization/1".
        tree: the resource.
        mailbox: theirs, of that address.
    """

    reference: str
    tree: Mapping[str, Any]
    mailbox: Mailbox


async def holders(repository: Repository, address: str) -> Sequence[Holder]:
    """Who has the mailbox of that address, on the red list or not; nobody for an address that is nobody's.

    Args:
        repository: any caller's; what is found is the server's own to know.
        address: however it is written.
    """
    name = compared(address)
    where = Token(MAILBOX, name)
    page = await repository.as_server().find({type: where for type in HOLDERS}, count=_MOST)
    found = []
    for version in page.versions:
        tree = parse(version.body)
        of_address = (Holder(f"{version.type}/{version.id}", tree, one) for one in mailboxes(tree) if one.name == name)
        found += [*of_address][:1]
    return sorted(found)
