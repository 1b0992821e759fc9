"""Whom a CDA document is about: the national identifier (INS), its traits, and whether they are the person's here.

Référentiel INS (ANS): an identity is a matricule with its OID and five traits. A document whose traits are not those
of the person with its INS is refused, and never corrected: it may be about somebody else. Codes 902 to 905 are those of
the national guide for documents that arrive by mail.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.fhir.nos import nos
from fhir_server.fhir.outcome import Invalid, Issue
from fhir_server.space.record.cda.codes import URI, urn
from fhir_server.space.record.cda.reading import issue
from fhir_server.space.record.cda.tree import Node

#: Root of an INS → its type in the French identifier types, and `Identifier.use`. Test numbers and those of
#: demonstration are numbers of their own kind: nothing of theirs is taken for the real one's.
INS: Mapping[str, tuple[str, str]] = {
    "1.2.250.1.213.1.4.8": ("INS-NIR", "official"),
    "1.2.250.1.213.1.4.9": ("INS-NIA", "temp"),
    "1.2.250.1.213.1.4.10": ("INS-NIR-TEST", "official"),
    "1.2.250.1.213.1.4.11": ("INS-NIR-DEMO", "official"),
}
_GENDERS = {"M": "male", "F": "female"}
_ROLE = "recordTarget/patientRole"
_FR_CORE = "https://hl7.fr/ig/fhir/core/StructureDefinition"
_BIRTH_PLACE = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"
_INSEE = f"{_FR_CORE}/fr-core-address-insee-code"
_GIVEN_AT_BIRTH = f"{_FR_CORE}/fr-core-patient-birth-list-given-name"
_COMMUNES = nos("TRE_R13-Commune")
_TYPES = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
_MOST_IDENTIFIERS = 10


@dataclass(frozen=True, slots=True)
class Subject:
    """The patient as a document describes them.

    Attributes:
        role: `patientRole` in the document.
        ins: (system, value) of each INS; none where there is none.
        tree: as a Patient resource, for `context.sourcePatientInfo`.
        family: at birth.
        given: the first one at birth; `givens` all of them, as one text.
        gender: of FHIR.
        birth_date: YYYY-MM-DD.
        birth_place: INSEE code of a commune or country; "" where it is not said.
    """

    role: Node
    ins: tuple[tuple[str, str], ...]
    tree: dict[str, Any]
    family: str
    given: str
    givens: str
    gender: str
    birth_date: str
    birth_place: str

    def missing(self) -> Iterator[Issue]:
        """What an identity lacks: the INS (903), or one of its traits (905)."""
        if not self.ins:
            yield issue("None of the identifiers is an INS.", self.role, f"{_ROLE}/id", key="mss-903")
        for words, path, value in (
            ("There is no birth name (family, qualifier BR).", "name/family", self.family),
            ("There is no first name of birth (given, qualifier BR).", "name/given", self.given),
            ("There is no sex.", "administrativeGenderCode", self.gender),
            ("There is no birth date.", "birthTime", self.birth_date),
        ):
            if not value:
                yield issue(words, self.role, f"{_ROLE}/patient/{path}", key="mss-905")

    def differing(self, patient: Mapping[str, Any]) -> Iterator[Issue]:
        """Each trait that is another than the person's here (904); what one of the two does not say is no difference.

        Args:
            patient: the Patient with this INS.
        """
        names = [one for one in patient.get("name", ()) if one.get("use") == "official"] or patient.get("name", ())
        families = {plain(str(one.get("family", ""))) for one in names}
        place = _insee_of(patient)
        gender = patient.get("gender")
        for path, is_other in (
            ("name/family", bool(names) and plain(self.family) not in families),
            ("name/given", bool(names) and not any(map(self._is_given, names))),
            ("administrativeGenderCode", {gender, self.gender} == {"male", "female"}),
            ("birthTime", patient.get("birthDate", self.birth_date) != self.birth_date),
            ("birthplace/place/addr/county", "" not in (place, self.birth_place) and place != self.birth_place),
        ):
            if is_other:
                words = "This is not what is known of the person with this INS."
                node = self.role.first(f"patient/{path}") or self.role
                yield issue(words, node, f"{_ROLE}/patient/{path}", key="mss-904")

    def _is_given(self, name: Mapping[str, Any]) -> bool:
        born = next((one.get("valueString", "") for one in name.get("extension", ()) if _is_born(one)), "")
        given, known = plain(self.given), [plain(str(one)) for one in name.get("given", ())]
        return given == " ".join(known) or given in known[:1] or f"{plain(born)} ".startswith(f"{given} ")


def _is_born(extension: Mapping[str, Any]) -> bool:
    return bool(extension.get("url") == _GIVEN_AT_BIRTH)


def subject(document: Node) -> Subject:
    """The patient of a document.

    Raises:
        Invalid: there is none, or there are several (422).
    """
    roles = document.all(_ROLE)
    if len(roles) != 1:
        words = "A document is about one patient, and this one names several." if roles else "There is no patient."
        raise Invalid(issues=[issue(words, roles[-1] if roles else document, _ROLE, key="mss-903")])
    role = roles[0]
    person = role.first("patient") or Node("patient", {})
    family, given, givens = _birth_names(person)
    gender = person.value("administrativeGenderCode", "code")
    born = person.value("birthTime")[:8]
    date = f"{born[:4]}-{born[4:6]}-{born[6:]}" if len(born) == 8 and born.isdigit() else ""
    place = person.text_of("birthplace/place/addr/county")
    found = Subject(
        role=role,
        ins=tuple(dict.fromkeys(_ins(role))),
        tree={},
        family=family,
        given=given,
        givens=givens,
        gender=_GENDERS.get(gender, "unknown") if gender else "",
        birth_date=date,
        birth_place=place if len(place) == 5 and place.isalnum() else "",
    )
    found.tree.update(_patient(found, person))
    return found


def _ins(role: Node) -> Iterator[tuple[str, str]]:
    for id in role.all("id"):
        if id.get("root") in INS and id.get("extension"):
            yield f"urn:oid:{id.get('root')}", _unspaced(id.get("extension"))


def _unspaced(ins: str) -> str:
    """An INS without the blanks with which people write it."""
    return "".join(ins.split())


def _birth_names(person: Node) -> tuple[str, str, str]:
    """The name, the first given name and all given names of birth.

    Qualified BR where software says which is which; the given names of birth stand in one that is not qualified.
    """
    families, givens = person.all("name/family"), person.all("name/given")
    plain_givens = " ".join(one.text for one in givens if not one.get("qualifier"))
    first = next((one.text for one in givens if _is(one, "BR")), "") or plain_givens.partition(" ")[0]
    family = next((one.text for one in families if _is(one, "BR")), "")
    family = family or next((one.text for one in families if not one.get("qualifier")), "")
    return family, first, plain_givens or first


def _is(part: Node, qualifier: str) -> bool:
    return qualifier in part.get("qualifier").split()


def _patient(subject: Subject, person: Node) -> dict[str, Any]:
    """What the source knew of the patient, in the shape of FR Core: identifiers and traits, no address."""
    name: dict[str, Any] = {"use": "official", "family": subject.family, "given": [subject.given]}
    if subject.givens:
        name["extension"] = [{"url": _GIVEN_AT_BIRTH, "valueString": subject.givens}]
    used: dict[str, Any] = {"use": "usual"}
    for key in ("family", "given"):
        values = [one.text for one in person.all(f"name/{key}") if _is(one, "CL") and one.text]
        if values:
            used[key] = " ".join(values) if key == "family" else values
    tree: dict[str, Any] = {
        "resourceType": "Patient",
        "identifier": [*_identifiers(subject.role)],
        "name": [one for one in ({k: v for k, v in name.items() if v and v != [""]}, used) if len(one) > 1],
        "gender": subject.gender,
        "birthDate": subject.birth_date,
    }
    if subject.birth_place:
        place = {"extension": [{"url": _INSEE, "valueCoding": {"system": _COMMUNES, "code": subject.birth_place}}]}
        tree["extension"] = [{"url": _BIRTH_PLACE, "valueAddress": place}]
    return {key: value for key, value in tree.items() if value}


def _identifiers(role: Node) -> Iterator[dict[str, Any]]:
    for id in role.all("id")[:_MOST_IDENTIFIERS]:
        try:
            system = urn(id.get("root"))
        except ValueError:
            continue
        if not id.get("extension"):
            yield {"system": URI, "value": system}
        elif id.get("root") in INS:
            kind, use = INS[id.get("root")]
            coded = {"coding": [{"system": _TYPES, "code": kind}]}
            yield {"use": use, "type": coded, "system": system, "value": _unspaced(id.get("extension"))}
        else:
            yield {"use": "usual", "system": system, "value": id.get("extension")}


def _insee_of(patient: Mapping[str, Any]) -> str:
    """The INSEE code of the place of birth of a Patient; "" where it is not said."""
    for extension in patient.get("extension", ()):
        if extension.get("url") == _BIRTH_PLACE:
            for one in extension.get("valueAddress", {}).get("extension", ()):
                if one.get("url") == _INSEE:
                    return str(one.get("valueCoding", {}).get("code", ""))
    return ""


def plain(name: str) -> str:
    """A name as names are compared (Référentiel INS): capitals, no accents, one blank for what is no letter."""
    folded = unicodedata.normalize("NFKD", name.replace("Œ", "OE").replace("œ", "oe").upper())
    letters = (one if one.isalpha() else " " for one in folded if not unicodedata.combining(one))
    return " ".join("".join(letters).split())
