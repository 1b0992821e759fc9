"""Extensions by their own definitions: what they hold, where they stand, and modifiers that nobody here understands.

https://hl7.org/fhir/R4/extensibility.html, https://hl7.org/fhir/R4/defining-extensions.html. An extension whose
definition is not known is left alone, unless it modifies the meaning of what it stands on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from fhir_server.fhir import definitions
from fhir_server.fhir.definitions import SPECIFICATION
from fhir_server.fhir.fhirpath.expression import compile
from fhir_server.fhir.fhirpath.nodes import Node
from fhir_server.fhir.fhirpath.nodes import root as root_node
from fhir_server.fhir.fhirpath.shapes import shape
from fhir_server.fhir.outcome import FhirError, Issue, Severity
from fhir_server.validation.levels import Levels
from fhir_server.validation.profiles.conformance import Conformance
from fhir_server.validation.profiles.snapshots import Definition
from fhir_server.validation.profiles.snapshots import Node as SnapshotNode
from fhir_server.validation.reference_targets import Around
from fhir_server.validation.steps import Step
from fhir_server.validation.walking import items, leading

Tree = dict[str, Any]
_EXTENSION = frozenset(("Extension",))
_INNER = frozenset(("Extension", "Element"))
#: Extensions that R4's own definitions use beyond the contexts R4 publishes for them, and where.
_WIDER = {
    f"{SPECIFICATION}regex": "ElementDefinition.type",
    f"{SPECIFICATION}structuredefinition-fhir-type": "ElementDefinition.type",
    f"{SPECIFICATION}structuredefinition-normative-version": "DomainResource",
}


@dataclass(frozen=True, slots=True)
class Place:
    """An extension where it stands.

    Attributes:
        at: its FHIRPath.
        value: the extension.
        modifier: it is a modifierExtension.
        names: what its holder is called in a context: the paths of the element and the names of its type.
        outer: the URL of the extension it stands in, "" for none.
        owner: the nearest absolute URL around it, of the extension whose definition says what is inside; "" for none.
        holder: what it stands on; of a primitive what stands beside its value.
        path: where the children of its holder are defined.
    """

    at: str
    value: Mapping[str, Any]
    modifier: bool
    names: frozenset[str]
    outer: str
    holder: Mapping[str, Any]
    path: str
    owner: str = ""

    @property
    def url(self) -> str:
        """Which extension it is; "" where it does not say."""
        url = self.value.get("url")
        return url if isinstance(url, str) else ""


def are_judged(urls: frozenset[str], modifiers: bool, conformance: Conformance) -> bool:
    """Whether anything is to be said of a resource with extensions of these URLs; `modifiers` are among them."""
    return modifiers or any(conformance.type(url) == "Extension" for url in urls)


def issues(
    tree: Tree, type: str, at: str, around: Around, conformance: Conformance, levels: Levels
) -> Iterator[tuple[str, list[Issue]]]:
    """Of each extension of a resource, its URL and what is wrong with it.

    Args:
        tree: the resource.
        type: its type.
        at: its FHIRPath.
        around: what stands around it.
        conformance: knows the definitions.
        levels: how strictly each is held to.
    """
    places: list[Place] = []
    _places(tree, type, at, frozenset(definitions.lineage(type)), places)
    for place in places:
        if place.owner and ":" not in place.url and levels.of(place.owner) != "off":
            yield place.owner, [*_unnamed(place, conformance)]
        level = levels.of(place.url)
        if level == "off":
            continue
        definition = conformance.profiles.find(place.url) if conformance.type(place.url) == "Extension" else None
        if definition is not None:
            found = [*_misplaced(place, definition, conformance, tree)]
            yield (
                place.url,
                found + conformance.of_element(dict(place.value), place.url, place.at, tree, around, levels),
            )
        elif place.modifier and place.url:
            text = "A modifier extension that is not known to this server changes what the rest means."
            severity: Severity = "warning" if level == "lenient" else "error"
            yield place.url, [Issue(severity, "extension", text, place.at, "unknown-modifier-extension")]


def _unnamed(place: Place, conformance: Conformance) -> Iterator[Issue]:
    """A name inside an extension that its definition does not give: it means nothing to anyone.

    https://hl7.org/fhir/R4/extensibility.html#Extension: inside an extension, a `url` may be a name of its own.
    """
    definition = conformance.profiles.find(place.owner) if conformance.type(place.owner) == "Extension" else None
    names = _named(conformance.profiles.snapshot(definition)) if definition is not None else frozenset()
    if names and place.url not in names:
        text = "The definition of the extension around it has no extension of this name."
        yield Issue("error", "extension", text, f"{place.at}.url", "extension-name", place.owner)


def _named(extension: SnapshotNode) -> frozenset[str]:
    """The URLs that a definition gives to what is inside an extension, however deep."""
    inner = extension.children.get("extension")
    found: set[str] = set()
    for one in inner.slices.values() if inner is not None else ():
        url = one.children.get("url")
        said = url and (url.said("fixed") or url.said("pattern"))
        found |= {str(said[1])} if said else set()
        found |= _named(one)
    return frozenset(found)


def _misplaced(place: Place, definition: Definition, conformance: Conformance, tree: Tree) -> Iterator[Issue]:
    contexts = definition.get("context")
    known = [c for c in contexts if isinstance(c, dict)] if isinstance(contexts, list) else []
    allowed = any(_is_allowed(place, str(c.get("type")), str(c.get("expression")), tree) for c in known)
    if known and not allowed and _WIDER.get(definition["url"]) not in place.names:
        text = "The definition of the extension does not let it stand here."
        yield Issue("error", "extension", text, place.at, "extension-context", definition["url"])
    if not all(_holds(rule, place, tree) for rule in definition.get("contextInvariant", ()) if isinstance(rule, str)):
        text = "What the definition of the extension asks of where it stands does not hold."
        yield Issue("error", "extension", text, place.at, "extension-context", definition["url"])
    if place.modifier != bool(conformance.profiles.snapshot(definition).facts.get("isModifier")):
        text = (
            "An extension that modifies nothing is no modifierExtension."
            if place.modifier
            else "A modifier extension is given as modifierExtension."
        )
        yield Issue("error", "extension", text, place.at, "extension-modifier", definition["url"])


def _is_allowed(place: Place, kind: str, expression: str, tree: Tree) -> bool:
    if kind == "fhirpath":
        return _selects(expression, place, tree)
    if kind == "extension":
        return place.outer == expression.partition("#")[0]
    if kind != "element":
        return True  # no kind of R4
    name = expression.rpartition("#")[2].removeprefix(SPECIFICATION)
    plain = ".".join(step.partition(":")[0] for step in name.split("."))
    first = plain.partition(".")[0]
    # What is no type of R4 cannot be told.
    return plain in ("Element", *place.names) or first not in definitions.types()


#: The language itself keeps no long expression.
_ready = lru_cache(maxsize=256)(compile)


def _selects(expression: str, place: Place, tree: Tree) -> bool:
    """Whether an expression selects, from the root of the resource, what the extension stands on.

    https://hl7.org/fhir/R4/valueset-extension-context-type.html. Of primitives, which are told apart by their values
    only, any that is selected is enough.
    """
    try:
        found = _ready(expression).values(tree)
    except FhirError:
        return True  # it cannot be told
    on_primitive = place.path == "Element"
    return any(one.value is place.holder or (on_primitive and not isinstance(one.value, dict)) for one in found)


def _holds(rule: str, place: Place, tree: Tree) -> bool:
    """Whether a rule of an extension's definition is true of what it stands on."""
    resource = root_node(tree)
    holder = resource if place.holder is tree else Node(place.holder, shape(place.path), parent=resource)
    try:
        return _ready(rule).holds(holder, variables={"extension": Node(place.value, shape("Extension"))})
    except FhirError:
        return True  # it cannot be told


