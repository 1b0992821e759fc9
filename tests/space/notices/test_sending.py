"""Notices through a real mail server: what it takes arrives whole, what it refuses for good is given up at once."""

from __future__ import annotations

from pathlib import Path

from fhir_server.app import opened
from tests.space.notices.killed import settings
from tests.space.notices.mailbox import Mailbox
from tests.space.notices.space import NOON, Space, a_patient


async def test_a_notice_arrives_with_the_headers_that_mail_systems_go_by(tmp_path: Path) -> None:
    post = Mailbox()
    async with post.listening() as url, opened(settings(tmp_path, url)) as house:
        space = Space(house)
        await space.keep(a_patient())
        await space.notices.tell("a", "message", "m", at=NOON)
        await space.look()
    [(to, message)] = post.taken
    assert to == "a@example.org"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "".join(str(message["List-Unsubscribe"]).split()).strip("<>") in message.get_content()
    assert "espace santé" in message.get_content(), "accents arrive"


async def test_an_address_that_is_none_is_told_to_the_operator_and_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    post = Mailbox("a@example.org")
    async with post.listening() as url, opened(settings(tmp_path, url)) as house:
        space = Space(house)
        await space.keep(a_patient(), a_patient("b"))
        for id in "ab":
            await space.notices.tell(id, "message", id, at=NOON)
        await space.look()
        dead = [one async for _, one in house.services.outbox.dead()]
    assert [to for to, _ in post.taken] == ["b@example.org"]
    assert [(one.failed, one.tried) for one in dead] == [("SMTPRecipientsRefused", 1)]
