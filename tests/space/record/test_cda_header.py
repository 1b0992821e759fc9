"""What of a CDA header becomes of which element of the metadata, and what a header must not lack.

CI-SIS "Lien entre l'en-tête CDA et les métadonnées XDS"; https://interop.esante.gouv.fr/ig/fhir/pdsm.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fhir_server.fhir.outcome import Invalid
from fhir_server.space.record.cda import header, reading
from fhir_server.space.record.cda.formats import format_of
from fhir_server.space.record.cda.header import Header
from fhir_server.space.record.cda.patient import plain, subject
from fhir_server.space.record.cda.times import moment
from tests.space.record.cda_documents import PIECES, SERIES, cda, patient, replacing

_PARIS = ZoneInfo("Europe/Paris")
_NOS = "https://mos.esante.gouv.fr/NOS"


def _made(**pieces: str) -> Header:
    file = cda(**pieces)
    document = reading.read(file)
    return header.metadata(document, file, subject(document).tree, _PARIS, datetime(2026, 11, 30, tzinfo=UTC))


#: A TS · FHIR's dateTime · whether the zone was added.
TIMES = [
    ("2026", "2026", False),
    ("202601", "2026-01", False),
    ("20260104", "2026-01-04", False),
    ("202601040735+0100", "2026-01-04T07:35:00+01:00", False),
    ("20260104160527+0100", "2026-01-04T16:05:27+01:00", False),
    ("20260104160527.25-0330", "2026-01-04T16:05:27.25-03:30", False),
    ("20260104160527Z", "2026-01-04T16:05:27+00:00", False),
    ("20260701134745", "2026-07-01T13:47:45+02:00", True),
    ("2026010416", "2026-01-04T16:00:00+01:00", True),
]


@pytest.mark.parametrize(("written", "value", "is_added"), TIMES)
def test_a_time_is_as_exact_as_it_was_written_and_an_added_zone_is_told(
    written: str, value: str, is_added: bool
) -> None:
    found = moment(written, _PARIS)
    assert (found.value, found.written) == (value, written if is_added else "")


@pytest.mark.parametrize(
    "written", ["", "26", "20261301", "20260230", "2026010425+0100", "20260104+9900", "hier", "٢٠٢٦"]
)
def test_what_is_no_time_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        moment(written, _PARIS)


def test_a_zone_that_was_added_stands_beside_what_was_written() -> None:
    made = _made(time='<effectiveTime value="20260701134745"/>')
    assert made.attachment["creation"] == "2026-07-01T13:47:45+02:00"
    assert made.attachment["_creation"]["extension"][0]["valueString"] == "20260701134745"
    assert [(one.severity, one.expression) for one in made.issues] == [("warning", "ClinicalDocument.effectiveTime")]


def _at(tree: Any, path: str) -> Any:
    for step in path.split("."):
        tree = tree[int(step)] if step.isdigit() else tree[step]
    return tree


#: Element of the metadata · what it is for the document of the tests.
ELEMENTS = [
    ("masterIdentifier.value", f"urn:oid:{SERIES}.1"),
    ("identifier.0.value", f"urn:oid:{SERIES}"),
    ("extension.0.valuePositiveInt", 1),
    ("status", "current"),
    ("type.coding.0.code", "11502-2"),
    ("category.0.coding.0.code", "10"),
    ("description", "Compte rendu d'examens biologiques"),
    ("securityLabel.0.coding.0.system", f"{_NOS}/TRE_A08-HL7Confidentiality/FHIR/TRE-A08-HL7Confidentiality"),
    ("securityLabel.0.coding.0.code", "N"),
    ("content.0.attachment.contentType", "text/xml"),
    ("content.0.attachment.language", "fr-FR"),
    ("content.0.attachment.creation", "2026-01-04T16:05:27+01:00"),
    ("content.0.format.code", "urn:ihe:lab:xd-lab:2008"),
    ("context.period.start", "2026-01-04T09:22:00+01:00"),
    ("context.event.0.coding.0.code", "18725-2"),
    ("context.facilityType.coding.0.code", "SA25"),
    ("context.practiceSetting.coding.0.code", "AMBULATOIRE"),
]


@pytest.mark.parametrize(("path", "value"), ELEMENTS)
def test_each_element_comes_from_its_place_in_the_header(path: str, value: Any) -> None:
    assert _at(_made().tree, path) == value


def test_size_and_hash_are_those_of_the_file_as_it_arrived() -> None:
    attachment = _made().attachment
    assert attachment["size"] == len(cda())
    assert attachment["hash"] == base64.b64encode(hashlib.sha1(cda(), usedforsecurity=False).digest()).decode()


#: `id` of a document · its masterIdentifier · further identifiers.
IDS = [
    ('<id root="1.2.3"/>', "urn:oid:1.2.3", []),
    ('<id root="1.2.3" extension="A 1"/>', "urn:oid:1.2.3^A 1", [("urn:oid:1.2.3", "A 1")]),
    (
        '<id root="90E1C8EC-F951-4B26-A305-A34848818DD6"/>',
        "urn:uuid:90e1c8ec-f951-4b26-a305-a34848818dd6",
        [],
    ),
]


@pytest.mark.parametrize(("id", "value", "further"), IDS)
def test_an_id_is_an_oid_a_uuid_or_has_an_extension(id: str, value: str, further: list[tuple[str, str]]) -> None:
    tree = _made(id=id, series="").tree
    assert tree["masterIdentifier"]["value"] == value
    assert [(one["system"], one["value"]) for one in tree.get("identifier", ())] == further


_PDF = "<component><nonXMLBody><text mediaType='{}' representation='B64'>JVBERi0=</text></nonXMLBody></component>"
#: templateIds, body · format.
FORMATS = [
    ('<templateId root="1.2.250.1.213.1.1.1.5"/><templateId root="1.2.250.1.213.1.1.1.5.1"/>', "", "cse-cs8:2017"),
    ('<templateId root="1.2.250.1.213.1.1.1.5.3"/><templateId root="1.2.3"/>', "", "cse-cs24:2017"),
    ('<templateId root="1.3.6.1.4.1.19376.1.8.1.1.2.7"/>', "", "apsr:kidney:2010"),
    ('<templateId root="1.3.6.1.4.1.19376.1.8.1.1.1"/><templateId root="1.2.250.1.213.1.1.1.57"/>', "", "apsr:2016"),
    ('<templateId root="2.16.840.1.113883.10.22.1.1"/><templateId root="1.2.250.1.213.1.1.1.51"/>', "", "ips:2020"),
    ('<templateId root="1.2.250.1.213.1.1.1.13" extension="201310"/>', "", "vsm:2012"),
    ('<templateId root="1.2.3"/>', "", "modelesHorsProfils:2011"),
    ("", "", "modelesHorsProfils:2011"),
    ('<templateId root="1.3.6.1.4.1.19376.1.2.20"/>', _PDF.format("application/pdf"), "xds-sd:pdf:2008"),
    ('<templateId root="1.2.250.1.213.1.1.1.55"/>', _PDF.format("image/tiff"), "xds-sd:tiff:2010"),
    ("", _PDF.format("text/plain; charset=utf-8"), "xds-sd:text:2008"),
    ("", _PDF.format("application/zip"), "modelesHorsProfils:2011"),
]


@pytest.mark.parametrize(("templates", "body", "end"), FORMATS)
def test_the_format_is_told_by_the_template_wherever_it_stands_or_by_the_body(
    templates: str, body: str, end: str
) -> None:
    found = format_of(reading.read(cda(templates=templates, **({"body": body} if body else {}))))
    assert found["code"].endswith(end)
    known = "TRE_A11" if found["code"].startswith("urn:ihe:") else "TRE_A06"
    assert known in found["system"]


#: Code of an assigned role · profession · speciality.
PROFESSIONS = [
    ("G15_10/SM26", ("TRE_G15-ProfessionSante", "10"), ("TRE_R38-SpecialiteOrdinale", "SM26")),
    ("G15_60", ("TRE_G15-ProfessionSante", "60"), None),
    ("R94_41", ("TRE_R94-ProfessionSocial", "41"), None),
    ("G15_21/A", ("TRE_G15-ProfessionSante", "21"), ("", "A")),
]


@pytest.mark.parametrize(("code", "role", "special"), PROFESSIONS)
def test_profession_and_speciality_are_told_apart(
    code: str, role: tuple[str, str], special: tuple[str, str] | None
) -> None:
    made = _made(author=PIECES["author"].replace("G15_10/SM03", code))
    found = next(one for one in made.contained.resources if one["resourceType"] == "PractitionerRole")
    assert role[0] in found["code"][0]["coding"][0]["system"]
    assert found["code"][0]["coding"][0]["code"] == role[1]
    said = found.get("specialty", [None])[0]
    assert (special is None) == (said is None)
    if special is not None:
        assert said.get("text") == special[1] or said["coding"][0]["code"] == special[1]


_DEVICE = (
    '<author><time value="20260104"/><assignedAuthor><id root="1.2.250.1.71.4.2.1" extension="378000000001/9"/>'
    "<assignedAuthoringDevice><manufacturerModelName>.</manufacturerModelName><softwareName>Automate</softwareName>"
    '</assignedAuthoringDevice><representedOrganization><id root="1.2.250.1.71.4.2.2" extension="1750000001"/>'
    "<name>Laboratoire</name></representedOrganization></assignedAuthor></author>"
)
_HERSELF = (
    '<author><assignedAuthor><id root="1.2.250.1.213.1.4.10" extension="269054958815780"/>'
    "<assignedPerson><name><family>DEMO</family></name></assignedPerson></assignedAuthor></author>"
)
_HOUSE = (
    '<author><assignedAuthor><id nullFlavor="NA"/><representedOrganization><name>Caisse</name>'
    "</representedOrganization></assignedAuthor></author>"
)


@pytest.mark.parametrize(
    ("authors", "types"),
    [
        (PIECES["author"], ["PractitionerRole"]),
        (PIECES["author"] * 3, ["PractitionerRole"]),
        (PIECES["author"] + PIECES["author"].replace("DUPONT", "DURAND"), ["PractitionerRole", "PractitionerRole"]),
        (_DEVICE + PIECES["author"], ["Device", "PractitionerRole"]),
        (_HERSELF, ["Patient"]),
        (_HOUSE, ["PractitionerRole"]),
    ],
    ids=["a doctor", "the same one three times", "two doctors", "a device too", "the patient", "an organisation"],
)
def test_authors_are_people_devices_and_the_patient_each_once(authors: str, types: list[str]) -> None:
    made = _made(author=authors)
    assert [made.contained.type_of(one) for one in made.tree["author"]] == types


def test_who_is_named_twice_is_contained_once() -> None:
    authenticator = (
        PIECES["author"].replace("author>", "legalAuthenticator>").replace("assignedAuthor", "assignedEntity")
    )
    made = _made(authenticator=authenticator)
    assert made.tree["authenticator"] == made.tree["author"][0]
    kinds = [one["resourceType"] for one in made.tree["contained"]]
    assert sorted(kinds) == ["Organization", "Patient", "Practitioner", "PractitionerRole"]


def test_an_rpps_number_is_found_by_itself_too() -> None:
    someone = next(one for one in _made().contained.resources if one["resourceType"] == "Practitioner")
    found = {one["system"]: one["value"] for one in someone["identifier"]}
    assert found == {"urn:oid:1.2.250.1.71.4.2.1": "899700218896", "https://rpps.esante.gouv.fr": "99700218896"}


def test_orders_and_accession_numbers_are_what_the_document_answers() -> None:
    asked = (
        '<inFulfillmentOf><order><id root="1.2.3" extension="77"/>'
        '<d:accessionNumber xmlns:d="urn:dicom-org:ps3-20" root="1.2.4" extension="88"/></order></inFulfillmentOf>'
    )
    found = [one["identifier"] for one in _made(orders=asked).context["related"]]
    kinds = [one["type"]["coding"][0]["code"].rpartition(":")[2] for one in found]
    assert list(zip(kinds, (one["value"] for one in found), strict=True)) == [("order", "77"), ("accession", "88")]


#: An author in whose organisation the practice setting stands.
_SETTLED = PIECES["author"].replace(
    "</representedOrganization>",
    '<standardIndustryClassCode code="AMBULATOIRE" codeSystem="1.2.250.1.213.1.1.4.9"/></representedOrganization>',
)
#: Piece left out or wrong · the element that the refusal names.
WRONG = [
    ({"id": ""}, "id"),
    ({"id": '<id nullFlavor="UNK"/>'}, "id"),
    ({"id": '<id root="pas un OID"/>'}, "id"),
    ({"code": ""}, "code"),
    ({"code": '<code code="1" codeSystem="2.16.840.1.113883.6.96"/>'}, "code"),
    ({"title": "<title/>", "code": '<code code="11502-2" codeSystem="2.16.840.1.113883.6.1"/>'}, "title"),
    ({"title": f"<title>{'x' * 2000}</title>"}, "title"),
    ({"time": ""}, "effectiveTime"),
    ({"time": '<effectiveTime value="20261341"/>'}, "effectiveTime"),
    ({"confidentiality": '<confidentialityCode code="X" codeSystem="2.16.840.1.113883.5.25"/>'}, "confidentialityCode"),
    ({"confidentiality": '<confidentialityCode code="N" codeSystem="1.2.3"/>'}, "confidentialityCode"),
    ({"version": '<versionNumber value="-1"/>'}, "versionNumber"),
    ({"version": '<versionNumber value="99999999999999"/>'}, "versionNumber"),
    ({"author": ""}, "author"),
    ({"author": "<author><assignedAuthor/></author>"}, "author.assignedAuthor"),
    ({"author": "<author/>" * 51}, "author"),
    ({"related": replacing("1.2.3") * 21}, "relatedDocument.parentDocument.id"),
    (
        {"act": PIECES["act"] + "<documentationOf><serviceEvent/></documentationOf>" * 200},
        "documentationOf.serviceEvent",
    ),
    ({"custodian": ""}, "custodian.assignedCustodian.representedCustodianOrganization"),
    ({"act": "", "author": _SETTLED}, "documentationOf.serviceEvent"),
    (
        {"act": "<documentationOf><serviceEvent/></documentationOf>", "author": _SETTLED},
        "documentationOf.serviceEvent.effectiveTime",
    ),
    (
        {"act": PIECES["act"].replace("</effectiveTime>", '<high value="20251231"/></effectiveTime>')},
        "documentationOf.serviceEvent.effectiveTime",
    ),
    ({"encounter": ""}, "componentOf.encompassingEncounter.location.healthCareFacility.code"),
    (
        {"act": PIECES["act"].replace("1.2.250.1.213.1.1.4.9", "1.2.3")},
        "documentationOf.serviceEvent.performer.assignedEntity.representedOrganization.standardIndustryClassCode",
    ),
]


@pytest.mark.parametrize(("pieces", "element"), WRONG)
def test_a_header_that_lacks_something_is_refused_by_the_name_of_the_element(
    pieces: dict[str, str], element: str
) -> None:
    with pytest.raises(Invalid) as refused:
        _made(**pieces)
    errors = [one for one in refused.value.issues if one.severity == "error"]
    assert [one.expression for one in errors] == [f"ClinicalDocument.{element}"]
    assert f"/ClinicalDocument/{element.replace('.', '/')}" in errors[0].diagnostics
    assert errors[0].line is not None


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        _made(id="", custodian="", encounter="", time="")
    assert len(refused.value.issues) == 4


#: Piece · what is told beside, and made of it.
TOLD = [
    ({"confidentiality": ""}, "information", "securityLabel.0.coding.0.code", "N"),
    (
        {"confidentiality": PIECES["confidentiality"].replace('"N"', '"L"')},
        "information",
        "securityLabel.0.coding.0.code",
        "N",
    ),
    ({"language": ""}, "information", "content.0.attachment.language", "fr-FR"),
    ({"code": PIECES["code"].replace("11502-2", "99999-9")}, "warning", "category.0.coding.0.code", "10"),
]


@pytest.mark.parametrize(("pieces", "severity", "path", "value"), TOLD)
def test_what_was_decided_for_the_document_is_told(
    pieces: dict[str, str], severity: str, path: str, value: str
) -> None:
    made = _made(**pieces)
    assert [one.severity for one in made.issues] == [severity]
    assert _at(made.tree, path) == value


# Whom it is about


def test_the_ins_is_known_by_its_root_wherever_it_stands() -> None:
    about = subject(reading.read(cda()))
    assert about.ins == (("urn:oid:1.2.250.1.213.1.4.10", "269054958815780"),)
    assert (about.family, about.given, about.givens) == ("DEMO", "NATHALIE", "NATHALIE MARIE")
    assert (about.gender, about.birth_date, about.birth_place) == ("female", "1969-05-02", "63220")


_TARGET = PIECES["record_target"]
#: What of the patient is otherwise · the code of each refusal, and its element below patientRole.
IDENTITIES = [
    (_TARGET.replace('root="1.2.250.1.213.1.4.10"', 'root="1.2.3.4"'), [("mss-903", "id")]),
    (_TARGET.replace('qualifier="BR">DEMO', 'qualifier="CL">DEMO'), [("mss-905", "patient.name.family")]),
    (_TARGET.replace('<birthTime value="19690502"/>', ""), [("mss-905", "patient.birthTime")]),
    (_TARGET.replace("19690502", "1969"), [("mss-905", "patient.birthTime")]),
    (_TARGET.replace('code="F"', 'nullFlavor="UNK"'), [("mss-905", "patient.administrativeGenderCode")]),
]


@pytest.mark.parametrize(("target", "codes_"), IDENTITIES)
def test_an_identity_has_an_ins_and_its_traits(target: str, codes_: list[tuple[str, str]]) -> None:
    found = subject(reading.read(cda(record_target=target))).missing()
    assert [(one.key, one.expression) for one in found] == [
        (key, f"ClinicalDocument.recordTarget.patientRole.{element}") for key, element in codes_
    ]


@pytest.mark.parametrize("target", ["", _TARGET * 2], ids=["none", "two"])
def test_a_document_is_about_one_patient(target: str) -> None:
    with pytest.raises(Invalid, match="patient"):
        subject(reading.read(cda(record_target=target)))


_BORN_IN = {
    "url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace",
    "valueAddress": {
        "extension": [
            {
                "url": "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-address-insee-code",
                "valueCoding": {"code": "75056"},
            }
        ]
    },
}
#: The person here · the traits that differ.
PEOPLE = [
    (patient(), []),
    (patient(gender="unknown"), []),
    (patient(name=[{"use": "official", "family": "Démo", "given": ["Nathalie", "Marie"]}]), []),
    (patient(name=[{"use": "usual", "family": "EXEMPLE"}, *patient()["name"]]), []),
    (patient(name=[{"use": "official", "family": "DEMO", "given": ["MARIE"]}]), ["name.given"]),
    (patient(name=[{"use": "official", "family": "AUTRE", "given": ["NATHALIE"]}]), ["name.family"]),
    (patient(gender="male"), ["administrativeGenderCode"]),
    (patient(birthDate="1969-05-03"), ["birthTime"]),
    (patient(extension=[_BORN_IN]), ["birthplace.place.addr.county"]),
    (patient(gender="male", birthDate="1970-01-01"), ["administrativeGenderCode", "birthTime"]),
]


@pytest.mark.parametrize(("person", "traits"), PEOPLE)
def test_a_trait_that_differs_is_named_and_none_is_corrected(person: dict[str, Any], traits: list[str]) -> None:
    found = [*subject(reading.read(cda())).differing(person)]
    root = "ClinicalDocument.recordTarget.patientRole.patient."
    assert [one.expression for one in found] == [root + trait for trait in traits]
    assert {one.key for one in found} <= {"mss-904"}
    assert not any(value in one.diagnostics for one in found for value in ("DEMO", "AUTRE", "1969", "1970"))


@pytest.mark.parametrize(
    ("one", "other"), [("D'Argenœuvre", "D ARGENOEUVRE"), ("Marie-Noël", "MARIE NOEL"), ("ÇELIK ", "Celik")]
)
def test_names_are_compared_without_accents_case_and_hyphens(one: str, other: str) -> None:
    assert plain(one) == plain(other)
