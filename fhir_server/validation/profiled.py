"""A profile compiled: the JSON Schema of what it asks beyond its type, and the FHIRPath it asks beside that.

https://hl7.org/fhir/R4/profiling.html. The type itself is judged by its own schema (`compile.py`), so a profile's
schema holds only its constraints, each fragment with its rule and the profile's canonical, and `explain.py` reads both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fhir_server.fhir import definitions
from fhir_server.validation import bindings, references, slices
from fhir_server.validation.coded import Bound, bound
from fhir_server.validation.existence import as_schema
from fhir_server.validation.invariants import ELSEWHERE, Invariant
from fhir_server.validation.limits import limits
from fhir_server.validation.profiles import Profiles
from fhir_server.validation.rules import ruled
from fhir_server.validation.snapshots import Definition, Node
from fhir_server.validation.steps import Step, is_primitive, steps

Schema = dict[str, Any]
DRAFT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class Hop:
    """One step on the way to an element: the element's name, the JSON keys it may have, and the slice it must be in."""

    name: str
    keys: tuple[str, ...]
    condition: Schema | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What FHIRPath, a value set or another profile has to say of the elements at the end of a way.

    Attributes:
        way: from the profile's root.
        path: where the children of those elements are defined.
        invariant: to hold there; None when it is a profile.
        profile: canonical of a profile whose invariants hold there too; its schema is already part of ours.
        binding: whose codes they must have.
    """

    way: tuple[Hop, ...]
    path: str
    invariant: Invariant | None = None
    profile: str | None = None
    binding: Bound | None = None


@dataclass(slots=True)
class Profiled:
    """A compiled profile: its schema, what is asked beside it, and the profiles it names that are not known here."""

    url: str
    type: str
    schema: Schema
    asked: list[Asked] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)


def compiled(definition: Definition, profiles: Profiles) -> Profiled:
    """What `definition` asks of a resource or element beyond its type.

    Raises:
        Invalid: a profile that it builds on cannot be judged by.
    """
    build = _Build(profiles)
    pointer = build.profile_schema(definition["url"] + _version(definition))
    assert pointer is not None
    name = build.names[definition["url"]]
    schema = {"$schema": DRAFT, **pointer, "$defs": build.defs}
    return Profiled(definition["url"], definition["type"], schema, build.asked.get(name, []), build.unknown)


def _version(definition: Definition) -> str:
    return f"|{definition['version']}" if definition.get("version") else ""


class _Build:
    """One run of the compiler: the schemas of the profile asked for and of all it leads to."""

    def __init__(self, profiles: Profiles) -> None:
        self.profiles = profiles
        self.defs: dict[str, Schema] = {}
        self.names: dict[str, str] = {}
        self.asked: dict[str, list[Asked]] = {}
        self.unknown: set[str] = set()
        self.current = ""

    # What `slices.Known` asks for.
    def profile_node(self, canonical: str) -> Node | None:
        definition = self.profiles.find(canonical)
        return self.profiles.snapshot(definition) if definition else None

    def profile_type(self, canonical: str) -> str | None:
        name = canonical.partition("|")[0].removeprefix(definitions.SPECIFICATION)
        if name in definitions.types():
            return name
        definition = self.profiles.find(canonical)
        return str(definition["type"]) if definition else None

    def profile_schema(self, canonical: str) -> Schema | None:
        definition = self.profiles.find(canonical)
        if definition is None:
            return None
        url = definition["url"]
        if url not in self.names:
            self.names[url] = name = f"p{len(self.names)}"
            outer, self.current = self.current, url
            self.asked[name] = []
            self.defs[name] = self._root(definition, name)
            self.current = outer
        return {"$ref": f"#/$defs/{self.names[url]}"}

    def _root(self, definition: Definition, name: str) -> Schema:
        type = str(definition["type"])
        node = self.profiles.snapshot(definition)
        found = self._value(node, type, (), self.asked[name])
        if type in definitions.resource_types():
            right = {"properties": {"resourceType": {"const": type}}, "required": ["resourceType"]}
            return {"allOf": [right, *found]}
        return {"allOf": found} if found else {}

    def _rule(self, schema: Schema, key: str, text: str, element: str = "", code: str = "") -> Schema:
        return ruled(schema, key, text, element, code, self.current)

    def _value(self, node: Node, path: str, way: tuple[Hop, ...], asked: list[Asked]) -> list[Schema]:
        """What is asked of one value of an element, children included."""
        found = [*self._said(node, path), *self._bound(node, path)]
        self._invariants(node, path, way, asked, found)
        asked += [Asked(way, path, binding=b) for b in bound(node.facts, path)]
        asked += [Asked(way, path, invariant=i) for i in limits(node, path)]
        table = {} if path == "Resource" else steps(path)
        for name, child in node.children.items():
            found += self._child(name, child, table, way, asked)
        return found

    def _said(self, node: Node, path: str) -> Iterable[Schema]:
        fixed, pattern, facts = node.said("fixed"), node.said("pattern"), node.facts
        if fixed:
            yield self._rule({"const": fixed[1]}, "fixed-value", "Not the value its profile fixes")
        if pattern:
            yield self._rule(
                {"anyOf": [slices.like(pattern[1])]}, "pattern-value", "Without what its profile asks of the value"
            )
        if isinstance(facts.get("maxLength"), int):
            yield self._rule({"maxLength": facts["maxLength"]}, "max-length", "Longer than its profile allows")
        for start, keyword in (("minValue", "minimum"), ("maxValue", "maximum")):
            limit = node.said(start)
            if limit and not isinstance(limit[1], str | dict):
                yield self._rule({keyword: limit[1]}, "value-range", "Outside the range its profile allows")

    def _bound(self, node: Node, path: str) -> Iterable[Schema]:
        binding = node.facts.get("binding")
        if not isinstance(binding, dict) or binding.get("strength") != "required" or not binding.get("valueSet"):
            return
        found = bindings.bound(binding["valueSet"].partition("|")[0], path)
        if found:
            yield {**found, "x-rule": {**found["x-rule"], "profile": self.current}}

    def _invariants(self, node: Node, path: str, way: tuple[Hop, ...], asked: list[Asked], found: list[Schema]) -> None:
        own = _own_keys(path)
        table = {} if path == "Resource" else steps(path)
        for key, c in node.constraints.items():
            expression = c.get("expression")
            if key in own or key in ELSEWHERE or not isinstance(expression, str):
                continue
            severity: Literal["error", "warning"] = "warning" if c.get("severity") == "warning" else "error"
            human = str(c.get("human") or key)
            schema = as_schema(expression, table) if severity == "error" else None
            if schema is not None:
                rule = self._rule(schema, key, human.rstrip("."), code="invariant")
                found.append({"if": {"type": "object"}, "then": rule})
            else:
                asked.append(Asked(way, path, Invariant(key, severity, human, expression, path)))

    def _child(
        self, name: str, child: Node, table: Mapping[str, Step], way: tuple[Hop, ...], asked: list[Asked]
    ) -> list[Schema]:
        plain = name.removesuffix("[x]")
        keys = {k: s for k, s in table.items() if s.name == plain or k.removeprefix("_") == name}
        if not keys:
            return []
        element = next(iter(keys.values())).element
        kept, found = self._types(child, keys, plain)
        found += self._cardinality(child, element, list(keys), plain)
        for key, step in kept.items():
            found += self._property(child, key, step, plain, way, asked)
        for slice in child.slices.values():
            if element.name.endswith("[x]"):
                found += self._typed_slice(slice, kept, plain, way, asked)
        return found

    def _types(self, child: Node, keys: dict[str, Step], name: str) -> tuple[dict[str, Step], list[Schema]]:
        """The JSON keys the profile leaves to an element, and the rule against the others."""
        codes = {t.get("code") for t in child.types}
        several = len({s.type.code for s in keys.values() if s.type}) > 1
        if not codes or not several:
            return keys, []
        kept = {k: s for k, s in keys.items() if s.type and s.type.code in codes}
        other = [{"required": [k]} for k in keys if k not in kept]
        if not other or not kept:
            return keys, []
        return kept, [self._rule({"not": {"anyOf": other}}, "choice-type", "Not of a type its profile allows", name)]

    def _cardinality(self, child: Node, element: definitions.Element, keys: list[str], name: str) -> list[Schema]:
        found: list[Schema] = []
        minimum, maximum = child.facts.get("min", 0), child.facts.get("max", "*")
        there: Schema = {"anyOf": [{"required": [k]} for k in keys]}
        if minimum > element.min:
            found.append(self._rule(there, "cardinality-min", "A required element is missing", name))
        if maximum == "0" and element.max != "0":
            found.append(self._rule({"not": there}, "cardinality-max", "Not to be given by its profile", name))
        if element.repeats:
            counts: Schema = {}
            if minimum > max(1, element.min):
                counts["minItems"] = minimum
                rule = self._rule({"minItems": minimum}, "cardinality-min", "Fewer items than its profile asks for")
                found.append({"properties": {k: rule for k in keys}})
            if maximum.isdigit() and maximum != "0" and maximum != element.max:
                rule = self._rule({"maxItems": int(maximum)}, "cardinality-max", "More items than its profile allows")
                found.append({"properties": {k: rule for k in keys}})
        return found

    def _property(
        self, child: Node, key: str, step: Step, name: str, way: tuple[Hop, ...], asked: list[Asked]
    ) -> list[Schema]:
        hop = (*way, Hop(name, (key,)))
        parts = self._item(child, step, hop, asked)
        found: list[Schema] = []
        if not step.repeats:
            return [{"properties": {key: {"allOf": parts}}}] if parts else []
        if parts:
            found.append({"properties": {key: {"items": _unless_null({"allOf": parts}, step)}}})
        if child.slices and not step.sibling:
            found += self._sliced(child, key, step, name, way, asked)
        return found

    def _item(self, node: Node, step: Step, way: tuple[Hop, ...], asked: list[Asked]) -> list[Schema]:
        """What is asked of one value found at a property: by the element, and by the profiles of its type."""
        path = self._path(node, step)
        if step.sibling:
            inner = Node(node.name, children=node.children)
            return self._value(inner, "Element", way, asked) if node.children else []
        plain = (
            node if not (step.type and is_primitive(step.type.code)) else Node(node.name, node.facts, node.constraints)
        )
        found = self._value(plain, path, way, asked)
        if step.type is not None:
            found += self._of_type(node, step, way, path, asked)
        return found

    def _path(self, node: Node, step: Step) -> str:
        codes = [str(t.get("code")) for t in node.types]
        return (
            codes[0] if step.path == "Resource" and len(codes) == 1 and codes[0] in definitions.types() else step.path
        )

    def _of_type(self, node: Node, step: Step, way: tuple[Hop, ...], path: str, asked: list[Asked]) -> list[Schema]:
        assert step.type is not None
        found: list[Schema] = []
        types = [t for t in node.types if t.get("code") == step.type.code or step.path == "Resource"]
        if step.path == "Resource" and types and "Resource" not in {t.get("code") for t in types}:
            codes = [t.get("code") for t in types]
            right = self._rule({"enum": codes}, "profile-type", "Not a resource its profile allows")
            found.append({"properties": {"resourceType": right}})
        canonicals = [c for t in types for c in t.get("profile", ())]
        schemas = [self._known(c) for c in canonicals]
        if canonicals and all(t.get("profile") for t in types) and all(s is not None for s in schemas):
            if len(schemas) == 1 and schemas[0] is not None:
                found.append(schemas[0])
                asked.append(Asked(way, path, profile=canonicals[0]))
            else:
                found.append(
                    self._rule({"anyOf": schemas}, "profile-type", "It conforms to no profile that is allowed here")
                )
        if step.type.code == "Reference":
            found += self._targets(types, step.type.targets)
        return found

    def _known(self, canonical: str) -> Schema | None:
        found = self.profile_schema(canonical)
        if (
            found is None
            and canonical.partition("|")[0].removeprefix(definitions.SPECIFICATION) not in definitions.types()
        ):
            self.unknown.add(canonical)
        return found

    def _targets(self, types: list[dict[str, Any]], base: tuple[str, ...]) -> list[Schema]:
        modes = {m for t in types for m in t.get("aggregation", ())}
        found: list[Schema] = []
        if modes in ({"contained"}, {"referenced"}):
            inside: Schema = {"pattern": "^#"}
            rule = inside if modes == {"contained"} else {"not": inside}
            text = f"Its profile asks for a {modes.pop()} resource"
            found.append({"properties": {"reference": self._rule(rule, "reference-aggregation", text)}})
        named = [self.profile_type(c) for t in types for c in t.get("targetProfile", ())]
        allowed = references.targets(n for n in named if n)
        if allowed is not None and None not in named and set(named) != set(base):
            ours = {
                k: {**v, "x-rule": {**v["x-rule"], "profile": self.current}} for k, v in allowed["properties"].items()
            }
            found.append({"properties": ours})
        return found

    def _sliced(
        self, child: Node, key: str, step: Step, name: str, way: tuple[Hop, ...], asked: list[Asked]
    ) -> list[Schema]:
        """The slices of a list: what each asks of its items, how many it takes, and whether others are allowed."""
        slicing = child.facts.get("slicing") or {}
        found: list[Schema] = []
        conditions: list[Schema | None] = []
        for title, slice in child.slices.items():
            condition = self._condition(child, title, slice, self._path(slice, step), slicing)
            conditions.append(condition)
            if condition is None:
                continue
            parts = self._item(slice, step, (*way, Hop(name, (key,), condition)), asked)
            if parts:
                found.append({"properties": {key: {"items": {"if": condition, "then": {"allOf": parts}}}}})
            found += self._slice_count(title, slice, condition, key, name)
        found += self._others(slicing, [c for c in conditions if c is not None], None in conditions, key)
        return found

    def _condition(self, child: Node, title: str, slice: Node, path: str, slicing: Mapping[str, Any]) -> Schema | None:
        # A slice `a/b` is a slice of the slice `a`, told apart by the slicing that `a` declares.
        outer, _, _ = title.rpartition("/")
        if outer and outer in child.slices:
            around = self._condition(child, outer, child.slices[outer], path, slicing)
            inner = slices.condition(slice, path, child.slices[outer].facts.get("slicing") or slicing, self)
            return {"allOf": [around, inner]} if around is not None and inner is not None else None
        return slices.condition(slice, path, slicing, self)

    def _slice_count(self, title: str, slice: Node, condition: Schema, key: str, name: str) -> list[Schema]:
        found: list[Schema] = []
        minimum, maximum = slice.facts.get("min", 0), slice.facts.get("max", "*")
        if minimum > 0:
            text = f"Fewer items of the slice {title} than its profile asks for"
            enough = {"required": [key], "properties": {key: {"contains": condition, "minContains": minimum}}}
            # `anyOf` one alternative: what fails is the rule, wherever inside the reason is found.
            found.append(self._rule({"anyOf": [enough]}, "cardinality-min", text, name))
        if maximum.isdigit():
            text = f"More items of the slice {title} than its profile allows"
            few = {"properties": {key: {"contains": condition, "minContains": 0, "maxContains": int(maximum)}}}
            found.append(self._rule({"anyOf": [few]}, "cardinality-max", text, name))
        return found

    def _others(self, slicing: Mapping[str, Any], conditions: list[Schema], unsure: bool, key: str) -> list[Schema]:
        rules = slicing.get("rules")
        if unsure or not conditions:
            return []
        found: list[Schema] = []
        if rules == "closed":
            one = self._rule({"anyOf": conditions}, "slice-unknown", "In none of the slices its profile allows")
            found.append({"properties": {key: {"items": one}}})
        if (rules == "openAtEnd" or slicing.get("ordered")) and "$ref" not in repr(conditions):
            order = {"slices": conditions, "end": rules == "openAtEnd", "ordered": bool(slicing.get("ordered"))}
            rule = self._rule({"x-slices": order}, "slice-order", "Not in the order its profile asks for")
            found.append({"properties": {key: rule}})
        return found

    def _typed_slice(
        self, slice: Node, keys: Mapping[str, Step], name: str, way: tuple[Hop, ...], asked: list[Asked]
    ) -> list[Schema]:
        """A slice of a choice is one of its types."""
        codes = {t.get("code") for t in slice.types}
        kept = {k: s for k, s in keys.items() if s.type and s.type.code in codes}
        if not kept:
            return []
        found: list[Schema] = []
        if slice.facts.get("min", 0) > 0:
            there = {"anyOf": [{"required": [k]} for k in kept]}
            found.append(self._rule(there, "cardinality-min", "A required element is missing", name))
        for key, step in kept.items():
            found += self._property(
                Node(slice.name, slice.facts, slice.constraints, slice.children), key, step, name, way, asked
            )
        return found


def _unless_null(schema: Schema, step: Step) -> Schema:
    if step.type is None or not is_primitive(step.type.code):
        return schema
    return {"if": {"type": "null"}, "else": schema}


def _own_keys(path: str) -> set[str]:
    """The keys of the invariants that the type itself states and its own schema judges."""
    type = path.partition(".")[0]
    try:
        return {c.key for e in definitions.types()[type].elements for c in e.constraints}
    except KeyError:
        return set()
