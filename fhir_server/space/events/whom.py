"""Which patient of this server a contained Patient is: the one with its identifier, or with every trait that it says.

The guide has the person inside what is sent, under the identity that the sender knows. One person or nobody: where an
identifier and a trait do not agree it may be about somebody else (Référentiel INS), and then it is about nobody here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse
from fhir_server.interactions.exchange import Context
from fhir_server.search.asking.query import condition
from fhir_server.smart.people.matching import INS, normalized
from fhir_server.space.events.model import Tree, dicts, referred, subject
from fhir_server.store.filters import Filter, Id, either

#: Of the identifiers that are said of somebody.
_MOST_NUMBERS = 20
#: More people than this with one sex, birth date and family name: nobody is chosen among them.
_CANDIDATES = 50
_SPECIAL = str.maketrans({one: f"\\{one}" for one in "\\,$|"})


async def whose(context: Context, tree: Tree) -> str:
    """The patient ("Patient/1") whose events a resource is about; "" where it is nobody here, or not clear who."""
    reference = subject(tree)
    who = referred(tree, reference, context.base)
    own = context.repository.as_server()
    if isinstance(who, str):
        id = who.removeprefix("Patient/")
        return who if id != who and await _patients(own, Id((id,))) else ""
    identifier = reference.get("identifier")
    if who.get("resourceType", "Patient") != "Patient":
        return ""
    said = who or ({"identifier": [identifier]} if isinstance(identifier, dict) else {})
    found = await _candidates(context, own, said)
    # By numbers of several people it is about none of them; by traits about who has them all.
    left = found if _numbers(said) else [one for one in found if _agree(said, one)]
    return f"Patient/{left[0]['id']}" if len(left) == 1 and _agree(said, left[0]) else ""


async def _candidates(context: Context, own: Repository, said: Mapping[str, Any]) -> list[dict[str, Any]]:
    numbers = _numbers(said)
    if len(numbers) > _MOST_NUMBERS:
        return []
    if numbers:
        each = ((system.translate(_SPECIAL), value.translate(_SPECIAL)) for system, value in sorted(numbers))
        searches = [[("identifier", f"{system}|{value}")] for system, value in each]
    else:
        name, born, sex = _name(said), str(said.get("birthDate", "")), str(said.get("gender", ""))
        if not (name.get("family") and name.get("given") and len(born) == 10 and sex):
            return []
        family = str(name["family"]).translate(_SPECIAL)
        searches = [[("family", family), ("birthdate", born), ("gender", sex)]]
    return await _patients(own, either([condition("Patient", one, context) for one in searches]))


def _numbers(tree: Mapping[str, Any]) -> set[tuple[str, str]]:
    """(system, value) of the identifiers of somebody that are in use."""
    return {one for one in _ever(tree) if one not in _over(tree)}


def _over(tree: Mapping[str, Any]) -> set[tuple[str, str]]:
    return _ever({"identifier": [one for one in dicts(tree.get("identifier")) if one.get("use") == "old"]})


def _ever(tree: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Likewise, and of those that were."""
    rows = dicts(tree.get("identifier"))
    return {(str(one["system"]), str(one["value"])) for one in rows if one.get("system") and one.get("value")}


def _ins(tree: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {one for one in _numbers(tree) if one[0] in INS}


async def _patients(own: Repository, where: Filter) -> list[dict[str, Any]]:
    page = await own.find({"Patient": where}, count=_CANDIDATES + 1)
    return [parse(one.body) for one in page.versions] if len(page.versions) <= _CANDIDATES else []


def _agree(said: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether nothing that both say is another's: the INS, names as they are compared, the birth date, the sex."""
    name, names = _name(said), [*dicts(known.get("name"))]
    family = normalized(str(name.get("family", "")))
    given = _first(name.get("given"))
    # Who declares may not have heard yet that the number changed: an earlier one is still theirs and nobody else's.
    mine, theirs = _ins(said), {one for one in _ever(known) if one[0] in INS}
    return (
        (not mine or not theirs or bool(mine & theirs))
        and _is_within(str(said.get("birthDate", "")), str(known.get("birthDate", "")))
        and {said.get("gender"), known.get("gender")} != {"male", "female"}
        and (not family or not names or family in {normalized(str(one.get("family", ""))) for one in names})
        and (not given or not names or given in {_first(one.get("given")) for one in names})
    )


def _is_within(day: str, other: str) -> bool:
    """Whether of two dates, either of which may be a year, a month or nothing, one may be the other."""
    return day.startswith(other) or other.startswith(day)


def _name(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    names = [*dicts(tree.get("name"))]
    return next((one for one in names if one.get("use") == "official"), next(iter(names), {}))


def _first(given: object) -> str:
    """The first of first names, as names are compared; "" without one."""
    names = given if isinstance(given, Sequence) and not isinstance(given, str) else ()
    return normalized(str(names[0])).partition(" ")[0] if names else ""
