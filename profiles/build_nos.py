"""Writes the NOS code systems and value sets of `profiles/national` from a file of code facts; run it after a change.

    python profiles/build_nos.py FACTS.json

FACTS.json holds systems, OIDs and codes with French labels, as the DMP's value sets name them. Only facts are taken
over. `nos-systems.json` says of each system whether it is here whole (`complete`: a code that it does not have is an
error), in part or without codes, of which edition, and why; and the codes that no value set of the DMP names, those
whose use has ended among them, since what was filed with them stays.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "national"
NOS = "https://mos.esante.gouv.fr/NOS/"
#: Edition of the value sets, and of systems that are here in part.
VERSION = "2024.09.27"
SYSTEMS = Path(__file__).parent / "nos-systems.json"
#: What says that a code's use has ended (https://hl7.org/fhir/R4/codesystem-concept-properties.html).
INACTIVE = {"code": "inactive", "uri": "http://hl7.org/fhir/concept-properties#inactive", "type": "boolean"}

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


def main(facts: dict[str, Any]) -> None:
    """Write every CodeSystem and ValueSet."""
    codes = rows(facts)
    for old in (*FOLDER.glob("CodeSystem-TRE-*.json"), *FOLDER.glob("ValueSet-JDV-*.json")):
        old.unlink()
    for name, known in json.loads(SYSTEMS.read_text(encoding="utf-8")).items():
        url = f"{NOS}{name}/FHIR/{name.replace('_', '-')}"
        own = [row for group in codes.values() for row in group if row["system"] == url]
        if own or "codes" in known or name in facts["systems"]:
            write(code_system(name, url, own, {"oid": facts["oids"].get(name[:7].rstrip("-")), **known}))
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


def code_system(name: str, url: str, own: Iterable[Row], known: dict[str, Any]) -> dict[str, Any]:
    """A national code system, as far as it is known: `own` as value sets name its codes, `known` its row."""
    labels = {row["code"]: row.get("display", "") for row in own}
    displays = {**labels, **known.get("codes", {})}
    names = {code: [labels.get(code, ""), *known.get("names", {}).get(code, ())] for code in displays}
    ended = frozenset(known.get("ended", ()))
    concepts = [whole_concept(code, displays[code], names[code], code in ended) for code in sorted(displays)]
    return {
        "resourceType": "CodeSystem",
        "id": name.replace("_", "-"),
        "url": url,
        **identified(known["oid"]),
        "version": known.get("version", VERSION),
        "name": name.replace("-", "_"),
        "title": name,
        "status": "active",
        "language": "fr",
        # The national systems say they are not case-sensitive; a code written otherwise is found by no search.
        "caseSensitive": True,
        "content": known["content"],
        **({"property": [INACTIVE]} if ended else {}),
        **({"concept": concepts} if concepts else {}),
    }


def whole_concept(code: str, display: str, names: Iterable[str], ended: bool) -> dict[str, Any]:
    """A code of a system: its display, what else it is called, whether its use has ended."""
    others = [one for one in dict.fromkeys(names) if one and one != display]
    return {
        **concept({"code": code, "display": display}),
        **({"designation": [{"language": "fr", "value": one} for one in others]} if others else {}),
        **({"property": [{"code": "inactive", "valueBoolean": True}]} if ended else {}),
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
