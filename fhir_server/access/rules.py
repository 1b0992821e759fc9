"""A rule of a service about who may do what with some types: what it gives, withholds and keeps, and in which words.

`access.policy` puts such rules beside its own. A rule speaks in Filters, so that what it hides is hidden from reads,
searches, links, includes and counts alike.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from fhir_server.access.grant import Grant, Level
from fhir_server.store.filters import EVERYTHING, NOTHING, Filter

if TYPE_CHECKING:
    from fhir_server.access.repository import Repository


def _everything(type: str) -> Filter:
    return EVERYTHING


@dataclass(frozen=True, slots=True)
class Asked:
    """What a rule is asked.

    Attributes:
        grant: the caller.
        level: of the scope that speaks of the type.
        type: a resource type, never Binary: a Binary is judged by the resource it names.
        verb: a letter of `cruds`.
        facts: what the rule's own `Facts` say of this caller; None where it has none.
        told: of another type that rules withhold some of, what the caller may be told of.
    """

    grant: Grant
    level: Level
    type: str
    verb: str
    facts: Hashable = None
    told: Callable[[str], Filter] = _everything


@dataclass(frozen=True, slots=True)
class Facts:
    """What a rule must read before it can say anything of a caller: who blocked them, whom they care for.

    Attributes:
        of: whose facts a grant needs, as a key that they are remembered under; None where the rule does not concern it.
        read: reads them, with the server's own sight of the store; never None.
        types: resource types that they are made of: when one of these changes, they are read anew. What they are made
            of some resources of, `read` says itself: `changes.cache.hangs_on`.
    """

    of: Callable[[Grant], Hashable | None]
    read: Callable[[Repository, Hashable], Awaitable[Hashable]]
    types: frozenset[str]


def _nothing(asked: Asked) -> Filter:
    return NOTHING


@dataclass(frozen=True, slots=True)
class Cut:
    """Parts of resources that are shown to few, and found by nobody.

    Of whom may update a resource by an administrator's grant it hides nothing.

    Attributes:
        marker: what stands in the JSON of every resource that has such a part.
        left: what is left of a resource, in whatever depth: the same object where all of it is; parts that are left
            whole are the same objects. Beside the resource it is given the current version of it: itself where it is
            that, None where it was deleted.
        whole: what of a type the caller is shown whole.
    """

    marker: bytes
    left: Callable[[dict[str, Any], dict[str, Any] | None], dict[str, Any]]
    whole: Callable[[Asked], Filter] = _nothing


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        name: in answers to "why" and in logs: small letters and hyphens.
        reason: completes "This Device is …", in a refusal or to an operator; names no patient.
        types: that it speaks of; of others it is never asked.
        gives: what a scope of that level reaches by this rule, beside what it reaches without.
        withholds: what no scope of that level reaches, whatever gives it.
        of_writes: whether what it withholds may not be written either. Else it is about what is stored: a write may
            make what its writer then sees no more (a deletion that is logical, a document of a patient who blocks who
            files it).
        unnamed: whether what is hidden of its types is not named either: what others say of it is left out of what the
            caller is shown, and found by nobody who may not see it.
        unnamed_in_traces: as `unnamed`, of what traces say alone (AuditEvent, Provenance).
        kept: type → what of it no token creates, updates or deletes. Who may read it is told so, in words.
        facts: what is read before; without, or where they do not concern the caller, nothing is.
        cut: parts of resources that are shown to few. `types` are those whose past versions are judged by what there
            is now, and of which some callers see all; others may hold such parts in what they contain.
    """

    name: str
    reason: str
    types: frozenset[str]
    gives: Callable[[Asked], Filter] = _nothing
    withholds: Callable[[Asked], Filter] = _nothing
    of_writes: bool = True
    unnamed: bool = False
    unnamed_in_traces: bool = False
    kept: Mapping[str, Filter] = field(default_factory=dict)
    facts: Facts | None = None
    cut: Cut | None = None


#: Allowed; denied (403, and the caller is told why); masked (404, as if it were not there).
Outcome = Literal["allowed", "denied", "masked"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided of one resource, and by what.

    Attributes:
        outcome: as the caller is answered.
        rule: the name of a `Rule`, or of one of the policy's own.
        reason: in words, without anything of the resource.
    """

    outcome: Outcome
    rule: str
    reason: str
