"""Writes the profiles of health measures of `profiles/national`, and the value sets they use; run it after a change.

    python profiles/build_measures.py

Each row is a measure of the national guide for measures (https://interop.esante.gouv.fr/ig/fhir/mesures): code, unit and
the value sets of its method and body site. Profiles of vital signs derive from those of R4
(https://hl7.org/fhir/R4/observation-vitalsigns.html), which ask for the category, subject, time and value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "national"
GUIDE = "https://interop.esante.gouv.fr/ig/fhir/mesures/StructureDefinition/"
R4 = "http://hl7.org/fhir/StructureDefinition/"
FR = "https://hl7.fr/ig/fhir/core/StructureDefinition/"
NOS = "https://mos.esante.gouv.fr/NOS/"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
VERSION = "3.1.0"
#: LOINC has a national name too, of the same OID: codes are accepted under both.
NATIONAL_LOINC = f"{NOS}TRE_A04-Loinc/FHIR/TRE-A04-Loinc"
#: What each measure may carry beside its value: the slice and the extension.
REASON, MOMENT, DAYS, DIABETES = (
    f"mesures-{name}" for name in ("reason-for-measurement", "moment-of-measurement", "number-of-days", "diabetis-type")
)

Tree = dict[str, Any]


@dataclass(frozen=True)
class Measure:
    """A row: the measure's id in the guide after `mesures-`, its French title, R4 base, codes and units.

    `method` and `site` are value sets; `strength` is that of the method's binding. `low` and `high` say whether a
    reference range must (1), may (None) or must not (0) have them.
    """

    id: str
    title: str
    base: str
    codes: tuple[str, ...]
    units: tuple[str, ...] = ()
    method: str = ""
    strength: str = "required"
    site: str = ""
    applies: bool = False
    extensions: tuple[str, ...] = (REASON,)
    biology: bool = False
    low: int | None = None
    high: int | None = None


MEASURES = (
    Measure("fr-observation-bmi", "Indice de masse corporelle", "bmi", ("39156-5",), ("kg/m2",)),
    Measure("fr-observation-bodyheight", "Taille", "bodyheight", ("8302-2",), ("cm",), "JDV_J146-MethodBodyHeight-ENS"),
    Measure(
        "fr-observation-body-weight", "Poids", "bodyweight", ("29463-7",), ("kg",), "JDV_J145-MethodBodyWeight-ENS"
    ),
    Measure(
        "fr-observation-body-temperature",
        "Température corporelle",
        "bodytemp",
        ("8310-5",),
        ("Cel",),
        "JDV_J152-MethodBodyTemperature-ENS",
        site="JDV_J151-BodySiteBodyTemperature-ENS",
    ),
    Measure(
        "fr-observation-bp",
        "Pression artérielle",
        "bp",
        ("85354-9",),
        (),
        "JDV_J150-MethodBP-ENS",
        "extensible",
        "JDV_J149-BodySiteBP-ENS",
        applies=True,
        extensions=(REASON, MOMENT),
    ),
    Measure(
        "fr-observation-heartrate",
        "Fréquence cardiaque",
        "heartrate",
        ("8867-4",),
        ("/min",),
        "JDV_J147-MethodHeartrate-ENS",
        "extensible",
        applies=True,
        extensions=(MOMENT,),
    ),
    Measure(
        "fr-observation-oxygen-sat",
        "Saturation en oxygène",
        "oxygensat",
        ("2708-6",),
        ("%",),
        "JDV_J147-MethodHeartrate-ENS",
        extensions=(MOMENT,),
    ),
    Measure(
        "fr-observation-resp-rate", "Fréquence respiratoire", "resprate", ("9279-1",), ("/min",), extensions=(MOMENT,)
    ),
    Measure(
        "observation-glucose",
        "Glycémie",
        "vitalsigns",
        ("2345-7", "4548-4", "MED-969", "MED-972"),
        ("mg/dL", "%"),
        extensions=(REASON, MOMENT, DAYS, DIABETES),
    ),
    Measure("observation-hb1ac", "Hémoglobine glyquée (HbA1c)", "vitalsigns", ("4548-4",), ("%",)),
    Measure("observation-head-circumference", "Périmètre crânien", "headcircum", ("9843-4",), ("cm",)),
    Measure(
        "observation-pain-severity",
        "Niveau de douleur",
        "vitalsigns",
        ("72514-3",),
        ("1", "{score}"),
        "JDV_J159-MethodPainSeverity-ENS",
    ),
    Measure(
        "observation-steps-by-day",
        "Nombre de pas par jour",
        "vitalsigns",
        ("41950-7",),
        ("1/(24.h)",),
        "JDV_J158-MethodStepsByDay-ENS",
    ),
    Measure("observation-waist-circumference", "Tour de taille", "vitalsigns", ("8280-0",), ("cm",)),
    Measure(
        "observation-cholesterol-total",
        "Cholestérol total",
        "Observation",
        ("2093-3",),
        ("mmol/L",),
        biology=True,
        high=1,
    ),
    Measure(
        "observation-cholesterol-hdl",
        "Cholestérol HDL",
        "Observation",
        ("2085-9",),
        ("mmol/L",),
        biology=True,
        low=1,
        high=0,
    ),
    Measure(
        "observation-cholesterol-ldl",
        "Cholestérol LDL",
        "Observation",
        ("2089-1",),
        ("mmol/L",),
        biology=True,
        low=0,
        high=1,
    ),
    Measure("observation-cholesterol-trigly", "Triglycérides", "Observation", ("2571-8",), ("mmol/L",), biology=True),
)
#: Value sets beside this file: name → title, and codes by system, each with its French label.
SETS: dict[str, Tree] = json.loads((Path(__file__).parent / "measures.json").read_text(encoding="utf-8"))


def main() -> None:
    """Write every file."""
    for measure in MEASURES:
        write(profile(measure))
    for name, of in SETS.items():
        write(value_set(name, of["title"], of["codes"]), "mesures-")
    for name in sorted({name for of in SETS.values() for name in of["codes"]}):
        write(code_system(name), "mesures-")


def profile(measure: Measure) -> Tree:
    """The StructureDefinition of a measure, as a differential."""
    url = GUIDE + "mesures-" + measure.id
    elements = [element("Observation"), *extensions(measure), *coded(measure), *people(measure), *valued(measure)]
    return {
        "resourceType": "StructureDefinition",
        "id": f"mesures-{measure.id}",
        "url": url,
        "version": VERSION,
        "name": "".join(word.title() for word in f"mesures-{measure.id}".split("-")),
        "title": measure.title,
        "status": "active",
        "fhirVersion": "4.0.1",
        "kind": "resource",
        "abstract": False,
        "type": "Observation",
        "baseDefinition": R4 + measure.base,
        "derivation": "constraint",
        "differential": {"element": elements},
    }


def extensions(measure: Measure) -> Iterator[Tree]:
    """The extensions a measure may carry."""
    yield element("Observation.extension", slicing=by("value", "url"))
    for name in measure.extensions:
        yield element(
            f"Observation.extension:{name}", min=0, max="1", type=[{"code": "Extension", "profile": [GUIDE + name]}]
        )
        if name == MOMENT and measure.id == "observation-glucose":
            yield element(f"Observation.extension:{name}.value[x]", binding=binding("JDV_J157-MomentGlucose-ENS"))


def coded(measure: Measure) -> Iterator[Tree]:
    """What is measured: one of the codes, LOINC's under both of its names."""
    known = " or ".join(f"code = '{code}'" for code in measure.codes)
    systems = (LOINC, NATIONAL_LOINC, system("TRE_R308-TAASIP"))[: 3 if len(measure.codes) > 1 else 2]
    of = " or ".join(f"system = '{one}'" for one in systems)
    rule = constraint("mesures-code", "Le code est celui de la mesure", f"coding.exists(({of}) and ({known}))")
    bound = (
        {"binding": binding("JDV_J154-TypeGlucose-ENS", "extensible")} if measure.id == "observation-glucose" else {}
    )
    yield element("Observation.code", min=1, **bound, constraint=[rule])


