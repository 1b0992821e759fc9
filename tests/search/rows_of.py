"""The index rows of small resources, for decision tables."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.fhir.json import parse, serialize
from fhir_server.search.indexing.extract import extract
from fhir_server.search.parameters.registry import Registry
from fhir_server.store.filters import Index

REGISTRY = Registry(ZoneInfo("UTC"))
BASE = "https://own.example/fhir"


def index(tree: dict[str, Any], registry: Registry = REGISTRY, base: str = BASE) -> Index:
    """The index of a resource, numbers read as the server reads them."""
    tree = parse(serialize(tree))
    return extract(tree["resourceType"], tree, registry, base)


def words(tree: dict[str, Any], param: str) -> list[tuple[str, str]]:
    """Value and qualifier of the word rows of `param`, in order."""
    return [(word.value, word.qualifier) for word in index(tree).words if word.param == param]


def spans(tree: dict[str, Any], param: str) -> list[tuple[float, float, str, str]]:
    """Low, high, code and system of the range rows of `param`, in order."""
    return [(span.low, span.high, span.code, span.system) for span in index(tree).spans if span.param == param]
