"""What the terminology operations have in common: which code is asked about, of which value set, in which language.

https://hl7.org/fhir/R4/terminology-service.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import InvalidParameter, NotSupported
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.element_bindings import bound
from fhir_server.operations.invocation import Inputs, Invocation, answered
from fhir_server.terminology.canonicals import Lent, System, ValueSet, given, required, unknown
from fhir_server.terminology.composing import AT, Composer, Pins
from fhir_server.terminology.designations import languages
from fhir_server.terminology.service import Terminology


@dataclass(frozen=True, slots=True)
class Given:
    """A code as the caller gave it; "" where a part was not."""

    system: str
    version: str
    code: str
    display: str


async def terminology(context: Context, type: str) -> Terminology:
    """The terminology, in step with what is stored.

    Raises:
        NotSupported: there is none here.
        Forbidden: the caller may not read `type`.
    """
    context.repository.require(type, "r")
    found = context.terminology
    if not isinstance(found, Terminology):
        raise NotSupported("This server has no terminology.")
    await found.refresh()
    return found


async def value_set(call: Invocation, context: Context, known: Terminology) -> ValueSet:
    """The value set asked for: the instance, the one given, or by URL.

    Raises:
        NotFound, Gone: there is none (404, 410).
        InvalidParameter: none is named (400).
    """
    if call.id is not None:
        stored = await call.stored(context)
        return given(parse(stored.body, context.settings.max_depth))
    resource, url = call.inputs.complex.get("valueSet"), call.inputs.one("url")
    if resource is not None:
        return given(resource)
    if url is None and call.inputs.one("context") is not None:
        url = bound(context, call.inputs.one("context") or "")
    if url is None:
        raise InvalidParameter("Which value set is needed: url, valueSet, or an instance.", "http.url", code="required")
    version = call.inputs.one("valueSetVersion") or ""
    lent = Lent(known.catalogue, map(given, call.inputs.several.get("tx-resource", ())))
    beside = lent.beside("ValueSet", url, version)
    return required(lent.value_set(url, version, moment(call.inputs)), url, beside)


def composer(call: Invocation, known: Terminology) -> tuple[Composer, Pins]:
    """What reads compositions for this call, with the value sets it brought, and a mark of these.

    Raises:
        NotSupported: it brought something else (400).
    """
    rows = call.inputs.several.get("tx-resource")
    if not rows:
        return known.composer, {}
    if any(row.get("resourceType") != "ValueSet" for row in rows):
        raise NotSupported("Only value sets are taken with the question.", "http.tx-resource")
    lent = Lent(known.catalogue, map(given, rows))
    return Composer(lent), {"tx-resource": lent.key}


def codings(inputs: Inputs) -> list[Given]:
    """The code asked about: one, or every coding of a concept.

    Raises:
        InvalidParameter: none, or several ways of saying it at once (400).
    """
    ways = [inputs.one("code"), inputs.complex.get("coding"), inputs.complex.get("codeableConcept")]
    if sum(way is not None for way in ways) != 1:
        raise InvalidParameter("One of code, coding or codeableConcept is needed.", "http.code", code="required")
    code, coding, concept = inputs.one("code"), inputs.complex.get("coding"), inputs.complex.get("codeableConcept")
    if code is not None:
        version = inputs.one("systemVersion") or inputs.one("version") or ""
        return [Given(inputs.one("system") or "", version, code, inputs.one("display") or "")]
    rows = [coding] if coding is not None else (concept or {}).get("coding")
    if not isinstance(rows, list) or not rows:
        raise InvalidParameter("The concept has no coding.", "http.codeableConcept", code="required")
    return [as_given(row, "coding") for row in rows]


def as_given(row: Any, name: str) -> Given:
    """A Coding.

    Raises:
        InvalidParameter: it has no code, or parts that are no text (400).
    """
    parts = [row.get(part, "") if isinstance(row, dict) else None for part in ("system", "version", "code", "display")]
    if not all(isinstance(part, str) for part in parts) or not parts[2]:
        raise InvalidParameter("A coding has a system and a code.", f"http.{name}")
    return Given(*(str(part) for part in parts))


async def code_system(call: Invocation, context: Context, known: Terminology, url: str, version: str) -> System:
    """The code system of the instance called, or by URL.

    Raises:
        NotFound, Gone: it is not here (404, 410).
        InvalidParameter: none is named (400).
    """
    if call.id is not None:
        await context.repository.read("CodeSystem", call.id)
        url, version = f"CodeSystem/{call.id}", ""
    elif not url:
        raise InvalidParameter("Which code system is needed.", "http.system", code="required")
    found = known.catalogue.system(url, version)
    if found is None:
        named = "http.url" if call.inputs.one("url") else "http.system"
        raise unknown("code system", url, named, known.catalogue.beside("CodeSystem", url, version))
    return found


def language(call: Invocation) -> tuple[str, ...]:
    """The languages that displays are wanted in: `displayLanguage`, else `Accept-Language`."""
    return languages(call.inputs.one("displayLanguage") or call.request.headers.get("accept-language"))


def moment(inputs: Inputs) -> str:
    """The `date` that versions are wanted of; "" for now.

    Raises:
        InvalidParameter: it is no date (400).
    """
    found = inputs.one("date") or ""
    if found and not _DATE.fullmatch(found):
        raise InvalidParameter("date is a date or an instant.", "http.date")
    return found


def pins(inputs: Inputs) -> Pins:
    """Which versions of code systems are to be taken: by `system-version`, `force-system-version` and `date`.

    Raises:
        InvalidParameter: one is not written as it should be (400).
    """
    found = dict(versioned(inputs, "system-version"))
    if inputs.one("date"):
        found[AT] = moment(inputs)
    return found | {"!" + url: version for url, version in versioned(inputs, "force-system-version")}


def versioned(inputs: Inputs, name: str) -> Iterator[tuple[str, str]]:
    """Systems and versions of a parameter that names them with `|`.

    Raises:
        InvalidParameter: it is not written so (400).
    """
    for value in inputs.values.get(name, ()):
        url, _, version = value.partition("|")
        if not url or not version:
            raise InvalidParameter(f"{name} is [system]|[version].", f"http.{name}")
        yield url, version


_DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII)


def flag(inputs: Inputs, name: str) -> bool | None:
    """A boolean parameter; None when it was not given.

    Raises:
        InvalidParameter: it is neither true nor false (400).
    """
    found = inputs.one(name)
    if found not in (None, "true", "false"):
        raise InvalidParameter(f"{name} is true or false.", f"http.{name}")
    return None if found is None else found == "true"


def answer(*rows: tuple[str, str, Any]) -> Response:
    """Parameters of (name, `value[x]` or `part`, value); what is None or empty text is left out."""
    parameters = [{"name": name, key: value} for name, key, value in rows if value is not None and value != ""]
    return answered(parameters)