def people(measure: Measure) -> Iterator[Tree]:
    """Who and when."""
    subject = {"code": "Reference", "targetProfile": [FR + "fr-core-patient"]}
    who = ("CareTeam", "RelatedPerson", "PractitionerRole", "Patient", "Practitioner", "Organization")
    yield element("Observation.subject", min=1, type=[subject])
    yield element("Observation.effective[x]", min=1, type=[{"code": "dateTime"}])
    yield element("Observation.performer", type=[{"code": "Reference", "targetProfile": [R4 + one for one in who]}])


def valued(measure: Measure) -> Iterator[Tree]:
    """The value with its unit, how and where it was taken, and with what."""
    if measure.units:
        known = " or ".join(f"$this = '{unit}'" for unit in measure.units)
        human = f"L'unité est {' ou '.join(measure.units)}"
        yield element("Observation.value[x]", type=[{"code": "Quantity"}])
        yield element("Observation.value[x].value", min=1)
        yield element("Observation.value[x].system", min=1, fixedUri=UCUM)
        yield element("Observation.value[x].code", min=1, constraint=[constraint("mesures-unit", human, known)])
    if measure.site:
        yield element("Observation.bodySite", binding=binding(measure.site))
    if measure.method:
        yield element("Observation.method", binding=binding(measure.method, measure.strength))
    yield element("Observation.device", type=[{"code": "Reference", "targetProfile": [R4 + "Device"]}])
    yield from ranged(measure)


