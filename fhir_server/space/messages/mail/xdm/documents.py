"""The metadata of a document in an XDM archive as a DocumentReference, and the other way.

IHE MHD 3:4.5.1.1 (XDS metadata ↔ DocumentReference) and PDSm's comprehensive profile: authors, custodian and the
patient as the source knew them are contained. The hash is hexadecimal there and base64 here, of the same SHA-1.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.fhir.dates import begins
from fhir_server.fhir.nos import CONFIDENTIALITY, VISIBILITY
from fhir_server.space.messages.mail.refusals import Refused
from fhir_server.space.messages.mail.xdm.ebrim import Author, Code, Entry
from fhir_server.space.record.cda import codes
from fhir_server.space.record.cda.header import PROFILE
from fhir_server.space.record.cda.people import PROFESSIONALS, RPPS, STRUCTURES, Contained
from fhir_server.space.record.cda.times import moment

#: Scheme in metadata → system in FHIR, besides those of CDA: labels of visibility and HL7's confidentiality.
_SYSTEMS = {**codes.SYSTEMS, "1.2.250.1.213.1.1.4.13": "urn:oid:1.2.250.1.213.1.1.4.13"}
_SCHEMES = {system: oid for oid, system in codes.SYSTEMS.items()} | {
    VISIBILITY: "1.2.250.1.213.1.1.4.13",
    CONFIDENTIALITY: "2.16.840.1.113883.5.25",
}
#: What of an entry → (the element, whether it stands in `context`, whether there are several).
_CONCEPTS = (
    ("type", "type", False, False),
    ("class", "category", False, True),
    ("confidentiality", "securityLabel", False, True),
    ("facility", "facilityType", True, False),
    ("practice", "practiceSetting", True, False),
    ("event", "event", True, True),
)


def reference(entry: Entry, content: bytes, zone: tzinfo, now: datetime) -> dict[str, Any]:
    """The DocumentReference of an entry; without `subject`, `relatesTo` and the address of its content.

    Args:
        entry: its metadata.
        content: the bytes of the document.
        zone: of times without one.
        now: when the metadata are made here.

    Raises:
        Refused: a value of the metadata is none, or what the profile demands is missing.
    """
    contained = Contained()
    authors = [one for one in (_author(contained, each) for each in entry.authors) if one is not None]
    custodian = _custodian(contained, entry.authors)
    attachment = {
        "contentType": entry.kind,
        "language": entry.slot("languageCode") or "fr-FR",
        "size": len(content),
        "hash": b64encode(bytes.fromhex(entry.slot("hash"))).decode(),
        "title": entry.title or next((one.display for one in entry.codes.get("type", ())), ""),
        "creation": _time(entry, "creationTime", zone),
    }
    period = {"start": _time(entry, "serviceStartTime", zone), "end": _time(entry, "serviceStopTime", zone)}
    held: dict[str, Any] = {"period": _said(period)}
    tree: dict[str, Any] = {
        "resourceType": "DocumentReference",
        "meta": {"profile": [PROFILE]},
        "masterIdentifier": {"use": "usual", "system": codes.URI, "value": unique(entry)},
        "status": "current",
        "date": now.isoformat(timespec="seconds"),
        "author": authors,
        "custodian": custodian,
        "description": attachment["title"],
        "content": [_said({"attachment": _said(attachment), "format": _format(entry)})],
        "context": held,
    }
    for what, name, within, several in _CONCEPTS:
        found = [{"coding": [coding(one)]} for one in entry.codes.get(what, ())]
        if found:
            (held if within else tree)[name] = found if several else found[0]
    held["sourcePatientInfo"] = contained.add(_patient(entry), "patient")
    tree["contained"] = contained.resources
    return _said(tree)


def coding(code: Code) -> dict[str, Any]:
    """A code as a Coding.

    Raises:
        Refused: its scheme is no OID.
    """
    try:
        system = _SYSTEMS.get(code.scheme) or codes.urn(code.scheme)
    except ValueError:
        raise Refused("xdm-metadata", "The scheme of a code is no OID.") from None
    return _said({"system": system, "code": code.code, "display": code.display})


def _format(entry: Entry) -> dict[str, Any] | None:
    return next((coding(one) for one in entry.codes.get("format", ())), None)


def _time(entry: Entry, name: str, zone: tzinfo) -> str:
    if not entry.slot(name):
        return ""
    try:
        # DTM in metadata is UTC when no zone stands there (TF-3 table 4.2.3.1.7-2), where it has a time of day.
        said = entry.slot(name)
        return moment(said if len(said) <= 8 or re.search(r"[Z+-]", said) else f"{said}+0000", zone).value
    except ValueError:
        raise Refused("xdm-metadata", f"{name} is no date or time.") from None


def unique(entry: Entry) -> str:
    """The uniqueId of an entry as `masterIdentifier.value`.

    Raises:
        Refused: it is no OID or UUID.
    """
    return uri(entry.unique_id)


def uri(unique: str) -> str:
    """A uniqueId as a URI, "urn:oid:root^extension".

    Raises:
        Refused: it is no OID or UUID.
    """
    root, caret, extension = unique.partition("^")
    try:
        return f"{codes.urn(root.removeprefix('urn:oid:').removeprefix('urn:uuid:'))}{caret}{extension}"
    except ValueError:
        raise Refused("xdm-metadata", "A uniqueId is no OID or UUID.") from None


def _author(contained: Contained, author: Author) -> dict[str, Any] | None:
    """XCN and XON (TF-3 table 4.2.3.1.7-2) as a PractitionerRole, or nothing where it names nobody."""
    organisation = next((_organisation(contained, one) for one in author.institutions), None)
    parts = _components(author.person, 13)
    root = _authority(parts[8])
    said: dict[str, Any] = {}
    if parts[0] and root:
        ids = [{"use": "official", "system": root, "value": parts[0]}]
        if root.endswith(PROFESSIONALS) and re.fullmatch(r"8\d{11}", parts[0]):
            ids.append({"use": "official", "system": RPPS, "value": parts[0][1:]})
        said["identifier"] = ids
    name = _said({"family": parts[1], "given": [one for one in (parts[2],) if one]})
    if name:
        said["name"] = [name]
    role: dict[str, Any] = {"resourceType": "PractitionerRole"}
    if said:
        role["practitioner"] = contained.add({"resourceType": "Practitioner", **said}, "practitioner")
    if organisation is not None:
        role["organization"] = organisation
    special = [{"text": one.split("^")[1] or one.split("^")[0]} for one in author.specialities if "^" in one]
    if special:
        role["specialty"] = special
    return contained.add(role, "role") if len(role) > 1 else None


def _organisation(contained: Contained, institution: str) -> dict[str, Any] | None:
    parts = _components(institution, 10)
    root = _authority(parts[5])
    number = parts[9] or parts[2]
    said: dict[str, Any] = {"resourceType": "Organization"}
    if root and number:
        said["identifier"] = [{"use": "official", "system": root, "value": number}]
    if parts[0]:
        said["name"] = parts[0]
    return contained.add(said, "organization") if len(said) > 1 else None


def _custodian(contained: Contained, authors: Sequence[Author]) -> dict[str, Any] | None:
    found = (_organisation(contained, one) for author in authors for one in author.institutions)
    return next((one for one in found if one is not None), None)


def _patient(entry: Entry) -> dict[str, Any]:
    parts = _components(entry.slot("sourcePatientId") or entry.patient_id, 5)
    ids = [{"system": _authority(parts[3]), "value": parts[0]}] if parts[0] and _authority(parts[3]) else []
    tree: dict[str, Any] = {"resourceType": "Patient"}
    if ids:
        tree["identifier"] = ids
    info = dict(one.split("|", 1) for one in entry.slots.get("sourcePatientInfo", ()) if "|" in one)
    name = _components(info.get("PID-5", ""), 2)
    if name[0]:
        tree["name"] = [_said({"use": "official", "family": name[0], "given": [name[1]] if name[1] else []})]
    day = info.get("PID-7", "")[:8]
    if re.fullmatch(r"\d{8}", day):
        tree["birthDate"] = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    gender = {"M": "male", "F": "female"}.get(info.get("PID-8", ""))
    return {**tree, "gender": gender} if gender else tree


def _components(value: str, most: int) -> list[str]:
    found = [one.strip()[:500] for one in value.split("^")[:most]]
    return found + [""] * (most - len(found))


def _authority(component: str) -> str:
    """ "&root&ISO", or the root alone, as a URI; "" where it names none."""
    root = component.split("&")[1] if component.count("&") else component
    try:
        return codes.urn(root)
    except ValueError:
        return ""


def _said(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty."""
    return {name: value for name, value in tree.items() if value not in ("", None, [], {})}


