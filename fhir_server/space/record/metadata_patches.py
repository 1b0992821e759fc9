"""A change of a document's metadata (PDSm flows 3 and 4): its status, its labels, whether it is archived; nothing else.

https://interop.esante.gouv.fr/ig/fhir/pdsm ("mise à jour": another element is 405), PDSm4DMP TD3.3. The guides write
the archive flag with a path that is no JSON Pointer, and one of them with a wrong URL and a boolean in quotes: where
the guide is held to leniently, what is meant is done (domain file §1.2.7 and §1.3).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fhir_server.access.write_rules import people
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import FhirError, MethodNotAllowed
from fhir_server.interactions.exchange import Context, Request
from fhir_server.interactions.patching import json_patch
from fhir_server.interactions.pipeline import Patch
from fhir_server.space.record.sharing.levels import is_strict
from fhir_server.space.record.sharing.words import IS_ARCHIVED, dicts, is_shared
from fhir_server.space.record.writing import changes

#: Elements of a document that a patch changes.
PATCHED = frozenset({"status", "securityLabel"})
_ALLOW = {"Allow": "GET, HEAD, PUT, PATCH"}
#: `/extension[url:'…is-archived']/valueBoolean`, in every quote that is seen, and by the search parameter's URL.
_PSEUDO = re.compile(
    r"""/extension\[\s*url\s*[:=]\s*['"\u2018\u2019\u201c\u201d]?[^'"\]\s]*?"""
    r"""(?:pdsm-ext-is-archived|PDSm-isArchived)['"\u2018\u2019\u201c\u201d]?\s*\]/valueBoolean""",
    re.ASCII,
)
_END = "/extension/-"
_BOOLEANS = {"true": True, "false": False}
_OPERATION = re.compile(r"\bpatch\[0\]")


def patched(context: Context, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Refuse a patch of what no patch changes of a document.

    What R4 alone speaks of, an administrator's software patches as any resource.

    Raises:
        MethodNotAllowed: naming the element (405).
    """
    if not (people(context.repository.grant) or is_shared(before) or is_strict(context)):
        return
    others = sorted(changes(before, after) - PATCHED - {"extension"})
    if _others(before) != _others(after):
        others.append("extension")
    if others:
        words = "A patch changes a document's status, its labels and whether it is archived, and nothing else."
        raise MethodNotAllowed(words, f"DocumentReference.{others[0]}", headers=_ALLOW)


def _others(tree: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [one for one in dicts(tree.get("extension")) if one.get("url") != IS_ARCHIVED]


def spelled(context: Context, request: Request) -> Patch | None:
    """A JSON Patch with the guides' path of the archive flag, as what it means; None of any other patch.

    So is the end of a list of extensions that is not there yet: R4 has no empty list to which it could be added.
    """
    if request.content_type != "application/json-patch+json" or is_strict(context):
        return None
    if b"extension[" not in request.body and _END.encode() not in request.body:
        return None
    json_patch.read(request.body, context.settings.max_depth)  # refused as any other where it is no patch at all
    operations = parse(b'{"patch":%s}' % request.body.lstrip(b"\xef\xbb\xbf"), context.settings.max_depth + 1)["patch"]
    if not any(one["path"] == _END or _PSEUDO.fullmatch(one["path"]) for one in operations):
        return None

    def change(tree: dict[str, Any]) -> Any:
        for number, one in enumerate(operations):
            body = serialize({"patch": [_meant(one, tree)]})[len(b'{"patch":') : -1]
            try:
                tree = json_patch.read(body, context.settings.max_depth, of_resource=True)(tree)
            except FhirError as error:
                raise type(error)(str(error), _OPERATION.sub(f"patch[{number}]", _place(error))) from None
        return tree

    return change


def _place(error: FhirError) -> str:
    return error.issues[0].expression or "patch[0]"


def _meant(operation: dict[str, Any], tree: dict[str, Any]) -> dict[str, Any]:
    """One operation, its path a JSON Pointer into that document."""
    if operation["op"] == "add" and operation["path"] == _END and not tree.get("extension"):
        return {"op": "add", "path": "/extension", "value": [operation["value"]]}
    if not _PSEUDO.fullmatch(operation["path"]):
        return operation
    said = operation.get("value")
    value = _BOOLEANS.get(said, said) if isinstance(said, str) else said
    found = [n for n, one in enumerate(dicts(tree.get("extension"))) if one.get("url") == IS_ARCHIVED]
    if found and operation["op"] == "remove":
        return {"op": "remove", "path": f"/extension/{found[0]}"}
    if found:
        return {**operation, "path": f"/extension/{found[0]}/valueBoolean", "value": value}
    if operation["op"] not in ("add", "replace"):
        return {**operation, "path": "/extension/-/valueBoolean", "value": value}
    # `replace` of a flag that was never said is what software sends to say it for the first time.
    flag = {"url": IS_ARCHIVED, "valueBoolean": value}
    if tree.get("extension"):
        return {"op": "add", "path": "/extension/-", "value": flag}
    return {"op": "add", "path": "/extension", "value": [flag]}
