"""The words of PDSm and IHE MHD: canonicals, the two kinds of List, and what a resource says of itself by them.

https://interop.esante.gouv.fr/ig/fhir/pdsm, https://profiles.ihe.net/ITI/MHD
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fhir_server.interactions.pipeline import Change

PDSM = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/"
MHD = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/"
COMPREHENSIVE = PDSM + "pdsm-comprehensive-document-reference"
MINIMAL = MHD + "IHE.MHD.Minimal.DocumentReference"
SIMPLIFIED = PDSM + "pdsm-simplified-publish"
#: Profiles of a document that is published alone, its content inside it (ITI-105).
SIMPLE_PROFILES = frozenset({SIMPLIFIED, MHD + "IHE.MHD.SimplifiedPublish.DocumentReference"})
#: Ends of the canonicals of a lot (ITI-65), of every MHD flavour.
_LOT_PROFILES = ("provide-document-bundle", "ProvideBundle")
IS_ARCHIVED = PDSM + "pdsm-ext-is-archived"

#: Code system of the two kinds of List, and how the guide's own example misspells it.
LIST_TYPES = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes"
LIST_TYPES_MISSPELT = "http://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes"

LOINC = "http://loinc.org"
URI = "urn:ietf:rfc:3986"


def profiles(tree: Mapping[str, Any]) -> list[str]:
    """The canonicals that a resource claims, without versions."""
    meta = tree.get("meta")
    found = meta.get("profile") if isinstance(meta, dict) else None
    return [one.partition("|")[0] for one in found if isinstance(one, str)] if isinstance(found, list) else []


def is_shared(tree: Mapping[str, Any]) -> bool:
    """Whether a resource says that it is one of the guides': held to all they say."""
    return any(one.startswith((PDSM, MHD)) for one in profiles(tree))


def is_lot(bundle: Mapping[str, Any]) -> bool:
    """Whether a Bundle says that it is a lot of documents."""
    return any(one.startswith((PDSM, MHD)) and one.endswith(_LOT_PROFILES) for one in profiles(bundle))


def list_kind(tree: Mapping[str, Any]) -> str:
    """What kind of List it is: "submissionset" or "folder"; "" for any other."""
    for coding in codings(tree.get("code")):
        if coding.get("system") in (LIST_TYPES, LIST_TYPES_MISSPELT):
            return str(coding.get("code", ""))
    return ""


def codings(concept: Any) -> list[dict[str, Any]]:
    """The Codings of a CodeableConcept; none of what is none."""
    return dicts(concept.get("coding")) if isinstance(concept, dict) else []


def dicts(value: Any) -> list[dict[str, Any]]:
    """The objects of an array; none of what is none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def attachments(tree: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """The attachments of a document, each with its FHIRPath."""
    for number, one in enumerate(dicts(tree.get("content"))):
        if isinstance(one.get("attachment"), dict):
            yield one["attachment"], f"DocumentReference.content[{number}].attachment"


def replaced(tree: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a document says it replaces, as the references are written, each with its FHIRPath."""
    for number, one in enumerate(dicts(tree.get("relatesTo"))):
        target = one.get("target")
        said = target.get("reference") if isinstance(target, dict) else None
        if one.get("code") == "replaces" and isinstance(said, str):
            yield said, f"DocumentReference.relatesTo[{number}].target"


def is_filed(change: Change, by_people: bool) -> bool:
    """Whether a change is held to what the guides say of a new document or a new version of one.

    An administrator's software may bring whole records under their own ids (a restored export), in any order; and what
    R4 alone speaks of. What people file is held to it, whatever it says of itself.
    """
    if change.tree is None or change.as_server:
        return False
    brought = change.method == "PUT" and (change.before is None or change.before.deleted)
    return by_people or (is_shared(change.tree) and not brought)


def patient_of(tree: Mapping[str, Any]) -> str | None:
    """The Patient that a stored document is of ("Patient/1"); None where it names none."""
    subject = tree.get("subject")
    said = subject.get("reference") if isinstance(subject, dict) else None
    return said[said.find("Patient/") :] if isinstance(said, str) and "Patient/" in said else None
