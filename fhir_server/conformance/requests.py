"""From an operation of a script to the HTTP request it stands for.

https://hl7.org/fhir/R4/testscript-definitions.html#TestScript.setup.action.operation,
https://hl7.org/fhir/R4/valueset-testscript-operation-codes.html, https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from fhir_server.conformance.sources import Source, Unusable
from fhir_server.conformance.variables import Find
from fhir_server.fhir.json import serialize
from fhir_server.fhir.xml import to_xml

#: Replaces the variables in a text.
Fill = Callable[[str], str]
FHIR = {"json": "application/fhir+json", "xml": "application/fhir+xml", "ttl": "text/turtle"}
FORM = "application/x-www-form-urlencoded"
#: Characters that need no escape in a URL (RFC 3986 §2.2, §2.3), and `%`, since an escape that is there stays.
SAFE = ":/?#[]@!$&'()*+,;=%~-._"

#: Code → method, and what follows `[base]/[type]` when the script gives a target: `id`, `id` and version, or nothing.
CODES: dict[str, tuple[str, str]] = {
    "read": ("get", "{id}"),
    "vread": ("get", "{id}/_history/{version}"),
    "history": ("get", "{id}/_history"),
    "search": ("get", ""),
    "create": ("post", ""),
    "update": ("put", "{id}"),
    "updateCreate": ("put", "{id}"),
    "patch": ("patch", "{id}"),
    "delete": ("delete", "{id}"),
    "deleteCondSingle": ("delete", ""),
    "deleteCondMultiple": ("delete", ""),
}
#: The codes that are of one resource, always.
NAMED = frozenset(("read", "vread", "update", "updateCreate", "patch", "delete"))
#: Codes of the whole server: method, and the path after the base.
SYSTEM = {"capabilities": ("get", "metadata"), "batch": ("post", ""), "transaction": ("post", "")}


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be sent.

    Attributes:
        method: in lower case.
        url: absolute.
        headers: by name in lower case.
        body: empty for none.
        encoded: whether `url` is percent-encoded; where not, it is to be sent as it stands.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    encoded: bool = True


def request(operation: Mapping[str, Any], base: str, find: Find, fill: Fill) -> Request:
    """The request of `operation`.

    Args:
        operation: of a TestScript.
        base: the server's FHIR base, without a slash at its end.
        find: gives the fixture, request or response of an id.
        fill: replaces variables.

    Raises:
        Unusable: the operation does not say enough, or what it points at is not there.
    """
    code = operation.get("type", {}).get("code", "").removeprefix("$")
    source = find(operation["sourceId"]) if "sourceId" in operation else None
    method = operation.get("method") or _method(code, source)
    headers = {"accept": _mime(operation.get("accept", "json"))}
    path, body = _path(operation, code, source, find, fill), b""
    if code == "search" and method == "post" and "?" in path and source is None:
        # The POST form of a search: https://hl7.org/fhir/R4/http.html#search
        path, _, query = path.partition("?")
        path = path if path.endswith("/_search") else f"{path}/_search"
        headers["content-type"], body = FORM, quote(query, safe=SAFE).encode()
    elif source is not None:
        headers["content-type"] = _mime(operation.get("contentType", "json"))
        body = _body(source, headers["content-type"])
    if "contentType" in operation:
        headers["content-type"] = _mime(operation["contentType"])
    headers |= {row["field"].lower(): fill(row["value"]) for row in operation.get("requestHeader", ())}
    encoded = operation.get("encodeRequestUrl", True)
    return Request(method, _absolute(path, base, encoded), headers, body, encoded)


def _method(code: str, source: Source | None) -> str:
    if code in CODES:
        return CODES[code][0]
    if code in SYSTEM:
        return SYSTEM[code][0]
    # An operation is called by POST when it is given a body: https://hl7.org/fhir/R4/operations.html#request
    return "get" if source is None else "post"


def _path(operation: Mapping[str, Any], code: str, source: Source | None, find: Find, fill: Fill) -> str:
    if "url" in operation:
        return fill(operation["url"])
    if not code:
        raise Unusable("The operation has neither a type nor a url.")
    start = SYSTEM[code][1] if code in SYSTEM else operation.get("resource", "")
    if "params" in operation:
        params = (
            _plain(fill(operation["params"])) if operation.get("encodeRequestUrl", True) else fill(operation["params"])
        )
        return _with_params(start, params if code in CODES or code in SYSTEM else _called(params, code))
    if code in SYSTEM:
        return start
    return _targeted(code, start, find(operation["targetId"]) if "targetId" in operation else None, source)


def _with_params(start: str, params: str) -> str:
    slash = "" if not start or params[:1] in ("", "/", "?") else "/"
    return f"{start}{slash}{params}".lstrip("/")


def _plain(params: str) -> str:
    """A `+` that a script writes is one, as in a time zone or a media type; in a URL it would be read as a space."""
    path, mark, query = params.partition("?")
    return path + mark + query.replace("+", "%2B")


def _called(params: str, code: str) -> str:
    """`params` of an operation of that code, which may name it (`/1/$everything?_count=1`) or not (`/1?_count=1`)."""
    before, mark, after = params.partition("?")
    return params if "$" in before else f"{before.rstrip('/')}/${code}{mark}{after}"


def _targeted(code: str, start: str, target: Source | None, source: Source | None) -> str:
    template = CODES[code][1] if code in CODES else "{id}/$" + code
    # An update is of what the script names; where it names nothing, of what it sends.
    subject = source if target is None and code in ("update", "updateCreate", "create") else target
    type, id, version = subject.identity() if subject is not None else ("", "", "")
    if not id:
        if "{id}" in template and (target is not None or code in NAMED):
            raise Unusable(f"The operation {code} does not say which resource: there is no id.")
        template = template.removeprefix("{id}").removeprefix("/")
    if "{version}" in template and not version:
        raise Unusable("The target has no version.")
    return "/".join(part for part in (start or type, template.format(id=id, version=version)) if part)


def _mime(code: str) -> str:
    return FHIR.get(code, "" if code == "none" else code)


def _body(source: Source, mime: str) -> bytes:
    bare = mime.partition(";")[0].strip().lower()
    if source.tree is None:
        return source.body
    if source.tree.get("resourceType") == "Binary" and bare == source.tree.get("contentType", "").partition(";")[0]:
        # What is no resource, such as a JSON Patch, is in a script as a Binary of that type.
        try:
            return base64.b64decode(source.tree.get("data", ""), validate=True)
        except binascii.Error:
            raise Unusable("The data of the Binary is not base64.") from None
    body = serialize(source.tree)
    return to_xml(body) if bare in ("application/fhir+xml", "application/xml", "text/xml") else body


def _absolute(path: str, base: str, encoded: bool) -> str:
    whole = path if urlsplit(path).scheme in ("http", "https") else f"{base}/{path}" if path else base
    if whole.startswith(f"{base}/?"):
        whole = base + whole[len(base) + 1 :]
    return quote(whole, safe=SAFE) if encoded else whole
