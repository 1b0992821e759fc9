"""Patients: the one a professional has before them, found by INS or by all traits of identity, exactly, or not at all.

Référentiel INS and RNIV: birth or usual family name, first given name, birth date and sex are compared, not searched
through. One patient, or none: two who share all traits are told apart by the INS. Attempts are counted, and traced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fastapi.responses import Response

from fhir_server.access.grant import Grant, Scope
from fhir_server.search.parameters.text import fold
from fhir_server.site.signed_in import Guest
from fhir_server.smart.people.attempts import admitted
from fhir_server.space.at_hand import at_hand
from fhir_server.space.record.pages.asking import Asking, Pairs
from fhir_server.space.record.pages.days import day
from fhir_server.space.record.pages.openings import begin
from fhir_server.space.record.pages.people import SITE, asking, named
from fhir_server.space.service import Surroundings

#: So many patients may be looked for within so many seconds, by one professional.
ATTEMPTS, WITHIN = 30, 600.0
#: Systems of a NIR and a NIA as INS, real, of test and of demonstration.
_INS = tuple(f"urn:oid:1.2.250.1.213.1.4.{last}" for last in (8, 9, 10, 11))
_MATRICULE = re.compile(r"[0-9]{5}[0-9AB][0-9]{7}[0-9]{2}")
_SEXES = ("female", "male")
_MOST = 20
_FINDS = (Scope("user", "Patient", frozenset("rs")),)


@dataclass(frozen=True, slots=True)
class Traits:
    """What is known of somebody, as typed; either the INS, or all the others."""

    ins: str = ""
    family: str = ""
    given: str = ""
    born: str = ""
    sex: str = ""

    def errors(self) -> dict[str, str]:
        """Field → what is wrong, as a key of the page's words."""
        if self.ins:
            return {} if _MATRICULE.fullmatch(_packed(self.ins)) else {"ins": "ins"}
        wrong = {"family": self.family, "given": self.given, "born": self.born, "sex": self.sex}
        found = {name: "missing" for name, typed in wrong.items() if not typed}
        if self.born and day(self.born) is None:
            found["born"] = "day"
        if self.sex and self.sex not in _SEXES:
            found["sex"] = "missing"
        return found

    def pairs(self) -> Pairs:
        """The search for whoever may be meant."""
        if self.ins:
            return [("identifier", ",".join(f"{system}|{_packed(self.ins)}" for system in _INS))]
        born = day(self.born)
        assert born is not None
        # A comma in a name would be another name: R4 search.html#escaping.
        said = [("family", _escaped(self.family)), ("given", _escaped(self.given))]
        return [*said, ("birthdate", born.isoformat()), ("gender", self.sex)]

    def are_of(self, tree: dict[str, Any]) -> bool:
        """Whether they are a patient's, whole: a search finds also those whose names begin alike."""
        if self.ins:
            return True
        names = [one for one in tree.get("name", ()) if isinstance(one, dict)]
        families = {fold(str(one.get("family", ""))) for one in names}
        givens = {fold(str(given)) for one in names for given in (one.get("given") or ())[:1]}
        return fold(self.family) in families and fold(self.given) in givens


async def show(guest: Guest[Surroundings]) -> Response:
    """The form, and the way back to the patient at hand; of whom the exercise is not known yet, it is asked first."""
    if _undecided(guest):
        from fhir_server.smart.people import roles

        found = await roles.find(guest.entrance.repository, guest.account)
        return guest.visit.page("smart/role", {"roles": found, "client": "", "then": "/patients"})
    return await _page(guest, Traits())


async def find(guest: Guest[Surroundings]) -> Response:
    """The record of the one patient who is meant, opened."""
    if _undecided(guest):
        return guest.to("/patients")
    traits = Traits(
        guest.field("ins", 30),
        guest.field("family", 100),
        guest.field("given", 100),
        guest.field("born", 30),
        guest.field("sex", 10),
    )
    if errors := traits.errors():
        return await _page(guest, traits, errors, status=400)
    if not await admitted(guest.service.records, "patients-found", guest.account.id, ATTEMPTS, WITHIN):
        return await _page(guest, traits, {}, "often", 429)
    role = guest.session.role or next(iter(guest.account.roles), None)
    grant = Grant(_FINDS, subject=guest.account.subject, role=role, client=SITE, purpose="TREAT")
    patient = await _one(asking(guest, grant), traits)
    if patient is None:
        return await _page(guest, traits, {}, "nobody")
    await begin(guest, patient)
    return guest.to(f"/patients/{patient}")


def _undecided(guest: Guest[Surroundings]) -> bool:
    """Whether they have several exercises, and chose none: what they read, and how they are traced, hangs on it."""
    return len(guest.account.roles) > 1 and guest.session.role is None


async def _one(asked: Asking, traits: Traits) -> str | None:
    found = await asked.find("Patient", [*traits.pairs(), ("_count", str(_MOST))])
    meant = [str(tree["id"]) for tree in found.trees if traits.are_of(tree)]
    return meant[0] if len(meant) == 1 and not found.next else None


async def _page(
    guest: Guest[Surroundings],
    traits: Traits,
    errors: dict[str, str] | None = None,
    found: str = "",
    status: int = 200,
) -> Response:
    hand = (await at_hand(guest)).patient
    values = {
        "traits": traits,
        "errors": errors or {},
        "found": found,
        "hand": hand,
        "whom": (await named(guest, hand))[0] if hand else "",
    }
    return guest.page("record/finding", values, status)


def _packed(ins: str) -> str:
    return "".join(ins.split()).upper()


def _escaped(name: str) -> str:
    return re.sub(r"([\\,$|])", r"\\\1", name)
