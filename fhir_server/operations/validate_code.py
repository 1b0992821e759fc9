"""Whether a code is in a value set or a code system, and rightly called.

https://hl7.org/fhir/R4/valueset-operation-validate-code.html, https://hl7.org/fhir/R4/codesystem-operation-validate-code.html.
The answer is 200 whatever it says; of a concept with several codings, one that is right is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from fhir_server.fhir.outcome import InvalidParameter, NotSupported
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.code_inputs import (
    Given,
    answer,
    code_system,
    codings,
    composer,
    flag,
    language,
    pins,
    terminology,
    value_set,
)
from fhir_server.operations.invocation import Invocation
from fhir_server.operations.remote_terminology import Untold
from fhir_server.store.concepts import Found, Listed
from fhir_server.terminology.canonicals import System, ValueSet
from fhir_server.terminology.composing import Composer, Pins
from fhir_server.terminology.designations import Spoken, spoken
from fhir_server.terminology.grammars import GRAMMARS
from fhir_server.terminology.service import Terminology


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of one coding; `listed` is what the value set itself calls it."""

    result: bool
    message: str = ""
    display: str = ""
    told: bool = True
    listed: Listed | None = None


async def in_value_set(call: Invocation, context: Context) -> Response:
    """200 with result, message and display.

    Raises:
        NotFound, Gone: there is no such value set (404, 410).
        InvalidParameter: a code without its system, or no code (400).
    """
    known = await terminology(context, "ValueSet")
    asked = codings(call.inputs)
    found = await value_set(call, context, known)
    reading, _ = composer(call, known)
    chosen = pins(call.inputs)
    if call.inputs.one("code") is not None and not asked[0].system:
        # The element of a context implies the system of a code; later releases have it inferred on demand as well.
        if not flag(call.inputs, "inferSystem") and call.inputs.one("context") is None:
            raise InvalidParameter("A code needs its system.", "http.system", code="required")
        systems = await known.aside(lambda: reading.systems(found, asked[0].code, chosen))
        if len(systems) > 1:
            return answer(("result", "valueBoolean", False), ("message", "valueString", _AMBIGUOUS))
        asked = [replace(asked[0], system="".join(systems))]
    return await _answered(call, known, asked, lambda one: _member(known, reading, found, one, chosen))


_AMBIGUOUS = "The code is in the value set under several code systems: which one is meant cannot be told."


async def in_code_system(call: Invocation, context: Context) -> Response:
    """200 with result, message and display.

    Raises:
        NotFound, Gone: there is no such code system (404, 410).
        InvalidParameter: no code, or no code system (400).
    """
    known = await terminology(context, "CodeSystem")
    asked = codings(call.inputs)
    if "codeSystem" in call.inputs.complex:
        raise NotSupported("A code system is stored before it is asked.", "http.codeSystem")
    if call.id is None and call.inputs.one("url") is None and len(asked) > 1:
        return await _answered(call, known, asked, lambda one: _of_its_system(known, one))
    url = call.inputs.one("url") or asked[0].system
    version = call.inputs.one("version") or asked[0].version
    if call.id is None and url in GRAMMARS:
        return await _answered(call, known, asked, lambda one: Verdict(GRAMMARS[url](one.code), "", one.code))
    system = await code_system(call, context, known, url, version)
    return await _answered(call, known, asked, lambda one: _defined(known, system, one))


async def _answered(
    call: Invocation, known: Terminology, asked: list[Given], judge: Callable[[Given], Verdict]
) -> Response:
    def judged() -> list[Verdict]:
        return [_named(call, known, one, judge(one)) for one in asked]

    verdicts = await known.aside(judged)
    verdict = next((one for one in verdicts if one.result), verdicts[0])
    found = answer(
        ("result", "valueBoolean", verdict.result),
        ("message", "valueString", verdict.message),
        ("display", "valueString", verdict.display),
    )
    if known.outside is not None and not verdict.result and not all(one.told for one in verdicts):
        raise Untold(found)
    return found


def _member(known: Terminology, reading: Composer, found: ValueSet, one: Given, chosen: Pins) -> Verdict:
    if one.version and known.catalogue.system(one.system) and not known.catalogue.system(one.system, one.version):
        text = f"Version {one.version[:64]} of {one.system[:200]} is not known here."
        return Verdict(False, text, told=False)
    own = {**chosen, f"={one.system}": one.version} if one.version else chosen
    holds = reading.contains(found, one.system or " ", one.code, own)
    if holds is None:
        return Verdict(False, "Whether the code is in the value set cannot be told: not all of it is here.", told=False)
    if not holds:
        return Verdict(False, "The code is not in the value set.")
    return Verdict(True, listed=reading.listed(found, one.system, one.code, own))


def _of_its_system(known: Terminology, one: Given) -> Verdict:
    if one.system in GRAMMARS:
        return Verdict(GRAMMARS[one.system](one.code), "", one.code)
    system = known.catalogue.system(one.system, one.version)
    if system is None:
        return Verdict(False, f"The code system {one.system[:200]} is not known here.", told=False)
    return _defined(known, system, one)


def _defined(known: Terminology, system: System, one: Given) -> Verdict:
    if one.system and one.system != system.artifact.url:
        return Verdict(False, "The code is of another code system.")
    found = known.concepts.concept(system.artifact.number, one.code, any_case=not system.case_sensitive)
    if found is None and system.content != "complete":
        return Verdict(False, "Whether the code exists cannot be told: not all of the code system is here.", told=False)
    return Verdict(found is not None, "" if found else "The code is not in the code system.")


def _named(call: Invocation, known: Terminology, one: Given, verdict: Verdict) -> Verdict:
    """The verdict with the display, and with what is wrong about the one that was given."""
    url = one.system or call.inputs.one("url") or (f"CodeSystem/{call.id}" if call.type == "CodeSystem" else "")
    said = _spoken(known, url, one, verdict.listed)
    if not verdict.result or said is None:
        return verdict
    display = said.called(language(call))
    if said.concept.abstract and flag(call.inputs, "abstract") is False:
        return Verdict(False, "The code is abstract.", display)
    if one.display and said.display and not said.answers_to(one.display):
        return Verdict(False, f"The display is not that of the code, which is {display!r}.", display)
    return Verdict(True, "The code is inactive." if said.concept.inactive else "", display)


def _spoken(known: Terminology, url: str, one: Given, listed: Listed | None) -> Spoken | None:
    system = known.catalogue.system(url, one.version) if url else None
    found = (
        known.concepts.concept(system.artifact.number, one.code, any_case=not system.case_sensitive) if system else None
    )
    if found is None and listed is not None:
        # What is not here is called as the value set calls it.
        found = Found(0, 0, one.system, one.code, "", inactive=False, abstract=False)
    if found is None:
        return None
    display = listed.display if listed else ""
    return spoken(known.concepts, system, found, display, listed.designations if listed else None)
