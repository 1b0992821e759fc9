"""Whether a resource is right by base R4: its structure in one run of a compiled schema, then what a schema cannot say.

https://hl7.org/fhir/R4/validation.html. A resource that is right costs one run; only one that is not is explained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import jsonschema_rs
import msgspec

from fhir_server.fhir import definitions
from fhir_server.fhir.outcome import Issue
from fhir_server.validation import contained, explain, invariants, narrative
from fhir_server.validation.aligned import KEYWORD, Aligned
from fhir_server.validation.compile import Schema, schema
from fhir_server.validation.primitives import REGISTRY

Tree = dict[str, Any]
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Validator:
    """Judges resources; holds no state but what is compiled, and may be shared by threads."""

    def validate(self, tree: Tree, type: str | None = None) -> list[Issue]:
        """Everything that is wrong with `tree`, errors and warnings; an empty list when all is well.

        Args:
            tree: a resource of `fhir.json.parse`, decimals as `Decimal`.
            type: what it must be (`Patient`); any resource type by default.
        """
        return list(_resource(tree, type))


def validate(tree: Tree) -> list[Issue]:
    """Everything that base R4 finds wrong with the resource `tree`; an empty list when all is well."""
    return list(_resource(tree, None))


def compiled(schema: Schema) -> jsonschema_rs.Validator:
    """`schema` ready to run, with this package's formats and keyword."""
    return jsonschema_rs.Draft202012Validator(
        schema,
        registry=_registry(),
        formats={"xhtml": narrative.is_safe},
        validate_formats=True,
        keywords={KEYWORD: Aligned},
        # Rust's own engine: linear time for every pattern, whoever wrote the value.
        pattern_options=jsonschema_rs.RegexOptions(),
    )


@cache
def _registry() -> jsonschema_rs.Registry:
    return jsonschema_rs.Registry(list(REGISTRY.items()))


@cache
def _compiled(type: str) -> jsonschema_rs.Validator:
    return compiled(schema(type))


def _resource(tree: Tree, asked: str | None) -> Iterator[Issue]:
    type = tree.get("resourceType")
    if not isinstance(type, str) or type not in definitions.resource_types():
        yield _untyped(tree, asked or "Resource")
        return
    if asked is not None and type != asked:
        yield Issue("error", "structure", f"A {asked} is asked for here.", f"{asked}.resourceType", "resource-type")
        return
    yield from _judged(tree, type, type, tree)


def _untyped(tree: Tree, at: str) -> Issue:
    text = "Not a resource type of R4." if "resourceType" in tree else "A resource says its resourceType."
    return Issue("error", "structure", text, f"{at}.resourceType", "resource-type")


def _judged(tree: Tree, type: str, at: str, root: Tree) -> Iterator[Issue]:
    """The issues of one resource and of those inside it, each by its own type.

    Args:
        tree: the resource.
        type: its type, one of R4's.
        at: its FHIRPath.
        root: the resource that contains it, itself when none does.
    """
    nested = list(_nested(tree, type, at))
    alone = _without_nested(tree, type) if nested and type in ("Bundle", "Parameters") else tree
    judge = _compiled(type)
    sound = judge.is_valid(alone)
    if not sound:
        yield from explain.issues(judge.iter_errors(alone), schema(type), type, at)
    body = _encode(alone)
    if root is tree and ("contained" in tree or b'"reference":"#' in body):
        yield from contained.issues(tree, type, at)
    if body.count(b'"id":') > 1:
        yield from contained.duplicate_ids(tree, at)
    yield from invariants.issues(tree, type, at, body, root, sound)
    if root is tree and type not in _NO_NARRATIVE and "div" not in (tree.get("text") or ()):
        yield Issue("warning", "invariant", "A resource should have narrative for robust management.", at, "dom-6")
    for here, resource, container in nested:
        inner = resource.get("resourceType")
        if inner in definitions.resource_types():
            yield from _judged(resource, inner, here, tree if container else resource)
        elif "resourceType" in resource:
            yield _untyped(resource, here)


#: The resource types that are not DomainResources; a contained resource should have no narrative either.
_NO_NARRATIVE = frozenset(("Bundle", "Binary", "Parameters"))


def _nested(tree: Tree, type: str, at: str) -> Iterator[tuple[str, Tree, bool]]:
    """The resources directly inside `tree`: FHIRPath, resource, and whether it is contained."""
    if type == "Bundle":
        for here, entry in _objects(tree.get("entry"), f"{at}.entry"):
            yield from _held(entry, "resource", here)
            response = entry.get("response")
            if isinstance(response, dict):
                yield from _held(response, "outcome", f"{here}.response")
    elif type == "Parameters":
        yield from _parameters(tree, "parameter", at)
    else:
        for here, resource in _objects(tree.get("contained"), f"{at}.contained"):
            yield here, resource, True


def _parameters(holder: Mapping[str, Any], name: str, at: str) -> Iterator[tuple[str, Tree, bool]]:
    for here, parameter in _objects(holder.get(name), f"{at}.{name}"):
        yield from _held(parameter, "resource", here)
        yield from _parameters(parameter, "part", here)


def _held(holder: Tree, name: str, at: str) -> Iterator[tuple[str, Tree, bool]]:
    resource = holder.get(name)
    if isinstance(resource, dict):
        yield f"{at}.{name}", resource, False


def _objects(value: Any, at: str) -> Iterator[tuple[str, Tree]]:
    if isinstance(value, list):
        for position, item in enumerate(value):
            if isinstance(item, dict):
                yield f"{at}[{position}]", item


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
