"""A patient takes back what an app was allowed: the consent ends, and with the last purpose its authorizations too.

CSP R1111-39; RFC 9700 §4.14.2: refresh tokens end with what they were given for.
"""

from __future__ import annotations

from fhir_server.smart.authorizing.endpoint import Approvals
from fhir_server.smart.tokens.storage import Tokens
from fhir_server.space.catalogue.apps import App
from fhir_server.space.catalogue.consents import Consents
from fhir_server.store.protocol import Records


async def withdraw(
    records: Records, consents: Consents, patient: str, app: App, purpose: str | None, performer: str
) -> bool:
    """Withdraw a purpose, or all of them, everywhere within a second.

    When nothing is left, every authorization of the app on the patient ends, whoever gave it: the patient, or somebody
    who acts for them.

    Args:
        records: of the store.
        consents: of the store.
        patient: id.
        app: as referenced.
        purpose: its code; None for all.
        performer: "Patient/1", or "RelatedPerson/1" for them.

    Returns:
        Whether nothing is left.
    """
    last = await consents.withdraw(patient, app, purpose, performer)
    if last:
        await Tokens(records).end_where(client=app.client, patient=patient)
        await Approvals(records).forget(app.client, patient)
    return last
