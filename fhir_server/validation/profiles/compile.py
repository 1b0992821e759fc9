"""A profile compiled: the JSON Schema of what it asks beyond its type, and the FHIRPath it asks beside that.

https://hl7.org/fhir/R4/profiling.html. The type itself is judged by its own schema (`types.compile`), so a profile's
schema holds only its constraints, each fragment with its rule and the profile's canonical, and `explain.py` reads both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from fhir_server.fhir import definitions
from fhir_server.validation.profiles import contents, primitives, slices, slicing, targets
from fhir_server.validation.profiles.compiled_profile import Asked, Hop, Profiled
from fhir_server.validation.profiles.keywords import CONFORMS
from fhir_server.validation.profiles.limits import limits
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.profiles.snapshots import Definition, Node, typed
from fhir_server.validation.rules import ruled
from fhir_server.validation.steps import Step, is_primitive, steps
from fhir_server.validation.types import bindings
from fhir_server.validation.types.bound import bound
from fhir_server.validation.types.existence import as_schema
from fhir_server.validation.types.invariants import ELSEWHERE, Invariant

Schema = dict[str, Any]
DRAFT = "https://json-schema.org/draft/2020-12/schema"
_NO_PROFILE = "It conforms to no profile that is allowed here"


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
    asked = contents.spoken(build.asked[name], build.contents)
    return Profiled(definition["url"], definition["type"], schema, asked, build.unknown, build.contents)


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
        self.contents: dict[str, list[Asked]] = {}
        self.current = ""
        self.root: Node = Node("")

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
            outer = self.current, self.root
            self.current, self.root = url, contents.opened(self.profiles.snapshot(definition))
            self.asked[name] = []
            self.defs[name] = self._root(definition, name)
            self.current, self.root = outer
        return {"$ref": f"#/$defs/{self.names[url]}"}

    def profile_condition(self, canonical: str) -> Schema | None:
        return self._whole(canonical) if self.profiles.find(canonical) else None

    def _root(self, definition: Definition, name: str) -> Schema:
        type = str(definition["type"])
        found = self._value(self.root, type, (), self.asked[name])
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
        table = steps(path)
        for name, child in node.children.items():
            found += self._child(name, child, table, way, asked)
        for key, step in table.items():
            if step.element.content and self.root.name == path.partition(".")[0]:
                found += self._content(key, step, way, asked)
        return found

    def _content(self, key: str, step: Step, way: tuple[Hop, ...], asked: list[Asked]) -> list[Schema]:
        """What the profile says of the content of another element, which this one shares (contentReference)."""
        node = contents.content(self.root, step.path)
        if node is None:
            return []
        name = f"{self.names[self.current]}:{step.path}"
        if name not in self.contents:
            self.contents[name] = []
            self.defs[name] = {"allOf": [{}, *self._value(node, step.path, (), self.contents[name])]}
        asked.append(Asked((*way, Hop(step.name, (key,))), step.path, content=name))
        pointer = {"$ref": f"#/$defs/{name}"}
        return [{"properties": {key: {"items": pointer} if step.repeats else pointer}}]

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
        table = steps(path)
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
        keys = {k: s for k, s in table.items() if s.element.name == name or k.removeprefix("_") == name}
        if not keys:
            return []
        first = next(iter(keys.values()))
        element, plain = first.element, first.name
        kept, found = self._types(child, keys, plain)
        found += self._cardinality(child, element, list(keys), plain)
        for key, step in kept.items():
            found += self._property(child, key, step, plain, way, asked)
            found += self._extended(child, key, step, plain)
            found += primitives.given(child, key, step, plain, self._rule)
        if element.name.endswith("[x]"):
            found += self._typed_slices(child, kept, plain, way, asked)
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
        which = slicing.demanded(child)
        if minimum > element.min:
            found.append(self._rule(there, "cardinality-min", f"A required element is missing{which}", name))
        if maximum == "0" and element.max != "0":
            found.append(self._rule({"not": there}, "cardinality-max", "Not to be given by its profile", name))
        if element.repeats:
            counts: Schema = {}
            if minimum > max(1, element.min):
                counts["minItems"] = minimum
                text = f"Fewer than the {minimum} items that its profile asks for{which}"
                rule = self._rule({"minItems": minimum}, "cardinality-min", text)
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
        plain = primitives.said(node) if step.type and is_primitive(step.type.code) else node
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
        types = [t for t in node.types if t.get("code") == step.type.code or step.path == "Resource"]
        if step.path == "Resource":
            return self._of_resource(types, way, path, asked)
        found: list[Schema] = []
        canonicals = [c for t in types for c in t.get("profile", ())]
        schemas = [self._known(c) for c in canonicals]
        if canonicals and all(t.get("profile") for t in types) and all(s is not None for s in schemas):
            if len(schemas) == 1 and schemas[0] is not None:
                found.append(schemas[0])
                asked.append(Asked(way, path, profile=canonicals[0]))
            else:
                found.append(self._rule({"anyOf": [self._whole(c) for c in canonicals]}, "profile-type", _NO_PROFILE))
        if step.type.code in ("Reference", "canonical"):
            found += targets.asked(types, step.type, self.profile_type, self._rule)
        return found

    def _of_resource(
        self, types: list[dict[str, Any]], way: tuple[Hop, ...], path: str, asked: list[Asked]
    ) -> list[Schema]:
        """A resource inside another is judged by its own profile whole, for what stands around it is another's."""
        found: list[Schema] = []
        codes = [t.get("code") for t in types]
        if codes and not {"Resource", "DomainResource"} & set(codes):
            right = self._rule({"enum": codes}, "profile-type", "Not a resource its profile allows")
            found.append({"properties": {"resourceType": right}})
        canonicals = [c for t in types for c in t.get("profile", ())]
        if not canonicals or not all(t.get("profile") for t in types) or not all(map(self._is_known, canonicals)):
            return found
        if len(canonicals) == 1:
            asked.append(Asked(way, path, profile=canonicals[0], whole=True))
        else:
            some = {"anyOf": [{CONFORMS: c} for c in canonicals]}
            found.append(self._rule(some, "profile-type", _NO_PROFILE))
        return found

    def _known(self, canonical: str) -> Schema | None:
        return self.profile_schema(canonical) if self._is_known(canonical) else None

    def _whole(self, canonical: str) -> Schema:
        """A schema for "conforms to this known profile of a data type", its invariants included."""
        schema = self.profile_schema(canonical)
        assert schema is not None
        return {CONFORMS: canonical} if self.asked[schema["$ref"].removeprefix("#/$defs/")] else schema

    def _is_known(self, canonical: str) -> bool:
        if self.profiles.find(canonical) is not None:
            return True
        if canonical.partition("|")[0].removeprefix(definitions.SPECIFICATION) not in definitions.types():
            self.unknown.add(canonical)
        return False

    def _sliced(
        self, child: Node, key: str, step: Step, name: str, way: tuple[Hop, ...], asked: list[Asked]
    ) -> list[Schema]:
        """The slices of a list: what each asks of its items, and what they ask of the list together."""
        found: list[Schema] = []
        known = slicing.sliced(child, lambda node: self._path(node, step), self)
        for slice in known:
            if slice.condition is None:
                continue
            parts = self._item(slice.node, step, (*way, Hop(name, (key,), slice.condition)), asked)
            if parts:
                found.append({"properties": {key: {"items": {"if": slice.condition, "then": {"allOf": parts}}}}})
        return [*found, *slicing.rules(child, known, key, name, self._rule)]

    def _typed_slices(
        self, child: Node, keys: Mapping[str, Step], name: str, way: tuple[Hop, ...], asked: list[Asked]
    ) -> list[Schema]:
        """The slices of a choice, each one of its types (https://hl7.org/fhir/R4/profiling.html#slicing)."""
        found: list[Schema] = []
        how = child.facts.get("slicing") or {}
        more = [d for d in how.get("discriminator") or () if d.get("type") != "type"]
        allowed: list[Schema] = []
        for slice_name, slice in child.slices.items():
            kept = typed(slice_name, slice, keys)
            if not kept:
                return found
            condition = slices.condition(slice, next(iter(kept.values())).path, {"discriminator": more}, self)
            if more and condition is None:
                return found
            there = _any_there(kept, condition)
            allowed.append(there)
            found += self._typed_cardinality(slice, there, name)
            for key, step in kept.items():
                inner = Node(slice.name, slice.facts, slice.constraints, slice.children)
                hop = (*way, Hop(name, (key,), condition))
                parts = self._item(inner, step, hop, asked)
                if parts:
                    then: Schema = {"allOf": parts}
                    held = {"if": condition, "then": then} if condition else then
                    found.append({"properties": {key: held}})
                found += self._extended(inner, key, step, name)
                found += primitives.given(inner, key, step, name, self._rule)
        if how.get("rules") == "closed" and allowed:
            given = {"anyOf": [{"required": [k]} for k in keys]}
            only = {"anyOf": [{"not": given}, *allowed]}
            found.append(self._rule(only, "slice-unknown", "In none of the slices its profile allows", name))
        return found

    def _typed_cardinality(self, slice: Node, there: Schema, name: str) -> Iterable[Schema]:
        if slice.facts.get("min", 0) > 0:
            yield self._rule({"anyOf": [there]}, "cardinality-min", "A required element is missing", name)
        if slice.facts.get("max") == "0":
            yield self._rule({"not": there}, "cardinality-max", "Not to be given by its profile", name)

    def _extended(self, child: Node, key: str, step: Step, name: str) -> Iterable[Schema]:
        """A primitive whose profile asks for an extension of it: its value alone is not enough."""
        extensions = child.children.get("extension")
        if step.sibling or extensions is None or step.type is None or not is_primitive(step.type.code):
            return
        if max(n.facts.get("min", 0) for n in (extensions, *extensions.slices.values())) > 0:
            beside: Schema = {"required": ["_" + key]}
            if step.repeats:
                # Nulls stand where a value has no extensions.
                beside["properties"] = {"_" + key: {"items": {"type": "object"}}}
            rule = self._rule(
                {"anyOf": [beside]}, "cardinality-min", "A required element is missing", f"{name}.extension"
            )
            yield {"if": {"required": [key]}, "then": rule}


def _any_there(keys: Iterable[str], condition: Schema | None) -> Schema:
    """One of the properties is there, and satisfies the condition if any."""
    there = [{"required": [k], **({"properties": {k: condition}} if condition else {})} for k in keys]
    return there[0] if len(there) == 1 else {"anyOf": there}


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
