"""Who may take a space's data with them, and as whom these are looked at.

GDPR art. 15 and 20, CSP L1111-7: the holder, and the legal representative of a minor; who helps somebody does not. What
is in the archive is what that person may see on the day on which it is prepared, and not what their software may.
"""

from __future__ import annotations

from dataclasses import replace

from fhir_server.access.challenge import insufficient
from fhir_server.access.grant import Grant, Scope
from fhir_server.access.repository import Repository
from fhir_server.fhir.outcome import FhirError, Forbidden
from fhir_server.smart.people.accounts import Accounts, acts_for
from fhir_server.space.record import choosing
from fhir_server.space.record.pages.people import SITE
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import EVERYTHING

_READS = frozenset("rs")
_SCOPES = (Scope("patient", "*", _READS),)


async def person(repository: Repository, patient: str) -> str:
    """Who asks ("Patient/1"), for themself or for a minor whom they represent.

    An archive is kept beyond the token by which it is asked for, and has all there is: so the token must show all, and
    an app of the catalogue, which people let in for a while and a purpose, asks for none.

    Raises:
        NotFound: no such patient, or not for this caller (404).
        Forbidden: the caller does not decide for the patient, or the token is for less than everything (403).
    """
    grant = repository.grant
    who = await choosing.decider(repository.as_server(), grant, patient)
    if grant.own:
        # Of an open server: whoever calls is anyone.
        return f"Patient/{patient}"
    if who != "holder":
        raise Forbidden("The holder takes their data with them, or the legal representative of a minor.")
    if not any(one.type == "*" and one.verbs >= _READS and one.where == EVERYTHING for one in grant.scopes):
        raise Forbidden("The token has no scope to read everything.", headers=insufficient(grant, "*", "rs"))
    if grant.referenced:
        raise Forbidden("An app of the catalogue takes no data away: the person does, in their space.", "http")
    return str(grant.subject)


async def sight(around: Surroundings, person: str, patient: str) -> Grant | None:
    """The grant of that person as it is now; None where they do not decide for the patient any more."""
    wards = frozenset({patient})
    if not around.settings.open:
        account = await Accounts(around.records).of_subject(person)
        if account is None or not account.open or account.professional or not acts_for(account, patient):
            return None
        wards = frozenset(account.wards)
    grant = Grant(_SCOPES, subject=person, client=SITE, patient=patient, wards=wards, purpose="PATRQT")
    try:
        decides = await choosing.decider(around.repository(), grant, patient) == "holder"
    except FhirError:
        return None
    # What asked for it and what gives it leave traces; what is read between is the same data.
    return replace(grant, traced=False) if decides else None
