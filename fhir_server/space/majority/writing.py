"""Nobody is made of age, or a minor again, by writing another birth date: it would let people in, or keep them out.

Whom a minor's representatives act for hangs on the birth date of the Patient (Code civil, art. 414). Who changes it
across that line is the operator, who is shown why (`Patient/$change-identity`).
"""

from __future__ import annotations

from fhir_server.access.write_rules import people
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Invalid
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change
from fhir_server.space.acting import is_of_age, minute, of_age_from


async def age_kept(context: Context, change: Change) -> None:
    """Refuse a Patient that somebody makes of age, or a minor, by another birth date.

    Raises:
        Invalid: naming the birth date (422).
    """
    grant, before = context.repository.grant, change.before
    if change.tree is None or before is None or before.deleted or change.as_server:
        return
    if not people(grant) and not grant.referenced:
        return
    was, now = parse(before.body), minute()
    if is_of_age(was, now) != is_of_age(change.tree, now) and of_age_from(was) is not None:
        words = "Somebody is made of age, or a minor, by the operator alone, who corrects the birth date."
        raise Invalid(words, "Patient.birthDate", code="business-rule")
