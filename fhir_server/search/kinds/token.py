"""Token parameters: `code`, `system|code`, `|code` or `system|`; and what value sets and subsumption add.

https://hl7.org/fhir/R4/search.html#token. Which spelling of a code is indexed depends on whether its system is
known to be case-sensitive; where that is in doubt both spellings are looked for, as R4 asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.search.kinds.reading import Asked, Coding, Modifier, Modifiers, Need
from fhir_server.search.kinds.string import folded
from fhir_server.search.kinds.values import split, unescape
from fhir_server.search.parameters.codes import spelling, spellings
from fhir_server.store.filters import NOTHING, Filter, String, Token, either

_MIME = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+*-]+")


def _coded(asked: Asked, value: str) -> Filter:
    return coded(asked.rows, value)


def coded(rows: str, value: str) -> Filter:
    """A row of `rows` with the token `value`, in any of R4's four forms.

    Raises:
        InvalidParameter: more than one `|`, or nothing on either side of it.
    """
    system, code = coding(value)
    if not code:
        if not system:
            raise InvalidParameter("A token is [code], [system]|[code], |[code] or [system]|.")
        return Token(rows, None, system)
    return either([Token(rows, spelling, system) for spelling in spelled(system, code)])


def coding(value: str) -> tuple[str | None, str]:
    """The system (None: any; "": none) and code of a token."""
    parts = split(value, "|")
    if len(parts) > 2:
        raise InvalidParameter("A token has at most one |; one inside a code or system is written \\|.")
    if len(parts) == 1:
        return None, unescape(parts[0])
    # No URI begins with a blank, and lists are written with one behind the comma (the guide SAS's own are).
    return unescape(parts[0].lstrip(" ")), unescape(parts[1])


def spelled(system: str | None, code: str) -> tuple[str, ...]:
    """The spellings under which `code` may be indexed, each once."""
    return spellings(code) if system is None else (spelling(code, system),)


def codings(rows: str, found: Iterable[Coding]) -> Filter:
    """A row of `rows` that is one of the codings found in the terminology."""
    # A coding without a system stands beside elements whose system is implied, and matches any.
    tokens: list[Filter] = [
        Token(rows, spelling, system or None) for system, code in found for spelling in spelled(system or None, code)
    ]
    return either(tokens) if tokens else NOTHING


def _text(asked: Asked, value: str) -> Filter:
    return folded(f"{asked.rows}:text", unescape(value), "starts")


def _in(asked: Asked, value: str) -> Filter:
    return codings(asked.rows, asked.reading.codes(("members", unescape(value), "")))


def _below(asked: Asked, value: str) -> Filter:
    system, code = coding(value)
    if not system and _MIME.fullmatch(code):
        # R4 search.html#mimetype: text/xml is above text/xml; charset=UTF-8.
        kinds = spelled(None, code)
        with_parameters = [String(asked.rows, kind + end, "starts") for kind in kinds for end in (";", " ;")]
        return either([*(Token(asked.rows, kind) for kind in kinds), *with_parameters])
    return _subsumed(asked, ("below", system or "", code))


def _above(asked: Asked, value: str) -> Filter:
    system, code = coding(value)
    return _subsumed(asked, ("above", system or "", code))


def _subsumed(asked: Asked, need: Need) -> Filter:
    if not need[2]:
        raise InvalidParameter(":above and :below take [system]|[code].")
    return codings(asked.rows, asked.reading.codes(need))


def _of_type(asked: Asked, value: str) -> Filter:
    parts = [unescape(part) for part in split(value, "|")]
    if len(parts) != 3 or not all(parts):
        raise InvalidParameter(":of-type takes [system]|[code]|[value], all three of them.")
    system, code, identifier = parts
    rows = f"{asked.rows}:of-type"
    return Token(rows, f"{spelling(code, system)}|{identifier.casefold()}", system)


MODIFIERS: Modifiers = {
    "": Modifier(_coded),
    "not": Modifier(_coded, negated=True),
    "text": Modifier(_text),
    "in": Modifier(_in),
    "not-in": Modifier(_in, negated=True),
    "above": Modifier(_above),
    "below": Modifier(_below),
    "of-type": Modifier(_of_type),
}
