"""The other of two people is told that something of theirs changed: an invitation, an answer, an end.

Domain file §2.11. What it is and of whom stands on the page alone, and who acts for them is not told.
"""

from __future__ import annotations

from datetime import datetime

from fhir_server.access.trees import tree_of
from fhir_server.space.delegations.delegation import from_consent
from fhir_server.space.notices.telling import Notices
from fhir_server.space.service import Surroundings


async def tell(around: Surroundings, id: str, person: str, now: datetime) -> None:
    """Tell who is not the person (id of their Patient) of what has become of a delegation (id)."""
    version = await around.repository().current("Consent", id)
    one = from_consent(tree_of(version))
    if one is None or version is None:
        return
    other = one.caregiver if person == one.patient else one.patient
    notices: Notices = around.service("notices")
    key = f"delegation {id} {version.version}"
    await notices.tell(other, "access", key, occasion="delegation", private=True, at=now)
