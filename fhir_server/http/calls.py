"""One HTTP request as the wire reads it, and what it tells the maker of a context about the caller."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from os import urandom
from typing import TYPE_CHECKING, Any

from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.outcome import InvalidParameter, Malformed
from fhir_server.http.negotiation import Accepted, accepted
from fhir_server.http.uri import LONGEST, UriTooLong, pairs, segments
from fhir_server.interactions.exchange import Context

if TYPE_CHECKING:
    from fhir_server.http.bodies import Part

#: Request headers that handlers may see; any other is the wire's or the authorization's.
_FOR_HANDLERS = (
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-none-exist",
    "prefer",
    "accept-language",
    "x-security-context",
    "x-provenance",
    "range",
    "if-range",
)
#: Parameters of the pages themselves: the language, and JSON or XML shown as text.
_FOR_PAGES = ("lang", "view")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HOST = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_RETURNS = ("minimal", "representation", "OperationOutcome")
_numbers = count()
_START = urandom(6).hex()


@dataclass(frozen=True, slots=True)
class Call:
    """What a context is made from.

    Attributes:
        headers: all request headers, by lower-case name.
        method: of HTTP.
        path: decoded segments under the FHIR base.
        base: absolute URL of the FHIR base without a final slash.
        strict: whether an unknown search parameter is an error: `Prefer: handling`, or the setting.
        prefer: `Prefer: return`, "representation" when the client said nothing.
        request_id: of the client, or made here.
        source: network address of the client, "" when it is not known.
    """

    headers: Mapping[str, str]
    method: str
    path: tuple[str, ...]
    base: str
    strict: bool
    prefer: str
    request_id: str
    source: str

    def reads_now(self, types: Collection[str]) -> bool:
        """Whether it reads or searches one of `types` as it is now; what it was before is not for everyone."""
        if not self.path or self.path[0] not in types:
            return False
        if self.method == "POST":
            return self.path[1:] == ("_search",)
        return self.method in ("GET", "HEAD") and len(self.path) <= 2 and not self.path[-1].startswith(("_", "$"))


MakeContext = Callable[[Call], Awaitable[Context]]


class Incoming:
    """One request while it is read. Making one cannot fail; `read` decodes the URL and may.

    Attributes:
        headers: by lower-case name; of a repeated header the values joined by a comma.
        path: decoded segments under the base, once `read`.
        query: decoded pairs without the wire's own, once `read`.
        format: `_format`, once it was said.
        wanted: what to answer in; JSON until negotiation succeeds.
        pretty: `_pretty`.
        awaited: whether the body is still on its way.
        held: what the worker holds of it; None before.
        xml: the XML body, for placing issues in it; b"" for none.
        json: the JSON body of a validation, likewise.
        own: pairs for the pages alone (`lang`, `view`), once `read`.
        raw_query: the query as it came, for the pages' own links.
    """

    __slots__ = (
        "awaited",
        "format",
        "headers",
        "held",
        "json",
        "method",
        "own",
        "path",
        "pretty",
        "query",
        "raw_query",
        "request_id",
        "scope",
        "wanted",
        "xml",
    )

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.headers = headers_of(scope)
        self.request_id = _request_id(self.headers.get("x-request-id"))
        self.path: tuple[str, ...] = ()
        self.query: tuple[tuple[str, str], ...] = ()
        self.own: tuple[tuple[str, str], ...] = ()
        self.raw_query: bytes = scope["query_string"]
        self.format: str | None = None
        self.wanted: Accepted = AS_JSON
        self.pretty = False
        self.awaited = False
        self.held: Part | None = None
        self.xml = b""
        self.json = b""

    def read(self, prefix: int) -> None:
        """Decode path and query and settle the format.

        Args:
            prefix: length of the path of the FHIR base.

        Raises:
            UriTooLong, Malformed, NotAcceptable, InvalidParameter: 414, 400, 406, 400.
        """
        path: bytes = self.scope.get("raw_path") or self.scope["path"].encode()
        if len(path) + len(self.raw_query) > LONGEST:
            raise UriTooLong(f"The URL is longer than {LONGEST} bytes; POST _search takes longer ones.", "http.url")
        if self.raw_query:
            self.take(pairs(self.raw_query))
        else:
            self.wanted = accepted(self.headers.get("accept"), None)
        self.path = segments(path[prefix:].lstrip(b"/"))
        if self._asks():
            self.path = (*self.path, "_search")

    def _asks(self) -> bool:
        """Whether it is a search posted to its type without `_search`, as PDSm's own example of a List is.

        R4 http.html#create: what is posted to a type is a resource to make. Criteria without any body can mean nothing
        else. What is posted to Binary is content, whatever it is.
        """
        if self.method != "POST" or len(self.path) != 1 or self.path[0] not in resource_types() - {"Binary"}:
            return False
        empty = "transfer-encoding" not in self.headers and self.headers.get("content-length", "0").strip() == "0"
        return empty and bool(self.query) and "if-none-exist" not in self.headers

    def take(self, found: tuple[tuple[str, str], ...]) -> None:
        """Add pairs of the URL or of a form, keeping those that are the wire's for itself."""
        if self.format is None:
            # Of a URL and a form that each say one, the URL's counts.
            self.format = next((value for name, value in found if name == "_format"), None)
            self.wanted = accepted(self.headers.get("accept"), self.format)
        for name, value in found:
            if name == "_pretty":
                self.pretty = _boolean(value)
        kept = tuple(pair for pair in found if pair[0] not in ("_format", "_pretty"))
        if self.wanted.format == "html":
            # A form sends every field, and most are empty: that is not a criterion.
            self.own += tuple(pair for pair in kept if pair[0] in _FOR_PAGES)
            kept = tuple(pair for pair in kept if pair[1] and pair[0] not in _FOR_PAGES)
        self.query += kept

    def for_handlers(self) -> dict[str, str]:
        """The headers that handlers may see.

        Raises:
            Malformed: `If-None-Exist` stands twice, or is not UTF-8.
        """
        headers = self.headers
        found = {name: headers[name] for name in _FOR_HANDLERS if name in headers}
        if "if-none-exist" in found:
            found["if-none-exist"] = _criteria(self.scope["headers"])
        return found

    def call(self, base: str, strict: bool) -> Call:
        """What a context is made from; `base` and `strict` as the settings give them, "" for the request's own Host.

        Raises:
            Malformed: the Host header is not a host.
        """
        header = self.headers.get("prefer")
        handling, prefer = _preferences(header) if header else (None, "representation")
        client = self.scope.get("client")
        return Call(
            self.headers,
            self.method,
            self.path,
            base or _base(self.scope.get("scheme", "http"), self._host()),
            strict if handling is None else handling == "strict",
            prefer,
            self.request_id,
            client[0] if client else "",
        )

    def _host(self) -> str:
        """The Host; without one, as HTTP/1.0 may be (RFC 9112 §3.3), where the connection was made to."""
        given = self.headers.get("host")
        server = self.scope.get("server")
        if given is not None or self.scope.get("http_version") != "1.0" or not server:
            return given or ""
        name = f"[{server[0]}]" if ":" in server[0] else server[0]
        return f"{name}:{server[1]}" if server[1] else name


