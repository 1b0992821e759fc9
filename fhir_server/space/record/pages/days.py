"""Days as people type them in a form: « 3 mars 2026 », 03/03/2026, or as a browser's own field gives them."""

from __future__ import annotations

import re
from datetime import date

from fhir_server.search.parameters.text import fold
from fhir_server.site.moments import MONTHS

# Folded text has spaces where there was punctuation.
_NUMBERS = re.compile(r"([0-9]{1,2}) ([0-9]{1,2}) ([0-9]{4})")
_ISO = re.compile(r"([0-9]{4}) ([0-9]{1,2}) ([0-9]{1,2})")
_WORDS = re.compile(r"([0-9]{1,2})(?:er)? ([a-z]+) ([0-9]{4})")
_NAMED = {fold(name): number for names in MONTHS.values() for number, name in enumerate(names, 1)}


def day(typed: str) -> date | None:
    """The day; None when it is none that a calendar has."""
    typed = fold(typed)
    try:
        if found := _ISO.fullmatch(typed):
            return date(int(found[1]), int(found[2]), int(found[3]))
        if found := _NUMBERS.fullmatch(typed):
            return date(int(found[3]), int(found[2]), int(found[1]))
        if found := _WORDS.fullmatch(typed):
            return date(int(found[3]), _NAMED.get(found[2], 0), int(found[1]))
    except ValueError:
        return None
    return None
