"""The entries of a batch or transaction as requests, and their answers as entries again.

https://hl7.org/fhir/R4/http.html#transaction, https://hl7.org/fhir/R4/bundle.html#bundle-unique
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

import msgspec

from fhir_server.fhir.json import instant
from fhir_server.fhir.outcome import FhirError, Invalid, Issue, Malformed, TooLarge
from fhir_server.interactions.exchange import FHIR_JSON, Context, Request, Response
from fhir_server.search.asking.query import decoded, unescaped
from fhir_server.validation.reference_targets import Around
from fhir_server.validation.validator import validate

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})

#: Element of `Bundle.entry.request` → the header it stands for.
HEADERS = {
    "ifMatch": "if-match",
    "ifNoneMatch": "if-none-match",
    "ifModifiedSince": "if-modified-since",
    "ifNoneExist": "if-none-exist",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the Bundle received.

    Attributes:
        number: its place, from 0.
        request: what it asks; its resource is already parsed.
        full_url: what the other entries call the resource; "" for nothing.
        bare: whether the answer is wanted without its body: a HEAD.
    """

    number: int
    request: Request
    full_url: str = ""
    bare: bool = False

    @property
    def where(self) -> str:
        """FHIRPath of the entry."""
        return f"Bundle.entry[{self.number}]"


def rows_of(bundle: dict[str, Any], context: Context) -> list[Any]:
    """`Bundle.entry`, not longer than the settings allow.

    Raises:
        Malformed: not an array (400).
        TooLarge: too many entries (413).
    """
    rows = bundle.get("entry", [])
    if not isinstance(rows, list):
        raise Malformed("entry is an array.", "Bundle.entry")
    if len(rows) > context.settings.max_bundle_entries:
        raise TooLarge(f"A Bundle has at most {context.settings.max_bundle_entries} entries.", "Bundle.entry")
    return rows


def envelope(bundle: dict[str, Any], context: Context | None = None, around: Around | None = None) -> list[Issue]:
    """What is wrong with the Bundle itself, its entries' resources left aside: errors only.

    The profiles that the Bundle claims judge it whole: what they ask of its entries is asked of the resources too.

    Args:
        bundle: as it was sent.
        context: whose validator judges; without it no profile does.
        around: the Bundle's own, for who goes on with what was found of its entries.
    """
    rows = [_bare(row) for row in bundle.get("entry", ())]
    bare = {**bundle, "entry": rows} if rows else {k: v for k, v in bundle.items() if k != "entry"}
    found = list(validate(bare))
    if context is not None and context.validator is not None and not any(i.severity == "error" for i in found):
        found += context.validator.profiled(bundle, "Bundle", "Bundle", around or Around(bundle), (), True)
    return [issue for issue in found if issue.severity in ("error", "fatal")]


#: Stands for an entry that `read` refuses, so that the entry is refused once and alone.
_ELSEWHERE = {"request": {"method": "GET", "url": "Patient"}}


def _bare(row: Any) -> dict[str, Any]:
    if not isinstance(row, dict) or not isinstance(row.get("request"), dict):
        return _ELSEWHERE
    return {key: value for key, value in row.items() if key != "resource"}


def read(row: Any, number: int, context: Context) -> Entry:
    """The entry as a request.

    Raises:
        Malformed: it cannot be read as one; its `expression` starts at the Bundle (400).
    """
    where = f"Bundle.entry[{number}]"
    if not isinstance(row, dict):
        raise Malformed("An entry is an object.", where)
    said = row.get("request")
    if not isinstance(said, dict):
        raise Malformed("An entry of a batch or transaction has a request.", f"{where}.request", code="required")
    method = said.get("method")
    if not isinstance(method, str) or method not in METHODS:
        raise Malformed("The method is GET, HEAD, POST, PUT, PATCH or DELETE.", f"{where}.request.method", code="value")
    path, query = target(said.get("url"), context.base, f"{where}.request.url")
    headers = {HEADERS[name]: value for name, value in said.items() if name in HEADERS and isinstance(value, str)}
    request = Request("GET" if method == "HEAD" else method, path, query, headers=headers)
    full_url = row.get("fullUrl", "")
    body = _with_body(request, row.get("resource"), where)
    return Entry(number, body, full_url if isinstance(full_url, str) else "", method == "HEAD")


