"""The two Patients of a merge: linked to each other, and what the one is given of the other; and parted again.

R4 patient.html#links: `replaced-by` in the one whose record ends, which is not active, `replaces` in the other. R5
$merge: what the one was identified by is the other's too, as an old number, so that whoever knows it finds the person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.space.identities.identity import over

Named = tuple[str, str]


def ended(tree: Mapping[str, Any], target: str) -> dict[str, Any]:
    """The Patient whose record ends, linked to the other (id)."""
    link = {"other": {"reference": f"Patient/{target}"}, "type": "replaced-by"}
    return {**tree, "link": [*tree.get("link", ()), link]}


def parted(tree: Mapping[str, Any], other: str, type: str) -> dict[str, Any]:
    """A Patient without its link of a type to another (id)."""
    gone = f"Patient/{other}"
    kept = [
        one for one in tree.get("link", ()) if (one.get("type"), one.get("other", {}).get("reference")) != (type, gone)
    ]
    after = {name: value for name, value in tree.items() if name != "link"}
    return {**after, "link": kept} if kept else after


def joined(
    tree: Mapping[str, Any], source: Mapping[str, Any], said: Mapping[str, Any] | None, at: str
) -> tuple[dict[str, Any], tuple[Named, ...]]:
    """The Patient whose record goes on, and the identifiers that it was given.

    Args:
        tree: as it is.
        source: the Patient whose record ends.
        said: what it shall be, where the caller says (R5 result-patient); only what is no identity is taken.
        at: the instant of the merge, as a dateTime.
    """
    known = {_name(one) for one in tree.get("identifier", ())}
    given = [one for one in source.get("identifier", ()) if one.get("value") and _name(one) not in known]
    link = {"other": {"reference": f"Patient/{source['id']}"}, "type": "replaces"}
    after = {**tree, **_taken(said), "link": [*tree.get("link", ()), link]}
    if given:
        # Of an INS and of a hospital's number alike: both are known under the other from now on.
        after["identifier"] = [*tree.get("identifier", ()), *(over(one, at) for one in given)]
    return after, tuple(_name(one) for one in given)


def without(tree: Mapping[str, Any], given: tuple[Named, ...]) -> dict[str, Any]:
    """A Patient without the identifiers that a merge gave it, where they are still old ones."""
    kept = [one for one in tree.get("identifier", ()) if _name(one) not in given or one.get("use") != "old"]
    after = {name: value for name, value in tree.items() if name != "identifier"}
    return {**after, "identifier": kept} if kept else after


#: What `result-patient` may say of the person: how they are reached, and what is no trait of an identity.
_TAKEN = frozenset({"telecom", "address", "maritalStatus", "communication", "contact", "generalPractitioner", "photo"})


def _taken(said: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (said or {}).items() if name in _TAKEN}


def _name(identifier: Mapping[str, Any]) -> Named:
    return str(identifier.get("system", "")), str(identifier.get("value", ""))


def is_found_by(tree: dict[str, Any]) -> dict[str, Any]:
    """What of a Patient is found: of one that was made one with another, its id, its state and its links alone.

    Who looks for the person by a number or by traits finds the one record that there is.
    """
    if not any(one.get("type") == "replaced-by" for one in tree.get("link", ()) if isinstance(one, dict)):
        return tree
    return {name: value for name, value in tree.items() if name in ("resourceType", "id", "meta", "active", "link")}
