"""What a compiled profile is: its schema, and what FHIRPath, value sets and other profiles are asked beside it.

https://hl7.org/fhir/R4/profiling.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fhir_server.validation.types.bound import Bound
from fhir_server.validation.types.invariants import Invariant

Schema = dict[str, Any]


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
        whole: the profile is that of a resource, which is judged by it as it stands.
        content: what is asked of them is that of `Profiled.contents`, since they share another element's content.
    """

    way: tuple[Hop, ...]
    path: str
    invariant: Invariant | None = None
    profile: str | None = None
    binding: Bound | None = None
    whole: bool = False
    content: str | None = None


@dataclass(slots=True)
class Profiled:
    """A compiled profile: its schema, what is asked beside it, and the profiles it names that are not known here."""

    url: str
    type: str
    schema: Schema
    asked: list[Asked] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    contents: dict[str, list[Asked]] = field(default_factory=dict)