def target(url: Any, base: str, where: str) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The path segments and query of an entry's URL, relative or under the server's own base.

    Raises:
        Malformed: not such a URL.
    """
    if not isinstance(url, str) or not url.strip():
        raise Malformed("The request has no url.", where, code="required")
    relative = url[len(base) :] if base and url.startswith(base + "/") else url
    if "://" in relative.partition("?")[0]:
        raise Malformed("The url is not one of this server.", where, code="value")
    path, _, query = relative.partition("#")[0].partition("?")
    try:
        segments = tuple(unescaped(part) for part in path.strip("/").split("/") if part)
        return segments, tuple(decoded(query))
    except ValueError:
        raise Malformed("The url cannot be decoded.", where, code="value") from None


def located(error: FhirError, entry: Entry) -> list[Issue]:
    """The issues of an error, each with its place in the Bundle."""
    return [replace(issue, expression=_expression(issue.expression, entry)) for issue in error.issues]


def _expression(expression: str | None, entry: Entry) -> str:
    if expression is None or expression.startswith("http."):
        return f"{entry.where}.request"
    if expression.startswith("Bundle"):
        return expression
    _, dot, rest = expression.partition(".")
    return f"{entry.where}.resource{dot}{rest}"


def together(problems: Iterable[tuple[FhirError, Entry]]) -> FhirError:
    """One error with the issues of all, in the order of the entries; its status is that of the first.

    A Bundle's profile may say of an entry what the entry's own says: it is told once.
    """
    ordered = sorted(problems, key=lambda problem: problem[1].number)
    kind = type(ordered[0][0])
    return kind(issues=[*dict.fromkeys(issue for error, entry in ordered for issue in located(error, entry))])


def answered(entry: Entry, response: Response, context: Context) -> bytes:
    """The entry of the response Bundle, serialised."""
    said: dict[str, Any] = {"status": _status(response.status)}
    if response.location is not None and entry.request.method not in ("GET", "DELETE"):
        said["location"] = response.location
    if response.version is not None:
        said["etag"] = f'W/"{response.version}"'
    if response.at is not None:
        said["lastModified"] = instant(response.at)
    parts = []
    body = response.body if response.media_type == FHIR_JSON and not entry.bare else b""
    if body and _is_outcome(entry, response, context):
        said["outcome"] = msgspec.Raw(body)
    elif body:
        if response.version is not None and response.location is not None:
            identity = response.location.partition("/_history/")[0]
            parts.append(b'"fullUrl":%s' % msgspec.json.encode(f"{context.base}/{identity}"))
        parts.append(b'"resource":%s' % body)
    parts.append(b'"response":%s' % msgspec.json.encode(said))
    return b"{%s}" % b",".join(parts)


def refused(error: FhirError, entry: Entry) -> bytes:
    """The entry of the response Bundle for one that failed on its own (batch)."""
    said = {"status": _status(error.status), "outcome": msgspec.Raw(type(error)(issues=located(error, entry)).body())}
    return b'{"response":%s}' % msgspec.json.encode(said)


def bundle(kind: str, rows: Iterable[bytes]) -> bytes:
    """The response Bundle of `rows`, in their order."""
    entries = b",".join(rows)
    listed = b',"entry":[%s]' % entries if entries else b""
    return b'{"resourceType":"Bundle","type":"%s"%s}' % (kind.encode(), listed)


def _with_body(request: Request, resource: Any, where: str) -> Request:
    if resource is None:
        if request.method in ("PUT", "PATCH"):
            raise Malformed(f"A {request.method} needs a resource.", f"{where}.resource", code="required")
        return request
    if not isinstance(resource, dict):
        raise Malformed("The resource is not an object.", f"{where}.resource")
    if request.method == "PATCH" and resource.get("resourceType") == "Binary":
        return _json_patch(request, resource, where)
    return replace(request, resource=resource, content_type=FHIR_JSON)


def _json_patch(request: Request, binary: dict[str, Any], where: str) -> Request:
    """R4 http.html#patch: in a Bundle a JSON Patch is the content of a Binary."""
    kind, data = binary.get("contentType"), binary.get("data")
    if not isinstance(kind, str) or not isinstance(data, str):
        raise Malformed("The Binary of a patch has a contentType and data.", f"{where}.resource", code="required")
    try:
        body = b64decode(data, validate=True)
    except ValueError:
        raise Invalid("The data is not base64.", f"{where}.resource.data", code="value") from None
    return replace(request, body=body, content_type=kind.partition(";")[0].strip().lower())


def _is_outcome(entry: Entry, response: Response, context: Context) -> bool:
    if entry.request.method == "GET" or any(step.startswith("$") for step in entry.request.path):
        return response.status >= 400
    return response.status >= 400 or context.prefer == "OperationOutcome" or entry.request.method == "DELETE"


def _status(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"