# The other way


def entry_of(tree: Mapping[str, Any], number: int, ins: tuple[str, str]) -> Entry:
    """The entry of a DocumentReference.

    Args:
        tree: the resource.
        number: of the document in the archive, from 1.
        ins: system ("urn:oid:…") and value of the patient's INS.
    """
    attachment = tree["content"][0]["attachment"]
    held = tree.get("context") or {}
    period = held.get("period") or {}
    found = {
        what: tuple(map(_code, map(_first_coding, _listed((held if within else tree).get(name)))))
        for what, name, within, _ in _CONCEPTS
    }
    formats = tree["content"][0].get("format")
    patient = f"{ins[1]}^^^&{ins[0].removeprefix('urn:oid:')}&ISO^NH"
    slots = {
        "URI": f"DOC{number:05}.{_ENDS.get(attachment.get('contentType', ''), 'BIN')}",
        "hash": b64decode(attachment["hash"]).hex() if attachment.get("hash") else "",
        "size": str(attachment["size"]) if "size" in attachment else "",
        "creationTime": _dtm(attachment.get("creation") or tree.get("date", "")),
        "languageCode": attachment.get("language", "fr-FR"),
        "serviceStartTime": _dtm(period.get("start", "")),
        "serviceStopTime": _dtm(period.get("end", "")),
        "sourcePatientId": patient,
    }
    return Entry(
        id=f"Document{number:02}",
        kind=attachment.get("contentType", "application/octet-stream"),
        slots={name: (value,) for name, value in slots.items() if value},
        title=attachment.get("title") or tree.get("description", ""),
        codes=found | {"format": (_code(formats),) if formats else ()},
        authors=tuple(_authors(tree)),
        unique_id=_unique(tree),
        patient_id=patient,
    )


