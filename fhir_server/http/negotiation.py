"""Which representation the client gets and which its body is in, from `Accept`, `_format` and `Content-Type`.

https://hl7.org/fhir/R4/http.html#mime-type, https://hl7.org/fhir/R4/http.html#parameters,
https://hl7.org/fhir/R4/versioning.html#mt-version, RFC 9110 §12.5.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from fhir_server.fhir.outcome import NotAcceptable, UnsupportedMediaType

Format = Literal["json", "xml", "html"]

#: Media types and `_format` values → format. The `+` of a media type in an URL reads as a space when it is not escaped.
FORMATS: dict[str, Format] = {
    "json": "json",
    "application/fhir+json": "json",
    "application/json+fhir": "json",
    "application/json": "json",
    "text/json": "json",
    "xml": "xml",
    "application/fhir+xml": "xml",
    "application/xml+fhir": "xml",
    "application/xml": "xml",
    "text/xml": "xml",
    "html": "html",
    "text/html": "html",
    "application/xhtml+xml": "html",
}
#: Ranges → the formats they are given, first choice first; HTML is only for those who name it.
_RANGES: dict[str, tuple[Format, ...]] = {
    "*/*": ("json", "xml"),
    "application/*": ("json", "xml"),
    "*": ("json", "xml"),
    "text/*": ("html",),
}
#: Types that any system may mean by themselves: a Binary of that very type is given as it is.
GENERIC = frozenset({"application/json", "text/json", "application/xml", "text/xml"})
MEDIA_TYPES: dict[Format, str] = {
    "json": "application/fhir+json",
    "xml": "application/fhir+xml",
    "html": "text/html",
}
JSON_PATCH = "application/json-patch+json"
XML_PATCH = "application/xml-patch+xml"
MERGE_PATCH = "application/merge-patch+json"
FORM = "application/x-www-form-urlencoded"
_VERSIONS = frozenset({"4.0", "4.0.1"})
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the client takes.

    Attributes:
        format: of a FHIR answer.
        content_type: the header that goes with it.
        raw: whether a Binary is wanted as its content: "yes", "no", or the one media type for which it is.
    """

    format: Format
    content_type: str
    raw: str


@dataclass(frozen=True, slots=True)
class _Offer:
    """One member of `Accept`: media type, FHIR version, quality from 0 to 1, place in the header."""

    media_type: str
    version: str | None
    quality: float
    rank: int


@lru_cache(maxsize=512)
def accepted(accept: str | None, format: str | None) -> Accepted:
    """What to answer in; `_format` wins over `Accept`, and no `Accept` takes anything.

    Raises:
        NotAcceptable: neither JSON, XML nor HTML of FHIR 4.0 would be taken.
    """
    if format is not None:
        return _by_parameter(format)
    offers = _offers(accept or "*/*")
    for offer in offers:
        if offer.quality and offer.version in (None, *_VERSIONS):
            for found in _formats(offer.media_type):
                if not _excluded(found, offers):
                    return _accepted(found, offer.version, _raw(offer.media_type))
    if offers and offers[0].version is None and offers[0].media_type not in FORMATS:
        # Only a Binary may still be what was asked for; anything else is refused when that is known.
        return Accepted("json", _header("json", None), "only")
    raise _not_acceptable()


def _not_acceptable() -> NotAcceptable:
    return NotAcceptable(
        "None of the media types asked for is offered: those are FHIR 4.0 in JSON or XML, and text/html.",
        "http.Accept",
    )


def refuse_unless_raw(wanted: Accepted) -> None:
    """Refuse what only a Binary could satisfy.

    Raises:
        NotAcceptable: `Accept` names no FHIR format.
    """
    if wanted.raw == "only":
        raise _not_acceptable()


def _by_parameter(format: str) -> Accepted:
    media_type, version = _parsed(format.strip().replace(" ", "+"))
    found = _formats(media_type)
    if not found or version not in (None, *_VERSIONS):
        raise NotAcceptable("_format is json, xml, html or one of their media types, FHIR 4.0.", "http._format")
    return _accepted(found[0], version, "no")


def _formats(media_type: str) -> tuple[Format, ...]:
    return (FORMATS[media_type],) if media_type in FORMATS else _RANGES.get(media_type, ())


def _accepted(format: Format, version: str | None, raw: str) -> Accepted:
    return Accepted(format, _header(format, version), raw)


def _header(format: Format, version: str | None) -> str:
    echoed = f"; fhirVersion={version}" if version and format != "html" else ""
    return f"{MEDIA_TYPES[format]}{echoed}; charset=utf-8"


def _raw(media_type: str) -> str:
    # FHIR's own types ask for the resource, any other for the content (binary.html#rest).
    if media_type in GENERIC:
        return media_type
    return "no" if "fhir" in media_type else "yes"


def _excluded(format: Format, offers: list[_Offer]) -> bool:
    # `*/*, application/fhir+json;q=0`: a type that is named with zero is not taken through a wildcard.
    return any(offer.quality == 0 and offer.media_type == MEDIA_TYPES[format] for offer in offers)


def _offers(accept: str) -> list[_Offer]:
    if len(accept) > _LONGEST:
        raise NotAcceptable("Accept is too long.", "http.Accept")
    offers = [_offer(part, rank) for rank, part in enumerate(accept.split(",")) if part.strip()]
    kept = [offer for offer in offers if offer.quality > 0]
    best = sorted(kept, key=lambda offer: (-offer.quality, _breadth(offer.media_type), offer.rank))
    return best + [offer for offer in offers if offer.quality == 0]


def _breadth(media_type: str) -> int:
    return 2 if media_type.startswith("*") else int(media_type.endswith("/*"))


def _offer(text: str, rank: int) -> _Offer:
    media_type, *parameters = text.split(";")
    quality, version = 1.0, None
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "q":
            quality = _quality(value)
        elif name.lower() == "fhirversion":
            version = value.strip().strip('"')
    return _Offer(media_type.strip().lower(), version, quality, rank)


def _quality(value: str) -> float:
    try:
        return min(1.0, max(0.0, float(value)))
    except ValueError:
        return 0.0


def _parsed(content_type: str) -> tuple[str, str | None]:
    offer = _offer(content_type, 0)
    return offer.media_type, offer.version


@lru_cache(maxsize=512)
def takes_gzip(accept_encoding: str) -> bool:
    """Whether `Accept-Encoding` allows gzip (RFC 9110 §12.5.3)."""
    offers = [_offer(part, 0) for part in accept_encoding[:_LONGEST].split(",")]
    named = [offer.quality for offer in offers if offer.media_type in ("gzip", "x-gzip")]
    return max(named or [offer.quality for offer in offers if offer.media_type == "*"], default=0) > 0


@lru_cache(maxsize=512)
def content(header: str) -> tuple[str, str]:
    """The media type of a body and its charset, both lower case, "" where not said.

    Raises:
        UnsupportedMediaType: the header says a FHIR version other than 4.0.
    """
    media_type, version = _parsed(header[:_LONGEST])
    if version not in (None, *_VERSIONS):
        raise UnsupportedMediaType("Only FHIR 4.0 is read.", "http.Content-Type")
    charset = next(
        (
            value
            for name, _, value in (p.strip().partition("=") for p in header.split(";")[1:])
            if name.lower() == "charset"
        ),
        "",
    )
    return media_type, charset.strip('"').lower()
