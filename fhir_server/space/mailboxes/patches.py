"""A FHIRPath Patch of mailboxes: a replacement gives none another address; it is deleted, and another inserted.

https://interop.esante.gouv.fr/ig/fhir/mss ("alimentation": type and address are not changed).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Invalid
from fhir_server.interactions.exchange import FHIR_JSON, Context, Request
from fhir_server.interactions.patching import fhirpath_patch
from fhir_server.interactions.pipeline import Patch
from fhir_server.space.mailboxes.model import mailboxes


def spelled(context: Context, request: Request) -> Patch | None:
    """The patch, each of its replacements looked at by itself; None of a patch in another format."""
    if request.resource is None and request.content_type not in (FHIR_JSON, "application/json"):
        return None
    tree = request.resource if request.resource is not None else parse(request.body, context.settings.max_depth)

    def change(resource: dict[str, Any]) -> Any:
        known = _addresses(resource)

        def watch(kind: str, where: str, left: Mapping[str, Any]) -> None:
            nonlocal known
            now = _addresses(left)
            if kind == "replace" and known - now and now - known:
                words = "A mailbox keeps its address: it is deleted, and another inserted."
                raise Invalid(words, where, code="business-rule")
            known = now

        return fhirpath_patch.read(tree, watch)(resource)

    fhirpath_patch.read(tree)
    return change


def _addresses(tree: Mapping[str, Any]) -> set[str]:
    return {one.name for one in mailboxes(tree)}
