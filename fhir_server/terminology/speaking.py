"""What a concept is called: its display, designations and properties, those of supplements among them.

https://hl7.org/fhir/R4/codesystem.html#supplements, https://hl7.org/fhir/R4/languages.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fhir_server.store.concepts import Concepts, Found
from fhir_server.terminology.catalogue import System


@dataclass(frozen=True, slots=True)
class Spoken:
    """A concept with all that is said of it; `designation` and `property` as FHIR writes them in a CodeSystem."""

    concept: Found
    display: str
    definition: str | None
    designation: list[dict[str, Any]]
    property: list[dict[str, Any]]

    def called(self, language: str | None) -> str:
        """Its display in a language (BCP 47), or in its own where it has none in that one."""
        return next((d["value"] for d in self.designation if language and speaks(d, language)), self.display)

    def answers_to(self, display: str) -> bool:
        """Whether it may be called so: by its display or any designation, whatever the case and the spaces."""
        wanted = _folded(display)
        return any(_folded(one) == wanted for one in (self.display, *(d["value"] for d in self.designation)))


def spoken(concepts: Concepts, system: System | None, found: Found, display: str = "", extra: Any = None) -> Spoken:
    """All that is said of a concept: by its code system, its supplements, and (`display`, `extra`) by a value set."""
    extras = [extra or {}, found.extra]
    for number in system.numbers[1:] if system else ():
        more = concepts.concept(number, found.code)
        if more is not None:
            extras.append(more.extra)
    return Spoken(
        found,
        display or found.display,
        next((one["definition"] for one in extras if one.get("definition")), None),
        [d for one in extras for d in one.get("designation", ()) if isinstance(d.get("value"), str)],
        [p for one in extras for p in one.get("property", ())],
    )


def speaks(designation: dict[str, Any], language: str) -> bool:
    """Whether a designation is in a language, or in a dialect of it (RFC 4647 §3.3.1)."""
    own, wanted = str(designation.get("language", "")).lower(), language.lower()
    return own == wanted or own.startswith(wanted + "-")


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
