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
from fhir_server.smart.people.matching import normalized
from fhir_server.space.events.model import Tree, dicts, referred, subject
from fhir_server.store.filters import Filter, Id, either

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
    found = [one for one in await _candidates(context, own, said) if _agree(said, one)]
    return f"Patient/{found[0]['id']}" if len(found) == 1 else ""


async def _candidates(context: Context, own: Repository, said: Mapping[str, Any]) -> list[dict[str, Any]]:
    identifiers = [(str(one["system"]), str(one["value"])) for one in dicts(said.get("identifier")) if _names(one)]
    if identifiers:
        searches = [[("identifier", f"{system}|{value.translate(_SPECIAL)}")] for system, value in identifiers]
    else:
        name, born, sex = _name(said), str(said.get("birthDate", "")), str(said.get("gender", ""))
        if not (name.get("family") and name.get("given") and len(born) == 10 and sex):
            return []
        family = str(name["family"]).translate(_SPECIAL)
        searches = [[("family", family), ("birthdate", born), ("gender", sex)]]
    return await _patients(own, either([condition("Patient", one, context) for one in searches]))


def _names(identifier: Mapping[str, Any]) -> bool:
    return bool(identifier.get("system") and identifier.get("value")) and identifier.get("use") != "old"


async def _patients(own: Repository, where: Filter) -> list[dict[str, Any]]:
    page = await own.find({"Patient": where}, count=_CANDIDATES + 1)
    return [parse(one.body) for one in page.versions] if len(page.versions) <= _CANDIDATES else []


def _agree(said: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether no trait that both say is another's: names as they are compared, the birth date, the sex."""
    name, names = _name(said), [*dicts(known.get("name"))]
    family = normalized(str(name.get("family", "")))
    given = _first(name.get("given"))
    return (
        said.get("birthDate", known.get("birthDate")) == known.get("birthDate", said.get("birthDate"))
        and said.get("gender", known.get("gender")) == known.get("gender", said.get("gender"))
        and (not family or not names or family in {normalized(str(one.get("family", ""))) for one in names})
        and (not given or not names or given in {_first(one.get("given")) for one in names})
    )


def _name(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    names = [*dicts(tree.get("name"))]
    return next((one for one in names if one.get("use") == "official"), next(iter(names), {}))


def _first(given: object) -> str:
    """The first of first names, as names are compared; "" without one."""
    names = given if isinstance(given, Sequence) and not isinstance(given, str) else ()
    return normalized(str(names[0])).partition(" ")[0] if names else ""
