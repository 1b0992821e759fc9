"""The header of a CDA document as the metadata of a shared document: a PDSm comprehensive DocumentReference.

https://interop.esante.gouv.fr/ig/fhir/pdsm (3.1.1, a profile of IHE MHD); CI-SIS "Lien entre l'en-tête CDA et les
métadonnées XDS"; IHE ITI TF-3 §4.2.3. A row of `_ELEMENTS` is one element of the header and where it goes; what is
wrong is told of all of them at once.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from fhir_server.fhir.nos import CLASS
from fhir_server.fhir.outcome import Invalid, Issue
from fhir_server.space.record.cda import acts, codes
from fhir_server.space.record.cda.formats import format_of
from fhir_server.space.record.cda.people import Contained, identifier
from fhir_server.space.record.cda.reading import issue
from fhir_server.space.record.cda.times import Moment, moment
from fhir_server.space.record.cda.tree import Node
from fhir_server.space.record.labels import LABELS
from fhir_server.space.record.sharing.categories import category_of

PROFILE = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-comprehensive-document-reference"
#: The extension with the version that the document says it is: `meta.versionId` counts that of the metadata.
VERSION = "https://fhir-server.example/StructureDefinition/ens-document-version"
#: Confidentiality by HL7 → the stored label. What is less than normal is normal here: nothing is open to all.
_CONFIDENTIALITY = {"U": "N", "L": "N", "M": "N", "N": "N", "R": "R", "V": "V"}
_HL7_CONFIDENTIALITY = "2.16.840.1.113883.5.25"
#: The most of each that a header may have; published ones have eight service events and four recipients.
MOST = {
    "author": 50,
    "informationRecipient": 50,
    "recordTarget/patientRole/id": 50,
    "documentationOf/serviceEvent": 200,
    "documentationOf/serviceEvent/code": 200,
    "documentationOf/serviceEvent/code/translation": 1_000,
    "inFulfillmentOf/order": 100,
    "inFulfillmentOf/order/id": 100,
    "relatedDocument/parentDocument/id": 20,
}
#: A title longer than this is no title.
_LONGEST_TITLE = 1_000


@dataclass(slots=True)
class Header:
    """The metadata of one document while it is made.

    Attributes:
        document: the ClinicalDocument.
        zone: of times without one.
        tree: the DocumentReference; without `subject` and `relatesTo`, which only the store knows.
        contained: who is named in it.
        issues: errors, and what is to be told beside.
    """

    document: Node
    zone: tzinfo
    tree: dict[str, Any]
    contained: Contained = field(default_factory=Contained)
    issues: list[Issue] = field(default_factory=list)

    @property
    def attachment(self) -> dict[str, Any]:
        """What is said of the file."""
        found: dict[str, Any] = self.tree["content"][0]["attachment"]
        return found

    @property
    def context(self) -> dict[str, Any]:
        """What is said of the act."""
        found: dict[str, Any] = self.tree["context"]
        return found

    def say(self, words: str, path: str, severity: str = "error", node: Node | None = None) -> None:
        """Note what is wrong with an element, or what was made of it."""
        self.issues.append(issue(words, node or self.document.first(path) or self.document, path, severity))

    def moment(self, node: Node | None, path: str) -> Moment | None:
        """The instant in the `value` of an element; None, and an issue, when it is there and is none."""
        if node is None or not node.get("value"):
            return None
        try:
            found = moment(node.get("value"), self.zone)
        except ValueError:
            self.say("This is not a date or time (TS).", path, node=node)
            return None
        if found.written:
            words = f"The time has no zone: that of this server ({self.zone}) was taken. Write one."
            self.say(words, path, "warning", node)
        return found


def metadata(document: Node, file: bytes, patient: dict[str, Any], zone: tzinfo, now: datetime) -> Header:
    """The metadata of a document.

    Args:
        document: read from `file`.
        file: the bytes as they arrived, which are what is shared.
        patient: the patient as the document has them, to be contained.
        zone: of times without one.
        now: when the metadata are made.

    Raises:
        Invalid: with everything that the header lacks or has wrong, each with its element (422).
    """
    made = Header(document, zone, _empty(file, now))
    for name, most in MOST.items():
        found = document.all(name)
        if len(found) > most:
            raise Invalid(issues=[issue(f"More than {most} of them.", found[most], name)])
    made.context["sourcePatientInfo"] = made.contained.add(patient, "patient")
    for fill in _ELEMENTS:
        fill(made)
    if any(one.severity == "error" for one in made.issues):
        raise Invalid(issues=made.issues)
    made.tree["contained"] = made.contained.resources
    made.tree = {name: made.tree[name] for name in _ORDER if name in made.tree}
    return made


#: Elements as R4 orders them.
_ORDER = (
    "resourceType",
    "meta",
    "contained",
    "extension",
    "masterIdentifier",
    "identifier",
    "status",
    "type",
    "category",
    "date",
    "author",
    "authenticator",
    "custodian",
    "description",
    "securityLabel",
    "content",
    "context",
)


def _empty(file: bytes, now: datetime) -> dict[str, Any]:
    """What the bytes alone say."""
    digest = hashlib.sha1(file, usedforsecurity=False).digest()
    attachment = {"contentType": "text/xml", "size": len(file), "hash": base64.b64encode(digest).decode()}
    return {
        "resourceType": "DocumentReference",
        "meta": {"profile": [PROFILE]},
        "contained": [],
        "status": "current",
        "date": now.isoformat(timespec="seconds"),
        "content": [{"attachment": attachment}],
        "context": {},
    }


# One element of the header each, in its order


def _identity(made: Header) -> None:
    node = made.document.first("id")
    try:
        root = codes.urn(node.get("root") if node is not None else "")
    except ValueError:
        made.say("A document has an id whose root is an OID or a UUID.", "id")
        return
    extension = " ".join(node.get("extension").split()) if node is not None else ""
    # XDS writes "root^extension" (ITI TF-3 §4.2.3.2.26); both parts are found too, as an identifier of their own.
    value = f"{root}^{extension}" if extension else root
    made.tree["masterIdentifier"] = {"use": "usual", "system": codes.URI, "value": value}
    if extension:
        made.tree.setdefault("identifier", []).append({"use": "secondary", "system": root, "value": extension})


def _series(made: Header) -> None:
    node = made.document.first("setId")
    for one in identifier(node) if node is not None else ():
        said = {"use": "secondary", "type": {"text": "setId"}, "system": one["system"], "value": one["value"]}
        made.tree.setdefault("identifier", []).append(said)
    version = made.document.value("versionNumber")
    if not version:
        return
    if not (version.isascii() and version.isdigit() and 0 < int(version[:12]) < 2**31):
        made.say("The version is a positive number.", "versionNumber")
        return
    made.tree["extension"] = [{"url": VERSION, "valuePositiveInt": int(version)}]


def _type(made: Header) -> None:
    node = made.document.first("code")
    # A code of the software's own may stand in front of the national one (CD.translation).
    said = [codes.coding(one) for one in (node, *node.all("translation"))] if node is not None else []
    type = next((one for one in said if one is not None and one["system"] in codes.TYPES), None)
    if type is None:
        made.say("The type of a document is a code of LOINC, TRE_A05 or TRE_A12.", "code")
        return
    made.tree["type"] = {"coding": [type]}
    of_type = category_of(type)
    if of_type is None:
        made.say("ASS_X16 gives no class for this type: it is filed as a report (10).", "code", "warning")
        of_type = {"system": CLASS, "code": "10", "display": "Compte rendu"}
    made.tree["category"] = [{"coding": [of_type]}]
    made.tree["content"][0]["format"] = format_of(made.document)


def _title(made: Header) -> None:
    title = made.document.text_of("title") or made.document.value("code", "displayName")
    if not title:
        made.say("A document has a title.", "title")
    elif len(title) > _LONGEST_TITLE:
        made.say(f"A title has {_LONGEST_TITLE} characters at most.", "title")
    else:
        made.attachment["title"] = title
        made.tree["description"] = title


def _creation(made: Header) -> None:
    node = made.document.first("effectiveTime")
    found = made.moment(node, "effectiveTime")
    if found is not None:
        found.put(made.attachment, "creation")
    elif node is None or not node.get("value"):
        made.say("A document says when it was made.", "effectiveTime")


def _label(made: Header) -> None:
    node = made.document.first("confidentialityCode")
    code = node.get("code") if node is not None else ""
    if node is None or node.get("nullFlavor") or not code:
        made.say("The document says no confidentiality: normal (N).", "confidentialityCode", "information")
        code = "N"
    elif node.get("codeSystem") != _HL7_CONFIDENTIALITY or code not in _CONFIDENTIALITY:
        words = "Confidentiality is a code of HL7 (2.16.840.1.113883.5.25): N, R or V."
        made.say(words, "confidentialityCode")
        return
    stored = _CONFIDENTIALITY[code]
    if stored != code:
        made.say("What is less than normal confidentiality is normal here (N).", "confidentialityCode", "information")
    made.tree["securityLabel"] = [{"coding": [LABELS[stored].coding]}]


def _language(made: Header) -> None:
    language = made.document.value("languageCode", "code")
    if not language:
        made.say("The document says no language: French (fr-FR).", "languageCode", "information")
    made.attachment["language"] = language or "fr-FR"


def _authors(made: Header) -> None:
    authors = []
    patients = {(one.get("root"), one.get("extension")) for one in made.document.all("recordTarget/patientRole/id")}
    for node in made.document.all("author"):
        role = node.first("assignedAuthor")
        found = _author(made, role, patients) if role is not None else None
        if found is None:
            made.say("An author is a person, a device or an organisation.", "author/assignedAuthor", node=node)
        elif found not in authors:
            authors.append(found)
    if not authors and not made.document.all("author"):
        made.say("A document has an author.", "author")
    made.tree["author"] = authors


def _author(made: Header, role: Node, patients: set[tuple[str, str]]) -> dict[str, Any] | None:
    if any((one.get("root"), one.get("extension")) in patients for one in role.all("id") if one.get("extension")):
        found: dict[str, Any] = made.context["sourcePatientInfo"]
        return found
    found_role = made.contained.participant(role)
    if found_role is None or made.contained.type_of(found_role) != "Organization":
        return found_role
    # An organisation writes as a role that it alone fills: PDSm has no author that is one.
    return made.contained.add({"resourceType": "PractitionerRole", "organization": found_role}, "role")


def _custodian(made: Header) -> None:
    path = "custodian/assignedCustodian/representedCustodianOrganization"
    found = made.contained.organisation(made.document.first(path))
    if found is None:
        made.say("A document has an organisation that keeps it.", path)
    else:
        made.tree["custodian"] = found


def _authenticator(made: Header) -> None:
    role = made.document.first("legalAuthenticator/assignedEntity")
    found = made.contained.participant(role) if role is not None else None
    if found is not None and made.contained.type_of(found) != "Device":
        made.tree["authenticator"] = found


def _act(made: Header) -> None:
    path = "documentationOf/serviceEvent"
    act = acts.main_act(made.document)
    if act is None:
        made.say("A document says of which act it is.", path)
        return
    _period(made, act, f"{path}/effectiveTime")
    events: list[dict[str, Any]] = []
    for code in made.document.all(f"{path}/code"):
        found = codes.concept(code)
        if found is not None and found not in events:
            events.append(found)
    if events:
        made.context["event"] = events


def _period(made: Header, act: Node, path: str) -> None:
    low, high, by_stay = acts.begun_and_ended(made.document, act)
    if by_stay:
        made.say("The main act does not say when it began: it is when the encounter did.", path, "warning", act)
    start, end = made.moment(low, path), made.moment(high, path)
    if start is None:
        if low is None:
            made.say("The main act says when it began (low).", path, node=act)
        return
    period: dict[str, Any] = {}
    start.put(period, "start")
    if end is not None:
        if end.bounds[1] < start.bounds[0]:
            made.say("The act ends before it begins.", path, node=act)
        end.put(period, "end")
    made.context["period"] = period


def _place(made: Header) -> None:
    path = "componentOf/encompassingEncounter/location/healthCareFacility/code"
    sector = _coded(made.document, path)
    if sector is None or sector["system"] not in codes.SECTORS:
        made.say("The sector of activity is a code of TRE_R02 or TRE_A00.", path)
    else:
        made.context["facilityType"] = {"coding": [sector]}
    setting = next((one for one in _settings(made.document) if one["system"] in codes.SETTINGS), None)
    if setting is None:
        made.say("The practice setting is a code of TRE_A01 or TRE_A00.", _SETTINGS[0])
    else:
        made.context["practiceSetting"] = {"coding": [setting]}


#: Where the practice setting stands; the first is where it belongs.
_SETTINGS = (
    "documentationOf/serviceEvent/performer/assignedEntity/representedOrganization/standardIndustryClassCode",
    "componentOf/encompassingEncounter/responsibleParty/assignedEntity/representedOrganization/standardIndustryClassCode",
    "author/assignedAuthor/representedOrganization/standardIndustryClassCode",
    "legalAuthenticator/assignedEntity/representedOrganization/standardIndustryClassCode",
)


def _settings(document: Node) -> Iterator[dict[str, Any]]:
    for path in _SETTINGS:
        yield from (found for node in document.all(path) if (found := codes.coding(node)) is not None)


def _coded(document: Node, path: str) -> dict[str, Any] | None:
    node = document.first(path)
    return None if node is None else codes.coding(node)


#: Name of an identifier of what was asked for → its kind (PDSm, referenceIdList). DICOM adds the accession number.
_ASKED = {
    "id": "urn:ihe:iti:xds:2013:order",
    "urn:dicom-org:ps3-20 accessionNumber": "urn:ihe:iti:xds:2013:accession",
}


def _orders(made: Header) -> None:
    related = []
    for name, kind in _ASKED.items():
        for node in made.document.all(f"inFulfillmentOf/order/{name}" if name == "id" else "inFulfillmentOf/order"):
            for one in [node] if name == "id" else node.all(name):
                for said in identifier(one):
                    type = {"coding": [{"system": codes.URI, "code": kind}]}
                    related.append({"identifier": {"type": type, "system": said["system"], "value": said["value"]}})
    if related:
        made.context["related"] = related


#: What fills in each element, in this order.
_ELEMENTS: tuple[Callable[[Header], None], ...] = (
    _identity,
    _series,
    _type,
    _title,
    _creation,
    _label,
    _language,
    _authors,
    _authenticator,
    _custodian,
    _act,
    _place,
    _orders,
)
