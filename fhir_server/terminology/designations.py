"""What a concept is called: its display, designations and properties, those of supplements among them.

https://hl7.org/fhir/R4/codesystem.html#supplements, https://hl7.org/fhir/R4/languages.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.store.concepts import Concepts, Found
from fhir_server.terminology.canonicals import System

#: Languages that are looked at of one header; people list a handful.
_MOST = 20
_RANGE = re.compile(r"\s*(\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,8})\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?")
#: Uses of a designation that say no more than that it is a name; any other use names something else.
_NAMES = frozenset({"", "display", "preferredForLanguage", "900000000000013009"})


@dataclass(frozen=True, slots=True)
class Spoken:
    """A concept with all that is said of it; `designation` and `property` as FHIR writes them in a CodeSystem.

    `language` is what its display is written in, "" where that is not said.
    """

    concept: Found
    display: str
    definition: str | None
    designation: list[dict[str, Any]]
    property: list[dict[str, Any]]
    language: str = ""

    def called(self, languages: Sequence[str]) -> str:
        """Its display in the first of `languages` (BCP 47) it has one in, or in its own where it has none in any."""
        for one in languages:
            if speaks({"language": self.language}, one):
                return self.display
            named = [d for d in self.designation if speaks(d, one)]
            if named:
                return str(next((d for d in named if _is_name(d)), named[0])["value"])
        return self.display

    def answers_to(self, display: str) -> bool:
        """Whether it may be called so: by its display or any designation, whatever the case and the spaces."""
        wanted = _folded(display)
        names = (self.display, self.concept.display, *(str(d["value"]) for d in self.designation))
        return any(_folded(one) == wanted for one in names)


def spoken(concepts: Concepts, system: System | None, found: Found, display: str = "", extra: Any = None) -> Spoken:
    """All that is said of a concept: by its code system, its supplements, and (`display`, `extra`) by a value set."""
    extras = [extra or {}, found.extra]
    for number in system.numbers[1:] if system else ():
        more = concepts.concept(number, found.code)
        if more is not None:
            extras.append(more.extra)
    language = system.head.get("language") if system and not display else ""
    return Spoken(
        found,
        display or found.display,
        next((one["definition"] for one in extras if one.get("definition")), None),
        [d for one in extras for d in one.get("designation", ()) if isinstance(d.get("value"), str)],
        [p for one in extras for p in one.get("property", ())],
        language if isinstance(language, str) else "",
    )


def languages(asked: str | None) -> tuple[str, ...]:
    """The languages of `displayLanguage` or `Accept-Language`, most wanted first, each before what it is a dialect of.

    RFC 9110 §12.5.4 for the list, RFC 4647 §3.4 (lookup) for `fr-CA` that is also served by `fr`.
    """
    ranges = [found for part in (asked or "").split(",")[:_MOST] if (found := _RANGE.fullmatch(part))]
    weighed = [(float(one[2] or 1), one[1]) for one in ranges]
    ordered = [tag for weight, tag in sorted(weighed, key=lambda one: -one[0]) if weight and tag != "*"]
    return tuple(dict.fromkeys(one for tag in ordered for one in _broader(tag)))


def _broader(tag: str) -> Iterator[str]:
    parts = tag.split("-")
    return ("-".join(parts[:n]) for n in range(len(parts), 0, -1))


def speaks(designation: dict[str, Any], language: str) -> bool:
    """Whether a designation is in a language, or in a dialect of it (RFC 4647 §3.3.1)."""
    own, wanted = str(designation.get("language", "")).lower(), language.lower()
    return own == wanted or own.startswith(wanted + "-")


def _is_name(designation: dict[str, Any]) -> bool:
    use = designation.get("use")
    return not isinstance(use, dict) or str(use.get("code", "")) in _NAMES


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
