"""A record and who asks for it, for tests of what of it a professional is let in to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fhir_server.access.grant import Grant
from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.space.record.choices import Choice, Kind, to_consent
from tests.server.people import a_care_team, kept
from tests.space.record.callers import ALL, BASE, Caller, Tree, document, grant
from tests.space.record.test_reading import RPPS

NOS = "https://mos.esante.gouv.fr/NOS"


HEALTH, SOCIAL, OTHER = (
    f"{NOS}/{name}/FHIR/{name.replace('_', '-')}"
    for name in ("TRE_G15-ProfessionSante", "TRE_R94-ProfessionSocial", "TRE_R291-AutreProfession")
)


MORE_TYPES = f"{NOS}/TRE_A05-TypeDocComplementaire/FHIR/TRE-A05-TypeDocComplementaire"


LOINC = "http://loinc.org"


LONG_AGO, LONG_AFTER = "2001-01-01", "2999-01-01"


DOCTOR = grant("Practitioner/d", ALL)


def coded(system: str, code: str) -> Tree:
    return {"coding": [{"system": system, "code": code}]}


def practitioner(id: str, *professions: tuple[str, str], **more: Any) -> Tree:
    number = {"system": RPPS, "value": f"1000000{sum(map(ord, id)):04d}"}
    qualified = [{"code": coded(*one)} for one in professions]
    tree: Tree = {"resourceType": "Practitioner", "id": id, "identifier": [number]}
    return {**tree, **({"qualification": qualified} if qualified else {}), **more}


def role(id: str, practitioner: str, *professions: tuple[str, str], **more: Any) -> Tree:
    held = {"practitioner": {"reference": f"Practitioner/{practitioner}"}, "code": [coded(*one) for one in professions]}
    return {"resourceType": "PractitionerRole", "id": id, **held, **more}


def chosen(kind: Kind, professional: str = "", patient: str = "a", **more: Any) -> Tree:
    """The Consent of a choice; keywords are further elements of it, `end` its last day."""
    by = f"Patient/{patient}"
    tree = to_consent(Choice(patient, kind, professional, True, datetime(2020, 1, 1, tzinfo=UTC), by))
    end = more.pop("end", None)
    if end is not None:
        tree["provision"]["period"]["end"] = end
    return {**tree, **more}


def a_list(id: str, patient: str = "a", **more: Any) -> Tree:
    subject = {"reference": f"Patient/{patient}"}
    return {"resourceType": "List", "id": id, "status": "current", "mode": "working", "subject": subject, **more}


def observation(id: str, patient: str = "a") -> Tree:
    subject = {"reference": f"Patient/{patient}"}
    return {"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"}, "subject": subject}


TYPES = {
    "plain": (LOINC, "11488-4"),
    "residence": (MORE_TYPES, "ATTEST-RESID"),
    "directives": (MORE_TYPES, "EXPPAT_3"),
    "psychiatric": (LOINC, "68599-0"),
    "birth": (LOINC, "15508-5"),
    "social": (LOINC, "28653-4"),
}


@asynccontextmanager
async def filled(folder: Path) -> AsyncIterator[House]:
    """A closed server with patients a and b, professionals d and e, and documents of theirs."""
    async with opened(Settings(data=folder, base_url=BASE)) as found:
        organisation = {"resourceType": "Organization", "id": "lab"}
        lab = {"organization": {"reference": "Organization/lab"}}
        await kept(
            found,
            *({"resourceType": "Patient", "id": id} for id in ("a", "b")),
            organisation,
            practitioner("d", (HEALTH, "10")),
            practitioner("e", (HEALTH, "10")),
            practitioner("gone", (HEALTH, "10"), active=False),
            role("d1", "d", (HEALTH, "10")),
            role("d2", "d", (HEALTH, "40"), (f"{NOS}/TRE_R02-SecteurActivite/FHIR/TRE-R02-SecteurActivite", "SA07")),
            role("ended", "d", (HEALTH, "10"), period={"end": LONG_AGO}),
            role("inactive", "d", (HEALTH, "10"), active=False),
            role("another", "e", (HEALTH, "10")),
            role("e-lab", "e", (HEALTH, "10"), **lab),
            *(
                document(f"{id}-of-a", type=coded(*type), author={"reference": "Practitioner/x"})
                for id, type in TYPES.items()
            ),
            document("mine", author={"reference": "Practitioner/d"}),
            document("as-role", author={"reference": "PractitionerRole/d2"}),
            document("unsigned-type"),
            document("of-b", patient="b"),
            document("mine-of-b", patient="b", author={"reference": "Practitioner/d"}),
            {**document("of-nobody", author={"reference": "Practitioner/d"}), "subject": {"reference": "Group/g"}},
            {**document("logical"), "subject": {"identifier": {"system": "urn:ins", "value": "1"}}},
            a_list("lot", source={"reference": "Practitioner/x"}),
            a_list("my-lot", source={"reference": "PractitionerRole/d1"}),
            observation("o"),
            {**observation("measured"), "performer": [{"reference": "Practitioner/d"}]},
            observation("o-of-b", "b"),
            base=BASE,
        )
        yield found


class Situation:
    """What is stored for one case, and taken away after it."""

    def __init__(self, house: House, *trees: Tree) -> None:
        self.house, self.trees = house, trees

    async def __aenter__(self) -> None:
        await kept(self.house, *self.trees, base=BASE)
        await self.house.follow()

    async def __aexit__(self, *_: object) -> None:
        own = self.house.repository(base=BASE)
        for tree in self.trees:
            if tree["resourceType"] in ("Patient", "Practitioner"):
                bare = {"resourceType": tree["resourceType"], "id": tree["id"]}
                await kept(self.house, bare if tree["resourceType"] == "Patient" else practitioner("d", (HEALTH, "10")))
            else:
                before = await own.current(tree["resourceType"], tree["id"])
                assert before is not None
                await own.transact([await own.delete(before)])
        await self.house.follow()


async def seen(house: House, caller: Grant, *names: str) -> set[str]:
    """Which of some ("DocumentReference/x") are read, and found."""
    ask = Caller(house, caller)
    return {one for one in names if await ask.sees(*one.split("/"))}


PLAIN, MINE, OF_B, MINE_OF_B = (f"DocumentReference/{id}" for id in ("plain-of-a", "mine", "of-b", "mine-of-b"))


LOT, MY_LOT = "List/lot", "List/my-lot"


SEEN, MEASURED, SEEN_OF_B = "Observation/o", "Observation/measured", "Observation/o-of-b"


ASKED = (PLAIN, MINE, OF_B, MINE_OF_B, LOT, MY_LOT, SEEN, MEASURED, SEEN_OF_B)


#: What is seen of a: nothing; what they wrote; all of it. Of b, whatever is chosen for a, what they wrote.
OWN_OF_B, ALL_OF_B = {MINE_OF_B}, {OF_B, MINE_OF_B, SEEN_OF_B}


NOTHING = OWN_OF_B


WROTE = {MINE, MY_LOT, MEASURED} | OWN_OF_B


EVERYTHING = {PLAIN, LOT, SEEN} | WROTE


TEAM = a_care_team("a", "Practitioner/d")


def team(**more: Any) -> Tree:
    return {**TEAM, **more}


def member(reference: Any, **more: Any) -> Tree:
    return team(participant=[{"member": reference, **more}])


MASKED = document("masked", "MASQUE_PS", author={"reference": "Practitioner/x"})


SHOWS = chosen("emergency-sees-masked")
