"""What the writes of others owe to the choices of patients: their Consents have one id each."""

from __future__ import annotations

from fhir_server.fhir.outcome import Invalid
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change
from fhir_server.space.record.choices import from_consent


async def one_id(context: Context, change: Change) -> None:
    """Refuse a choice under another id than its own: there would be two of them, and one would be looked at.

    Raises:
        Invalid: naming the id (422).
    """
    # Others write none at all.
    choice = from_consent(change.tree) if change.tree is not None and context.repository.grant.own else None
    if choice is not None and change.id != choice.id:
        raise Invalid("A choice of the record has the id that Patient/$record-choose gives it.", "Consent.id")
