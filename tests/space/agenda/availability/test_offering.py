"""What slots of an availability say of whom they are for: guide SAS 1.1.0, FrSlotAgregateur, JDV_J165 and TRE_R314."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fhir_server.app import House
from fhir_server.space.agenda.availability.filling import Filling
from fhir_server.space.agenda.availability.offering import CPTS_PROFILE, LABEL, PROFILE, WAYS
from tests.space.agenda.availability.test_filling import NOW, available, filled, lasting
from tests.space.agenda.platform import labelled
from tests.space.agenda.world import DOCTOR, a_schedule, an_appointment, ask
from tests.space.messages.exchange import person
from tests.space.record.callers import Caller, Tree

pytestmark = pytest.mark.asyncio(loop_scope="module")

AMB = {"coding": [{"system": WAYS, "code": "AMB"}]}
FREE_TEXT = {"text": "Suivi"}
ADDRESS = "https://agenda.example/rdv"


def labels_of(*codes: str) -> list[Tree]:
    return [{"url": LABEL, "valueCoding": one} for one in labelled(*codes)]


async def slots(house: House, schedule: str) -> list[Tree]:
    found = await ask(house, "open", "GET", f"Slot?schedule=Schedule/{schedule}&_sort=start&_count=50")
    return [one["resource"] for one in found.json.get("entry", ())]


#: What a Schedule says → what each of its slots does: labels, claims, ways, kind and address.
SAID: dict[str, tuple[Tree, tuple[list[str], list[str], list[Tree], Any, Any]]] = {
    "nothing": ({}, ([], [], [], None, None)),
    "an address alone": ({"comment": ADDRESS}, ([], [], [], None, None)),
    "for everybody": (
        {"labels": ["PUBLIC"], "serviceType": [AMB, FREE_TEXT], "comment": ADDRESS},
        (["PUBLIC"], [PROFILE], [AMB], "ROUTINE", ADDRESS),
    ),
    "for professionals and regulators, with a name": (
        {"labels": ["PRO", "SNP"], "comment": "Cabinet du Lac"},
        (["PRO", "SNP"], [PROFILE], [], "ROUTINE", None),
    ),
    "for a community": ({"labels": ["CPTS"]}, (["CPTS"], [CPTS_PROFILE], [], "ROUTINE", None)),
}


async def test_slots_say_whom_they_are_for_as_their_schedule_does(house: House) -> None:
    wrong = {}
    for n, (name, (more, expected)) in enumerate(SAID.items()):
        rest = {key: one for key, one in more.items() if key != "labels"}
        await filled(house, f"of{n}", available(), *labels_of(*more.get("labels", ())), **rest)
        for slot in await slots(house, f"of{n}"):
            kind = slot.get("appointmentType", {}).get("coding", [{}])[0].get("code")
            labels = [one["code"] for one in slot["meta"].get("security", ())]
            said = (labels, slot["meta"].get("profile", []), slot.get("serviceType", []), kind, slot.get("comment"))
            judged = await ask(house, "open", "POST", "Slot/$validate", slot)
            errors = [one for one in judged.json["issue"] if one["severity"] == "error"]
            if said != expected or errors:
                wrong[name] = (said, errors)
        assert len(await slots(house, f"of{n}")) == 2, name
    assert not wrong


async def test_a_label_that_is_none_is_refused(house: House) -> None:
    for wrong in ({"code": "PRIVATE"}, {"system": "urn:x", "code": "PRO"}):
        tree = a_schedule(
            "unlabelled",
            DOCTOR,
            extension=[{"url": LABEL, "valueCoding": {**labels_of("PRO")[0]["valueCoding"], **wrong}}],
        )
        answer = await ask(house, "operator", "PUT", "Schedule/unlabelled", tree)
        assert answer.status == 422, answer.json


async def test_a_platform_finds_those_of_regulators(house: House) -> None:
    await filled(house, "snp", available(), *labels_of("SNP"))
    platform = Caller(house, replace(person("system", None), client="platform"))
    [first, _] = await slots(house, "snp")
    assert (await platform("GET", f"Slot/{first['id']}")).status == 200
    for who, sees in (("stranger", False), ("patient", False), ("doctor", True)):
        assert ((await ask(house, who, "GET", f"Slot/{first['id']}")).status == 200) == sees, who


async def test_slots_follow_what_their_schedule_says_and_are_left_alone_where_it_says_nothing_new(house: House) -> None:
    filling = Filling(house.services)
    await filled(house, "later", available(), lasting(20))
    first, second, third = await slots(house, "later")
    booked = an_appointment(third["id"], start=third["start"], end=third["end"])
    assert (await ask(house, "doctor", "POST", "Appointment", booked)).status == 201
    by_hand = second | {"comment": "Sur place"}
    assert (await ask(house, "operator", "PUT", f"Slot/{second['id']}", by_hand)).status == 200
    await filling.of_all(NOW)
    assert [one.get("comment") for one in await slots(house, "later")] == [None, "Sur place", None]
    await filled(house, "later", available(), lasting(20), *labels_of("PUBLIC"))
    found = await slots(house, "later")
    assert [len(one["meta"].get("security", ())) for one in found] == [1, 1, 0], "what is booked is as it was"
    assert [one["id"] for one in found] == [first["id"], second["id"], third["id"]]
    assert [one["meta"]["versionId"] for one in found] == ["2", "3", "2"]
    await filling.of_all(NOW)
    assert [one["meta"]["versionId"] for one in await slots(house, "later")] == ["2", "3", "2"]
