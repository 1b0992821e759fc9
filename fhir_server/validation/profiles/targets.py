"""What a profile asks of the target of a reference: its type and profile, where it is found, whether in one version.

https://hl7.org/fhir/R4/elementdefinition.html (type.targetProfile, type.aggregation, type.versioning)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_server.fhir import definitions
from fhir_server.fhir.definitions import TypeReference
from fhir_server.validation.profiles.keywords import AGGREGATION, TARGET
from fhir_server.validation.types import references

Schema = dict[str, Any]
#: Says which rule a schema is: schema, key, text.
Ruled = Callable[[Schema, str, str], Schema]
_TYPE = "The reference's target is not of a type this element allows"
_PROFILE = "The reference's target conforms to no profile that is allowed here"
#: `type.versioning` → what the reference says, and the words.
_VERSIONING: dict[str, tuple[Schema, str]] = {
    "specific": ({"pattern": r"/_history/|^#|\|."}, "Its profile asks for a reference to one version"),
    "independent": ({"not": {"pattern": r"/_history/|\|."}}, "Its profile asks for a reference to no one version"),
}


def asked(
    types: list[dict[str, Any]], base: TypeReference, type_of: Callable[[str], str | None], ruled: Ruled
) -> list[Schema]:
    """What is asked of a Reference or canonical, beyond what its element in R4 asks.

    Args:
        types: `ElementDefinition.type` of the profile, those of this data type.
        base: the same of R4.
        type_of: the type a canonical of a profile constrains, None for one that is not known.
        ruled: names the rule.
    """
    said = [*_aggregation(types, ruled), *_versioning(types, ruled)]
    found = [_at_reference(one, base) for one in said]
    canonicals = [c for t in types for c in t.get("targetProfile", ())]
    named = [type_of(c) for c in canonicals]
    kinds = sorted({n for n in named if n})
    if not kinds or None in named or "Resource" in kinds or base.code != "Reference":
        return found
    if set(kinds) != set(base.targets):
        found += _types(kinds, ruled)
    profiles = _profiles(canonicals, named)
    if profiles:
        allowed = {"types": kinds, "profiles": profiles}
        found.append(_at_reference(ruled({TARGET: allowed}, "target-profile", _PROFILE), base))
    return found


def _at_reference(schema: Schema, base: TypeReference) -> Schema:
    return {"properties": {"reference": schema}} if base.code == "Reference" else schema


def _types(kinds: list[str], ruled: Ruled) -> list[Schema]:
    """By what the reference says, and by what it leads to."""
    by_words = references.targets(kinds) or {"properties": {}}
    held = by_words["properties"]
    ours = {k: ruled({w: v[w] for w in v["x-rule"]["keywords"]}, "reference-target", _TYPE) for k, v in held.items()}
    by_target = ruled({TARGET: {"types": kinds}}, "reference-target", _TYPE)
    return [{"properties": ours}, {"properties": {"reference": by_target}}] if ours else []


def _profiles(canonicals: list[str], named: list[str | None]) -> dict[str, list[str]]:
    """Type → the canonicals of which a target of it must conform to one; none where the type itself is allowed."""
    found: dict[str, list[str]] = {}
    plain = set()
    for canonical, type in zip(canonicals, named, strict=True):
        if canonical.partition("|")[0] == f"{definitions.SPECIFICATION}{type}":
            plain.add(type)
        found.setdefault(str(type), []).append(canonical)
    return {type: urls for type, urls in found.items() if type not in plain}


def _aggregation(types: list[dict[str, Any]], ruled: Ruled) -> list[Schema]:
    if not types or not all(t.get("aggregation") for t in types):
        return []
    modes = sorted({m for t in types for m in t["aggregation"]})
    if set(modes) >= {"contained", "referenced"}:
        return []  # every target is one or the other
    text = f"Its profile asks for a resource that is {' or '.join(modes)}"
    return [ruled({AGGREGATION: modes}, "reference-aggregation", text)]


def _versioning(types: list[dict[str, Any]], ruled: Ruled) -> list[Schema]:
    asked = {t.get("versioning") for t in types}
    rule = _VERSIONING.get(asked.pop() or "") if len(asked) == 1 else None
    return [ruled(rule[0], "reference-versioning", rule[1])] if rule else []
