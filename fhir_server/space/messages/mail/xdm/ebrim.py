"""METADATA.XML as values, and as XML: the submission set and the document entries of ebRIM 3.0.

IHE ITI TF-3 4.2 (metadata of document sharing: names, identifiers of classifications, forms of values). What is read
is kept as it is written: codes with their scheme, people in HL7's forms; what it means is `documents`' to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from fhir_server.space.messages.mail.refusals import Refused

RIM = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
LCM = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
_R = f"{{{RIM}}}"
#: Elements of one file of metadata, documents of one submission, authors and codes of one of them.
MOST_ELEMENTS, MOST_DOCUMENTS, MOST_OF_EACH = 50_000, 100, 100
#: TF-3 table 4.2.5.2-1: what a classification of a document entry is of.
CODES: Mapping[str, str] = {
    "class": "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a",
    "confidentiality": "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f",
    "event": "urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4",
    "format": "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d",
    "facility": "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1",
    "practice": "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead",
    "type": "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983",
}
AUTHOR = "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d"
UNIQUE_ID = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"
PATIENT_ID = "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427"
STABLE = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"
#: The same of the submission set.
SET_NODE = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
SET_AUTHOR = "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d"
SET_CONTENT_TYPE = "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500"
SET_PATIENT = "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446"
SET_UNIQUE = "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8"
SET_SOURCE = "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832"
HAS_MEMBER = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"
REPLACES = "urn:ihe:iti:2007:AssociationType:RPLC"


@dataclass(frozen=True, slots=True)
class Code:
    """A code: itself, its scheme (an OID or a name) and its words."""

    code: str
    scheme: str
    display: str = ""


@dataclass(frozen=True, slots=True)
class Author:
    """An author: person (XCN), institutions (XON), roles and specialities (codes with their scheme, as CX)."""

    person: str = ""
    institutions: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    specialities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """The metadata of one document.

    Attributes:
        id: its symbol in the file.
        kind: media type.
        slots: name → values: "URI", "hash" (SHA-1, hexadecimal), "size", "creationTime", "languageCode", …
        title: in words.
        codes: what (a key of `CODES`) → codes.
        authors: who wrote it.
        unique_id: its own identifier, "root" or "root^extension".
        patient_id: CX, "value^^^&root&ISO".
        replaces: symbols or identifiers of entries that it takes the place of.
    """

    id: str
    kind: str
    slots: Mapping[str, tuple[str, ...]]
    title: str
    codes: Mapping[str, tuple[Code, ...]]
    authors: tuple[Author, ...]
    unique_id: str
    patient_id: str
    replaces: tuple[str, ...] = field(default=())

    def slot(self, name: str) -> str:
        """The first value of a slot; "" without one."""
        return next(iter(self.slots.get(name, ())), "")


def read(content: bytes) -> list[Entry]:
    """The document entries of METADATA.XML, in order.

    Raises:
        Refused: it is no XML, has a document type declaration, or is not what XDM says it is.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_pis=True)
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise Refused("xdm-metadata", "It is not XML.") from None
    info: Any = root.getroottree().docinfo
    if info.doctype:
        raise Refused("xdm-metadata", "It has a document type declaration.")
    if sum(1 for _ in root.iter()) > MOST_ELEMENTS:
        raise Refused("xdm-metadata", f"It has more than {MOST_ELEMENTS} elements.")
    if root.tag != f"{{{LCM}}}SubmitObjectsRequest":
        raise Refused("xdm-metadata", "It is no SubmitObjectsRequest of ebRIM 3.0.")
    objects = list(root.iter(f"{_R}ExtrinsicObject"))
    if not 1 <= len(objects) <= MOST_DOCUMENTS:
        raise Refused("xdm-metadata", f"It describes no document, or more than {MOST_DOCUMENTS}.")
    found = [_entry(root, one) for one in objects]
    if any(
        len(set(names)) != len(found) for names in ([_file(one) for one in found], [one.unique_id for one in found])
    ):
        raise Refused("xdm-metadata", "Two documents have one file (URI) or one uniqueId.")
    return found


def _file(entry: Entry) -> str:
    return entry.slot("URI").upper()


def _entry(root: etree._Element, node: etree._Element) -> Entry:
    id = node.get("id", "")
    slots = {name: values for name, values in _slots(node)}
    found = Entry(
        id=id,
        kind=node.get("mimeType", "").partition(";")[0].strip().lower(),
        slots=slots,
        title=_localized(node.find(f"{_R}Name")),
        codes={what: tuple(_codes(node, scheme)) for what, scheme in CODES.items()},
        authors=tuple(_authors(node)),
        unique_id=_external(node, UNIQUE_ID),
        patient_id=_external(node, PATIENT_ID),
        replaces=tuple(
            one.get("targetObject", "")
            for one in root.iter(f"{_R}Association")
            if one.get("associationType") in (REPLACES, "RPLC") and one.get("sourceObject") == id
        ),
    )
    for name, said in (("URI", found.slot("URI")), ("uniqueId", found.unique_id), ("patientId", found.patient_id)):
        if not said:
            raise Refused("xdm-metadata", f"A document has no {name}.")
    return found


def _slots(node: etree._Element) -> Iterator[tuple[str, tuple[str, ...]]]:
    for slot in node.findall(f"{_R}Slot")[:MOST_OF_EACH]:
        values = slot.findall(f"{_R}ValueList/{_R}Value")[:MOST_OF_EACH]
        yield slot.get("name", ""), tuple((one.text or "").strip() for one in values)


def _localized(node: etree._Element | None) -> str:
    string = node.find(f"{_R}LocalizedString") if node is not None else None
    return " ".join((string.get("value") or "").split())[:1_000] if string is not None else ""