#: What is wanted when nothing is said.
AS_JSON = accepted(None, None)


#: Where a request's headers stand in its scope once they were read: several look at them.
_READ = "fhir_server.headers"


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """The headers of a request by lower-case name, several of one name joined."""
    found: dict[str, str] | None = scope.get(_READ)
    if found is None:
        found = _headers(scope["headers"])
        if isinstance(scope, dict):
            scope[_READ] = found
    return found


def _headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    found = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}
    if len(found) != len(raw):
        joined: dict[str, list[str]] = {}
        for name, value in raw:
            joined.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
        return {name: ", ".join(values) for name, values in joined.items()}
    return found


def _criteria(raw: Iterable[tuple[bytes, bytes]]) -> str:
    """`If-None-Exist`: what would be a query in a URL, in UTF-8 as one, escaped or not.

    Two of them would be joined by a comma, which in a search means "or".
    """
    first, *more = [value for name, value in raw if name.lower() == b"if-none-exist"]
    if more:
        raise Malformed("If-None-Exist stands twice.", "http.If-None-Exist", code="value")
    try:
        return first.decode()
    except UnicodeDecodeError:
        words = "If-None-Exist is not UTF-8: what is not ASCII is sent in UTF-8, or percent-encoded as in a URL."
        raise Malformed(words, "http.If-None-Exist", code="value") from None


def _request_id(given: str | None) -> str:
    return given if given and _REQUEST_ID.fullmatch(given) else f"{_START}-{next(_numbers):x}"


def _boolean(value: str) -> bool:
    if value not in ("true", "false"):
        raise InvalidParameter("_pretty is true or false.", "http._pretty")
    return value == "true"


@lru_cache(maxsize=64)
def _base(scheme: str, host: str) -> str:
    if not _HOST.fullmatch(host):
        raise Malformed("The Host header is not a host.", "http.Host", code="value")
    return f"{scheme}://{host}/fhir"


@lru_cache(maxsize=256)
def _preferences(header: str) -> tuple[str | None, str]:
    """`handling` and `return` of `Prefer` (RFC 7240); what it does not know it ignores, as the RFC asks."""
    given: dict[str, str] = {}
    for part in re.split("[,;]", header):
        name, _, value = part.partition("=")
        given.setdefault(name.strip().lower(), value.strip().strip('"'))
    handling = given.get("handling")
    returns = next((known for known in _RETURNS if known.lower() == given.get("return", "").lower()), "representation")
    return handling if handling in ("strict", "lenient") else None, returns
