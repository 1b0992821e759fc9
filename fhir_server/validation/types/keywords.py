"""What is judged or noted while a compiled schema runs: invariants in FHIRPath where they can fail, ids, links inside.

https://hl7.org/fhir/R4/conformance-rules.html#constraints. The engine already goes through every element of a resource;
a keyword of our own at those with invariants spares a second walk. Where a keyword fails, `invariants.py` tells what.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import local
from typing import Any, TypeVar

from fhir_server.fhir.fhirpath.nodes import root as root_node
from fhir_server.validation.codings import Codes, is_right
from fhir_server.validation.steps import Step, steps
from fhir_server.validation.types import extensible, invariants
from fhir_server.validation.types.invariants import Invariant, Scene
from fhir_server.validation.types.plainly import in_order

Schema = dict[str, Any]
#: What a reference says, and the types its element allows (empty: any).
Link = tuple[str, tuple[str, ...]]
INVARIANT = "x-invariant"
NOTED = "x-noted"
CODED = "x-coded"

T = TypeVar("T")


class Run:
    """One run of a schema over one resource, and what it noted.

    Attributes:
        ids: those of elements.
        links: the references to something contained, each with the types its element allows (empty: any).
        leads: those to a URN, which an entry of the same Bundle may have, where the element does not allow any type.
        urls: those of extensions.
        has_modifiers: some of them are modifier extensions.
        has_missed: a code is not of the value set that R4 binds its element to as extensible.
        codes: what judges the codes on the way; None where they are not judged.
        has_flawed: something is wrong with a code, whatever it is bound to.
    """

    # Of most resources nothing is noted: what stands here is made anew by the first that is.
    _scene: Scene | None = None
    ids: Sequence[str] = ()
    leads: Sequence[Link] = ()
    links: Sequence[Link] = ()
    urls: Sequence[str] = ()
    has_modifiers = False
    has_missed = False
    has_flawed = False

    def __init__(self, tree: dict[str, Any], root: dict[str, Any], codes: Codes | None = None) -> None:
        """A run over `tree`, which is contained in `root`, or is `root` itself."""
        self._tree = tree
        self._root = root
        self.codes = codes

    @property
    def has_one_id_twice(self) -> bool:
        """Whether two elements seem to have the same id."""
        return len(self.ids) > 1 and len(set(self.ids)) < len(self.ids)

    @property
    def scene(self) -> Scene:
        """What its invariants are judged within, made when the first is asked."""
        if self._scene is None:
            resource = root_node(self._tree)
            self._scene = Scene(resource, resource if self._root is self._tree else root_node(self._root), True)
        return self._scene


class _Running(local):
    run: Run | None = None


#: The run of this thread. Where there is none, the keywords let everything pass: a schema alone says structure only.
RUNNING = _Running()


def asked(path: str) -> list[Schema]:
    """The invariants of the elements defined at `path`, each where it can fail."""
    return [_where(rule, {INVARIANT: [path, rule.key]}) for rule in invariants.evaluated(path)]


def asked_on(step: Step) -> Schema | None:
    """The invariants that a property adds to those of its type; None when it adds none."""
    rules = invariants.on_element(step)
    owner = step.element.path.rpartition(".")[0]
    key = next((k for k, s in steps(owner).items() if s == step), "")
    return {INVARIANT: [owner, "", key]} if rules else None


def identified() -> Schema:
    """A fragment that notes the id of an element."""
    return {NOTED: "id"}


def extended() -> Schema:
    """A fragment that notes the url of an extension."""
    return {NOTED: "url"}


def modified() -> Schema:
    """A fragment that notes that there are modifier extensions."""
    return {NOTED: "modifier"}


def coded(sure: Schema | None = None) -> Schema:
    """A fragment that notes a Coding or Quantity whose code is not as its system has it; `sure` says which are."""
    there: Schema = {"required": ["system", "code"]}
    return {"if": {**there, "not": sure} if sure else there, "then": {CODED: True}}


def suggested(value_set: str) -> Schema:
    """A fragment that notes a value with codes of which none is of a value set it is bound to as extensible."""
    coded = {"anyOf": [{"required": ["coding"]}, {"required": ["code"]}]}
    return {"if": coded, "then": {NOTED: {"valueSet": value_set}}}


def linked(types: Iterable[str] = ()) -> Schema:
    """A fragment that notes a `Reference.reference` to something contained, and the types it may be of (none: any).

    Where the types are limited, it notes what may lead to an entry as well.
    """
    allowed = [*types]
    return {"if": {"pattern": "^(?:#|urn:)" if allowed else "^#"}, "then": {NOTED: allowed}}


def _where(rule: Invariant, then: Schema) -> Schema:
    table = steps(rule.type)
    needed = [[k for k, s in table.items() if s.name == name] for name in rule.needs]
    if not needed:
        return then
    for names in reversed(needed):
        then = {"dependentSchemas": dict.fromkeys(names, then)}
    return then


class Held:
    """The custom keyword `x-invariant`, in the shape jsonschema-rs asks for.

    Its value is `[path, key]`, an invariant of a type or backbone element, or `[path, "", property]`.
    """

    def __init__(self, parent_schema: dict[str, Any], value: Any, schema_path: list[str | int]) -> None:
        """Find the invariants that the keyword's value names."""
        path, key, *name = value
        if name:
            step = steps(path)[name[0]]
            self.path, self.rules = step.path, invariants.on_element(step)
        else:
            self.path, self.rules = path, tuple(r for r in invariants.evaluated(path) if r.key == key)
        self.period = value == ["Period", "per-1"]

    def validate(self, instance: Any) -> None:
        """Raise ValueError when one does not hold."""
        if instance.__class__ is not dict or (self.period and in_order(instance)):
            return
        run = RUNNING.run
        if run is None:
            return
        for rule in self.rules:
            if not rule.holds(instance, self.path, run):
                raise ValueError(rule.key)


