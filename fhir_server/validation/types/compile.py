"""R4's definitions of a type, compiled into one JSON Schema that says all of its structure.

https://hl7.org/fhir/R4/json.html, https://hl7.org/fhir/R4/conformance-rules.html. Every fragment fails for one rule
only, so a failing keyword is a message (`explain.py`); where there are alternatives, they carry the rule together.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from fhir_server.fhir import definitions
from fhir_server.validation import codings
from fhir_server.validation.rules import ruled
from fhir_server.validation.steps import Step, choices, steps
from fhir_server.validation.types import bindings, extensible, forms, invariants, keywords, primitives, references
from fhir_server.validation.types.primitive_siblings import KEYWORD

Schema = dict[str, Any]
DRAFT = "https://json-schema.org/draft/2020-12/schema"
_CHOICE = "Of the types this element may have, more than one is given"
_MISSING = "A required element is missing"
_EITHER = "An extension has a value or extensions, and not both"
#: Types of a choice that are told apart one by one; the schema of a choice grows with their square.
_MANY = 16
_HOLLOW = "An element has a value, children or an extension"


@cache
def schema(type: str) -> Schema:
    """The JSON Schema of a resource type or complex type, with every type it leads to under `$defs`.

    Nested resources (contained, entries, parameters) are only objects here: each is judged by its own type.
    """
    defs: dict[str, Schema] = {}
    missing = [type]
    while missing:
        name = missing.pop()
        if name not in defs:
            defs[name], led_to = _definition(name)
            missing.extend(led_to)
    return {"$schema": DRAFT, "$ref": pointer(type), "$defs": defs}


def pointer(name: str) -> str:
    """Where a type stands in a schema: `#/$defs/Patient`."""
    return "#/$defs/" + name.replace("~", "~0").replace("/", "~1")


def _led_to(value: Any) -> list[str]:
    if isinstance(value, list):
        return [n for item in value for n in _led_to(item)]
    if not isinstance(value, dict):
        return []
    own = value.get("$ref")
    found = [own.removeprefix("#/$defs/")] if isinstance(own, str) and own.startswith("#/$defs/") else []
    return found + [n for k, v in value.items() if k != "x-rule" for n in _led_to(v)]


@cache
def _definition(name: str) -> tuple[Schema, tuple[str, ...]]:
    found = _defined(name)
    return found, tuple(_led_to(found))


def _defined(name: str) -> Schema:
    if name in primitives.SCHEMAS:
        return primitives.SCHEMAS[name]
    if name == "Resource":
        return _RESOURCE
    if name == "_":
        return _object("Element")
    base, _, limits = name.partition(":")
    if limits == _WALKED:
        return _object(base, walked=True)
    if not limits or limits == "inner":
        # The URL of an extension inside another may be a name that the other's definition gives it.
        return _object(base, inner=bool(limits))
    if limits == "simple":
        never = ruled(
            {"not": {"required": ["comparator"]}}, "sqty-1", "A simple quantity has no comparator", "comparator"
        )
        return {"allOf": [{"$ref": pointer(base)}, never]}
    return {"allOf": [{"$ref": pointer(base)}, _leading(limits.split(","))]}


def _leading(types: list[str]) -> Schema:
    """What a Reference to one of some types adds to Reference; most say type and id, and need no second look."""
    asked = references.targets(types) or {"properties": {}}
    reference = [one for one in (asked["properties"].get("reference"), keywords.linked(types)) if one]
    first = {"if": references.plain(types), "else": {"allOf": reference}}
    return {"properties": {**asked["properties"], "reference": first}}


#: A Coding or CodeableConcept that `codings.are_flawed` comes to by itself.
_WALKED = "walked"
#: What says a code and its system; what Quantity is specialized to is compiled by itself.
_CODED = frozenset(("Coding", "Quantity", "Age", "Count", "Distance", "Duration", "MoneyQuantity", "SimpleQuantity"))
#: Units that most quantities have: they need no second look.
USUAL_UNITS = (
    "kg g mg ug ng L dL mL m cm mm km kg/m2 mm[Hg] /min Cel % mmol/L umol/L mg/dL g/dL g/L ug/L mg/L U/L 10*3/uL"
    " 10*6/uL 10*9/L fL pg h d a min s mo wk 1 {score} [degF] [lb_av] [in_i] [IU] mL/min"
).split()
_UCUM: Schema = {"properties": {"system": {"const": "http://unitsofmeasure.org"}, "code": {"enum": [*USUAL_UNITS]}}}
#: eld-3: FHIRPath is asked of objects only.
_MOST = ruled({"pattern": r"^(?:\*|\+?[0-9]+)$"}, "eld-3", "The most of an element is a number or *", code="invariant")
_RESOURCE: Schema = {
    "type": "object",
    "properties": {"resourceType": {"type": "string"}},
    "allOf": [
        ruled({"required": ["resourceType"]}, "resource-type", "A resource says its resourceType", "resourceType")
    ],
}


def _object(path: str, inner: bool = False, walked: bool = False) -> Schema:
    """The schema of an object: its properties, then the rules that hold between them."""
    table = steps(path)
    held = [s for k, s in table.items() if _in_step(k, table)]
    between: list[Schema] = [
        *_required(path, table),
        *(_aligned(s) for s in held),
        *_hollow(path, table),
        *_one_choice(path, table),
        *invariants.structural(path),
        *keywords.asked(path),
        *forms.forms(path),
    ]
    aligned = {k for s in held for k in (s.name, "_" + s.name)}
    properties: Schema = {k: True if k in aligned else _property(s) for k, s in table.items()}
    _narrow(properties, path, table, inner, walked)
    _note(properties, path)
    if path in _CODED and not walked:
        between.append(keywords.coded(_UCUM if path != "Coding" else None))
    found: Schema = {
        "type": "object",
        "minProperties": 1,
        "properties": properties,
        "additionalProperties": False,
    }
    return {**found, "allOf": between} if between else found


def _narrow(properties: Schema, path: str, table: Any, inner: bool, walked: bool) -> None:
    """Add to the properties of a few types what is asked of them alone."""
    for name in forms.absolutes(path):
        properties[name] = {"allOf": [properties[name], forms.absolute()]}
    if path in definitions.resource_types():
        properties["resourceType"] = {"const": path}
    if path == "Reference":
        properties["reference"] = {"allOf": [properties["reference"], references.literal(), keywords.linked()]}
    if walked and "coding" in properties:
        properties["coding"] = _array(table["coding"], {"$ref": pointer(f"Coding:{_WALKED}")})
    if path == "Extension":
        url = [properties["url"], keywords.extended()]
        properties["url"] = {"allOf": url if inner else [*url, forms.absolute()]}
        properties["extension"] = _array(table["extension"], {"$ref": pointer("Extension:inner")})
    if path == "ElementDefinition":
        properties["max"] = {"allOf": [properties["max"], _MOST]}


def _note(properties: Schema, path: str) -> None:
    """Add to the properties what is noted on the way."""
    if "modifierExtension" in properties:
        properties["modifierExtension"] = {"allOf": [properties["modifierExtension"], keywords.modified()]}
    if "id" in properties and path not in definitions.resource_types():
        properties["id"] = {"allOf": [properties["id"], keywords.identified()]}


def _in_step(key: str, table: Any) -> bool:
    step: Step = table[key]
    return step.repeats and not step.sibling and "_" + key in table


def _property(step: Step) -> Schema:
    return _array(step, _one(step)) if step.repeats else _one(step)


def _array(step: Step, item: Schema) -> Schema:
    found: Schema = {"type": "array", "minItems": 1, "items": item}
    if step.element.min > 1:
        more = ruled({"minItems": step.element.min}, "cardinality-min", "Fewer items than its definition asks for")
        found["allOf"] = [more]
    if step.element.max.isdigit():
        found["maxItems"] = int(step.element.max)
    return found


def _one(step: Step) -> Schema:
    """The schema of one value of the property."""
    value_set = extensible.value_set(step)
    suggested = keywords.suggested(value_set) if value_set and not step.sibling else None
    more = [keywords.asked_on(step), suggested, forms.most(step)]
    asked = [one for one in more if one]
    return {"allOf": [_value(step), *asked]} if asked else _value(step)


def _value(step: Step) -> Schema:
    if step.sibling:
        return {"$ref": pointer("_")}
    if step.type is None:
        return {"$ref": pointer(step.path)}
    extra = bindings.required(step.element, step.type.code)
    if step.type.code == "code" and extra:
        return {"type": "string", "minLength": 1, **extra}
    value = {"$ref": pointer(_narrowed(step))}
    if step.type.code == "canonical":
        extra = references.canonical(step.type.targets)
    return {"allOf": [value, extra]} if extra else value


def _narrowed(step: Step) -> str:
    assert step.type is not None
    if step.type.profiles == (definitions.SPECIFICATION + "SimpleQuantity",):
        return "Quantity:simple"
    if step.type.code == "Reference" and references.targets(step.type.targets):
        return "Reference:" + ",".join(sorted(step.type.targets))
    return f"{step.type.code}:{_WALKED}" if codings.is_walked(step) else step.type.code


def _required(path: str, table: Any) -> list[Schema]:
    """A required element is there under one of its names; a primitive may be there by its extensions alone."""
    names: dict[str, list[str]] = {}
    for key, step in table.items():
        if step.element.min > 0:
            names.setdefault(step.name, []).append(key)
    return [ruled(_any_of(keys), "cardinality-min", _MISSING, name) for name, keys in names.items()]


def _any_of(keys: list[str]) -> Schema:
    return {"required": keys} if len(keys) == 1 else {"anyOf": [{"required": [k]} for k in keys]}


def _aligned(step: Step) -> Schema:
    """A repeating primitive: nulls only where a sibling array stands beside it."""
    name, item = step.name, _one(step)
    nullable = _array(step, {"if": {"type": "null"}, "else": item})
    return {
        "if": {"required": ["_" + name]},
        "then": {
            "properties": {
                name: nullable,
                "_" + name: _array(step, {"if": {"type": "null"}, "else": {"$ref": pointer("_")}}),
            },
            **ruled({KEYWORD: name}, "primitive-array", "Values and extensions are not in step", name),
        },
        "else": {"properties": {name: _array(step, item)}},
    }


def _hollow(path: str, table: Any) -> list[Schema]:
    """ele-1: an element is more than its id."""
    alone = {
        k: ruled(
            {"anyOf": [{"required": [k[1:]]}, {"properties": {k: {"required": ["extension"]}}}]},
            "ele-1",
            _HOLLOW,
            s.name,
        )
        for k, s in table.items()
        if s.sibling and not s.repeats
    }
    if _may_be_hollow(path, table):
        alone["id"] = ruled({"not": {"maxProperties": 1}}, "ele-1", _HOLLOW)
    return [{"dependentSchemas": alone}] if alone else []


def _may_be_hollow(path: str, table: Any) -> bool:
    # `Element` is the sibling of a primitive here, whose value stands beside it; and a required child is missed first.
    return (
        path != "Element"
        and path not in definitions.resource_types()
        and not any(s.element.min for s in table.values())
    )


def _one_choice(path: str, table: Any) -> list[Schema]:
    """A choice element takes one type; which of its names is given, with or without extensions, is said once."""
    if path == "Extension":
        return _extension(table)
    return [_choice(name, keys, table) for name, keys in choices(path).items()]


def _choice(name: str, keys: tuple[str, ...], table: Any) -> Schema:
    if len(keys) > _MANY:
        return ruled({"oneOf": [*_each(keys, table), _none(keys, table)]}, "choice-type", _CHOICE, name)
    # What is there forbids those after it: nothing is asked of the many that are not there.
    never = ruled({"not": True}, "choice-type", _CHOICE)
    named = [[k for k in (key, "_" + key) if k in table] for key in keys]
    after = {k: [x for later in named[n + 1 :] for x in later] for n, own in enumerate(named) for k in own}
    return {"dependentSchemas": {k: {"properties": dict.fromkeys(rest, never)} for k, rest in after.items() if rest}}


def _each(keys: tuple[str, ...], table: Any) -> list[Schema]:
    return [_any_of([k, *({"_" + k} & table.keys())]) for k in keys]


def _none(keys: tuple[str, ...], table: Any) -> Schema:
    return {
        "not": {
            "anyOf": [
                s for k in keys for s in ({"required": [k]}, {"required": ["_" + k]}) if s["required"][0] in table
            ]
        }
    }


def _extension(table: Any) -> list[Schema]:
    """ext-1: a value or extensions, never both. Most extensions are a url and one property more, and judged by that."""
    keys = choices("Extension")["value"]
    bare = {"anyOf": [{"required": ["url", "id"]}, {"required": ["url"], "maxProperties": 1}]}
    values = ruled({"oneOf": [*_each(keys, table), _none(keys, table)]}, "choice-type", _CHOICE, "value")
    some = ruled({"not": _none(keys, table)["not"]}, "ext-1", _EITHER)
    more = {
        "if": {"required": ["extension"]},
        "then": some,
        "else": ruled({"not": _none(keys, table)}, "ext-1", _EITHER),
    }
    return [
        {
            "if": {"maxProperties": 2},
            "then": ruled({"not": bare}, "ext-1", _EITHER),
            "else": {"allOf": [values, more]},
        }
    ]
