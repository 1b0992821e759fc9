"""Code systems too large to list whose codes have a grammar: units, languages, media types.

https://hl7.org/fhir/R4/terminologies-systems.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fhir_server.fhir import ucum
from fhir_server.terminology.languages import is_language

UCUM = "http://unitsofmeasure.org"
LANGUAGES = "urn:ietf:bcp:47"
MEDIA_TYPES = "urn:ietf:bcp:13"

_NAME = r"[A-Za-z0-9!#$&^_.+-]{1,127}"
#: RFC 6838 §4.2, with parameters as RFC 9110 §8.3.1 writes them.
_MEDIA_TYPE = re.compile(rf"{_NAME}/(?:{_NAME}|\*)(?: ?; ?{_NAME}=[^;]+)*")


def _unit(code: str) -> bool:
    return ucum.is_valid(code)


def _media_type(code: str) -> bool:
    return len(code) < 1024 and _MEDIA_TYPE.fullmatch(code) is not None


#: System → whether a text is one of its codes.
GRAMMARS: dict[str, Callable[[str], bool]] = {UCUM: _unit, LANGUAGES: is_language, MEDIA_TYPES: _media_type}


def filtered(system: str, code: str, filters: Any) -> bool | None:
    """Whether a code of such a system is left by filters; None where that cannot be told.

    Of units it can, by what they are in base units (`canonical`): https://hl7.org/fhir/R4/ucum.html#filters
    """
    rows = filters if isinstance(filters, list) else [None]
    judged = [_canonical(row, code) if system == UCUM and isinstance(row, dict) else None for row in rows]
    return False if False in judged else None if None in judged else True


def _canonical(row: dict[str, Any], code: str) -> bool | None:
    value = row.get("value")
    if row.get("property") != "canonical" or row.get("op") != "=" or not isinstance(value, str):
        return None
    return ucum.comparable(code, value)
