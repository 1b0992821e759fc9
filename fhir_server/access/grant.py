"""What a verified caller may do: who they are, through which software, for whom, and with which scopes.

Scopes are SMART App Launch 2.2's: a level, a type, the letters of `cruds`, and for a granular scope the search
constraint, already turned into a Filter. https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fhir_server.store.filters import EVERYTHING, Filter

#: create, read, update, delete, search: the letters of a SMART v2 scope.
VERBS = frozenset("cruds")

#: Of a scope: whose data it speaks of.
Level = Literal["patient", "user", "system"]
Purpose = Literal["TREAT", "ETREAT", "BTG", "PATRQT", "HOPERAT"]


@dataclass(frozen=True, slots=True)
class Scope:
    """One SMART scope.

    Attributes:
        level: "patient" (the patient in context), "user" (what the user may see), "system" (no user).
        type: a resource type, or "*".
        verbs: a subset of `VERBS`.
        where: the constraint of a granular scope; everything without one.
    """

    level: Level
    type: str
    verbs: frozenset[str]
    where: Filter = EVERYTHING

    def covers(self, type: str, verb: str) -> bool:
        """Whether the scope speaks of `type` and allows `verb` on some of it."""
        return verb in self.verbs and self.type in ("*", type)


@dataclass(frozen=True, slots=True)
class Grant:
    """A verified token.

    Attributes:
        scopes: what it allows; no scope, nothing.
        subject: the person, as a reference ("Practitioner/1", "Patient/1", "RelatedPerson/1"; "Person/1" for staff of
            the catalogue); None for software alone.
        role: the PractitionerRole the person acts in, as a reference.
        client: the software's client id, which is also its `Device`; None in open mode.
        patient: id of the patient in context, when there is one.
        wards: ids of the patients the subject may act for (representative, caregiver), the one in context included.
        purpose: purpose of use (http://terminology.hl7.org/CodeSystem/v3-ActReason).
        reason: why, in words; compulsory for BTG.
        traced: whether what is done with it leaves AuditEvents.
        duties: of staff: "publisher", "verifier", "commission", "administrator".
        organization: a publisher's, as a reference ("Organization/1").
        referenced: whether the software is an app of the catalogue, which a publisher filed, rather than admitted by
            an administrator of the server.
        family: the person's authorization that it is of; None where nobody authorized it.
        granted: the scopes as the token has them; () where there is no token.
        token: digest of the token itself; None where there is none.
    """

    scopes: tuple[Scope, ...] = ()
    subject: str | None = None
    role: str | None = None
    client: str | None = None
    patient: str | None = None
    wards: frozenset[str] = frozenset()
    purpose: Purpose | None = None
    reason: str | None = None
    traced: bool = True
    duties: frozenset[str] = frozenset()
    organization: str | None = None
    referenced: bool = False
    family: str | None = field(default=None, compare=False)
    granted: tuple[str, ...] = field(default=(), compare=False)
    token: str | None = field(default=None, compare=False)

    def __hash__(self) -> int:
        """Of who and through what: a grant is asked for in each rule of a request, and its scopes are long to hash."""
        return hash((self.subject, self.client, self.patient, self.purpose))

    @property
    def own(self) -> bool:
        """Whether this is the server's own work, or an open server's caller: no person and no software is named."""
        return self is OPEN or (self.client is None and self.subject is None and ALL in self.scopes)

    @property
    def unrestricted(self) -> bool:
        """Whether every filter can be left as it is: one unconstrained system scope with every verb on every type."""
        return self is OPEN or ALL in self.scopes


@dataclass(frozen=True, slots=True)
class Held:
    """What a grant was made of, by which it can be made again later, as it is then.

    Attributes:
        client: the software's client id; None in open mode.
        granted: the scopes as the token had them.
        family: the person's authorization; None for software alone.
        subject, role, purpose, reason: of software alone, the professional that it said it asks for.
    """

    client: str | None = None
    granted: tuple[str, ...] = ()
    family: str | None = None
    subject: str | None = None
    role: str | None = None
    purpose: Purpose | None = None
    reason: str | None = None


def held(grant: Grant) -> Held:
    """What a grant is made of."""
    if grant.family is not None:
        return Held(grant.client, grant.granted, grant.family)
    who = (grant.subject, grant.role, grant.purpose, grant.reason)
    return Held(grant.client, grant.granted, None, *who)


ALL = Scope("system", "*", VERBS)
#: Open mode, and the server's own work: everything is allowed and no person is behind it.
OPEN = Grant(scopes=(ALL,), traced=False)
