"""Who a message is to is told that it waits, once, whenever the server stops; of drafts and old messages nobody is told.

Domain file §2.11 (NOTIF_MESSAGE).
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from fhir_server.app import House
from fhir_server.space.messages.mail import in_use
from fhir_server.space.notices import centre
from tests.server.people import kept
from tests.space.mailboxes.directory import mailbox
from tests.space.messages.exchange import CLINIC, DOCTOR, A, ago, ask, message, sent
from tests.space.record.callers import Tree
from tests.space.record.writers import a_practitioner

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def looked(house: House, later: timedelta = timedelta()) -> int:
    """How many notices the job made."""
    [job] = [one for one in house.services.jobs() if one.name == "messages"]
    return await job.run(datetime.now(UTC) + later)


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
        await in_use.say(records, time.time())
    await looked(house)
    id = f"reply-{to.replace(' ', '-')}-{gateway}"
    before = await lines(house, told[0])
    await kept(house, message(A, recipient, id=id, sent=ago(0)))
    assert await looked(house) == bool(told[gateway])
    await records.take("messages-told", "until")
    assert await looked(house) == 0
    await records.take(in_use.ALIVE, "")
    new = [one for one in await lines(house, told[0]) if one not in before]
    assert [(one.told.occasion, one.told.patient) for one in new] == ([("reply", "")] if told[gateway] else [])


async def lines(house: House, person: str) -> list[centre.Line]:
    return await centre.lines(house.services.records, person, "", 99) if person else []


async def test_what_a_gateway_that_stopped_for_good_did_not_bring_is_told_once(house: House) -> None:
    records = house.services.records
    await kept(house, {**a_practitioner("waits", "99700218895"), "telecom": [mailbox("w@medecin.mssante.fr")]})
    await looked(house)
    before = await kept_at(house, message(A, "Practitioner/waits", id="brought", sent=ago(0)))
    await in_use.say(records, before / 1_000_000 + 0.001)
    await asyncio.sleep(0.005)
    await kept(house, message(A, "Practitioner/waits", id="left", sent=ago(0)))
    assert await looked(house) == 0, "the gateway may come back"
    assert await looked(house, timedelta(hours=2)) == 1
    assert [await house.services.service("notices").told(f"message {id}/Practitioner/waits") for id in ("brought", "left")] == [False, True]  # fmt: skip
    assert await looked(house, timedelta(hours=3)) == 0
    await kept(house, message(A, "Practitioner/waits", id="after", sent=ago(0)))
    assert await looked(house, timedelta(hours=3)) == 1
    await records.take(in_use.ALIVE, "")


async def kept_at(house: House, tree: Tree) -> int:
    """When a message was stored, in µs since 1970."""
    await kept(house, tree)
    version = await house.repository().current("Communication", tree["id"])
    assert version is not None
    return version.at * 1000
