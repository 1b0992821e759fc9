"""Whose a mailbox is, and what its holder may do here by mail: the grant of a client that speaks for them.

A mail of a mailbox of the trust space is its holder's word, as a token with these scopes would be: all rules, traces
and validation are those of FHIR. The patient of the recipient's address is its context.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fhir_server.access.grant import Grant, Level, Scope
from fhir_server.access.repository import Repository
from fhir_server.changes.cache import ANY, Cache, hangs_on
from fhir_server.space.mailboxes.holders import holders
from fhir_server.space.mailboxes.model import HOLDERS, compared, mailboxes
from fhir_server.space.messages.mail.naming import INS_SYSTEMS
from fhir_server.space.messages.model import local
from fhir_server.space.national_identity import ins_of
from fhir_server.store.filters import Token, either

#: What a mail needs: to write a message with its files, answer one, and file documents.
_SCOPES: Mapping[str, frozenset[str]] = {
    "Communication": frozenset("crus"),
    "Binary": frozenset("crus"),
    "DocumentReference": frozenset("crus"),
    "Patient": frozenset("rs"),
    "Practitioner": frozenset("rs"),
    "PractitionerRole": frozenset("rs"),
    "Organization": frozenset("rs"),
}
#: Of an organisation, for nobody of it by name, the record shows nothing: it files documents and reads none.
_UNNAMED: Mapping[str, frozenset[str]] = {"Binary": frozenset("c"), "DocumentReference": frozenset("c")}
#: Names the gateway in traces.
CLIENT = "mail-gateway"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a mailbox.

    Attributes:
        reference: by which messages name them: a Practitioner, PractitionerRole or Organization.
        person: the Practitioner of a role; the same as `reference` of others.
        address: of the mailbox.
    """

    reference: str
    person: str
    address: str

    def grant(self, patient: str) -> Grant:
        """What they may do for a patient (id): the same for as long as it is remembered, as rules remember it by it."""
        return _grant(self.reference, self.person, patient)


@lru_cache(maxsize=4096)
def _grant(reference: str, person: str, patient: str) -> Grant:
    is_person = not reference.startswith("Organization/")
    level: Level = "user" if is_person else "patient"
    scopes = _SCOPES if is_person else {**_SCOPES, **_UNNAMED}
    return Grant(
        scopes=tuple(Scope(level, type, verbs) for type, verbs in scopes.items()),
        subject=person,
        role=reference if reference.startswith("PractitionerRole/") else None,
        client=CLIENT,
        patient=patient,
        purpose="TREAT",
    )


async def holder_of(own: Repository, address: str, cache: Cache) -> Holder | None:
    """Who has a mailbox; None where nobody of the directory has it now.

    Args:
        own: the server's own sight.
        address: of the mailbox, as it is written.
        cache: remembers it until the directory changes.
    """
    return await cache.get(("mail-holder", compared(address)), lambda: _holder_of(own, address))


async def _holder_of(own: Repository, address: str) -> Holder | None:
    hangs_on(*((type, ANY) for type in HOLDERS))
    # A role is narrower than its person, and an organisation than nobody: the role speaks where several have it.
    for one in sorted(await holders(own, address), key=lambda one: _FIRST.index(one.reference.partition("/")[0])):
        if one.tree.get("active") is not False:
            return Holder(one.reference, local(one.tree.get("practitioner")) or one.reference, address.lower())
    return None


_FIRST = ("PractitionerRole", "Practitioner", "Organization")


def mailbox_of(tree: Mapping[str, Any]) -> str:
    """The address of the first mailbox of a Practitioner, PractitionerRole or Organization; "" without one."""
    return next((one.address for one in mailboxes(tree) if one.address.count("@") == 1), "")


async def patient_of(own: Repository, ins: str, cache: Cache) -> str:
    """Id of the one patient with an INS; "" where nobody has it, or several. Remembered until a patient changes."""
    return await cache.get(("mail-patient", ins), lambda: _patient_of(own, ins)) or ""


async def _patient_of(own: Repository, ins: str) -> str | None:
    hangs_on(("Patient", ANY))
    where = either([Token("identifier", ins, system) for system in INS_SYSTEMS])
    page = await own.find({"Patient": where}, count=2, want="head")
    return page.versions[0].id if len(page.versions) == 1 else None


def ins_identifier(tree: Mapping[str, Any]) -> tuple[str, str]:
    """System and value of a patient's INS in force; two "" without one."""
    found = {one["system"]: one["value"] for one in ins_of(tree)}
    return next(((system, str(found[system])) for system in INS_SYSTEMS if found.get(system)), ("", ""))
