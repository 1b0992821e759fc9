"""A profile's JSON Schema, ready to run in Rust, with the keywords that look beyond the value at hand.

https://hl7.org/fhir/R4/profiling.html#discriminator, https://hl7.org/fhir/R4/references.html. What stands around the
resource, and who judges other profiles, is known to the thread while the schema runs; where nothing is, the checks let
pass and the conditions do not hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import local
from typing import Any

import jsonschema_rs

from fhir_server.fhir import definitions
from fhir_server.validation import ordering
from fhir_server.validation.reference_targets import Around

Schema = dict[str, Any]
Tree = dict[str, Any]
CONFORMS, LEADS, TARGET, AGGREGATION = "x-conforms", "x-leads", "x-target", "x-aggregation"


@dataclass(frozen=True, slots=True)
class View:
    """What is known while one resource is judged: what stands around it, and how to ask another profile.

    Attributes:
        around: of the resource.
        conforms: whether a resource, or an element of one, conforms to the profile of a canonical.
        asked: it is judged because another asks whether it conforms; what is wrong with an entry beside it is then said
            of that entry, and does not make the whole Bundle wrong.
        met: (condition of a slice, element) → whether the element meets it; several rules of a slice ask the same.
    """

    around: Around
    conforms: Callable[[Tree, str, Around], bool]
    asked: bool = False
    met: dict[tuple[int, int], bool] = field(default_factory=dict)


class _Now(local):
    view: View | None = None


#: The view of this thread.
NOW = _Now()


def compiled(schema: Schema) -> jsonschema_rs.Validator:
    """The schema of a profile, ready to run."""
    inner = _Inner(schema.get("$defs", {}))
    return jsonschema_rs.Draft202012Validator(
        schema,
        keywords={
            ordering.KEYWORD: _knowing(ordering.Ordered, inner),
            CONFORMS: Conforms,
            LEADS: _knowing(Leads, inner),
            TARGET: Target,
            AGGREGATION: Aggregation,
        },
        # Rust's own engine: linear time for every pattern, whoever wrote the value.
        pattern_options=jsonschema_rs.RegexOptions(),
    )


class _Inner:
    """Makes the schemas inside keywords ready, which may point to the definitions of the whole."""

    __slots__ = ("_defs",)

    def __init__(self, defs: Schema) -> None:
        self._defs = defs

    def __call__(self, schema: Schema) -> jsonschema_rs.Validator:
        return compiled({**schema, "$defs": self._defs} if "'$ref'" in repr(schema) else schema)


def _knowing(keyword: type[jsonschema_rs.KeywordValidator], inner: _Inner) -> type[jsonschema_rs.KeywordValidator]:
    """The keyword with what makes the schemas inside it ready; it is made by Rust, which hands over none."""
    return type(keyword.__name__, (keyword,), {"ready": inner})


class Conforms:
    """`x-conforms`: a resource, or an element, conforms to the profile of a canonical, as it stands and whole."""

    def __init__(self, parent_schema: Schema, value: Any, schema_path: list[str | int]) -> None:
        """Hold the profile's canonical, the keyword's value."""
        self.canonical: str = value

    def validate(self, instance: Any) -> None:
        """Raise ValueError when it does not."""
        view = NOW.view
        if not isinstance(instance, dict) or view is None:
            raise ValueError("not known")
        around = view.around.of(instance) if "resourceType" in instance else view.around
        if not view.conforms(instance, self.canonical, around):
            raise ValueError("does not conform")


class Leads:
    """`x-leads`: a reference leads to a resource that was sent with it, and that satisfies the schema."""

    ready: Callable[[Schema], jsonschema_rs.Validator]

    def __init__(self, parent_schema: Schema, value: Any, schema_path: list[str | int]) -> None:
        """Hold the target's schema."""
        self.schema: Schema = value
        self._judge: jsonschema_rs.Validator | None = None

    def validate(self, instance: Any) -> None:
        """Raise ValueError when it does not, or the target is not at hand."""
        view = NOW.view
        target = view.around.find(instance) if view and isinstance(instance, str) else None
        if target is None or view is None:
            raise ValueError("not at hand")
        if not self.schema:
            return
        if self._judge is None:
            self._judge = self.ready(self.schema)
        NOW.view = View(view.around.of(target), view.conforms, view.asked)
        try:
            if not self._judge.is_valid(target):
                raise ValueError("not such a resource")
        finally:
            NOW.view = view


class Target:
    """`x-target`: the resource a reference leads to is of a type, or conforms to a profile, that is allowed.

    Its value: type → canonicals of which it must conform to one; none at all where the type is enough. With `types` in
    place of canonicals only the type is looked at.
    """

    def __init__(self, parent_schema: Schema, value: Any, schema_path: list[str | int]) -> None:
        """Hold what is allowed."""
        self.types = frozenset(value["types"])
        self.profiles: dict[str, list[str]] = value.get("profiles", {})
        self.by_type = "profiles" not in value

    def validate(self, instance: Any) -> None:
        """Raise ValueError when it is not; a target that was not sent, or of no type of R4, is not judged."""
        view = NOW.view
        target = view.around.find(instance) if view and isinstance(instance, str) else None
        type = target.get("resourceType") if target is not None else None
        if view is None or target is None or type not in definitions.resource_types():
            return
        if type not in self.types:
            if self.by_type:
                raise ValueError("another type")
            return
        asked = () if view.asked and not instance.startswith("#") else self.profiles.get(type, ())
        around = view.around.of(target)
        if asked and not any(view.conforms(target, one, around) for one in asked):
            raise ValueError("does not conform")


class Aggregation:
    """`x-aggregation`: how the target of a reference may be found. Its value: the modes allowed."""

    def __init__(self, parent_schema: Schema, value: Any, schema_path: list[str | int]) -> None:
        """Hold the modes of reference that are allowed, the keyword's value."""
        self.modes = frozenset(value)

    def validate(self, instance: Any) -> None:
        """Raise ValueError when it is found otherwise."""
        view = NOW.view
        if view is None or not isinstance(instance, str):
            return
        mode = view.around.mode(instance)
        # What is bundled stands outside the resource, and so is referenced; out of its Bundle nobody can tell.
        also = {"bundled": "referenced", "referenced": "" if view.around.entries else "bundled"}.get(mode)
        if not self.modes & {mode, also}:
            raise ValueError(mode)
