"""Where the rows of one resource's index are gathered while it is read.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.store.filters import Span, Word

#: The system of a code that its element's binding implies, or what gives it.
System = str | Callable[[str], str]


class Rows:
    """Rows in the making.

    Attributes:
        words: word rows so far; a row may stand twice until the end.
        spans: range rows so far, likewise.
        group: what the next rows belong to; 0 outside composites.
        groups: how many groups there are.
        zone: of dates written without one.
        base: the server's own base URL, "" when it is not known.
    """

    __slots__ = ("base", "group", "groups", "spans", "words", "zone")

    def __init__(self, zone: ZoneInfo, base: str = "") -> None:
        self.words: list[Word] = []
        self.spans: list[Span] = []
        self.group = 0
        self.groups = 0
        self.zone = zone
        self.base = base

    def word(self, param: str, value: str, qualifier: str = "") -> None:
        """Add a word row.

        Raises:
            TypeError: a part is not text, which only an unvalidated resource can bring about.
        """
        if value.__class__ is not str or qualifier.__class__ is not str:
            raise TypeError("not text")
        self.words.append(Word(param, value, qualifier, self.group))

    def span(self, param: str, low: float, high: float, code: str = "", system: str = "") -> None:
        """Add a range row of numbers, `low` and `high` both inside.

        Raises:
            TypeError: the unit is not text, which only an unvalidated resource can bring about.
        """
        if code.__class__ is not str or system.__class__ is not str:
            raise TypeError("not a unit")
        self.spans.append(Span(param, low, high, code, system, self.group))

    def interval(self, param: str, low: int, high: int) -> None:
        """Add a range row of instants, µs since 1970 UTC, both inside."""
        self.spans.append(Span(param, low, high, "", "", self.group))


#: Adds the rows of one value of a parameter. The system is used by elements of type `code` alone.
Writer = Callable[[Rows, str, Any, System], None]
#: FHIR type → how a value of it is written. A type that is not there gives no rows.
Writers = Mapping[str, Writer]
