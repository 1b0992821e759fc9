"""Whether a resource conforms to a profile, beyond what its type asks.

https://hl7.org/fhir/R4/validation.html#profile. Profiles are compiled when first asked for, and kept until the registry
changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import jsonschema_rs

from fhir_server.fhir import definitions
from fhir_server.fhir.fhirpath.environment import Services
from fhir_server.fhir.fhirpath.nodes import Node
from fhir_server.fhir.fhirpath.nodes import root as root_node
from fhir_server.fhir.outcome import Invalid, Issue
from fhir_server.terminology.code_status import Key, Known
from fhir_server.validation import explain
from fhir_server.validation.levels import Levels, relaxed
from fhir_server.validation.profiles.compile import compiled
from fhir_server.validation.profiles.compiled_profile import Asked, Profiled
from fhir_server.validation.profiles.keywords import NOW, View
from fhir_server.validation.profiles.keywords import compiled as ready
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.profiles.snapshots import MAX_BASES, Definition
from fhir_server.validation.profiles.ways import Ways, by_way, judged
from fhir_server.validation.reference_targets import Around
from fhir_server.validation.sampling import errors
from fhir_server.validation.types.invariants import Scene
from fhir_server.validation.walking import Place

Tree = dict[str, Any]
STRICT = Levels()


@dataclass(slots=True)
class _Ready:
    """A compiled profile with its schema, and the conditions of its slices, made ready to run."""

    profile: Profiled
    judge: jsonschema_rs.Validator
    conditions: dict[int, jsonschema_rs.Validator] = field(default_factory=dict)
    #: What the profile asks beside its schema, by the way to where.
    ways: Ways = field(default_factory=Ways)
    #: The same of the contents that elements share.
    contents: dict[str, Ways] = field(default_factory=dict)

    def holds(self, condition: dict[str, Any], item: Any, met: dict[tuple[int, int], bool]) -> bool:
        """Whether an element of what is judged meets a condition; `met` has what was asked of it before."""
        asked = id(condition), id(item)
        known = met.get(asked)
        if known is None:
            judge = self.conditions.get(id(condition))
            if judge is None:
                judge = self.conditions[id(condition)] = ready({**condition, "$defs": self.profile.schema["$defs"]})
            known = met[asked] = bool(judge.is_valid(item))
        return known


def own_type(canonical: str) -> str | None:
    """The type of R4 whose definition a canonical names; None for any other."""
    url, _, version = canonical.partition("|")
    name = url.removeprefix(definitions.SPECIFICATION)
    return name if name != url and name in definitions.types() and version in ("", definitions.FHIR_VERSION) else None


class Codes(Protocol):
    """What the terminology answers; None where it cannot tell."""

    def member_of(self, value: Any, type: str, value_set: str) -> bool | None:
        """Whether a code, Coding or CodeableConcept is in a value set."""

    def subsumes(self, url: str, code: str, other: str) -> bool | None:
        """Whether, in a code system, a code subsumes another."""

    def right_codes(self) -> set[Key]:
        """Those of which nothing is to be said, as far as they were looked at."""

    def known_code(self, system: str, version: str, code: str) -> Known | None:
        """What is known of a code, whatever it is bound to."""


class Conformance:
    """Judges resources by the profiles of a registry."""

    def __init__(self, profiles: Profiles, codes: Codes | None = None) -> None:
        """`codes` answers what is asked of value sets; nothing is asked without it but what comes with the server."""
        self.profiles = profiles
        self._codes = codes
        self._ready: dict[str, _Ready] = {}
        self._generation = profiles.generation

    def knows(self, canonical: str) -> bool:
        """Whether the profile is in the registry."""
        return self.profiles.find(canonical) is not None

    def type(self, canonical: str) -> str | None:
        """The type a known profile constrains; the type itself for one of R4's own."""
        found = self.profiles.find(canonical)
        return str(found["type"]) if found else own_type(canonical)

    def builds_on(self, canonical: str, other: str) -> bool:
        """Whether a profile is another one, or is derived from it, so that it says all that the other does."""
        for _ in range(MAX_BASES):
            if canonical.partition("|")[0] == other:
                return True
            found = self.profiles.find(canonical)
            if found is None:
                return False
            canonical = str(found.get("baseDefinition", ""))
        return False

    def schema(self, canonical: str) -> dict[str, Any]:
        """What a known profile asks of structure, as JSON Schema."""
        return self._compiled(canonical).profile.schema

    def issues(
        self,
        tree: Tree,
        canonical: str,
        at: str,
        around: Around | None = None,
        sound: bool = True,
        levels: Levels = STRICT,
    ) -> list[Issue]:
        """What the profile finds wrong with `tree`.

        Args:
            tree: a resource.
            canonical: of a known profile of its type.
            at: its FHIRPath.
            around: the resource that contains it and the Bundle it is in; by default it stands alone.
            sound: base R4 finds nothing wrong with its structure.
            levels: how strictly the profiles are held to, that targets of references must conform to.

        Raises:
            Invalid: the profile builds on one that cannot be judged by.
        """
        return self._issues(tree, canonical, at, around or Around(tree), sound, levels, 0)

    def _issues(
        self, tree: Tree, canonical: str, at: str, around: Around, sound: bool, levels: Levels, within: int
    ) -> list[Issue]:
        one = self._compiled(canonical)
        found: list[Issue] = []
        before, NOW.view = NOW.view, View(around, self._conforming(levels, within), within > 0)
        try:
            if not one.judge.is_valid(tree):
                found = explain.issues(errors(one.judge.iter_errors, tree), one.profile.schema, one.profile.type, at)
                found = found or [explain.somewhere(at, canonical.partition("|")[0])]
            node = root_node(tree)
            root = node if around.root is tree else root_node(around.root)
            scene = Scene(node, root, sound and not found, self._services(levels, within))
            return found + self._asked(one, tree, at, scene, 0, levels)
        finally:
            NOW.view = before

    def of_element(
        self, value: Tree, canonical: str, at: str, within: Tree, around: Around, levels: Levels = STRICT
    ) -> list[Issue]:
        """What the profile of a data type finds wrong with one: an extension by its definition.

        Args:
            value: the element.
            canonical: of a known profile of its type.
            at: its FHIRPath.
            within: the resource it stands in.
            around: that resource.
            levels: as for `issues`.
        """
        one = self._compiled(canonical)
        found: list[Issue] = []
        before, NOW.view = NOW.view, View(around, self._conforming(levels, 0))
        try:
            if not one.judge.is_valid(value):
                found = explain.issues(one.judge.iter_errors(value), one.profile.schema, one.profile.type, at)
            if not one.profile.asked:
                return found
            node = root_node(within)
            root = node if around.root is within else root_node(around.root)
            scene = Scene(node, root, not found, self._services(levels, 0))
            return found + self._asked(one, value, at, scene, 0, levels)
        finally:
            NOW.view = before

    def _conforming(self, levels: Levels, within: int) -> Callable[[Tree, str, Around], bool]:
        """What asks whether a resource conforms to a profile, each pair once in what is judged together."""

        def conforms(tree: Tree, canonical: str, around: Around) -> bool:
            known = around.judged.get((id(tree), canonical))
            if known is not None:
                return known[1]
            if "resourceType" not in tree:
                return _is_without_error(self.of_element(tree, canonical, "Element", around.root, around, levels))
            if within + 1 >= _MAX_WITHIN or levels.of(canonical) == "off":
                return True
            # While it is judged it is taken to conform: a circle of references is right when nothing else is wrong.
            around.judged[id(tree), canonical] = (tree, True)
            told = self._issues(tree, canonical, str(tree.get("resourceType")), around, True, levels, within + 1)
            told = relaxed(told, canonical.partition("|")[0], levels) if told else told
            found = _is_without_error(told)
            around.judged[id(tree), canonical] = (tree, found)
            return found

        return conforms

    def _services(self, levels: Levels, within: int) -> Services:
        """What invariants may ask of us, `within` so many profiles that asked for another."""

        def conforms_to(value: Any, type: str, canonical: str) -> bool | None:
            name = canonical.removeprefix(definitions.SPECIFICATION)
            if name in definitions.types():
                return name in definitions.lineage(type.rpartition(".")[2])
            if within + 1 >= _MAX_WITHIN or not isinstance(value, dict) or not self.knows(canonical):
                return None
            if self.type(canonical) not in definitions.lineage(type.rpartition(".")[2]):
                return False
            around = NOW.view.around.of(value) if NOW.view else Around(value)
            return self._conforming(levels, within)(value, canonical, around)

        codes = self._codes
        return Services(codes.member_of if codes else None, codes.subsumes if codes else None, conforms_to)

    def _compiled(self, canonical: str) -> _Ready:
        if self._generation != self.profiles.generation:
            self._ready.clear()
            self._generation = self.profiles.generation
        one = self._ready.get(canonical)
        if one is None:
            definition = self.profiles.find(canonical)
            if definition is None:
                raise KeyError(canonical)
            profile = compiled(definition, self.profiles)
            shared = {name: by_way(rows) for name, rows in profile.contents.items()}
            ways = by_way(profile.asked)
            one = self._ready[canonical] = _Ready(profile, ready(profile.schema), ways=ways, contents=shared)
        return one

    def _asked(self, one: _Ready, value: Any, at: str, scene: Scene, depth: int, levels: Levels) -> list[Issue]:
        return self._along(one, one.ways, value, at, scene, depth, levels)

    def _along(
        self, one: _Ready, ways: Ways, value: Any, at: str, scene: Scene, depth: int, levels: Levels
    ) -> list[Issue]:
        def judge(asked: Asked, item: Any, here: str) -> Iterable[Issue]:
            if asked.content is not None:
                return self._along(one, one.contents[asked.content], item, here, scene, depth, levels)
            return self._judged(asked, item, here, one.profile.url, scene, depth, levels)

        return judged(ways, value, at, judge, partial(one.holds, met=NOW.view.met if NOW.view else {}))

    def _judged(
        self, asked: Asked, item: Any, at: str, url: str, scene: Scene, depth: int, levels: Levels
    ) -> Iterator[Issue]:
        if asked.invariant is not None:
            issue = asked.invariant.broken(Place(at, item, asked.path), _within(item, scene))
            if issue:
                yield replace(issue, profile=url)
        elif asked.binding is not None:
            issue = asked.binding.broken(item, asked.path, at, scene.services)
            if issue:
                yield replace(issue, profile=url)
        elif asked.profile is None or depth >= _MAX_PROFILES or not self.knows(asked.profile):
            return
        elif asked.whole:
            yield from self._inside(item, asked.profile, at, scene, levels)
        else:
            yield from self._asked(self._compiled(asked.profile), item, at, _within(item, scene), depth + 1, levels)

    def _inside(self, item: Any, canonical: str, at: str, scene: Scene, levels: Levels) -> Iterator[Issue]:
        """A resource inside another, by a profile of its own."""
        type = item.get("resourceType") if isinstance(item, dict) else None
        if isinstance(type, str) and self.type(canonical) in definitions.lineage(type) and NOW.view is not None:
            around = NOW.view.around
            found = self._issues(item, canonical, at, around.of(item), scene.sound, levels, 0)
            if not found:
                around.faultless[id(item), canonical] = item
            yield from found


