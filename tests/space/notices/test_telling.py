"""Services have people told of things, once each and in words that no event adds to: domain file §2.11."""

from __future__ import annotations

import asyncio
import re

import pytest

from fhir_server.space.notices.occasions import KINDS, OCCASIONS, Kind
from fhir_server.space.notices.preferences import none_of, prefer
from fhir_server.space.notices.wording import Addresses, written
from tests.space.notices.space import NOON, Space, a_patient, hours, reached, related

MESSAGE = [("a@example.org", "Vous avez un nouveau message")]


@pytest.mark.parametrize("kind", KINDS)
async def test_one_thing_is_told_once(space: Space, kind: Kind) -> None:
    assert await space.notices.tell("a", kind, "what", at=NOON)
    assert not await space.notices.tell("a", kind, "what", at=NOON)
    assert len(await space.told()) == 1
    assert not await space.notices.tell("a", kind, "what", at=NOON)
    assert await space.told(NOON + hours(48)) == []


async def test_of_several_that_tell_at_once_one_does(space: Space) -> None:
    said = await asyncio.gather(*(space.notices.tell("a", "message", "m", at=NOON) for _ in range(5)))
    assert sorted(said) == [False] * 4 + [True]
    assert await space.told() == MESSAGE


async def test_nobody_is_told_of_whom_there_is_not(space: Space) -> None:
    assert not await space.notices.tell("nobody", "message", "m")


async def test_an_occasion_of_another_kind_is_a_mistake(space: Space) -> None:
    with pytest.raises(ValueError, match="occasion"):
        await space.notices.tell("a", "message", "m", occasion="emergency")


def test_every_kind_is_an_occasion_of_its_own_name_in_both_languages() -> None:
    assert {kind: OCCASIONS[kind].kind for kind in KINDS} == {kind: kind for kind in KINDS}
    assert all(one.own.keys() == {"fr", "en"} for one in OCCASIONS.values())


#: What could be told of somebody, in every field that a message comes near.
MARKS = ("Diabète", "DEMO", "Zoé", "p-secret", "Observation", "0600000000", "1970")


@pytest.mark.parametrize("occasion", OCCASIONS)
@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("acts", [False, True])
async def test_no_field_of_what_happened_is_in_a_message(
    space: Space, occasion: str, language: str, acts: bool
) -> None:
    speaks = [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": language}]}, "preferred": True}]
    name = [{"family": "DEMO", "given": ["Zoé"]}]
    telecom = reached("x@example.org", phone="0600000000")
    person = {"telecom": telecom, "communication": speaks}
    born = "2015-01-01" if acts else "1970-01-01"
    await space.keep(a_patient("p-secret", born, name=name, **({"telecom": []} if acts else person)))
    if acts:
        await space.keep(related("parent", "p-secret", name=name, **person))
        await space.account("RelatedPerson/parent", "p-secret")
        wanted = "RelatedPerson/parent"
    else:
        wanted = "Patient/p-secret"
    kind = OCCASIONS[occasion].kind
    await prefer(space.house.engine.records, wanted, {(kind, "sms"): True})
    await space.notices.tell("p-secret", kind, "Observation/Diabète", occasion=occasion, at=NOON)
    [message] = await space.look()
    [sms] = space.texted()
    assert (message["To"], sms["to"]) == ("x@example.org", "+33600000000")
    text = message.get_content()
    whole = " ".join((str(message["Subject"]), text, sms["text"], *map(str, message.values())))
    # The way out is encrypted, and may have any letters.
    whole = re.sub(r"/notifications/arret/\S+", "", whole).replace(str(message["Date"]), "")
    assert not [mark for mark in MARKS if mark in whole]
    # And so is every letter of it of the table.
    root = "https://fhir.example"
    out = found[0] if (found := re.findall(r"https://\S+/notifications/arret/\S+", text)) else ""
    to = Addresses(root, f"{root}/mes-notifications", out)
    assert (message["Subject"], text) == written([(occasion, acts)], language, "email", to)  # type: ignore[arg-type]


async def test_many_at_once_are_one_message_and_the_next_leaves_an_hour_later(space: Space) -> None:
    for number in range(4):
        await space.notices.tell("a", "document", f"d{number}", at=NOON)
    await space.notices.tell("a", "message", "m", at=NOON)
    [message] = await space.look()
    assert message["Subject"] == "Des nouvelles de votre espace santé"
    assert message.get_content().count("Vous avez un nouveau document") == 1
    assert "Vous avez un nouveau message" in message.get_content()
    for minutes in range(10, 60, 10):
        await space.notices.tell("a", "message", f"m{minutes}", at=NOON + hours(minutes / 60))
        assert await space.told(NOON + hours(minutes / 60)) == []
    assert await space.told(NOON + hours(1)) == MESSAGE
    assert await space.told(NOON + hours(5)) == []


async def test_a_digest_of_one_kind_is_of_its_words(space: Space) -> None:
    for number in range(30):
        await space.notices.tell("a", "message", f"m{number}", at=NOON)
    assert await space.told() == MESSAGE


NIGHT = NOON + hours(10)  # 22:00 in Paris


async def test_at_night_nobody_is_written_to(space: Space) -> None:
    await space.notices.tell("a", "message", "m", at=NIGHT)
    assert await space.told(NIGHT) == []
    assert await space.told(NIGHT + hours(9.9)) == []
    assert await space.told(NIGHT + hours(10)) == MESSAGE


async def test_an_emergency_is_told_at_any_hour_and_whatever_was_chosen_but_by_sms(space: Space) -> None:
    await space.keep(a_patient(telecom=reached("a@example.org", phone="06 00 00 00 00")))
    records = space.house.engine.records
    await prefer(records, "Patient/a", {**none_of(KINDS, "email"), ("access", "sms"): True})
    await space.notices.tell("a", "access", "e", occasion="emergency", at=NIGHT)
    assert await space.told(NIGHT) == [("a@example.org", "Votre espace santé a été ouvert en urgence")]
    assert space.texted() == []
    assert await space.told(NIGHT + hours(10)) == []
    assert [one["to"] for one in space.texted()] == ["+33600000000"]


async def test_an_emergency_is_never_held_back_by_what_was_told_before(space: Space) -> None:
    await space.notices.tell("a", "message", "m", at=NOON)
    await space.told()
    await space.notices.tell("a", "access", "e", occasion="emergency", at=NOON + hours(0.1))
    assert len(await space.told(NOON + hours(0.1))) == 1


async def test_who_gives_an_address_within_a_week_is_told_then(space: Space) -> None:
    await space.keep(a_patient(telecom=[]))
    await space.notices.tell("a", "message", "m", at=NOON)
    assert await space.told() == []
    await space.keep(a_patient())
    assert await space.told(NOON + hours(24)) == MESSAGE


async def test_of_what_is_a_week_old_nobody_is_told_any_more(space: Space) -> None:
    await space.keep(a_patient(telecom=[]))
    await space.notices.tell("a", "message", "m", at=NOON)
    for days in range(9):
        assert await space.told(NOON + hours(24 * days)) == []
    await space.keep(a_patient())
    assert await space.told(NOON + hours(24 * 10)) == []
    assert await space.house.engine.records.list("notice-due") == []