def _places(
    value: Mapping[str, Any], path: str, at: str, names: frozenset[str], found: list[Place], around: Place | None = None
) -> None:
    """Collect the extensions inside `value` in `found`, each before those in it."""
    table = _table(path)
    for key, held in value.items():
        entry = table.get(key)
        if entry is None:
            continue
        step, called, is_extension = entry
        for here, item in items(held, step, f"{at}.{step.name}"):
            if is_extension:
                one = _place(here, item, step.name == "modifierExtension", names, value, path, around)
                found.append(one)
                _places(item, "Extension", here, _INNER, found, one)
            else:
                # The value of an extension is a part of it.
                _places(item, step.path, here, called, found, around if path == "Extension" else None)


def _place(
    at: str,
    item: Mapping[str, Any],
    modifier: bool,
    names: frozenset[str],
    holder: Mapping[str, Any],
    path: str,
    around: Place | None,
) -> Place:
    # What stands on the value of an extension is not one of those that its definition names.
    inside = around if path == "Extension" else None
    owner = "" if inside is None else inside.url if ":" in inside.url else inside.owner
    return Place(at, item, modifier, names, around.url if around else "", holder, path, owner)


@cache
def _table(path: str) -> Mapping[str, tuple[Step, frozenset[str], bool]]:
    """JSON keys → the property, what a context calls an element there, and whether it holds extensions."""
    return {
        key: (step, _names(step, key), step.path == "Extension" and step.name in ("extension", "modifierExtension"))
        for key, step in leading(path, _EXTENSION).items()
    }


def _names(step: Step, key: str) -> frozenset[str]:
    owner = step.element.path.rpartition(".")[0]
    names = {step.element.path, f"{owner}.{key.removeprefix('_')}"}
    if step.type is None:
        names |= {step.path, "BackboneElement"}
    else:
        names |= set(definitions.lineage(step.type.code))
    names |= {f"{base}.{step.name}" for base in definitions.lineage(owner)} if owner in definitions.types() else set()
    return frozenset(names)
