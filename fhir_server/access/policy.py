"""From a Grant to a Filter: the one rule that searches, reads and writes are all held to.

Deny by default: a type no scope speaks of is `NOTHING`. https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from fhir_server.access import binaries
from fhir_server.access.grant import Grant, Scope
from fhir_server.access.record_owner import readable
from fhir_server.access.write_rules import administers, reach
from fhir_server.search.indexing.extract import SEVERAL, WITNESSES
from fhir_server.store.filters import (
    EVERYTHING,
    NOTHING,
    And,
    Filter,
    Index,
    Linked,
    LinkedFrom,
    Not,
    Or,
    Refers,
    Token,
    both,
    either,
)

#: Types that speak of no patient: a patient's scope that names them reads them all, and writes none.
DIRECTORY = frozenset(
    """CapabilityStatement CodeSystem CompartmentDefinition ConceptMap Endpoint HealthcareService ImplementationGuide
    Location Medication MedicationKnowledge NamingSystem OperationDefinition Organization OrganizationAffiliation
    Practitioner PractitionerRole Questionnaire SearchParameter StructureDefinition Substance ValueSet""".split()
)


_OWN = "https://fhir-server.example/CodeSystem"
#: An app of the catalogue.
APP = Token("type", "application", f"{_OWN}/ens-app")
#: An app that is on line: the catalogue that everybody may read.
ON_LINE = And((APP, Token("status", "active", "http://hl7.org/fhir/device-status")))
#: A patient's consent to a purpose of an app.
PURPOSE_CONSENT = Token("category", "purpose", f"{_OWN}/ens-consent-kind")
#: The file of an app on its way into the catalogue.
REFERENCING = Token("code", "referencing", f"{_OWN}/ens-task")
#: What somebody reports of an app, to those who work on the catalogue.
REPORT = Token("code", "report", f"{_OWN}/ens-task")
_FILES = either([REFERENCING, REPORT])

#: Type → what of it the space itself keeps: no token creates, updates or deletes it, whatever its scopes. Apps, what
#: patients accept of them, and their referencing change by their own workflow alone, which leaves a trace of each step.
KEPT: dict[str, Filter] = {"Device": APP, "Consent": PURPOSE_CONSENT, "Task": _FILES}
#: Type → what of it only those who work on the catalogue see, among people.
INTERNAL: dict[str, Filter] = {"Device": And((APP, Not(ON_LINE))), "Task": _FILES}
#: Type → what staff of the catalogue see, and the parameter by which it is a publisher's own.
DESK: dict[str, tuple[Filter, str]] = {"Device": (APP, "organization"), "Task": (_FILES, "requester")}

#: What everybody may read without a token: apps on line, and who publishes them.
PUBLIC = Grant(
    scopes=(
        Scope("system", "Device", frozenset("rs"), ON_LINE),
        Scope("system", "Organization", frozenset("rs"), LinkedFrom("Device", "organization", ON_LINE)),
    ),
    traced=False,
)


def chooses_ids(grant: Grant, type: str) -> bool:
    """Whether the caller may make resources of `type` under ids of their own: nothing of it is hidden from them."""
    if type in KEPT and not grant.own:
        return all(_granted(grant, type, verb) == EVERYTHING for verb in "rcu")
    return all(rule(grant, type, verb) == EVERYTHING for verb in "cu")


@lru_cache(maxsize=4096)
def rule(grant: Grant, type: str, verb: str) -> Filter:
    """What of `type` the caller may `verb` (a letter of `cruds`); `NOTHING` when no scope speaks of it."""
    if type == "AuditEvent" and verb in "ud" and grant.traced:
        # A trace is never rewritten by anyone it could name, whatever their scopes: R4 auditevent.html, security note.
        return NOTHING
    granted = _granted(grant, type, verb)
    if verb in "cud" and type in KEPT and not grant.own:
        return both(granted, Not(KEPT[type]))
    return granted


def rule_of(grant: Grant, type: str, verb: str, index: Index) -> Filter:
    """As `rule`, for one resource of that index, which may leave less to be asked."""
    if type == "Binary" and not grant.unrestricted:
        return binaries.reached_of(grant, verb, index, rule)
    return rule(grant, type, verb)


def _granted(grant: Grant, type: str, verb: str) -> Filter:
    """What the scopes give."""
    if grant.unrestricted and (verb in "rs" or administers(grant)):
        return EVERYTHING
    if type == "Binary":
        return binaries.reached(grant, verb, rule)
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
    if verb in "cud":
        return reach(grant, scope.level, type, verb)
    if scope.level == "system":
        return EVERYTHING
    if scope.level == "patient":
        return _of_patients(frozenset({grant.patient}) if grant.patient else frozenset(), type)
    if grant.subject is None:
        return NOTHING
    if grant.subject.startswith(("Practitioner/", "PractitionerRole/")):
        return Not(INTERNAL[type]) if type in INTERNAL else EVERYTHING
    if grant.subject.startswith("Person/"):
        return _at_desk(grant, type)
    own = {grant.subject.removeprefix("Patient/")} if grant.subject.startswith("Patient/") else set()
    return _of_patients(grant.wards | own, type)


def _at_desk(grant: Grant, type: str) -> Filter:
    """What staff of the catalogue see: the directory, and apps and their files by duty; nobody's health data."""
    if type in DIRECTORY:
        return EVERYTHING
    if type not in DESK or not grant.duties:
        return NOTHING
    all_of_them, param = DESK[type]
    if grant.duties != {"publisher"}:
        return all_of_them
    return And((all_of_them, Refers(param, grant.organization))) if grant.organization else NOTHING


def _of_patients(ids: frozenset[str], type: str) -> Filter:
    if type in DIRECTORY:
        return EVERYTHING if ids else NOTHING
    found = either([readable(id, type) for id in sorted(ids)])
    if type in WITNESSES:
        # What names several patients would tell each of the others.
        return both(found, Not(Token(SEVERAL)))
    return both(found, Not(INTERNAL[type])) if type in INTERNAL else found
