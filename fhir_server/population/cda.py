"""CDA R2 documents with a structured body: what laboratories, hospitals and attending doctors send.

HL7 CDA R2; CI-SIS "Volet structuration minimale des documents de santé" for the header, whose templates say the format.
What is told is invented: sections and analyses are rows of `seed/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from html import escape
from random import Random

from fhir_server.fhir.nos import IHE_FORMAT, nos
from fhir_server.population.codes import LOINC
from fhir_server.population.districts import Professional
from fhir_server.population.people import Person
from fhir_server.population.tables import rows

#: Formats of the national list; those that begin with urn:ihe: are IHE's.
NATIONAL_FORMAT = nos("TRE_A06-FormatCodeComplementaire")
_PROFESSIONALS, _STRUCTURES = "1.2.250.1.71.4.2.1", "1.2.250.1.71.4.2.2"
_SECTOR, _SETTING, _INS = "1.2.250.1.71.4.2.4", "1.2.250.1.213.1.1.4.9", "1.2.250.1.213.1.4.11"
_TYPES, _LOINC_OID, _COMPLEMENT = "1.2.250.1.213.1.1.4.12", "2.16.840.1.113883.6.1", "1.2.250.1.213.1.1.1.1"


@dataclass(frozen=True, slots=True)
class Told:
    """What one document is about.

    Attributes:
        person: its patient; `author` wrote it.
        kind: its row of `document-types.csv`.
        day: of the act; `when` it was made, an ISO instant with its zone.
        name: a UUID, its own; `series` that of all its editions, `edition` which of them it is, from 1.
        label: its confidentiality, by HL7.
    """

    person: Person
    author: Professional
    kind: dict[str, str]
    day: date
    when: str
    name: str
    series: str
    edition: int
    label: str = "N"


def format_of(code: str) -> dict[str, str] | None:
    """The format of documents of a type, as a Coding; None where they are not CDA."""
    row = _kinds().get(code)
    if row is None:
        return None
    return {"system": IHE_FORMAT if row["format"].startswith("urn:ihe:") else NATIONAL_FORMAT, "code": row["format"]}


def is_cda(rng: Random, code: str) -> bool:
    """Whether a document of a type is one, as often as they are."""
    row = _kinds().get(code)
    return row is not None and rng.random() * 100 < float(row["share"])


def cda(told: Told, rng: Random) -> bytes:
    """The document; `rng` decides what is found in it."""
    person, author, kind = told.person, told.author, told.kind
    type_oid = _LOINC_OID if kind["system"] == LOINC else _TYPES
    place = author.structure
    sector, setting = place.row["facility"], place.row["practice"]
    organization = (
        f'<id root="{_STRUCTURES}" extension="1{place.finess}"/><name>{escape(place.name)}</name>'
        f'<standardIndustryClassCode code="{setting}" codeSystem="{_SETTING}"'
        f' displayName="{escape(place.row["practice_label"])}"/>'
    )
    who = (
        f'<id root="{_PROFESSIONALS}" extension="{author.id_nat}"/>'
        f'<code code="G15_{author.row["profession"]}{"/" + author.row["specialty"] if author.row["specialty"] else ""}"'
        ' codeSystem="1.2.250.1.213.1.1.4.5"/>'
    )
    named = f"<name><family>{escape(author.family.upper())}</family><given>{escape(author.given)}</given></name>"
    entity = f"{who}<assignedPerson>{named}</assignedPerson>"
    held = f"<representedOrganization>{organization}</representedOrganization>"
    made = _moment(told.when)
    act = f"{told.day:%Y%m%d}"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<realmCode code="FR"/>
<typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
<templateId root="2.16.840.1.113883.2.8.2.1"/>
<templateId root="{_COMPLEMENT}"/>
<templateId root="{_kinds()[kind["code"]]["template"]}"/>
<id root="{told.name.upper()}"/>
<code code="{kind["code"]}" codeSystem="{type_oid}" displayName="{escape(kind["label"])}"/>
<title>{escape(kind["label"])}</title>
<effectiveTime value="{made}"/>
<confidentialityCode code="{told.label}" codeSystem="2.16.840.1.113883.5.25"/>
<languageCode code="fr-FR"/>
<setId root="{told.series.upper()}"/>
<versionNumber value="{told.edition}"/>
<recordTarget><patientRole>
<id root="{_INS}" extension="{person.ins}"/>
<patient>
<name><family qualifier="BR">{escape(person.birth_family.upper())}</family>
<family qualifier="CL">{escape(person.usual_family.upper())}</family>
<given qualifier="BR">{escape(person.given[0])}</given><given>{escape(" ".join(person.given))}</given></name>
<administrativeGenderCode code="{person.sex}" codeSystem="2.16.840.1.113883.5.1"/>
<birthTime value="{person.born:%Y%m%d}"/>
</patient></patientRole></recordTarget>
<author><time value="{made}"/><assignedAuthor>{entity}{held}</assignedAuthor></author>
<custodian><assignedCustodian><representedCustodianOrganization>
<id root="{_STRUCTURES}" extension="1{place.finess}"/><name>{escape(place.name)}</name>
</representedCustodianOrganization></assignedCustodian></custodian>
<legalAuthenticator><time value="{made}"/><signatureCode code="S"/>
<assignedEntity>{entity}{held}</assignedEntity></legalAuthenticator>
<documentationOf><serviceEvent><effectiveTime><low value="{act}"/></effectiveTime>
<performer typeCode="PRF"><assignedEntity>{entity}{held}</assignedEntity></performer></serviceEvent></documentationOf>
<componentOf><encompassingEncounter><effectiveTime><low value="{act}"/></effectiveTime>
<location><healthCareFacility><code code="{sector}" codeSystem="{_SECTOR}"
 displayName="{escape(place.row["facility_label"])}"/></healthCareFacility></location></encompassingEncounter></componentOf>
<component><structuredBody>
{"".join(_sections(kind["code"], act, rng))}</structuredBody></component>
</ClinicalDocument>
""".encode()


