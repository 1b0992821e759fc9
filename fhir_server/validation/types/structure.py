"""What base R4 finds wrong with one resource, without what stands inside it: at once when it is right, else explained.

https://hl7.org/fhir/R4/validation.html. Right resources are the rule: they cost one run of a compiled schema, which
asks the invariants on its way. Whatever fails there is looked at again, slowly, for what to tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from fhir_server.fhir import definitions
from fhir_server.fhir.outcome import Issue
from fhir_server.validation.codings import Codes
from fhir_server.validation.types import contained, invariants
from fhir_server.validation.types.judges import Judges
from fhir_server.validation.types.keywords import Run

Tree = dict[str, Any]
#: A resource directly inside another: its FHIRPath, itself, and whether it is contained.
Nested = tuple[str, Tree, bool]
_encode = msgspec.json.Encoder(decimal_format="number").encode
_JUDGES = Judges()


@dataclass(frozen=True, slots=True)
class Noticed:
    """What of a resource that is right is to be looked at beside base R4's rules.

    Attributes:
        urls: those of its extensions.
        modifiers: some of them are modifier extensions.
        missed: a code is not of the value set that R4 binds its element to as extensible.
        flawed: something is wrong with a code, whatever it is bound to.
        leads: references to URNs, which entries may have, each with the types its element allows.
    """

    urls: frozenset[str] = frozenset()
    modifiers: bool = False
    missed: bool = False
    flawed: bool = False
    leads: tuple[tuple[str, tuple[str, ...]], ...] = ()


#: Of most resources nothing is, and of what is not right all may be.
NOTHING = Noticed()


def right(tree: Tree, type: str, root: Tree, codes: Codes | None = None) -> Noticed | None:
    """What was noticed when base R4 finds nothing wrong with a resource and all that it contains; None when it does.

    Entries are not looked into.

    Args:
        tree: a resource.
        type: its type.
        root: what contains it, itself when nothing does.
        codes: what is known of codes; they are not judged without.
    """
    run = _JUDGES.of(type).run(tree, type, root, codes)
    if run is None or (run.has_one_id_twice and type not in contained.NAMED_TWICE):
        return None
    if root is not tree or ("contained" not in tree and not run.links):
        return _noticed((run,)) if run.urls or run.has_missed or run.has_flawed or run.leads else NOTHING
    runs = _inside(tree, codes)
    return _noticed((run, *runs)) if runs is not None and contained.is_right(tree, run, runs) else None


def is_right(tree: Tree, type: str, root: Tree) -> bool:
    """Whether base R4 finds nothing wrong with a resource and with all that it contains."""
    return right(tree, type, root) is not None


def _noticed(runs: Iterable[Run]) -> Noticed:
    urls: set[str] = set()
    modifiers = missed = flawed = False
    leads: list[tuple[str, tuple[str, ...]]] = []
    for run in runs:
        leads += run.leads
        flawed = flawed or run.has_flawed
        urls.update(run.urls)
        modifiers = modifiers or run.has_modifiers
        missed = missed or run.has_missed
    return Noticed(frozenset(urls), modifiers, missed, flawed, tuple(leads))


def explained(tree: Tree, type: str, at: str, root: Tree, nested: list[Nested]) -> tuple[list[Issue], bool]:
    """What is wrong with one resource, itself alone, and whether its structure is right.

    Args:
        tree: the resource.
        type: its type, one of R4's.
        at: its FHIRPath.
        root: the resource that contains it, itself when none does.
        nested: the resources directly inside it; each is judged by its own type.
    """
    alone = _without_nested(tree, type) if nested and type in ("Bundle", "Parameters") else tree
    judge = _JUDGES.of(type)
    sound = judge.is_valid(alone, type)
    found = [] if sound else judge.issues(alone, type, at)
    body = _encode(alone)
    if root is tree and ("contained" in tree or b'"reference":"#' in body):
        found += contained.issues(tree, type, at, body)
    if body.count(b'"id":') > 1 + len(nested):
        found += contained.duplicate_ids(tree, at)
    found += invariants.issues(tree, type, at, body, root, sound)
    return found, sound


def _inside(tree: Tree, codes: Codes | None) -> list[Run] | None:
    """One run of each contained resource; None when one of them is not right by itself."""
    runs: list[Run] = []
    for resource in tree.get("contained", ()):
        type = resource.get("resourceType")
        if type not in definitions.resource_types():
            return None
        run = _JUDGES.of(type).run(resource, type, tree, codes)
        if run is None or run.has_one_id_twice:
            return None
        runs.append(run)
    return runs


def _without_nested(tree: Tree, type: str) -> Tree:
    """`tree` with each nested resource cut down to its type, so that its content is not read twice."""
    return {k: _cut(v) if k in ("entry", "parameter") else v for k, v in tree.items()}


def _cut(value: Any) -> Any:
    if isinstance(value, list):
        return [_cut(v) for v in value]
    if not isinstance(value, dict):
        return value
    return {
        k: _stub(v) if k in ("resource", "outcome") else _cut(v) if k in ("part", "response") else v
        for k, v in value.items()
    }


def _stub(resource: Any) -> Any:
    if not isinstance(resource, dict) or not resource:
        return resource
    return {"resourceType": resource["resourceType"]} if "resourceType" in resource else {"id": ""}
