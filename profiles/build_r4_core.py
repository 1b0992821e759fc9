"""Writes `hl7.fhir.r4.core/`: the facts of FHIR R4 4.0.1 that the server needs, without the prose.

Source: the npm package `hl7.fhir.r4.examples` 4.0.1 (CC0-1.0). Run it again with:

    npm pack hl7.fhir.r4.examples@4.0.1
    python profiles/build_r4_core.py hl7.fhir.r4.examples-4.0.1.tgz

The package is refused unless its SHA-256 is the one below, so what is committed can be checked by anyone.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SHA256 = "dce87f1b5b9341867033f7d1f544fa1b5232503f6d62813887ac6b8a8b6cb682"
TARGET = Path(__file__).parent / "hl7.fhir.r4.core"
SPECIFICATION = "http://hl7.org/fhir/StructureDefinition/"
REGEX = SPECIFICATION + "regex"
FHIR_TYPE = SPECIFICATION + "structuredefinition-fhir-type"

#: What is prose, presentation or history in a conformance resource, and so left out.
PROSE = frozenset(
    "text definition comment requirements alias mapping description purpose copyright contact publisher date "
    "useContext jurisdiction isModifierReason meaningWhenMissing orderMeaning example condition short extension "
    "keyword fhirVersion experimental meta xpath xpathUsage id_ isSummary_ designation".split()
)


def main() -> None:
    """Read the package named on the command line and write the facts."""
    package = Path(sys.argv[1])
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{package.name}: SHA-256 is {digest}, expected {SHA256}")
    resources = _resources(package)
    definitions = [r for r in resources if r["resourceType"] == "StructureDefinition"]
    TARGET.mkdir(exist_ok=True)
    _write(
        "types.json",
        {d["type"]: _type(d) for d in definitions if d.get("derivation") != "constraint" and d["kind"] != "logical"},
    )
    _write(
        "search-parameters.json", [_search_parameter(r) for r in resources if r["resourceType"] == "SearchParameter"]
    )
    _write(
        "compartments.json",
        {r["code"]: _compartment(r) for r in resources if r["resourceType"] == "CompartmentDefinition"},
    )
    _lines("profiles.ndjson", [_profile(d) for d in definitions if d.get("derivation") == "constraint"])
    for kind, name in (("CodeSystem", "code-systems"), ("ValueSet", "value-sets"), ("ConceptMap", "concept-maps")):
        _lines(f"{name}.ndjson.gz", [_trimmed(r) for r in resources if r["resourceType"] == kind])
    _write("required-codes.json", _required_codes(resources))
    _write("extensible-codes.json", _extensible_codes(resources))
    _write(
        "source.json",
        {
            "package": "hl7.fhir.r4.examples",
            "version": "4.0.1",
            "licence": "CC0-1.0",
            "sha256": SHA256,
            "source": "npm",
            "built-by": "profiles/build_r4_core.py",
        },
    )


def _resources(package: Path) -> list[dict[str, Any]]:
    with tarfile.open(package) as archive:
        members = sorted((m for m in archive if m.name.endswith(".json")), key=lambda m: m.name)
        found = [json.loads(archive.extractfile(m).read()) for m in members]  # type: ignore[union-attr]
    return [r for r in found if "resourceType" in r]


def _type(definition: dict[str, Any]) -> dict[str, Any]:
    """The facts of a type: `kind`, `abstract`, `base` and its `elements` in their order."""
    own = definition["url"]
    return _present(
        kind=definition["kind"],
        abstract=definition["abstract"] or None,
        base=definition.get("baseDefinition", "").removeprefix(SPECIFICATION) or None,
        elements=[_element(e, own) for e in definition["snapshot"]["element"]],
    )


def _element(element: dict[str, Any], own: str) -> dict[str, Any]:
    binding = element.get("binding")
    return _present(
        path=element["path"],
        min=element["min"],
        max=element["max"],
        types=[_type_reference(t) for t in element.get("type", [])] or None,
        content=element.get("contentReference", "").removeprefix("#") or None,
        binding=binding and _present(strength=binding["strength"], valueSet=binding.get("valueSet")),
        constraints=[
            {k: c[k] for k in ("key", "severity", "human", "expression") if k in c}
            for c in element.get("constraint", [])
            if c.get("source", own) == own
        ]
        or None,
        modifier=element.get("isModifier") or None,
        summary=element.get("isSummary") or None,
        xml=next(iter(element.get("representation", [])), None),
        maxLength=element.get("maxLength"),
        inherited=(element["base"]["path"] != element["path"]) or None,
    )


def _type_reference(reference: dict[str, Any]) -> dict[str, Any]:
    said = {e["url"]: e.get("valueUrl") or e.get("valueString") for e in reference.get("extension", [])}
    return _present(
        code=said.get(FHIR_TYPE) or reference["code"],
        targets=[p.removeprefix(SPECIFICATION) for p in reference.get("targetProfile", [])] or None,
        profiles=reference.get("profile"),
        regex=said.get(REGEX),
    )


def _search_parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    return _present(
        **{
            k: parameter.get(k)
            for k in (
                "url",
                "name",
                "code",
                "base",
                "type",
                "expression",
                "target",
                "component",
                "comparator",
                "modifier",
                "multipleOr",
                "multipleAnd",
            )
        }
    )


def _compartment(compartment: dict[str, Any]) -> dict[str, list[str]]:
    """Resource type → the search parameters whose reference to the compartment's owner makes it a member."""
    return {r["code"]: r["param"] for r in compartment["resource"] if r.get("param")}