def _is_without_error(issues: list[Issue]) -> bool:
    return not any(issue.severity == "error" for issue in issues)


#: Profiles that ask whether something conforms to another: deeper is taken to be right, or not answered.
_MAX_WITHIN = 4
#: Profiles of types inside profiles of types; data is never nested deeper than this.
_MAX_PROFILES = 64


def tried(definition: Definition, profiles: Profiles) -> None:
    """Compile a profile that is not in the registry yet, so that what would fail later fails now.

    Raises:
        Invalid: it cannot be judged by, with the reason.
    """
    try:
        ready(compiled(definition, _With(profiles, definition)).schema)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        text = f"{definition['url']} cannot be compiled: {type(error).__name__}."
        raise Invalid(text, "StructureDefinition.differential", key="profile-elements") from None


class _With(Profiles):
    """A registry and one profile more, which is not written into it."""

    def __init__(self, profiles: Profiles, definition: Definition) -> None:
        super().__init__()
        self._base = profiles
        self._one = definition

    def find(self, canonical: str) -> Definition | None:
        url, _, version = canonical.partition("|")
        if url == self._one["url"] and version in ("", self._one.get("version", "")):
            return self._one
        return self._base.find(canonical)


def _within(item: Any, scene: Scene) -> Scene:
    """A resource inside another is the `%resource` of its own rules."""
    if isinstance(item, dict) and "resourceType" in item and item is not scene.resource.value:
        inner: Node = root_node(item)
        return Scene(inner, inner, scene.sound, scene.services)
    return scene
