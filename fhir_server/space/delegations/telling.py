"""The other of two people is told that something of theirs changed: an invitation, an answer, an end.

Domain file §2.11. What it is and of whom stands on the page alone, and who acts for them is not told.
"""

from __future__ import annotations

from datetime import datetime

from fhir_server.access.trees import tree_of
from fhir_server.space.delegations.delegation import from_consent
from fhir_server.space.notices.telling import Notices
from fhir_server.space.service import Surroundings


async def tell(around: Surroundings, id: str, by: str, now: datetime) -> None:
    """Tell whom a change of a delegation (id) concerns, but for who did it ("Patient/1"; "" for the operator)."""
    version = await around.repository().current("Consent", id)
    one = from_consent(tree_of(version))
    if one is None or version is None:
        return
    notices: Notices = around.service("notices")
    key = f"delegation {id} {version.version}"
    if by != f"Patient/{one.delegate}":
        await notices.tell(one.delegate, "access", key, occasion="delegation", private=True, at=now)
    if one.kind == "representation":
        # Whoever else represents the minor is told; the minor has no account.
        others = (by, f"Patient/{one.delegate}")
        key = f"representation {id} {version.version}"
        await notices.tell(one.patient, "access", key, occasion="representation", at=now, but=others)
    elif by != f"Patient/{one.patient}":
        await notices.tell(one.patient, "access", f"{key} patient", occasion="delegation", private=True, at=now)
