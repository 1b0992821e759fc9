"""Who a message is to is told that it waits, once, whenever the server stops; of drafts and old messages nobody is told.

Domain file §2.11 (NOTIF_MESSAGE).
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fhir_server.app import House
from fhir_server.space.notices import centre
from tests.server.people import kept
from tests.space.mailboxes.directory import mailbox
from tests.space.messages.exchange import CLINIC, DOCTOR, A, ago, ask, message, sent
from tests.space.record.writers import a_practitioner

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def looked(house: House) -> int:
    """How many notices the job made."""
    [job] = [one for one in house.services.jobs() if one.name == "messages"]
    return await job.run(datetime.now(UTC))


async def test_of_a_message_its_patient_is_told_once(house: House) -> None:
    made = await sent(house, "doctor", message(DOCTOR))
    assert await looked(house) == 1
    assert await house.services.service("notices").told(f"message {made['id']}")
    assert await looked(house) == 0
    # As if the server had stopped before it kept how far it was.
    await house.services.records.take("messages-told", "until")
    assert await looked(house) == 0


async def test_of_what_is_no_new_message_to_a_patient_nobody_is_told(house: House) -> None:
    first = await sent(house, "doctor", message(DOCTOR))
    await looked(house)
    await sent(house, "patient", message(A, CLINIC, DOCTOR, answers=first, status="preparation"))
    await kept(house, message(A, CLINIC, id="to-nobody", sent=ago(1)), message(A, DOCTOR, id="answer", sent=ago(30)))
    await ask(house, "doctor", "POST", "Communication", message(DOCTOR, status="preparation"))
    await kept(house, message(DOCTOR, id="old", sent=ago(30)), message(DOCTOR, id="read", sent=ago(1), received=ago(1)))
    assert await looked(house) == 0


#: To whom a patient writes → which professional is told, without a mail gateway, and with one.
REPLIES = {
    "a professional": ("Practitioner/doctor", "Practitioner/doctor", "Practitioner/doctor"),
    "a role": ("PractitionerRole/doctor", "Practitioner/doctor", "Practitioner/doctor"),
    "who has a mailbox": ("Practitioner/mailed", "Practitioner/mailed", ""),
    "an establishment": (CLINIC, "", ""),
    "who works no more": ("Practitioner/retired", "", ""),
}


@pytest.mark.parametrize("gateway", [False, True])
@pytest.mark.parametrize("to", REPLIES)
async def test_a_professional_is_told_once_that_a_patient_has_written(house: House, to: str, gateway: bool) -> None:
    records, (recipient, *told) = house.services.records, REPLIES[to]
    await kept(house, {**a_practitioner("mailed", "99700218897"), "telecom": [mailbox("m@medecin.mssante.fr")]})
    if gateway:
        await records.put("mail-place", "", b"0")
    await looked(house)
    id = f"reply-{to.replace(' ', '-')}-{gateway}"
    before = await lines(house, told[0])
    await kept(house, message(A, recipient, id=id, sent=ago(0)))
    assert await looked(house) == bool(told[gateway])
    await records.take("messages-told", "until")
    assert await looked(house) == 0
    await records.take("mail-place", "")
    new = [one for one in await lines(house, told[0]) if one not in before]
    assert [(one.told.occasion, one.told.patient) for one in new] == ([("reply", "")] if told[gateway] else [])


async def lines(house: House, person: str) -> list[centre.Line]:
    return await centre.lines(house.services.records, person, "", 99) if person else []
