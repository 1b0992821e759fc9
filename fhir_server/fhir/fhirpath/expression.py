"""A compiled FHIRPath expression, and how it is asked.

http://hl7.org/fhirpath/N1, https://hl7.org/fhir/R4/fhirpath.html
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from fhir_server.fhir.fhirpath import compiler, semantics
from fhir_server.fhir.fhirpath.environment import (
    NO_SERVICES,
    NO_VARIABLES,
    Allowance,
    Environment,
    Resolve,
    Services,
)
from fhir_server.fhir.fhirpath.errors import EvaluationError
from fhir_server.fhir.fhirpath.nodes import Node
from fhir_server.fhir.fhirpath.nodes import root as root_node
from fhir_server.fhir.fhirpath.parser import parse
from fhir_server.fhir.fhirpath.registry import Collection, Truth
from fhir_server.fhir.fhirpath.syntax import Tree
from fhir_server.work.budget import spend

Input = dict[str, Any] | Node
T = TypeVar("T")
_LONGEST_KEPT = 500  #: characters; of R4's invariants the longest has 366


class Expression:
    """An expression ready to be evaluated, any number of times, by any thread."""

    __slots__ = ("_collection", "_truth", "text", "tree")

    def __init__(self, text: str, tree: Tree) -> None:
        self.text = text
        self.tree = tree
        self._collection: Collection = compiler.collection(tree)
        self._truth: Truth = compiler.truth(tree)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def values(
        self,
        tree: Input,
        *,
        root: Input | None = None,
        variables: Mapping[str, Any] | None = None,
        resolve: Resolve | None = None,
        services: Services = NO_SERVICES,
        allowance: Allowance | None = None,
    ) -> list[Node]:
        """The nodes the expression selects or makes, in order.

        Args:
            tree: a resource's JSON (from `fhir.json.parse`), or the node to start from.
            root: `%rootResource` where it is not the resource that holds `tree`.
            variables: `%name` → a JSON value, a node, or a list of them.
            resolve: answers `resolve()` for references that lead out of the resource and its Bundle.
            services: terminology, profiles and trace.
            allowance: what this evaluation and others may cost together; its own where none is given.

        Raises:
            EvaluationError: the expression means nothing for this input, or asks for too much work.
        """
        return _asked(self._collection, *environment(tree, root, variables, resolve, services, allowance))

    def truth(
        self,
        tree: Input,
        *,
        root: Input | None = None,
        variables: Mapping[str, Any] | None = None,
        resolve: Resolve | None = None,
        services: Services = NO_SERVICES,
    ) -> bool | None:
        """The expression as a condition: true, false, or None where it is empty. Arguments and errors as `values`."""
        return _asked(self._truth, *environment(tree, root, variables, resolve, services))

    def holds(
        self,
        tree: Input,
        *,
        root: Input | None = None,
        variables: Mapping[str, Any] | None = None,
        resolve: Resolve | None = None,
        services: Services = NO_SERVICES,
    ) -> bool:
        """Whether the expression is true; empty is not. Arguments and errors as `values`."""
        return self.truth(tree, root=root, variables=variables, resolve=resolve, services=services) is True


def _asked(ask: Callable[[Environment, list[Node]], T], this: list[Node], env: Environment) -> T:
    try:
        return ask(env, this)
    except (RecursionError, decimal.DecimalException) as error:
        raise EvaluationError("The FHIRPath expression cannot be evaluated.", code="too-costly") from error


def environment(
    tree: Input,
    root: Input | None,
    variables: Mapping[str, Any] | None,
    resolve: Resolve | None,
    services: Services,
    allowance: Allowance | None = None,
) -> tuple[list[Node], Environment]:
    """`$this` and the environment of an evaluation on `tree`.

    Raises:
        EvaluationError: `tree` is no resource of R4.
    """
    node = _node(tree)
    resource: Node | None = node
    while resource is not None and not resource.shape.resource:
        resource = resource.parent
    outer = _node(root) if root is not None else resource
    if root is None and resource is not None and resource.name == "contained" and resource.parent is not None:
        outer = resource.parent
    this = [node]
    spend(1)
    return this, Environment(this, resource or outer, outer, variables or NO_VARIABLES, resolve, services, allowance)


def _node(tree: Input) -> Node:
    if isinstance(tree, Node):
        return tree
    try:
        return root_node(tree)
    except (KeyError, TypeError, AttributeError):
        raise EvaluationError("FHIRPath starts from a resource, and this is none of R4.") from None


def compile(expression: str, type: str | None = None) -> Expression:
    """`expression` ready to be evaluated; kept for the next time unless it is long.

    Args:
        expression: FHIRPath.
        type: the type (or element path) of what it will be evaluated on; where given, element names that no value could
            have are refused.

    Raises:
        MalformedExpression: not FHIRPath, an unknown function or type, or with `type` an unknown element.
        KeyError: R4 has no such `type`.
    """
    return _kept(expression, type) if len(expression) <= _LONGEST_KEPT else _compiled(expression, type)


def _compiled(expression: str, type: str | None) -> Expression:
    tree = parse(expression)
    compiled = Expression(expression, tree)
    if type is not None:
        semantics.check(tree, type)
    return compiled


_kept = lru_cache(maxsize=2048)(_compiled)