@cache
def _kinds() -> dict[str, dict[str, str]]:
    return {row["code"]: row for row in rows("cda-documents")}


def _moment(instant: str) -> str:
    return datetime.fromisoformat(instant).strftime("%Y%m%d%H%M%S%z")


def _sections(code: str, act: str, rng: Random) -> Iterator[str]:
    told = [row for row in rows("cda-sections") if row["code"] == code]
    for row in told:
        text = f"<paragraph>{escape(rng.choice(row['texts'].split('|')))}</paragraph>"
        yield _section(row["section"], row["title"], text)
    if not told:
        yield _results(act, rng)


def _section(code: str, title: str, text: str, entry: str = "") -> str:
    return (
        f'<component><section><code code="{code}" codeSystem="{_LOINC_OID}"/><title>{escape(title)}</title>\n'
        f"<text>{text}</text>\n{entry}</section></component>\n"
    )


def _results(act: str, rng: Random) -> str:
    """What a laboratory found: a table that people read, and an observation for each of its lines."""
    lines, entries = [], []
    for row in rng.sample(rows("analyses"), 5):
        value = max(0.1, rng.gauss(float(row["mean"]), float(row["deviation"])))
        shown, low, high = f"{value:.1f}", row["low"], row["high"]
        outside = not float(low) <= value <= float(high)
        styled = f'<content styleCode="Bold">{shown}</content>' if outside else shown
        cells = (escape(row["name"]), styled, row["shown"], f"{low} à {high}")
        lines.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
        entries.append(
            '<component><observation classCode="OBS" moodCode="EVN">'
            f'<code code="{row["loinc"]}" codeSystem="{_LOINC_OID}" displayName="{escape(row["name"])}"/>'
            f'<statusCode code="completed"/><effectiveTime value="{act}"/>'
            f'<value xsi:type="PQ" value="{shown}" unit="{row["unit"]}"/></observation></component>'
        )
    heads = "".join(f"<th>{head}</th>" for head in ("Analyse", "Résultat", "Unité", "Valeurs de référence"))
    table = f'<table border="1"><thead><tr>{heads}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
    entry = (
        '<entry><organizer classCode="CLUSTER" moodCode="EVN"><statusCode code="completed"/>'
        f"{''.join(entries)}</organizer></entry>"
    )
    return _section("18719-5", "Examens de biochimie et d'hématologie", table, entry)
