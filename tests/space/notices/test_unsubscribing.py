"""One click in a mail ends such mails, without signing in: RFC 8058, RFC 2369. Looking changes nothing."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
import pytest

from fhir_server.space.notices.occasions import KINDS
from fhir_server.space.notices.preferences import preferences
from fhir_server.space.notices.unsubscribing import PATH, WayOut, path, way_out
from tests.site.accessible import document, said
from tests.space.notices.space import NOON, Space, hours

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def client(space: Space) -> httpx.AsyncClient:
    """A mail system, which has no cookie and says no origin."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(space.house.asgi), base_url="https://fhir.example")


async def link(space: Space, kind: str = "message") -> str:
    """The address in the header of a mail."""
    await space.notices.tell("a", kind, kind, at=NOON)  # type: ignore[arg-type]
    [message] = await space.look()
    # RFC 8058 §3.1: both headers, and one https address.
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    [found] = re.fullmatch(r"<(https://\S+)>", "".join(str(message["List-Unsubscribe"]).split())).groups()  # type: ignore[union-attr]
    assert found in message.get_content().replace("=\n", "")
    return urlsplit(found).path


async def kept(space: Space) -> tuple[str, ...]:
    return (await preferences(space.house.engine.records, "Patient/a")).without_email


async def test_one_click_of_a_mail_system_ends_that_kind(space: Space) -> None:
    where = await link(space)
    async with client(space) as web:
        answer = await web.post(where, data=ONE_CLICK)
    assert (answer.status_code, answer.is_redirect) == (200, False)
    assert await kept(space) == ("message",)
    await space.notices.tell("a", "message", "again", at=NOON + hours(2))
    assert await space.told(NOON + hours(2)) == []
    await space.notices.tell("a", "document", "d", at=NOON + hours(2))
    assert len(await space.told(NOON + hours(2))) == 1


@pytest.mark.parametrize(
    "name, value, files, status",
    [
        ("List-Unsubscribe", "One-Click", 0, 200),
        ("List-Unsubscribe", "Two-Clicks", 0, 400),
        ("List-Unsubscribe", "One-Click" + "x" * 5_000, 0, 400),
        ("List-Unsubscribe", "One-Click", 1, 400),
    ],
)
async def test_mail_systems_send_the_click_in_parts(
    space: Space, name: str, value: str, files: int, status: int
) -> None:
    # RFC 8058 §3.2: the content "SHOULD be sent as multipart/form-data".
    where = await link(space)
    parts: list[tuple[str, tuple[str | None, str]]] = [(name, (None, value)), *[("f", ("a.txt", "a"))] * files]
    async with client(space) as web:
        assert (await web.post(where, files=parts)).status_code == status
        broken = {"content-type": "multipart/form-data"}
        assert (await web.post(where, content=b"List-Unsubscribe=One-Click", headers=broken)).status_code == 400
    assert await kept(space) == (("message",) if status == 200 else ())


async def test_looking_at_it_again_and_again_changes_nothing(space: Space) -> None:
    where = await link(space)
    async with client(space) as web:
        for method in ("GET", "HEAD", "GET"):
            assert (await web.request(method, where)).status_code == 200
    assert await kept(space) == ()


@pytest.mark.parametrize("what, ended", [("these", ("message",)), ("all", KINDS)])
async def test_a_person_chooses_on_the_page(space: Space, what: str, ended: tuple[str, ...]) -> None:
    where = await link(space)
    async with client(space) as web:
        page = document(await web.get(where, headers={"accept-language": "fr"}))
        assert "Un nouveau message" in said(page)
        assert [one.get("value") for one in page.xpath("//main//form[@method='post']//button")] == ["these", "all"]
        answer = await web.post(where, data={"what": what}, headers={"accept-language": "fr"})
        assert "C’est fait" in said(document(answer))
    assert await kept(space) == ended


async def test_twice_is_as_once(space: Space) -> None:
    where = await link(space)
    async with client(space) as web:
        for _ in range(2):
            assert (await web.post(where, data=ONE_CLICK)).status_code == 200
    assert await kept(space) == ("message",)


@pytest.mark.parametrize("sent", [{}, {"what": "everything"}, {"List-Unsubscribe": "Two-Clicks"}])
async def test_a_form_that_asks_for_nothing_known_changes_nothing(space: Space, sent: dict[str, str]) -> None:
    where = await link(space)
    async with client(space) as web:
        assert (await web.post(where, data=sent)).status_code == 400
    assert await kept(space) == ()


async def test_an_address_that_was_changed_or_made_up_is_none(space: Space) -> None:
    where = await link(space)
    word = where.rpartition("/")[2]
    sealed = bytearray(base64.urlsafe_b64decode(word + "=" * (-len(word) % 4)))
    sealed[20] ^= 1
    forged = [word[:-2], word + "AA", base64.urlsafe_b64encode(sealed).decode(), "x", "é", "A" * 5_000, "%00"]
    async with client(space) as web:
        for one in forged:
            for method in ("GET", "POST"):
                answer = await web.request(method, f"{PATH}/{one}", data=ONE_CLICK)
                assert answer.status_code == 404, one
    assert await kept(space) == ()


async def test_an_address_says_nothing_of_whom_it_is(space: Space) -> None:
    records = space.house.engine.records
    way = WayOut("Patient/a", "email", ("message", "document"))
    one, other = await path(records, way, NOON), await path(records, way, NOON)
    assert one != other and await way_out(records, one.rpartition("/")[2], NOON) == way
    word = one.rpartition("/")[2]
    assert b"Patient" not in base64.urlsafe_b64decode(word + "=" * (-len(word) % 4))


async def test_of_an_emergency_no_mail_system_offers_a_way_out(space: Space) -> None:
    await space.notices.tell("a", "access", "e", occasion="emergency", at=NOON)
    [message] = await space.look()
    assert message["List-Unsubscribe"] is None and PATH not in message.get_content()


@pytest.mark.parametrize("days, status", [(0, 200), (365, 200), (367, 404), (4_000, 404)])
async def test_a_way_out_is_one_for_as_long_as_what_was_told_is_kept(space: Space, days: int, status: int) -> None:
    written = datetime.now(UTC) - timedelta(days=days)
    where = await path(space.house.engine.records, WayOut("Patient/a", "email", ("message",)), written)
    async with client(space) as web:
        assert (await web.get(where)).status_code == status
        assert (await web.post(where, data=ONE_CLICK)).status_code == status
    assert await kept(space) == (("message",) if status == 200 else ())
