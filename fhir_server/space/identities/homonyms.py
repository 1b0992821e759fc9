"""Who has the same traits as somebody: homonyms, whom the INS alone tells apart, and records that may be of one person.

Référentiel INS and RNIV: birth family name, first given name, birth date and sex that agree warn whoever is about to
file or read; the number decides. Of who shares them a professional is told how many there are, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse
from fhir_server.search.asking.query import Place, condition
from fhir_server.smart.people.matching import normalized
from fhir_server.space.identities.identity import in_force

#: `homonym`: each has an INS of its own; `duplicate`: one has none, so that both may be one person's.
Kind = Literal["homonym", "duplicate"]
#: More people than this with one birth date, sex and family name are not looked at.
MOST = 50
_SPECIAL = str.maketrans({one: f"\\{one}" for one in "\\,$|"})


class Other(NamedTuple):
    """Somebody with the same traits: their Patient, and as what."""

    tree: dict[str, Any]
    kind: Kind


async def of(own: Repository, tree: Mapping[str, Any], place: Place) -> list[Other]:
    """Those with the traits of a Patient, records that were merged aside; none where traits are missing.

    Args:
        own: the server's own sight.
        tree: the Patient.
        place: where conditions are read.
    """
    family, given = _names(tree)
    born, sex = str(tree.get("birthDate", "")), str(tree.get("gender", ""))
    if not (family and given and len(born) == 10 and sex):
        return []
    said = [("family", family.translate(_SPECIAL)), ("birthdate", born), ("gender", sex)]
    page = await own.find({"Patient": condition("Patient", said, place)}, count=MOST)
    trees = [parse(one.body) for one in page.versions if one.id != tree.get("id")]
    mine = in_force(tree)
    return [Other(one, _kind(mine, in_force(one))) for one in trees if _agrees(one, tree)]


def _kind(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> Kind:
    if one is None or other is None:
        return "duplicate"
    # A provisional number and a definitive one may be of one person.
    return "homonym" if one["system"] == other["system"] and one["value"] != other["value"] else "duplicate"


def _agrees(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return _compared(one) == _compared(other)


def _compared(tree: Mapping[str, Any]) -> tuple[str, str]:
    family, given = _names(tree)
    return normalized(family), normalized(given).partition(" ")[0]


def _names(tree: Mapping[str, Any]) -> tuple[str, str]:
    names = [one for one in tree.get("name", ()) if isinstance(one, dict)]
    name = next((one for one in names if one.get("use") == "official"), next(iter(names), {}))
    return str(name.get("family", "")), str(next(iter(name.get("given") or ()), ""))
