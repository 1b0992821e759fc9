"""String parameters: text without case, accents and punctuation, beside the text as written.

https://hl7.org/fhir/R4/search.html#string
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from fhir_server.search.indexing.rows import Rows, System, Writer, Writers
from fhir_server.search.parameters.text import LONGEST_STRING, spellings

# A name is written for three parameters, and towns and given names come back in every resource.
_SHORT = 120
_spelled = lru_cache(maxsize=8192)(spellings)


def text(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """The text under each of its foldings."""
    written = value[:LONGEST_STRING]
    for folded in _spelled(written) if len(written) < _SHORT else spellings(written):
        rows.word(param, folded, written)


def parts(*names: str) -> Writer:
    """Each of a complex value's members `names`, one row or more for each."""

    def write(rows: Rows, param: str, value: Any, _: System = "") -> None:
        for name in names:
            found = value.get(name)
            for one in found if isinstance(found, list) else (found,):
                if one:
                    text(rows, param, one)

    return write


WRITERS: Writers = {
    "string": text,
    "markdown": text,
    "code": text,
    "id": text,
    "uri": text,
    "url": text,
    "canonical": text,
    "oid": text,
    "uuid": text,
    # R4: a search on a name or an address may match any of its strings.
    "HumanName": parts("text", "family", "given", "prefix", "suffix"),
    "Address": parts("text", "line", "city", "district", "state", "country", "postalCode"),
    "CodeableConcept": parts("text"),
    "Coding": parts("display"),
    "ContactPoint": parts("value"),
    "Identifier": parts("value"),
    "Annotation": parts("text"),
    "Reference": parts("display"),
}
