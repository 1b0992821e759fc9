"""Whether the codes of a resource are codes of their systems, whatever they are bound to, and rightly called.

https://hl7.org/fhir/R4/datatypes.html#Coding: a code is one that its system defines, and the display follows the rules
of that system; so it is with the unit of a Quantity (https://hl7.org/fhir/R4/datatypes.html#Quantity). A binding says
which codes are wanted, and is judged beside this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal, Protocol

from fhir_server.fhir import definitions
from fhir_server.fhir.outcome import Issue, Severity
from fhir_server.terminology.known import Known
from fhir_server.validation.types.walking import places

#: A code as it stands: system, version, code, display; "" for what is not there.
Coding = tuple[str, str, str, str]
Flaw = Literal["unknown-code", "not-a-code-system", "inactive-code", "abstract-code", "wrong-display"]
Level = Literal["error", "warning", "off"]
Levels = Mapping[Flaw, Level]

#: What is wrong → how bad it is, the child it is told at, what is said. The same under every binding and under none:
#:
#: | system                   | not a code of it | not for use, ended | called otherwise |
#: |--------------------------|------------------|--------------------|------------------|
#: | not here                 | cannot be told   | cannot be told     | cannot be told   |
#: | here in part (fragment)  | cannot be told   | warning            | warning          |
#: | here whole, or a grammar | error            | warning            | warning          |
#:
#: A code that its system does not have means nothing, whoever reads it; one that is not to be used still has its
#: meaning. A display is for people, and need not be one that was published here: other languages, other editions.
_FLAWS: dict[Flaw, tuple[Severity, str, str]] = {
    "unknown-code": ("error", "code", "The code system has no such code."),
    "not-a-code-system": ("error", "system", "This is no code system that a code could be of."),
    "inactive-code": ("warning", "code", "The code system has ended the use of this code."),
    "abstract-code": ("warning", "code", "The code is there to group others, and not for use itself."),
    "wrong-display": ("warning", "display", "The code system does not call the code so."),
}
FLAWS = frozenset(_FLAWS)


class Codes(Protocol):
    """What the terminology knows of a code."""

    def known_code(self, system: str, version: str, code: str) -> Known | None:
        """What is known of it; None where that cannot be told."""


def coding(value: Mapping[str, Any]) -> Coding | None:
    """The code of a Coding or Quantity; None where it has none, or no system."""
    system, code = value.get("system"), value.get("code")
    if not isinstance(system, str) or not isinstance(code, str):
        return None
    version, display = value.get("version"), value.get("display")
    return system, version if isinstance(version, str) else "", code, display if isinstance(display, str) else ""


def is_right(value: Mapping[str, Any], codes: Codes) -> bool:
    """Whether nothing is to be said of the code of a Coding or Quantity that has a code and its system."""
    system, code, version, display = value["system"], value["code"], value.get("version", ""), value.get("display", "")
    if not (
        isinstance(system, str) and isinstance(code, str) and isinstance(version, str) and isinstance(display, str)
    ):
        return True  # its own rule says so
    known = codes.known_code(system, version, code)
    return known is None or (known.is_plain and (not display or known.is_called(display)))


def issues(tree: Mapping[str, Any], type: str, at: str, codes: Codes, levels: Levels) -> Iterator[Issue]:
    """What is wrong with the codes of a resource.

    Args:
        tree: the resource; those inside it are not entered.
        type: its type.
        at: its FHIRPath.
        codes: what is known of codes.
        levels: how bad each flaw is, where it is another than usual.
    """
    for place in places(tree, type, at, _coded()):
        found = coding(place.value)
        for flaw in _flaws(found, codes) if found else ():
            severity, child, text = _FLAWS[flaw]
            level = levels.get(flaw, severity)
            if level != "off":
                yield Issue(level, "code-invalid", text, f"{place.at}.{child}", flaw)


def _flaws(one: Coding, codes: Codes) -> tuple[Flaw, ...]:
    system, version, code, display = one
    known = codes.known_code(system, version, code)
    if known is None:
        return ()
    if known.state != "there":
        return ("unknown-code" if known.state == "absent" else "not-a-code-system",)
    ended: tuple[Flaw, ...] = ("inactive-code",) if known.inactive else ("abstract-code",) if known.abstract else ()
    return ended if not display or known.is_called(display) else (*ended, "wrong-display")


@cache
def _coded() -> frozenset[str]:
    """The types that say a code and its system: Quantity and all it is specialized to do as a Coding does."""
    return frozenset(("Coding", *(name for name in definitions.types() if "Quantity" in definitions.lineage(name))))
