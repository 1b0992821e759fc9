"""Writes the NOS code systems and value sets of `profiles/national` from a file of code facts; run it after a change.

    python profiles/build_nos.py FACTS.json

FACTS.json holds systems, OIDs and codes with French labels, as read in the national terminologies. Only facts are
taken over; where a system is larger than what is known of it, its content is `fragment`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "national"
NOS = "https://mos.esante.gouv.fr/NOS/"
LOINC = "http://loinc.org"
VERSION = "2024.09.27"

Row = dict[str, str]

#: Value set: its NOS name, title, the key of its codes in the facts, OID key.
SETS = (
    ("JDV_J57-ClassCode-DMP", "Classes de documents du DMP", "classes", "JDV_J57"),
    ("JDV_J66-TypeCode-DMP", "Types de documents du DMP", "types", "JDV_J66"),
    (
        "JDV_J58-ConfidentialityCode-DMP",
        "Confidentialité et visibilité des documents du DMP",
        "confidentiality",
        "JDV_J58",
    ),
    ("JDV_J60-FormatCode-DMP", "Formats de documents du DMP", "formats", "JDV_J60"),
    ("JDV_J61-HealthcareFacilityTypeCode-DMP", "Secteurs d'activité du DMP", "facilityType", "JDV_J61"),
    ("JDV_J62-PracticeSettingCode-DMP", "Cadres d'exercice du DMP", "practiceSetting", "JDV_J62"),
    ("JDV_J65-SubjectRole-DMP", "Professions et spécialités du DMP", "professions", "JDV_J65"),
)
#: Codes that the DMP's value sets leave out and that exist in their systems.
MORE: dict[str, list[Row]] = {
    "TRE_A07-StatutVisibiliteDocument": [
        {"code": "MASQUE_PSOCIAL", "display": "Masqué aux professionnels du secteur social"},
        {"code": "MASQUE_PT", "display": "Masqué aux professionnels de santé au travail"},
    ]
}
#: Systems of other owners: value sets name their codes, and no code system is made of them.
FOREIGN = (LOINC,)


def main(facts: dict[str, Any]) -> None:
    """Write every CodeSystem and ValueSet."""
    codes = rows(facts)
    for old in (*FOLDER.glob("CodeSystem-TRE-*.json"), *FOLDER.glob("ValueSet-JDV-*.json")):
        old.unlink()
    for name, url in facts["systems"].items():
        own = [row for group in codes.values() for row in group if row["system"] == url]
        write(code_system(name, url, [*own, *MORE.get(name, ())], facts["oids"].get(name[:7].rstrip("-"))))
    for name, title, key, oid in SETS:
        write(value_set(name, title, codes[key], facts["oids"].get(oid)))
    write(concept_map(codes["types"], codes["classes"]))


def rows(facts: dict[str, Any]) -> dict[str, list[Row]]:
    """Key of the facts → its codes, each with its system."""
    classes = facts["systems"]["TRE_A03-ClasseDocument"]
    found = {"classes": [{"system": classes, "code": c, "display": d} for c, d in facts["classes"].items()]}
    for _, _, key, _ in SETS[1:]:
        found[key] = facts[key]
    return found


def code_system(name: str, url: str, own: Iterable[Row], oid: str | None) -> dict[str, Any]:
    """A national code system, as far as it is known."""
    concepts = {row["code"]: concept(row) for row in own}
    return {
        "resourceType": "CodeSystem",
        "id": name.replace("_", "-"),
        "url": url,
        **identified(oid),
        "version": VERSION,
        "name": name.replace("-", "_"),
        "title": name,
        "status": "active",
        "language": "fr",
        "caseSensitive": True,
        "content": "fragment" if concepts else "not-present",
        **({"concept": [concepts[code] for code in sorted(concepts)]} if concepts else {}),
    }


def value_set(name: str, title: str, own: Iterable[Row], oid: str | None) -> dict[str, Any]:
    """A national value set: every code listed under its system."""
    systems: dict[str, dict[str, Row]] = {}
    for row in own:
        systems.setdefault(row["system"], {})[row["code"]] = concept(row)
    include = [{"system": s, "concept": [c for _, c in sorted(of.items())]} for s, of in sorted(systems.items())]
    return {
        "resourceType": "ValueSet",
        "id": name.replace("_", "-"),
        "url": f"{NOS}{name}/FHIR/{name.replace('_', '-')}",
        **identified(oid),
        "version": VERSION,
        "name": name.replace("-", "_"),
        "title": title,
        "status": "active",
        "compose": {"include": include},
    }


def concept_map(types: Iterable[Row], classes: Iterable[Row]) -> dict[str, Any]:
    """ASS_X16: the class (DocumentReference.category) of each type of document."""
    labels = {row["code"]: row["display"] for row in classes}
    target = next(row["system"] for row in classes)
    elements: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(types, key=lambda one: (one["system"], one["code"])):
        to = {"code": row["class"], "display": labels[row["class"]], "equivalence": "wider"}
        elements.setdefault(row["system"], []).append({**concept(row), "target": [to]})
    return {
        "resourceType": "ConceptMap",
        "id": "ASS-X16-CorrespondanceType-Classe-DMP",
        "url": f"{NOS}ASS_X16-CorrespondanceType-Classe-DMP/FHIR/ASS-X16-CorrespondanceType-Classe-DMP",
        "version": VERSION,
        "name": "ASS_X16_CorrespondanceType_Classe_DMP",
        "title": "Classe de chaque type de document du DMP",
        "status": "active",
        "sourceCanonical": f"{NOS}JDV_J66-TypeCode-DMP/FHIR/JDV-J66-TypeCode-DMP",
        "targetCanonical": f"{NOS}JDV_J57-ClassCode-DMP/FHIR/JDV-J57-ClassCode-DMP",
        "group": [{"source": system, "target": target, "element": rows} for system, rows in sorted(elements.items())],
    }


def concept(row: Row) -> Row:
    """A code with its label, where it has one."""
    return {"code": row["code"], **({"display": row["display"]} if row.get("display") else {})}


def identified(oid: str | None) -> dict[str, Any]:
    """The OID as an identifier."""
    return {"identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{oid}"}]} if oid else {}


def write(tree: dict[str, Any]) -> None:
    """One file of the folder, indented for people."""
    file = FOLDER / f"{tree['resourceType']}-{tree['id']}.json"
    file.write_text(json.dumps(tree, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
