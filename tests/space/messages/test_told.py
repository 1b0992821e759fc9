"""Patients are told that a message waits, once, whenever the server stops; of drafts and old messages nobody is told.

Domain file §2.11 (NOTIF_MESSAGE).
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fhir_server.app import House
from tests.server.people import kept
from tests.space.messages.exchange import DOCTOR, A, ago, ask, message, sent

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
    await sent(house, "patient", message(A, DOCTOR, answers=first))
    await ask(house, "doctor", "POST", "Communication", message(DOCTOR, status="preparation"))
    await kept(house, message(DOCTOR, id="old", sent=ago(30)), message(DOCTOR, id="read", sent=ago(1), received=ago(1)))
    assert await looked(house) == 0
