"""What a CDA document names that is here already: the person with its INS, and the documents it follows.

Everything is looked for as the caller sees it: what is hidden from them is not here.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Conflict, Invalid, Issue, NotFound
from fhir_server.interactions.exchange import Context
from fhir_server.search.asking.query import condition
from fhir_server.space.record.cda.header import VERSION, Header
from fhir_server.space.record.cda.patient import Subject
from fhir_server.space.record.cda.people import identifier
from fhir_server.space.record.cda.reading import issue
from fhir_server.space.record.cda.tree import Node
from fhir_server.store.protocol import Version

_ROLE = "recordTarget/patientRole"
_RELATED = "relatedDocument/parentDocument/id"
#: `relatedDocument@typeCode` → `relatesTo.code`: HL7 ActRelationshipDocument, R4 document-relationship-type.
_RELATIONS = {"RPLC": "replaces", "APND": "appends", "XFRM": "transforms"}
_SPECIAL = re.compile(r"[\\,$|]")
#: Documents of one series that are looked at.
_SERIES = 50


@dataclass(frozen=True, slots=True)
class Replaced:
    """A document that is replaced: its version, which the replacement is pinned to, and what it is."""

    version: Version
    node: Node


async def patient_of(subject: Subject, context: Context) -> Version:
    """The person with the INS of a document.

    Raises:
        NotFound: nobody here has it (902); hidden and absent alike (404).
        Invalid: several INS are of several people, or a trait differs (904) (422).
    """
    context.repository.require("Patient", "s")
    found: dict[str, Version] = {}
    for system, value in subject.ins:
        for version in await _with(context, "Patient", [("identifier", f"{system}|{_escaped(value)}")], 2):
            found[version.id] = version
    where = f"{_ROLE}/id"
    if not found:
        said = issue("Nobody here has this INS.", subject.role, where, key="mss-902")
        raise NotFound(issues=[dataclasses.replace(said, code="not-found")])
    if len(found) > 1:
        raise Invalid(issues=[issue("Several people here have these INS.", subject.role, where, key="mss-904")])
    [version] = found.values()
    differing = [*subject.differing(parse(version.body))]
    if differing:
        raise Invalid(issues=differing)
    return version


async def relations(made: Header, patient: str, context: Context) -> list[Replaced]:
    """Set `relatesTo` by what the document says it follows; what it replaces.

    Args:
        made: the metadata, which are completed, with what is to be told of it.
        patient: id of the patient.
        context: whose sight of the store counts, and whether what is not here is refused (strict) or told.

    Raises:
        Invalid: it replaces what is not here (422).
        Conflict: it replaces what is not the latest version any more (900) (409).
    """
    rows: list[dict[str, Any]] = []
    replaced: dict[str, Replaced] = {}
    for related in made.document.all("relatedDocument"):
        code = _RELATIONS.get(related.get("typeCode"))
        for node in related.all("parentDocument/id"):
            if code is None:
                made.say("A related document is RPLC, APND or XFRM: left out.", "relatedDocument", "warning", node)
                continue
            row, target = await _related(made, node, code, patient, context)
            rows += [row] if row is not None and row not in rows else []
            if target is not None:
                replaced[target.version.id] = target
    if not any(row["code"] == "replaces" for row in rows):
        for target in await _earlier(made, patient, context):
            reference = {"reference": f"DocumentReference/{target.version.id}"}
            rows.append({"code": "replaces", "target": reference})
            replaced[target.version.id] = target
    if rows:
        made.tree["relatesTo"] = rows
    return [*replaced.values()]


async def _related(
    made: Header, node: Node, code: str, patient: str, context: Context
) -> tuple[dict[str, Any] | None, Replaced | None]:
    """A row of `relatesTo`, and what it replaces."""
    said = identifier(node)
    if not said:
        made.say("An earlier document is named by an OID or a UUID.", _RELATED, node=node)
        raise Invalid(issues=made.issues[-1:])
    name = _master(node, said[0])
    versions = await _documents(context, patient, name["system"], name["value"], 1)
    if versions:
        row = {"code": code, "target": {"reference": f"DocumentReference/{versions[0].id}"}}
        return row, _latest(Replaced(versions[0], node)) if code == "replaces" else None
    if code == "replaces" and context.strict:
        words = "The document that this one replaces is not among the documents of this person here."
        raise Invalid(issues=[issue(words, node, _RELATED)])
    words = "The earlier document is not here: only its identifier is kept."
    made.say(words, _RELATED, "warning", node)
    return {"code": code, "target": {"type": "DocumentReference", "identifier": name}}, None


def _master(node: Node, said: Mapping[str, Any]) -> dict[str, str]:
    """The identifier of another document as its metadata have it: root and extension are one value there."""
    value = str(said["value"]) if not node.get("extension") else f"{said['system']}^{said['value']}"
    return {"system": "urn:ietf:rfc:3986", "value": value}


async def _earlier(made: Header, patient: str, context: Context) -> list[Replaced]:
    """What a later version of a series replaces although it does not say so: the current one with a lower number.

    CDA R2 §4.2.1.7: the versions of a document have its setId. Most software that sends a second version names no
    document that it replaces; two current versions of one document would stand beside each other.

    Raises:
        Conflict: a version as late, or later, is here (900).
    """
    number = _number(made.tree)
    series = next((one for one in made.tree.get("identifier", ()) if one.get("type", {}).get("text") == "setId"), None)
    node = made.document.first("versionNumber")
    if number is None or series is None or node is None:
        return []
    found = await _documents(context, patient, series["system"], series["value"], _SERIES)
    current = [one for one in found if parse(one.body).get("status") == "current"]
    numbered = [(number_of, one) for one in current if (number_of := _number(parse(one.body))) is not None]
    if any(other >= number and not _is_same(made, one) for other, one in numbered):
        words = "A version as late, or later, of the same series (setId) is here."
        raise Conflict(issues=[issue(words, node, "versionNumber", key="mss-900")])
    earlier = [Replaced(one, node) for other, one in numbered if other < number]
    if earlier:
        made.say("It replaces the earlier version of the same series (setId).", "versionNumber", "information", node)
    return earlier


def _is_same(made: Header, version: Version) -> bool:
    """Whether it is this very document, which is refused for its own identifier."""
    return bool(parse(version.body).get("masterIdentifier", {}).get("value") == made.tree["masterIdentifier"]["value"])


def _number(tree: Mapping[str, Any]) -> int | None:
    return next((one.get("valuePositiveInt") for one in tree.get("extension", ()) if one.get("url") == VERSION), None)


def _latest(target: Replaced) -> Replaced:
    if parse(target.version.body).get("status") != "current":
        words = "The document that this one replaces is not the latest version any more."
        raise Conflict(issues=[issue(words, target.node, _RELATED, key="mss-900")])
    return target


async def _documents(context: Context, patient: str, system: str, value: str, most: int) -> Sequence[Version]:
    """The documents of a patient with an identifier; one named by several is told by the current one first."""
    named = [("patient", f"Patient/{patient}"), ("identifier", f"{system}|{_escaped(value)}")]
    found = await _with(context, "DocumentReference", named, max(most, 10))
    return sorted(found, key=lambda one: parse(one.body).get("status") != "current")[:most]


async def _with(context: Context, type: str, criteria: list[tuple[str, str]], most: int) -> Sequence[Version]:
    page = await context.repository.find({type: condition(type, criteria, context)}, count=most)
    return page.versions


def _escaped(value: str) -> str:
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", value)


def told(issues: Sequence[Issue]) -> list[Issue]:
    """What is told beside an answer, errors apart."""
    return [one for one in issues if one.severity != "error"]