_ENDS = {"text/xml": "XML", "application/xml": "XML", "application/pdf": "PDF", "image/jpeg": "JPG", "image/png": "PNG"}


def _unique(tree: Mapping[str, Any]) -> str:
    value = str((tree.get("masterIdentifier") or {}).get("value") or "")
    # TF-3 4.2.3.2.26: an OID, or a UUID as one under 2.25 (X.667).
    if value.startswith("urn:uuid:"):
        return f"2.25.{int(value.removeprefix('urn:uuid:').replace('-', ''), 16)}"
    return value.removeprefix("urn:oid:")


def _code(coding: Mapping[str, Any]) -> Code:
    system = str(coding.get("system", ""))
    return Code(
        str(coding.get("code", "")), _SCHEMES.get(system, system.removeprefix("urn:oid:")), coding.get("display", "")
    )


def _first_coding(concept: Mapping[str, Any]) -> Mapping[str, Any]:
    return next(iter(_listed(concept.get("coding"))), {})


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


_UTC = ZoneInfo("UTC")


def _dtm(value: str) -> str:
    """A dateTime as DTM, in UTC."""
    if len(value) <= 10:
        return value.replace("-", "")
    at = begins(value, _UTC)
    return "" if at is None else f"{at.year:04}{at:%m%d%H%M%S}"


def _authors(tree: Mapping[str, Any]) -> Iterator[Author]:
    inside = {f"#{one.get('id')}": one for one in _listed(tree.get("contained"))}
    for one in _listed(tree.get("author")):
        found = inside.get(str(one.get("reference", "")), {})
        practitioner = inside.get(str((found.get("practitioner") or {}).get("reference", "")), {})
        person = found if found.get("resourceType") in ("Practitioner", "Patient", "RelatedPerson") else practitioner
        organisation = inside.get(str((found.get("organization") or {}).get("reference", "")), {})
        person_said = _xcn(person, str(one.get("display", "")))
        yield Author(person_said, (_xon(organisation),) if organisation else ())


def _xcn(person: Mapping[str, Any], display: str) -> str:
    name: Mapping[str, Any] = next(iter(_listed(person.get("name"))), {})
    ids = _listed(person.get("identifier"))
    id: Mapping[str, Any] = next((one for one in ids if str(one.get("system", "")).startswith("urn:oid:")), {})
    root = str(id.get("system", "")).removeprefix("urn:oid:")
    family = str(name.get("family", "") or display)
    given = next(iter(_listed(name.get("given"))), "")
    kind = "IDNPS" if root == PROFESSIONALS else "NH"
    clean = [_escaped(one) for one in (str(id.get("value", "")), family, str(given))]
    return f"{'^'.join(clean)}^^^^^^&{root}&ISO^D^^^{kind}" if root else f"^{clean[1]}^{clean[2]}"


def _xon(organisation: Mapping[str, Any]) -> str:
    ids = _listed(organisation.get("identifier"))
    id: Mapping[str, Any] = next((one for one in ids if str(one.get("system", "")).startswith("urn:oid:")), {})
    root = str(id.get("system", "")).removeprefix("urn:oid:")
    kind = "IDNST" if root == STRUCTURES else "EI"
    name = _escaped(str(organisation.get("name", "")))
    return f"{name}^^^^^&{root}&ISO^{kind}^^^{_escaped(str(id.get('value', '')))}" if root else name


def _escaped(value: str) -> str:
    """Without the signs by which HL7's forms are told apart."""
    return re.sub(r"[\^&|~\\]", " ", value)


def named_patient(tree: Mapping[str, Any]) -> tuple[str, str, date | None]:
    """Family name and first given name at birth of a Patient, "" where there is none, and the day of birth."""
    names = [one for one in _listed(tree.get("name")) if isinstance(one, Mapping)]
    name: Mapping[str, Any] = next((one for one in names if one.get("use") == "official"), next(iter(names), {}))
    given = str(next(iter(_listed(name.get("given"))), ""))
    born = str(tree.get("birthDate") or "")
    return str(name.get("family") or ""), given, date.fromisoformat(born) if len(born) == 10 else None