def _bound(resources: list[dict[str, Any]], strength: str) -> set[str]:
    """The value sets that types bind with a strength."""
    return {
        e["binding"]["valueSet"].partition("|")[0]
        for r in resources
        if r["resourceType"] == "StructureDefinition" and r.get("derivation") != "constraint"
        for e in r["snapshot"]["element"]
        if e.get("binding", {}).get("strength") == strength and "valueSet" in e["binding"]
    }


def _extensible_codes(resources: list[dict[str, Any]]) -> dict[str, dict[str, list[str]]]:
    """Value set → system → codes (none: any), for those bound as extensible whose codes R4 has or leaves to others."""
    by_url = {r["url"]: r for r in resources if r["resourceType"] in ("CodeSystem", "ValueSet")}
    found = {url: _members(by_url[url], by_url) for url in sorted(_bound(resources, "extensible") & by_url.keys())}
    return {url: {s: sorted(c) for s, c in sorted(codes.items())} for url, codes in found.items() if codes}


def _members(value_set: dict[str, Any], by_url: dict[str, Any]) -> dict[str, set[str]] | None:
    """System → codes of a value set; no codes where they come from outside, None where it cannot be told."""
    if "exclude" in value_set["compose"]:
        return None
    codes: dict[str, set[str]] = {}
    for include in value_set["compose"]["include"]:
        if "valueSet" in include:
            if "system" in include or len(include["valueSet"]) > 1:
                return None
            imported = by_url.get(include["valueSet"][0].partition("|")[0])
            parts = _members(imported, by_url) if imported else None
        else:
            parts = {include["system"]: _included(include, by_url.get(include["system"], {}))}
        if parts is None:
            return None
        for system, some in parts.items():
            codes[system] = codes.get(system, some) | some if some and codes.get(system, some) else set()
    return codes


def _included(include: dict[str, Any], system: dict[str, Any]) -> set[str]:
    listed = {c["code"] for c in include.get("concept", [])}
    if listed or system.get("content") != "complete":
        return listed
    found = set(_concepts(system))
    for one in include.get("filter", []):
        if one["property"] != "concept" or one["op"] not in ("is-a", "descendent-of"):
            return set()
        below = _below(system, one["value"])
        found &= below | {one["value"]} if one["op"] == "is-a" else below
    return found


def _below(system: dict[str, Any], code: str) -> set[str]:
    """The codes that a code subsumes, by nesting and by the property of v3's systems."""
    children: dict[str, set[str]] = {}
    waiting = [*system.get("concept", [])]
    while waiting:
        concept = waiting.pop()
        nested = concept.get("concept", [])
        waiting += nested
        children.setdefault(concept["code"], set()).update(c["code"] for c in nested)
        for said in concept.get("property", []):
            if said["code"] == "subsumedBy":
                children.setdefault(said["valueCode"], set()).add(concept["code"])
    found: set[str] = set()
    leads = [code]
    while leads:
        fresh = children.get(leads.pop(), set()) - found
        found |= fresh
        leads += fresh
    return found


def _required_codes(resources: list[dict[str, Any]]) -> dict[str, dict[str, list[str]]]:
    """Value set → system → codes, for the value sets that types bind as required and that R4 itself can enumerate."""
    by_url = {r["url"]: r for r in resources if r["resourceType"] in ("CodeSystem", "ValueSet")}
    found = {url: _codes(by_url[url], by_url) for url in sorted(_bound(resources, "required") & by_url.keys())}
    return {url: codes for url, codes in found.items() if codes}


def _codes(value_set: dict[str, Any], by_url: dict[str, Any]) -> dict[str, list[str]]:
    # R4's required value sets take whole systems or lists of codes: no filter, no exclusion, no import.
    compose = value_set["compose"]
    if "exclude" in compose or any(i.keys() & {"filter", "valueSet"} for i in compose["include"]):
        raise SystemExit(f"{value_set['url']}: not a plain list, teach _codes about it")
    codes: dict[str, list[str]] = {}
    for include in compose["include"]:
        system = include["system"]
        listed = [c["code"] for c in include.get("concept", [])] or list(_concepts(by_url.get(system, {})))
        if listed:
            codes.setdefault(system, []).extend(listed)
    return codes


def _concepts(parent: dict[str, Any]) -> Iterator[str]:
    for concept in parent.get("concept", []):
        yield concept["code"]
        yield from _concepts(concept)


def _profile(definition: dict[str, Any]) -> dict[str, Any]:
    trimmed = {k: v for k, v in definition.items() if k not in PROSE | {"snapshot", "differential", "mapping"}}
    trimmed["differential"] = {"element": [_trimmed(e) for e in definition["differential"]["element"]]}
    return trimmed


def _trimmed(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _trimmed(v) for k, v in value.items() if k not in PROSE}
    if isinstance(value, list):
        return [_trimmed(v) for v in value]
    return value


def _present(**facts: Any) -> dict[str, Any]:
    return {k: v for k, v in facts.items() if v is not None}


def _write(name: str, value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # One line a top-level entry keeps a diff readable.
    if isinstance(value, dict):
        text = (
            "{\n"
            + ",\n".join(
                f"{json.dumps(k)}:{json.dumps(v, ensure_ascii=False, separators=(',', ':'))}" for k, v in value.items()
            )
            + "\n}"
        )
    if isinstance(value, list):
        text = "[\n" + ",\n".join(json.dumps(v, ensure_ascii=False, separators=(",", ":")) for v in value) + "\n]"
    (TARGET / name).write_text(text + "\n", encoding="utf-8")


def _lines(name: str, rows: list[Any]) -> None:
    text = "".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) + "\n" for r in rows)
    data = text.encode()
    # mtime=0: the same package gives the same bytes.
    (TARGET / name).write_bytes(gzip.compress(data, 9, mtime=0) if name.endswith(".gz") else data)


if __name__ == "__main__":
    main()