class Coded:
    """The custom keyword `x-coded`, in the shape jsonschema-rs asks for; it never fails."""

    def __init__(self, parent_schema: dict[str, Any], value: Any, schema_path: list[str | int]) -> None:
        """Nothing is held: the run knows what codes are judged by."""

    def validate(self, instance: Any) -> None:
        """Note that something is wrong with a code."""
        run = RUNNING.run
        if run is not None and run.codes is not None and not run.has_flawed:
            run.has_flawed = not is_right(instance, run.codes)


class Noted:
    """The custom keyword `x-noted`, in the shape jsonschema-rs asks for; it never fails. Its value: what to note."""

    def __init__(self, parent_schema: dict[str, Any], value: Any, schema_path: list[str | int]) -> None:
        """Hold what is noted."""
        self.kind = value if isinstance(value, str) else ""
        self.value_set: str = value["valueSet"] if isinstance(value, dict) else ""
        self.types = () if self.kind or self.value_set else tuple(value)

    def validate(self, instance: Any) -> None:
        """Note one more of what is to be looked at after the schema."""
        run = RUNNING.run
        if run is None:
            return
        if self.kind == "id":
            run.ids = _with(run.ids, instance)
        elif self.kind == "url":
            run.urls = _with(run.urls, instance)
        elif self.kind == "modifier":
            run.has_modifiers = True
        elif self.value_set:
            run.has_missed = run.has_missed or extensible.is_missed(instance, self.value_set)
        elif instance.startswith("#"):
            run.links = _with(run.links, (instance, self.types))
        else:
            run.leads = _with(run.leads, (instance, self.types))


def _with(noted: Sequence[T], one: T) -> Sequence[T]:
    """What was noted and one more; the list that there is grows."""
    if not isinstance(noted, list):
        return [one]
    noted.append(one)
    return noted
