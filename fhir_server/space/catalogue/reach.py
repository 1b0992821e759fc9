"""Who sees and writes what of the catalogue: apps, their files, and what patients accept of them.

Apps and their referencing change by their own workflow alone, which leaves a trace of each step. What is not on line is
for those who work on the catalogue, by duty; what is on line is for everybody.
"""

from __future__ import annotations

from collections.abc import Mapping

from fhir_server.access.grant import Scope
from fhir_server.access.rules import Asked, Rule
from fhir_server.store.filters import NOTHING, And, Filter, LinkedFrom, Not, Refers, Token, both, either

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

#: Type → what of it only those who work on the catalogue see, among people.
_INTERNAL: Mapping[str, Filter] = {"Device": And((APP, Not(ON_LINE))), "Task": _FILES}
#: Type → what staff of the catalogue see, and the parameter by which it is a publisher's own.
_DESK: Mapping[str, tuple[Filter, str]] = {"Device": (APP, "organization"), "Task": (_FILES, "requester")}


def _internal(asked: Asked) -> Filter:
    staff = asked.level == "user" and (asked.grant.subject or "").startswith("Person/")
    return NOTHING if asked.verb not in "rs" or asked.level == "system" or staff else _INTERNAL[asked.type]


def _desk(asked: Asked) -> Filter:
    grant = asked.grant
    staff = asked.level == "user" and (grant.subject or "").startswith("Person/")
    if asked.verb not in "rs" or not staff or not grant.duties:
        return NOTHING
    all_of_them, param = _DESK[asked.type]
    if grant.duties != {"publisher"}:
        return all_of_them
    return both(all_of_them, Refers(param, grant.organization)) if grant.organization else NOTHING


RULES = (
    Rule(
        "catalogue-kept",
        "kept by the space: it changes by its own operations",
        frozenset(),
        kept={"Device": APP, "Consent": PURPOSE_CONSENT, "Task": _FILES},
    ),
    Rule(
        "catalogue-internal",
        "for those who work on the catalogue, until it is on line",
        frozenset(_INTERNAL),
        withholds=_internal,
    ),
    Rule("catalogue-desk", "given to staff of the catalogue by duty", frozenset(_DESK), gives=_desk),
)

#: What everybody may read without a token: apps on line, and who publishes them.
PUBLIC = (
    Scope("system", "Device", frozenset("rs"), ON_LINE),
    Scope("system", "Organization", frozenset("rs"), LinkedFrom("Device", "organization", ON_LINE)),
)
