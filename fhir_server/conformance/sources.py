"""What a script can point at by id: its fixtures, and the requests and responses that were given an id.

https://hl7.org/fhir/R4/testscript-definitions.html#TestScript.fixture
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError, Invalid
from fhir_server.fhir.xml import to_json

Tree = dict[str, Any]
_TYPE, _ID = re.compile(r"[A-Z][A-Za-z]+", re.ASCII), re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)


class Unusable(Invalid):
    """The script asks for something that cannot be done: the action's result is `error`, not `fail`."""


@dataclass(frozen=True, slots=True)
class Source:
    """A fixture, a request or a response.

    Attributes:
        tree: the resource in it; None where there is none, and then `problem` says why.
        headers: by name in lower case; none for a fixture.
        body: as it was sent or received.
        status: of a response.
        method: of a request, in lower case.
        url: where a request went, or a response came from.
        problem: why `tree` is None.
    """

    tree: Tree | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    status: int | None = None
    method: str = ""
    url: str = ""
    problem: str = "There is no body."

    @property
    def media_type(self) -> str:
        """The Content-Type without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def resource(self) -> Tree:
        """The resource in it.

        Raises:
            Unusable: there is none.
        """
        if self.tree is None:
            raise Unusable(self.problem)
        return self.tree

    def identity(self) -> tuple[str, str, str]:
        """Type, id and version of the resource, the last two empty where they are not known.

        A response to a create that holds no resource is known by its Location:
        https://hl7.org/fhir/R4/http.html#create
        """
        found = _last(self.headers.get("location", ""))
        tree = self.tree
        if tree is not None and tree.get("id") and tree.get("resourceType") != "OperationOutcome":
            meta = tree.get("meta")
            version = meta.get("versionId", "") if isinstance(meta, dict) else ""
            return str(tree.get("resourceType", "")), str(tree["id"]), str(version or (found[2] if found else ""))
        if found:
            return found
        return str(tree.get("resourceType", "")) if tree else "", "", ""


def of_message(body: bytes, headers: Mapping[str, str], **known: Any) -> Source:
    """A request or response whose body is read by its Content-Type; `known` are further attributes of it."""
    source = Source(None, headers, body, **known)
    if not body:
        return source
    try:
        if "xml" in source.media_type:
            tree = parse(to_json(body))
        elif "json" in source.media_type:
            tree = parse(body)
        else:
            return Source(None, headers, body, **known, problem=f"The body is {source.media_type or 'of no type'}.")
    except FhirError as error:
        return Source(None, headers, body, **known, problem=f"The body is not FHIR: {error}")
    if "resourceType" not in tree:
        return Source(None, headers, body, **known, problem="The body is no resource.")
    return Source(tree, headers, body, **known)


def _last(location: str) -> tuple[str, str, str] | None:
    """Type, id and version at the end of a URL."""
    parts = location.partition("?")[0].rstrip("/").split("/")
    version = ""
    if len(parts) >= 4 and parts[-2] == "_history":
        version = parts[-1]
        parts = parts[:-2]
    if len(parts) < 2 or not _TYPE.fullmatch(parts[-2]) or not _ID.fullmatch(parts[-1]):
        return None
    return parts[-2], parts[-1], version
