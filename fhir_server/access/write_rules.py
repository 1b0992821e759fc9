"""Who may write what: from the level of a scope and the type's row of `whose` to the rule before and after a write.

Deny by default. What is closed to people is closed whatever their scopes: authorization is decided on it, or the server
judges by it. https://hl7.org/fhir/R4/security.html#authorization.access
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from fhir_server.access.grant import Grant, Level
from fhir_server.access.record_owner import CLOSED, WHOSE, rows
from fhir_server.store.filters import EVERYTHING, NOTHING, And, Filter, Id, Linked, Not, Or, Refers, either

#: Type that is closed to people → what of it they may change all the same: how somebody is reached, never who they are
#: (name, birth, sex, identifiers, links, whether the record is in use), which decides whose account opens it. The
#: e-mail address among `telecom` stays, since notices of emergency access go there.
OPEN_ELEMENTS: Mapping[str, frozenset[str]] = {
    "Patient": frozenset({"address", "communication", "contact", "id", "language", "meta", "photo", "telecom", "text"})
}


def people(grant: Grant) -> bool:
    """Whether the caller is held to what people may write: somebody acts with it, or some scope is a person's."""
    return not grant.own and (not administers(grant) or any(scope.level != "system" for scope in grant.scopes))


def administers(grant: Grant) -> bool:
    """Whether `system/` scopes are an administrator's grant: no person acts, and no publisher filed the software."""
    return grant.subject is None and not grant.referenced


def reach(grant: Grant, level: Level, type: str, verb: str) -> Filter:
    """What of `type` a scope of that level may create, update or delete (a letter of `cud`)."""
    kind = rows()[type].kind
    if level == "system":
        return EVERYTHING if administers(grant) or kind not in CLOSED else NOTHING
    if level == "user" and grant.subject is None:
        return NOTHING
    if level == "user" and _professional(grant):
        if kind == "shared":
            return EVERYTHING if verb == "c" else NOTHING
        if grant.patient is None and kind not in CLOSED:
            return EVERYTHING
        if grant.patient is None and _is_open(type, verb):
            return EVERYTHING
    ids = _patients(grant, level)
    if _is_open(type, verb):
        return Id(ids) if ids else NOTHING
    return either([Refers(WHOSE, f"Patient/{id}") for id in ids]) if kind == "record" else NOTHING


def closed(type: str, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> str | None:
    """The first element that a person would change of a type that is closed to them but for some elements, or None."""
    allowed = OPEN_ELEMENTS.get(type)
    if allowed is None or before is None:
        return None
    for name in sorted((before.keys() | after.keys()) - allowed):
        if name.removeprefix("_") not in allowed and before.get(name) != after.get(name):
            return f"{type}.{name.removeprefix('_')}"
    return next((where for where, said in _KEPT_WITHIN if said(before) != said(after)), None)


@lru_cache(maxsize=4096)
def asks_whose(where: Filter) -> bool:
    """Whether a rule is judged by whose the resource says it is, which no stored index tells."""
    match where:
        case And() | Or():
            return any(map(asks_whose, where.parts))
        case Not():
            return asks_whose(where.part)
        case Linked():
            return False
        case _:
            return isinstance(where, Refers) and where.param == WHOSE


def _professional(grant: Grant) -> bool:
    return (grant.subject or "").startswith(("Practitioner/", "PractitionerRole/"))


def _is_open(type: str, verb: str) -> bool:
    return verb == "u" and type in OPEN_ELEMENTS


def _patients(grant: Grant, level: Level) -> tuple[str, ...]:
    """Ids of those whose records are written: of the patient in context alone, when there is one."""
    if level == "patient" or _professional(grant):
        return (grant.patient,) if grant.patient else ()
    subject = grant.subject or ""
    own = {subject.removeprefix("Patient/")} if subject.startswith("Patient/") else set()
    may = grant.wards | own
    return tuple(sorted(may & {grant.patient} if grant.patient else may))


def _emails(tree: Mapping[str, Any]) -> list[Any]:
    points = tree.get("telecom")
    return [p for p in points if isinstance(p, dict) and p.get("system") == "email"] if isinstance(points, list) else []


def _labels(tree: Mapping[str, Any]) -> list[Any]:
    """Security labels and tags: constraints of scopes are judged by them."""
    meta = tree.get("meta")
    return [meta.get("security"), meta.get("tag")] if isinstance(meta, dict) else [None, None]


#: Of elements that may change, what stays.
_KEPT_WITHIN = (("Patient.telecom", _emails), ("Patient.meta", _labels))