def ranged(measure: Measure) -> Iterator[Tree]:
    """The reference range."""
    if measure.applies:
        yield element("Observation.referenceRange.appliesTo", binding=binding("JDV_J148-ReferenceRangeAppliesTo-CISIS"))
    for name, said in (("low", measure.low), ("high", measure.high)):
        if said is not None:
            yield element(f"Observation.referenceRange.{name}", **({"min": 1} if said else {"max": "0"}))
    if measure.biology:
        yield element("Observation.hasMember", max="0")
        yield element("Observation.derivedFrom", max="0")


def element(id: str, **facts: Any) -> Tree:
    """An ElementDefinition: `facts` of the element, or of the slice, that `id` names."""
    slice = id.rpartition(".")[2].partition(":")[2]
    path = ".".join(step.partition(":")[0] for step in id.split("."))
    return {"id": id, "path": path, **({"sliceName": slice} if slice else {}), **facts}


def by(type: str, path: str) -> Tree:
    """Open slicing by one discriminator."""
    return {"discriminator": [{"type": type, "path": path}], "rules": "open"}


def constraint(key: str, human: str, expression: str) -> Tree:
    """An invariant that is an error."""
    return {"key": key, "severity": "error", "human": human, "expression": expression}


def binding(name: str, strength: str = "required") -> Tree:
    """A binding to a value set of the NOS."""
    return {"strength": strength, "valueSet": system(name)}


def system(name: str) -> str:
    """The canonical of a national code system or value set."""
    return f"{NOS}{name}/FHIR/{name.replace('_', '-')}"


def value_set(name: str, title: str, codes: dict[str, dict[str, str]]) -> Tree:
    """A value set with its codes listed."""
    include = [listed(system(of), rows) for of, rows in codes.items()]
    include += [listed(LOINC, rows) for of, rows in codes.items() if of == "TRE_A04-Loinc"]
    return {
        "resourceType": "ValueSet",
        "id": name.replace("_", "-"),
        "url": system(name),
        "name": name.replace("-", "_"),
        "title": title,
        "status": "active",
        "compose": {"include": include},
    }


def listed(of: str, rows: dict[str, str]) -> Tree:
    """The codes of one system."""
    return {"system": of, "concept": [{"code": code, "display": label} for code, label in rows.items()]}


def code_system(name: str) -> Tree:
    """What is known of a national code system, from the value sets."""
    rows = {code: label for of in SETS.values() for code, label in of["codes"].get(name, {}).items()}
    return {
        "resourceType": "CodeSystem",
        "id": name.replace("_", "-"),
        "url": system(name),
        "name": name.replace("-", "_"),
        "title": name,
        "status": "active",
        "language": "fr",
        "caseSensitive": True,
        "content": "fragment",
        "concept": [{"code": code, "display": label} for code, label in sorted(rows.items())],
    }


def write(tree: Tree, prefix: str = "") -> None:
    """One file of the folder, indented for people."""
    file = FOLDER / f"{tree['resourceType']}-{prefix}{tree['id']}.json"
    file.write_text(json.dumps(tree, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
