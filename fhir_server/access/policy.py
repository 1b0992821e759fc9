"""From a Grant to a Filter: the one rule that searches, reads and writes are all held to.

Deny by default: a type no scope speaks of is `NOTHING`. https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from fhir_server.access.grant import Grant, Scope
from fhir_server.search.compartments import compartment_filter
from fhir_server.store.filters import (
    EVERYTHING,
    NOTHING,
    And,
    Filter,
    Linked,
    LinkedFrom,
    Not,
    Or,
    Token,
    both,
    either,
)

#: Index row of a Binary (or any resource) naming what it is judged by: R4 binary.html#security.
SECURITY_CONTEXT = "_securityContext"
#: Index row of a Binary naming the client that wrote it.
WRITER = "_writer"

#: Types that speak of no patient: a patient's scope that names them reads them all, and writes none.
DIRECTORY = frozenset(
    """CapabilityStatement CodeSystem CompartmentDefinition ConceptMap Endpoint HealthcareService ImplementationGuide
    Location Medication MedicationKnowledge NamingSystem OperationDefinition Organization OrganizationAffiliation
    Practitioner PractitionerRole Questionnaire SearchParameter StructureDefinition Substance ValueSet""".split()
)


@lru_cache(maxsize=4096)
def rule(grant: Grant, type: str, verb: str) -> Filter:
    """What of `type` the caller may `verb` (a letter of `cruds`); `NOTHING` when no scope speaks of it."""
    if type == "AuditEvent" and verb in "ud" and grant.traced:
        # A trace is never rewritten by anyone it could name, whatever their scopes: R4 auditevent.html, security note.
        return NOTHING
    if grant.unrestricted:
        return EVERYTHING
    if type == "Binary":
        return _binary(grant, verb)
    return either(
        [both(_reach(grant, scope, type, verb), scope.where) for scope in grant.scopes if scope.covers(type, verb)]
    )


def narrow(grant: Grant, where: Filter) -> Filter:
    """`where` with every link in it judged by the caller's own rule for the type linked to.

    A chain, `_has` or conditional match can then say nothing of what the caller could not find directly.
    """
    match where:
        case Linked() | LinkedFrom():
            return replace(where, where=both(rule(grant, where.type, "s"), narrow(grant, where.where)))
        case And():
            return And(tuple(narrow(grant, part) for part in where.parts))
        case Or():
            return Or(tuple(narrow(grant, part) for part in where.parts))
        case Not():
            return Not(narrow(grant, where.part))
        case _:
            return where


def _reach(grant: Grant, scope: Scope, type: str, verb: str) -> Filter:
    """Whose data the scope's level reaches."""
    if scope.level == "system":
        return EVERYTHING
    if scope.level == "patient":
        return _of_patients(frozenset({grant.patient}) if grant.patient else frozenset(), type, verb)
    if grant.subject is None:
        return NOTHING
    if grant.subject.startswith(("Practitioner/", "PractitionerRole/")):
        return EVERYTHING
    own = {grant.subject.removeprefix("Patient/")} if grant.subject.startswith("Patient/") else set()
    return _of_patients(grant.wards | own, type, verb)


def _of_patients(ids: frozenset[str], type: str, verb: str) -> Filter:
    if type in DIRECTORY:
        return EVERYTHING if ids and verb in "rs" else NOTHING
    return either([compartment_filter("Patient", id, type) for id in sorted(ids)])


def _binary(grant: Grant, verb: str) -> Filter:
    """Judged by the DocumentReference in its `securityContext`; without one only its writer's system has it."""
    if not any(scope.covers("Binary", verb) or scope.covers("DocumentReference", verb) for scope in grant.scopes):
        return NOTHING
    # Updating or deleting a document's bytes asks for the same verb on the document; reading them, for reading it.
    judged = Linked(SECURITY_CONTEXT, "DocumentReference", rule(grant, "DocumentReference", verb))
    return either([judged, Token(WRITER, code=grant.client)] if grant.client else [judged])
