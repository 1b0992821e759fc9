"""Who sees and changes what of the agenda: domain file §2.8, and what of it was settled (ARCHITECTURE.md)."""

from __future__ import annotations

import pytest

from fhir_server.app import House
from fhir_server.space.agenda.model import AUTHOR, EDITOR, PATIENT, tags
from tests.server.people import kept
from tests.space.agenda.world import CALLERS, a_schedule, a_slot, an_appointment, ask, own_entry
from tests.space.record.callers import Caller, Tree

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Who made it → who reads it, who changes it (of all callers).
EVERYBODY = frozenset({"open", "operator", "doctor", "patient", "referenced app"})
SEEN: dict[str, tuple[frozenset[str], frozenset[str], str]] = {
    "doctor": (EVERYBODY, frozenset({"open", "operator", "doctor"}), EDITOR),
    "colleague": (EVERYBODY | {"colleague"}, frozenset({"open", "operator", "doctor", "colleague"}), EDITOR),
    "patient": (EVERYBODY - {"doctor"}, EVERYBODY - {"doctor"}, PATIENT),
    "referenced app": (EVERYBODY, frozenset({"open", "operator", "doctor", "referenced app"}), EDITOR),
    "operator": (EVERYBODY, frozenset({"open", "operator", "doctor"}), EDITOR),
}


async def test_who_reads_and_who_changes_an_appointment_by_who_made_it(house: House) -> None:
    """Colleagues use the doctor's software, as thousands do: they see what they take part in, and what they made."""
    wrong = []
    for maker, (readers, writers, author) in SEEN.items():
        tree: Tree = own_entry() if maker == "patient" else an_appointment()
        made = await ask(house, maker, "POST", "Appointment", tree)
        assert made.status == 201, made.json
        stored = (await ask(house, "open", "GET", f"Appointment/{made.id}")).json
        assert tags(stored, AUTHOR) == [author]
        for who, grant in CALLERS.items():
            sees = await Caller(house, grant).sees("Appointment", made.id)
            changed = await ask(house, who, "PUT", f"Appointment/{made.id}", stored | {"comment": who})
            if sees != (who in readers) or (changed.status == 200) != (who in writers):
                wrong.append((maker, who, sees, changed.status))
            if sees and changed.status != 200 and changed.status != 403:
                wrong.append((maker, who, "seen, and refused with", changed.status))
        after = (await ask(house, "open", "GET", f"Appointment/{made.id}")).json
        assert tags(after, AUTHOR) == [author]
    assert not wrong


async def test_nobody_says_of_themself_that_another_made_it(house: House) -> None:
    said = {"meta": {"tag": [{"system": AUTHOR, "code": PATIENT}, {"system": "urn:x", "code": "kept"}]}}
    made = await ask(house, "doctor", "POST", "Appointment", an_appointment(**said))
    stored = (await ask(house, "open", "GET", f"Appointment/{made.id}")).json
    assert (tags(stored, AUTHOR), tags(stored, "urn:x")) == ([EDITOR], ["kept"])
    await ask(house, "doctor", "PUT", f"Appointment/{made.id}", stored | said)
    stored = (await ask(house, "open", "GET", f"Appointment/{made.id}")).json
    assert tags(stored, AUTHOR) == [EDITOR]


#: An entry of the patient's → the element that is refused.
BEYOND: dict[str, Tree] = {
    "Appointment.slot": an_appointment("mine"),
    "Appointment.description": own_entry(description="x" * 101),
    "Appointment.comment": own_entry(comment="x" * 1001),
    "Appointment.patientInstruction": own_entry(patientInstruction="x" * 1001),
}


async def test_the_space_is_a_notebook_for_patients_and_no_booking_tool(house: House) -> None:
    await kept(house, a_slot("mine"))
    for element, tree in BEYOND.items():
        answer = await ask(house, "patient", "POST", "Appointment", tree)
        assert (answer.status, answer.json["issue"][0]["expression"]) == (422, [element])
    longest = own_entry(description="x" * 100, comment="x" * 1000)
    assert (await ask(house, "patient", "POST", "Appointment", longest)).status == 201


async def test_schedules_and_slots_are_changed_by_whose_they_are(house: House) -> None:
    await kept(house, a_schedule("theirs", "Practitioner/doctor"), a_slot("theirs", "Schedule/theirs"))
    #: An open server's caller is nobody, the operator everybody.
    may = {"open", "operator", "doctor"}
    wrong = []
    for type in ("Schedule", "Slot"):
        tree = (await ask(house, "open", "GET", f"{type}/theirs")).json
        for who in CALLERS:
            answer = await ask(house, who, "PUT", f"{type}/theirs", tree | {"comment": who})
            if (answer.status == 200) != (who in may):
                wrong.append((type, who, answer.status, answer.json))
    assert not wrong
