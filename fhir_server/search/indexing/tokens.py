"""Token parameters: a code and its system, an identifier, a contact point, a flag.

https://hl7.org/fhir/R4/search.html#token
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from fhir_server.search.indexing.rows import Rows, System, Writers
from fhir_server.search.parameters.codes import BOOLEAN, spelling
from fhir_server.search.parameters.text import LONGEST_STRING, fold

_dialled = re.compile(r"[\s().·/-]+").sub


def coding(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """The code, beside its system; the display for `:text`."""
    code, system = value.get("code"), value.get("system", "")
    if code or system:
        rows.word(param, spelling(code, system) if code else "", system)
    described(rows, param, value.get("display"))


def concept(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """Each coding, and the text for `:text`."""
    for one in value.get("coding", ()):
        coding(rows, param, one)
    described(rows, param, value.get("text"))


def identifier(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """The value beside its system; each code of its type with the value for `:of-type`, the type's text for `:text`."""
    found, system = value.get("value"), value.get("system", "")
    if found or system:
        rows.word(param, spelling(found, system) if found else "", system)
    type = value.get("type")
    if type and not rows.group:
        for one in type.get("coding", ()):
            if found and one.get("code"):
                kind, of = one["code"], one.get("system", "")
                rows.word(f"{param}:of-type", f"{spelling(kind, of)}|{found.casefold()}", of)
        described(rows, param, type.get("text"))


def contact(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """The value beside its use; a number also as it is dialled, without spaces, dots and brackets."""
    found, use = value.get("value"), value.get("use", "")
    if not found:
        return
    rows.word(param, found.casefold(), use)
    if value.get("system") not in ("email", "url"):
        dialled = _dialled("", found).casefold()
        if dialled != found.casefold():
            rows.word(param, dialled, use)


def code(rows: Rows, param: str, value: Any, system: System = "") -> None:
    """The code, beside the system its binding implies."""
    of = system if isinstance(system, str) else system(value)
    rows.word(param, spelling(value, of), of)


def flag(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """A boolean, as the code `true` or `false` of its own system."""
    rows.word(param, "true" if value is True else "false", BOOLEAN)


def text(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """Any other value as it is written, in small letters, without a system."""
    rows.word(param, str(value)[:LONGEST_STRING].casefold())


def described(rows: Rows, param: str, text: str | None) -> None:
    """A row for the modifier `:text`, which composites do not have."""
    if text and not rows.group:
        written = text[:LONGEST_STRING]
        rows.word(f"{param}:text", _folded(written) if len(text) < _SHORT else fold(written), written)


# The same displays come back in every resource; longer texts are of one alone.
_SHORT = 120
_folded = lru_cache(maxsize=8192)(fold)


WRITERS: Writers = {
    "Coding": coding,
    "CodeableConcept": concept,
    "Identifier": identifier,
    "ContactPoint": contact,
    "code": code,
    "boolean": flag,
    "string": text,
    "markdown": text,
    "id": text,
    "uri": text,
    "url": text,
    "canonical": text,
    "oid": text,
    "uuid": text,
    "integer": text,
    "positiveInt": text,
    "unsignedInt": text,
    "decimal": text,
    "date": text,
    "dateTime": text,
    "instant": text,
    "time": text,
}
