"""What the profiles that come with the server say of a resource, for the tables of this folder."""

from __future__ import annotations

from typing import Any

from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator

JUDGE = Validator(Profiles(), unknown="error")
#: What a validator says of nearly everything, and that is not about these profiles: rule, and whose.
ASIDE = {("dom-6", None), ("extensible-binding", None)}

#: Resource, what is changed, into what (None: taken away), the rule, and where.
Rule = tuple[dict[str, Any], str, Any, str, str]


def errors(tree: dict[str, Any], judge: Validator = JUDGE) -> set[tuple[str | None, str | None]]:
    """Key and place of every error."""
    return {(i.key, i.expression) for i in judge.validate(tree) if i.severity == "error"}


def said(tree: dict[str, Any], judge: Validator = JUDGE) -> list[Any]:
    """All that is said, of any severity."""
    return [i for i in judge.validate(tree) if (i.key, i.profile) not in ASIDE]


def valid(module: Any) -> dict[str, dict[str, Any]]:
    """The resources that a module holds, by name."""
    return {name: tree for name, tree in vars(module).items() if isinstance(tree, dict) and "resourceType" in tree}
