"""Profiles and resources that tests of profiles are made of."""

from __future__ import annotations

from typing import Any

from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator

URL = "https://example.org/StructureDefinition/"
SPECIFICATION = "http://hl7.org/fhir/StructureDefinition/"
DIV = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">a</div>'}


def profile(name: str, type: str, *elements: dict[str, Any], base: str = "", version: str = "") -> dict[str, Any]:
    """A StructureDefinition; elements by their ids (`Patient.identifier:ins.system`)."""
    found = []
    for element in elements:
        id = element["id"]
        path = ".".join(step.partition(":")[0] for step in id.split("."))
        slice = id.rpartition(".")[2].partition(":")[2]
        found.append({"path": path, **({"sliceName": slice} if slice else {}), **element})
    tree: dict[str, Any] = {
        "resourceType": "StructureDefinition",
        "url": URL + name,
        "name": name,
        "status": "draft",
        "fhirVersion": "4.0.1",
        "kind": "complex-type" if type == "Extension" else "resource",
        "abstract": False,
        "type": type,
        "baseDefinition": base or f"http://hl7.org/fhir/StructureDefinition/{type}",
        "derivation": "constraint",
        "differential": {"element": [{"id": type, "path": type}, *found]},
    }
    return {**tree, "version": version} if version else tree


def issues(tree: dict[str, Any], *profiles: dict[str, Any]) -> list[tuple[str | None, str | None]]:
    """Key and place of what the last of `profiles` finds wrong with `tree`; codes are none of these tests' concern."""
    registry = Profiles()
    for one in profiles:
        registry.add(one)
    found = Validator(registry).validate(tree, profiles=[profiles[-1]["url"]])
    return [
        (i.key, i.expression) for i in found if i.key != "dom-6" and (i.key, i.profile) != ("extensible-binding", None)
    ]


def patient(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "text": DIV, **members}


def observation(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "text": DIV, "status": "final", "code": {"text": "a"}, **members}
