"""A patient's choices of their record, over REST: read, and made.

https://fhir-server.example/OperationDefinition/Patient-record-choices and Patient-record-choose; `choosing` has the
rules. Choices change by these alone: the Consents that keep them are closed to every token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fhir_server.access.challenge import require_all
from fhir_server.access.repository import Repository
from fhir_server.fhir.dates import interval
from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Invocation, answered
from fhir_server.search.parameters.codes import spelling
from fhir_server.space.record import choosing
from fhir_server.space.record.choices import KINDS, OF_PROFESSIONALS, Choice, Kind
from fhir_server.space.record.choosing import Wanted
from fhir_server.store.filters import Token


async def read(here: object, call: Invocation, context: Context) -> Response:
    """200 with Parameters: each choice of the patient, what never was chosen said too; a professional's own alone.

    Raises:
        Forbidden: the token has no scope to read Consents, or the caller does not decide for the patient (403).
        NotFound: no such patient, or not for this caller (404).
    """
    repository, patient = context.repository, call.id or ""
    require_all(context.repository.grant, "Consent", "r")
    own = repository.as_server()
    who = await choosing.decider(own, repository.grant, patient)
    found = await choosing.of(own, patient)
    if who == "professional":
        mine = await choosing.practitioner_of(own, repository.grant.subject or "")
        return _answer([one for one in found if one.professional == mine and mine], ())
    return _answer(found, KINDS)


async def choose(here: object, call: Invocation, context: Context) -> Response:
    """200 with Parameters: the choices that were made, as they are kept.

    Raises:
        Forbidden: the token has no scope to write Consents, or what is chosen is not the caller's to choose (403).
        NotFound: no such patient, or not for this caller (404).
        InvalidParameter: a choice is not made of its parts (400).
        Invalid: what is chosen cannot be (422).
    """
    require_all(context.repository.grant, "Consent", "u")
    repository, rows = context.repository, call.inputs.parts.get("choice", [])
    if not 0 < len(rows) <= choosing.MOST:
        raise InvalidParameter(f"The operation takes 1 to {choosing.MOST} parameters choice.", "Parameters.parameter")
    own = repository.as_server()
    wanted = [await _wanted(own, row, f"Parameters.parameter[{n}]", context) for n, row in enumerate(rows)]
    if len({(one.kind, one.professional) for one in wanted}) < len(wanted):
        raise InvalidParameter("Each kind and professional stands once in a call.", "Parameters.parameter")
    most = timedelta(days=context.settings.record_agreement_days)
    return _answer(await choosing.choose(repository, call.id or "", wanted, most), ())


async def _wanted(own: Repository, row: Mapping[str, Any], where: str, context: Context) -> Wanted:
    kind, chosen = row.get("kind"), row.get("chosen", True)
    if kind not in KINDS:
        raise InvalidParameter(f"The kind of a choice is one of {', '.join(KINDS)}.", f"{where}.part")
    if not isinstance(chosen, bool):
        raise InvalidParameter("Whether it is chosen is a boolean.", f"{where}.part")
    if unknown := row.keys() - {"kind", "practitioner", "chosen", "until"}:
        raise InvalidParameter(f"A choice has no part {min(unknown)[:64]}.", f"{where}.part", code="not-supported")
    named = row.get("practitioner")
    professional = "" if named is None else await _professional(own, named, where)
    return Wanted(cast(Kind, kind), professional, chosen, _until(row.get("until"), where, context), where)


async def _professional(own: Repository, named: Any, where: str) -> str:
    """ "Practitioner/1" of a Reference: by its literal reference (a role's is its holder's), or by an identifier."""
    reference = named.get("reference") if isinstance(named, dict) else named
    if isinstance(reference, str):
        found = await choosing.practitioner_of(own, reference) if reference.count("/") == 1 else ""
        if found:
            return found
        raise InvalidParameter("A professional is named by a literal reference to a Practitioner.", f"{where}.part")
    identifier = named.get("identifier") if isinstance(named, dict) else None
    value = identifier.get("value") if isinstance(identifier, dict) else None
    if not isinstance(identifier, dict) or not isinstance(value, str) or not value:
        raise InvalidParameter("A professional is a Reference, with an identifier or a reference.", f"{where}.part")
    system = identifier.get("system")
    where_it_is = Token("identifier", spelling(value, str(system or "")), str(system) if system else None)
    page = await own.find({"Practitioner": where_it_is}, count=2)
    if len(page.versions) != 1:
        raise InvalidParameter("There is not one Practitioner with this identifier.", f"{where}.part", code="not-found")
    return f"Practitioner/{page.versions[0].id}"


def _until(said: Any, where: str, context: Context) -> datetime | None:
    """The last moment of what was said: of a day, its end."""
    if said is None:
        return None
    try:
        _, last = interval(str(said), ZoneInfo(context.settings.default_timezone))
        return datetime.fromtimestamp(last // 1_000_000, UTC)
    except (ValueError, OverflowError, OSError, ZoneInfoNotFoundError):
        raise InvalidParameter("The end of a choice is a date or dateTime.", f"{where}.part") from None


def _answer(found: Sequence[Choice], defaults: Sequence[Kind]) -> Response:
    rows = [_row(one) for one in found]
    said = {one.kind for one in found}
    never = [kind for kind in defaults if kind not in said and kind not in OF_PROFESSIONALS]
    rows += [
        {"name": "choice", "part": [_part("kind", "Code", kind), _part("chosen", "Boolean", False)]} for kind in never
    ]
    return answered(rows)


def _row(one: Choice) -> dict[str, Any]:
    parts = [_part("kind", "Code", one.kind)]
    if one.professional:
        parts.append(_part("practitioner", "Reference", {"reference": one.professional}))
    parts.append(_part("chosen", "Boolean", one.holds(datetime.now(UTC))))
    parts.append(_part("since", "DateTime", one.when.isoformat(timespec="seconds")))
    if one.until is not None:
        parts.append(_part("until", "DateTime", one.until.isoformat(timespec="seconds")))
    parts.append(_part("by", "Reference", {"reference": one.performer}))
    return {"name": "choice", "part": parts}


def _part(name: str, kind: str, value: Any) -> dict[str, Any]:
    return {"name": name, f"value{kind}": value}
