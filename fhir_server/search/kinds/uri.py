"""URI parameters: the whole URI, precisely; or what is above or below it.

https://hl7.org/fhir/R4/search.html#uri
"""

from __future__ import annotations

import re

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.search.kinds.reading import Asked, Modifier, Modifiers
from fhir_server.search.kinds.values import split, unescape
from fhir_server.search.parameters.codes import spellings
from fhir_server.store.filters import Filter, Refers, Token, Uri, both, either

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]+")


def _equal(asked: Asked, value: str) -> Filter:
    url, version = versioned(value)
    if version is None:
        return Uri(asked.rows, url)
    # A canonical of a resource's own: `url=…|1.0` asks for its business version too. Anything else keeps the version
    # beside the URL (`_profile`).
    if asked.reading.registry.get(asked.type, "version") is not None and asked.rows == "url":
        return both(Uri(asked.rows, url), either([Token("version", spelling) for spelling in spellings(version)]))
    return Refers(asked.rows, url, version)


def _below(asked: Asked, value: str) -> Filter:
    return below(asked.rows, unescape(value))


def _above(asked: Asked, value: str) -> Filter:
    return either([Uri(asked.rows, url) for url in lineage(unescape(value))])


def versioned(value: str) -> tuple[str, str | None]:
    """The URL and the business version of `url|version`; None when it names none."""
    url, *version = split(value, "|")
    if len(version) > 1:
        raise InvalidParameter("A URL has at most one |version behind it.")
    return unescape(url), unescape(version[0]) if version and version[0] else None


def below(rows: str, url: str) -> Filter:
    """The URL itself and what is under it."""
    if not _URL.match(url):
        raise InvalidParameter(":above and :below are for URLs; a URN has nothing above or below it.")
    return Uri(rows, url.rstrip("/"), "below")


def lineage(url: str) -> list[str]:
    """The URL itself and each URL it is under, up to the host, each with and without the slash at its end."""
    root = _URL.match(url)
    if not root:
        raise InvalidParameter(":above and :below are for URLs; a URN has nothing above or below it.")
    found, rest = [], url.rstrip("/")
    while len(rest) >= root.end():
        found += [rest, rest + "/"]
        rest = rest.rpartition("/")[0]
    return found


MODIFIERS: Modifiers = {"": Modifier(_equal), "below": Modifier(_below), "above": Modifier(_above)}
