"""Whether the codes of a resource are codes of their systems, whatever they are bound to, and rightly called.

https://hl7.org/fhir/R4/datatypes.html#Coding: a code is one that its system defines, and the display follows the rules
of that system; so it is with the unit of a Quantity (https://hl7.org/fhir/R4/datatypes.html#Quantity). A binding says
which codes are wanted, and is judged beside this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Literal, Protocol

from fhir_server.fhir import definitions
from fhir_server.fhir.outcome import Issue, Severity
from fhir_server.terminology.code_status import LONGEST, Key, Known
from fhir_server.validation.steps import Step, steps
from fhir_server.validation.walking import places

#: A code as it stands: system, version, code, display; "" for what is not there.
Coding = tuple[str, str, str, str]
#: A JSON property, whether it is a list, whether of CodeableConcepts, and where its children are if it only leads on.
Way = tuple[str, bool, bool, str | None]
Flaw = Literal["unknown-code", "younger-code", "not-a-code-system", "inactive-code", "abstract-code", "wrong-display"]
Level = Literal["error", "warning", "off"]
Levels = Mapping[Flaw, Level]

#: What is wrong → how bad it is, the child it is told at, what is said. The same under every binding and under none:
#:
#: | system                   | not a code of it | not for use, ended | called otherwise |
#: |--------------------------|------------------|--------------------|------------------|
#: | not here                 | cannot be told   | cannot be told     | cannot be told   |
#: | here in part (fragment)  | cannot be told   | warning            | warning          |
#: | R4's copy of what others | warning          | warning            | warning          |
#: | keep (v2, v3) and add to |                  |                    |                  |
#: | here whole, or a grammar | error            | warning            | warning          |
#:
#: A code that its system does not have means nothing, whoever reads it; but of v2 and v3, of which R4 has the state of
#: 2018, it may be younger than that. One that is not to be used still has its meaning. A display is for people, and
#: need not be one that was published here: other languages, other editions.
_FLAWS: dict[Flaw, tuple[Severity, str, str]] = {
    "unknown-code": ("error", "code", "The code system has no such code."),
    "younger-code": ("warning", "code", "The copy of the code system that R4 published has no such code."),
    "not-a-code-system": ("error", "system", "This is no code system that a code could be of."),
    "inactive-code": ("warning", "code", "The code system has ended the use of this code."),
    "abstract-code": ("warning", "code", "The code is there to group others, and not for use itself."),
    "wrong-display": ("warning", "display", "The code system does not call the code so."),
}
FLAWS = frozenset(_FLAWS)
_OF_STATE: Mapping[str, Flaw] = {"absent": "unknown-code", "younger": "younger-code"}


class Codes(Protocol):
    """What the terminology knows of a code."""

    def right_codes(self) -> set[Key]:
        """Those of which nothing is to be said, as far as they were looked at; who finds another adds it."""

    def known_code(self, system: str, version: str, code: str) -> Known | None:
        """What is known of it; None where that cannot be told."""


def coding(value: Mapping[str, Any]) -> Coding | None:
    """The code of a Coding or Quantity; None where it has none, or no system."""
    system, code = value.get("system"), value.get("code")
    if not isinstance(system, str) or not isinstance(code, str):
        return None
    version, display = value.get("version"), value.get("display")
    return system, version if isinstance(version, str) else "", code, display if isinstance(display, str) else ""


def are_flawed(tree: Mapping[str, Any], path: str, codes: Codes) -> bool:
    """Whether something is to be said of the codes that stand straight in a resource, or in its backbone elements.

    Most codes do. Those in data types are noted while the compiled schema runs, which costs three times as much each.

    Args:
        tree: what is right by its structure.
        path: its type, or the path of its backbone element.
        codes: what is known of codes.
    """
    return _are_flawed(tree, _ways(path), codes, codes.right_codes())


def _are_flawed(tree: Mapping[str, Any], ways: Iterable[Way], codes: Codes, right: set[Key]) -> bool:
    for key, repeats, holds, below in ways:
        value = tree.get(key)
        if value is None:
            continue
        for one in value if repeats else (value,):
            if below is not None:
                if _are_flawed(one, _ways(below), codes, right):
                    return True
                continue
            for coded in one.get("coding", ()) if holds else (one,):
                get = coded.get
                # Written out: a call would cost as much as all of this.
                said = (get("system"), get("version"), get("code"), get("display"))
                if said not in right and not _is_right(said, codes, right):
                    return True
    return False


def is_walked(step: Step) -> bool:
    """Whether `are_flawed` comes to a property by itself."""
    owner = step.element.path.partition(".")[0]
    return (
        owner in definitions.resource_types()
        and not step.sibling
        and step.type is not None
        and step.type.code in ("CodeableConcept", "Coding")
    )


@cache
def _ways(path: str) -> tuple[Way, ...]:
    ways = {key: step for key, step in steps(path).items() if _leads(step, frozenset())}
    return tuple(
        (key, s.repeats, s.path == "CodeableConcept", None if is_walked(s) else s.path) for key, s in ways.items()
    )


def _leads(step: Step, seen: frozenset[str]) -> bool:
    """Whether a property has codes, or is a backbone element that leads to one that has."""
    if is_walked(step) or step.sibling or step.type is not None or step.path in seen:
        return is_walked(step)
    return any(_leads(one, seen | {step.path}) for one in steps(step.path).values())


def is_right(value: Mapping[str, Any], codes: Codes) -> bool:
    """Whether nothing is to be said of the code of a Coding or Quantity."""
    found = coding(value)
    if found is None:
        return True
    return _is_right((found[0], found[1] or None, found[2], found[3] or None), codes, codes.right_codes())


def _is_right(said: Key, codes: Codes, right: set[Key]) -> bool:
    system, version, code, display = said
    if system is not None and code is not None:
        known = codes.known_code(system, version or "", code)
        if known is not None and not (known.is_plain and (not display or known.is_called(display))):
            return False
    if sum(len(part) for part in said if part) <= LONGEST:
        right.add(said)
    return True


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
        return (_OF_STATE.get(known.state, "not-a-code-system"),)
    ended: tuple[Flaw, ...] = ("inactive-code",) if known.inactive else ("abstract-code",) if known.abstract else ()
    return ended if not display or known.is_called(display) else (*ended, "wrong-display")


@cache
def _coded() -> frozenset[str]:
    """The types that say a code and its system: Quantity and all it is specialized to do as a Coding does."""
    return frozenset(("Coding", *(name for name in definitions.types() if "Quantity" in definitions.lineage(name))))