def _codes(node: etree._Element, scheme: str) -> Iterator[Code]:
    for one in node.findall(f"{_R}Classification")[:MOST_OF_EACH]:
        if one.get("classificationScheme") == scheme:
            said = dict(_slots(one)).get("codingScheme", ("",))
            code = (one.get("nodeRepresentation") or "").strip()
            if code:
                yield Code(code, next(iter(said), ""), _localized(one.find(f"{_R}Name")))


def _authors(node: etree._Element) -> Iterator[Author]:
    for one in node.findall(f"{_R}Classification")[:MOST_OF_EACH]:
        if one.get("classificationScheme") == AUTHOR:
            said = dict(_slots(one))
            yield Author(
                next(iter(said.get("authorPerson", ())), ""),
                said.get("authorInstitution", ()),
                said.get("authorRole", ()),
                said.get("authorSpecialty", ()),
            )


def _external(node: etree._Element, scheme: str) -> str:
    for one in node.findall(f"{_R}ExternalIdentifier"):
        if one.get("identificationScheme") == scheme:
            return (one.get("value") or "").strip()
    return ""


# The same as XML


@dataclass(frozen=True, slots=True)
class Submission:
    """What is sent at once: the set's own metadata, and the documents'."""

    unique_id: str
    source_id: str
    time: str
    title: str
    content_type: Code
    author: Author
    patient_id: str
    entries: tuple[Entry, ...]


def written(submission: Submission) -> bytes:
    """METADATA.XML of a submission."""
    root = etree.Element(f"{{{LCM}}}SubmitObjectsRequest", nsmap={"lcm": LCM, "rim": RIM})
    objects = etree.SubElement(root, f"{_R}RegistryObjectList")
    _write_set(objects, submission)
    for entry in submission.entries:
        _write_entry(objects, entry)
    for number, entry in enumerate(submission.entries, 1):
        member = _association(objects, f"member{number}", HAS_MEMBER, _SET, entry.id)
        _slot(member, "SubmissionSetStatus", ("Original",))
        for place, target in enumerate(entry.replaces, 1):
            _association(objects, f"replaces{number}-{place}", REPLACES, entry.id, target)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


_SET = "SubmissionSet01"


def _write_set(objects: etree._Element, said: Submission) -> None:
    node = etree.SubElement(objects, f"{_R}RegistryPackage", id=_SET)
    _slot(node, "submissionTime", (said.time,))
    _name(node, said.title)
    _write_author(node, SET_AUTHOR, said.author, "set-author")
    _write_code(node, SET_CONTENT_TYPE, said.content_type, "set-content-type")
    _write_external(node, SET_PATIENT, "XDSSubmissionSet.patientId", said.patient_id)
    _write_external(node, SET_SOURCE, "XDSSubmissionSet.sourceId", said.source_id)
    _write_external(node, SET_UNIQUE, "XDSSubmissionSet.uniqueId", said.unique_id)
    etree.SubElement(objects, f"{_R}Classification", id="set-node", classifiedObject=_SET, classificationNode=SET_NODE)


def _write_entry(objects: etree._Element, entry: Entry) -> None:
    node = etree.SubElement(objects, f"{_R}ExtrinsicObject", id=entry.id, mimeType=entry.kind, objectType=STABLE)
    for name, values in entry.slots.items():
        _slot(node, name, values)
    _name(node, entry.title)
    for number, author in enumerate(entry.authors, 1):
        _write_author(node, AUTHOR, author, f"{entry.id}-author{number}")
    for what, codes in entry.codes.items():
        for number, code in enumerate(codes, 1):
            _write_code(node, CODES[what], code, f"{entry.id}-{what}{number}")
    _write_external(node, PATIENT_ID, "XDSDocumentEntry.patientId", entry.patient_id)
    _write_external(node, UNIQUE_ID, "XDSDocumentEntry.uniqueId", entry.unique_id)


def _slot(node: etree._Element, name: str, values: tuple[str, ...]) -> None:
    listed = etree.SubElement(etree.SubElement(node, f"{_R}Slot", name=name), f"{_R}ValueList")
    for value in values:
        etree.SubElement(listed, f"{_R}Value").text = value


def _name(node: etree._Element, words: str) -> None:
    if words:
        etree.SubElement(etree.SubElement(node, f"{_R}Name"), f"{_R}LocalizedString", value=words)


def _classified(node: etree._Element, scheme: str, code: str, id: str) -> etree._Element:
    return etree.SubElement(
        node,
        f"{_R}Classification",
        id=id,
        classificationScheme=scheme,
        classifiedObject=node.get("id", ""),
        nodeRepresentation=code,
    )


def _write_code(node: etree._Element, scheme: str, code: Code, id: str) -> None:
    made = _classified(node, scheme, code.code, id)
    _slot(made, "codingScheme", (code.scheme,))
    _name(made, code.display)


def _write_author(node: etree._Element, scheme: str, author: Author, id: str) -> None:
    made = _classified(node, scheme, "", id)
    for name, values in (
        ("authorPerson", (author.person,) if author.person else ()),
        ("authorInstitution", author.institutions),
        ("authorRole", author.roles),
        ("authorSpecialty", author.specialities),
    ):
        if values:
            _slot(made, name, values)


def _write_external(node: etree._Element, scheme: str, name: str, value: str) -> None:
    id = node.get("id", "")
    made = etree.SubElement(
        node,
        f"{_R}ExternalIdentifier",
        id=f"{id}-{name.rpartition('.')[2]}",
        identificationScheme=scheme,
        registryObject=id,
        value=value,
    )
    _name(made, name)


def _association(objects: etree._Element, id: str, kind: str, source: str, target: str) -> etree._Element:
    return etree.SubElement(
        objects, f"{_R}Association", id=id, associationType=kind, sourceObject=source, targetObject=target
    )
