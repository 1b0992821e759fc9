"""Professionals as pages name them: what they are called, what they do, and how they are found by their number.

RPPS number: https://hl7.fr/ig/fhir/core (fr-core-practitioner): 11 digits, or the IdNatPS that has them after an 8.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.space.record.pages.asking import Asking

_RPPS = re.compile(r"8?([0-9]{11})")
#: Named at once, at most.
_MOST = 100


@dataclass(frozen=True, slots=True)
class Professional:
    """One of them.

    Attributes:
        reference: "Practitioner/1".
        name: their own; the reference where the directory has none.
        does: their profession or speciality; "" where it is not said.
    """

    reference: str
    name: str
    does: str = ""


def is_rpps(typed: str) -> bool:
    """Whether somebody typed an RPPS number."""
    return _RPPS.fullmatch("".join(typed.split())) is not None


async def by_rpps(asking: Asking, typed: str) -> Professional | None:
    """The professional of an RPPS number; None where there is none."""
    found = _RPPS.fullmatch("".join(typed.split()))
    if found is None:
        return None
    pairs = [("identifier", f"{found[1]},8{found[1]}"), ("_count", "2")]
    trees = (await asking.find("Practitioner", pairs)).trees
    return _professional(trees[0], {}) if len(trees) == 1 else None


async def named(asking: Asking, references: Iterable[str]) -> Mapping[str, Professional]:
    """Professionals by reference, those that the directory does not have by what they are referred to."""
    wanted = list(dict.fromkeys(one for one in references if one.startswith("Practitioner/")))[:_MOST]
    if not wanted:
        return {}
    ids = ",".join(one.removeprefix("Practitioner/") for one in wanted)
    people = (await asking.find("Practitioner", [("_id", ids), ("_count", str(_MOST))])).trees
    roles = await asking.find("PractitionerRole", [("practitioner", ",".join(wanted)), ("_count", str(2 * _MOST))])
    does = {str(one.get("practitioner", {}).get("reference", "")): _does(one) for one in reversed(roles.trees)}
    found = {f"Practitioner/{one['id']}": _professional(one, does) for one in people}
    return {one: found.get(one, Professional(one, one, does.get(one, ""))) for one in wanted}


def _professional(tree: Mapping[str, Any], does: Mapping[str, str]) -> Professional:
    reference = f"Practitioner/{tree['id']}"
    human: Mapping[str, Any] = next(iter(tree.get("name", ())), {})
    words = [*(human.get("given") or ())[:1], human.get("family", "")]
    name = " ".join(str(one) for one in words if one) or str(human.get("text", "")) or reference
    return Professional(reference, name, does.get(reference, ""))


def _does(role: Mapping[str, Any]) -> str:
    said: Sequence[Mapping[str, Any]] = [*role.get("specialty", ()), *role.get("code", ())]
    displays = (coding.get("display", "") for one in said for coding in one.get("coding", ()))
    return next(filter(None, displays), "")
