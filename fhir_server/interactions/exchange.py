"""One FHIR exchange without HTTP, so that a Bundle entry is the same thing as a call.

https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from fhir_server.access.repository import Repository
    from fhir_server.interactions.pipeline import Pipeline
    from fhir_server.search.activation.watch import Watch
    from fhir_server.search.kinds.reading import Terminology
    from fhir_server.settings import Settings
    from fhir_server.store.blobs.protocol import Blobs, Opened
    from fhir_server.store.content import Content
    from fhir_server.store.protocol import Records
    from fhir_server.validation.profiles.activation import Following
    from fhir_server.validation.validator import Validator

FHIR_JSON = "application/fhir+json"
FHIR_XML = "application/fhir+xml"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    Attributes:
        method: GET, HEAD, POST, PUT, PATCH or DELETE.
        path: the decoded segments under the FHIR base: ("Patient", "1", "_history", "2").
        query: decoded (name, value) pairs of the URL, and of the form of a POST `_search`, in order.
        body: FHIR JSON (XML has been made JSON by the wire), or the bytes of a Binary or patch in `content_type`.
        content_type: media type of `body` without parameters, lower case; "" when there is no body.
        headers: the conditional and preference headers, by lower-case name (`if-match`, `prefer`, `if-none-exist`, …).
        resource: the resource `body` holds, when it is already parsed (a Bundle entry); None when it is not.
        content: the bytes of a Binary in `content_type` that are stored already, instead of a body; None elsewhere.
        streams: whether whoever asks can send content that is not in memory (`Response.stream`).
    """

    method: str
    path: tuple[str, ...]
    query: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    resource: dict[str, Any] | None = None
    content: Content | None = None
    streams: bool = False


@dataclass(frozen=True, slots=True)
class Stream:
    """Content that is sent as it is read, in a response to whoever can (`Request.streams`).

    Attributes:
        content: what it is, or is part of.
        first, end: the bytes of it that are sent, from `first` to before `end`.
        at: where in the body, a resource in JSON without `data`, it belongs; None where the content is the answer.
        opened: the same, found whole and about to be read; None where it was written a moment ago.
    """

    content: Content
    first: int
    end: int
    at: int | None = None
    opened: Opened | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered.

    Attributes:
        status: HTTP status.
        body: FHIR JSON, or the raw bytes of a Binary when `media_type` says so; b"" for none.
        media_type: of `body`; the wire turns FHIR JSON into what the client accepts and leaves any other type alone.
        version: number for the ETag `W/"n"`; None for none.
        at: for Last-Modified; ms since 1970 UTC; None for none.
        location: relative to the FHIR base ("Patient/1/_history/1"), for Location and Content-Location.
        headers: any other header.
        strong: whether the same version in this form is always the same bytes (RFC 9110 §8.8.1).
        stream: what is sent besides `body`, or instead of it.
    """

    status: int
    body: bytes = b""
    media_type: str = FHIR_JSON
    version: int | None = None
    at: int | None = None
    location: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    strong: bool = False
    stream: Stream | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What a handler may use.

    Attributes:
        repository: the store as this caller may see it.
        settings: the server's settings.
        base: absolute URL of the FHIR base without a final slash, for links and fullUrl.
        pipeline: the steps that every write goes through.
        strict: whether an unknown search parameter is an error (`Prefer: handling`, default by setting).
        prefer: return preference, "representation" when the client said nothing.
        request_id: for logs and traces.
        terminology: what codes mean, for searches by value set and subsumption; None where that is not known.
        cursor_key: the server's secret that page links are signed with.
        records: where long posted searches are kept while they are paged through; None where nothing is.
        watch: keeps the search parameters in force in step with the store; None where nothing does.
        operate: what runs a `$name`; None where operations are not wired. They stand above the interactions, and a
            Bundle entry may ask for one, so the way to them is handed down.
        validator: judges what is written, profiles included, for this caller; None judges by base R4 alone.
        following: keeps the profiles in force in step with the store; None where nothing does.
        security: says how callers get in, for the CapabilityStatement; None where that is not known.
        administers: whether this is a command of the administrator's, who may bring what comes with the server up to
            date.
        restores: whether what is written is a copy of what stood somewhere, which comes in parts: of two resources that
            were changed together, one may be here already.
        apart: does a request in the process beside this one; None where there is none, or this is it.
        blobs: where the store keeps long content, for what reads or writes it as bytes; None where nothing may.
    """

    repository: Repository
    settings: Settings
    base: str
    pipeline: Pipeline
    strict: bool = True
    prefer: str = "representation"
    request_id: str = ""
    terminology: Terminology | None = None
    cursor_key: bytes = b""
    records: Records | None = None
    watch: Watch | None = None
    operate: Handler | None = None
    validator: Validator | None = None
    following: Following | None = None
    security: Security | None = None
    administers: bool = False
    restores: bool = False
    apart: Apart | None = None
    blobs: Blobs | None = None


class Apart(Protocol):
    """Does a request in another process."""

    async def __call__(self, request: Request, context: Context, audits: bool) -> Response:
        """What is answered there.

        Args:
            request: a call, or an entry of a batch.
            context: whose grant and preferences hold there too.
            audits: whether it leaves AuditEvents of its own there; else what it touched is added to those of `context`.
        """


Handler = Callable[[Request, Context], Awaitable[Response]]
#: From a FHIR base to members of `CapabilityStatement.rest.security`.
Security = Callable[[str], Mapping[str, Any]]
