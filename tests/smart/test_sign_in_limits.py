"""How often somebody may try to prove who they are: OWASP ASVS 2.2.1. Failures count, and a lock is no weapon."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pyotp
import pytest

from fhir_server.smart import lifetimes
from fhir_server.smart.people.attempts import network
from fhir_server.smart.people.credentials import FAILURES_OF_ADDRESS, FAILURES_OF_LOGIN, WRONG_CODES
from tests.server.closed import ROOT, Space, serving
from tests.smart.browser import PASSWORD, Browser, a_person

HOME, CAFE, PROXY = "198.51.100.1", "203.0.113.9", "10.0.0.1"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


async def tried(space: Space, login: str, password: str, source: str, code: str = "") -> str:
    """What comes of a sign-in: "right", "wrong" or "locked"."""
    found = await space.house.authorization.people.sign_in(login, password, code, source)
    return found if isinstance(found, str) else "right"


async def fail(space: Space, times: int, source: str, login: str = "nathalie") -> None:
    for n in range(times):
        await tried(space, login.format(n), "x" * 20, source)


async def test_somebody_else_s_failures_keep_nobody_out_from_elsewhere(space: Space) -> None:
    await a_person(space)
    for n in range(40):
        await fail(space, FAILURES_OF_LOGIN + 1, f"203.0.113.{n}")
    assert await tried(space, "nathalie", PASSWORD, "203.0.113.3") == "locked"
    assert await tried(space, "nathalie", PASSWORD, HOME) == "right"


async def test_successes_are_not_counted(space: Space) -> None:
    await a_person(space)
    for _ in range(FAILURES_OF_ADDRESS + 5):
        assert await tried(space, "nathalie", PASSWORD, HOME) == "right"
    assert await tried(space, "nobody", "x" * 20, HOME) == "wrong"


async def test_guessing_many_logins_from_one_address_ends(space: Space) -> None:
    await a_person(space)
    await fail(space, FAILURES_OF_ADDRESS, CAFE, "login-{}")
    assert await tried(space, "nathalie", PASSWORD, CAFE) == "locked"
    assert await tried(space, "nathalie", PASSWORD, HOME) == "right"


async def test_who_signed_in_from_an_address_before_is_not_kept_out_by_others_there(space: Space) -> None:
    """Colleagues behind one address: what one of them mistypes is not the others' fault."""
    await a_person(space)
    assert await tried(space, "nathalie", PASSWORD, CAFE) == "right"
    await fail(space, FAILURES_OF_ADDRESS + 5, CAFE, "login-{}")
    assert await tried(space, "nathalie", PASSWORD, CAFE) == "right"
    await fail(space, FAILURES_OF_LOGIN, CAFE)
    assert await tried(space, "nathalie", PASSWORD, CAFE) == "locked"


async def test_failures_are_forgotten_in_time(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    await a_person(space)
    await fail(space, FAILURES_OF_LOGIN, HOME)
    assert await tried(space, "nathalie", PASSWORD, HOME) == "locked"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + lifetimes.LOCK + 1)
    assert await tried(space, "nathalie", PASSWORD, HOME) == "right"


async def test_codes_are_not_tried_without_end_by_who_has_the_password(space: Space) -> None:
    await a_person(space, totp=SECRET)
    assert await tried(space, "nathalie", PASSWORD, HOME, pyotp.TOTP(SECRET).now()) == "right"
    for n in range(WRONG_CODES):
        assert await tried(space, "nathalie", PASSWORD, f"203.0.113.{n}", "nothing") == "wrong"
    future = pyotp.TOTP(SECRET).at(int(time.time()) + 30)
    assert await tried(space, "nathalie", PASSWORD, "203.0.113.200", future) == "wrong"
    assert await tried(space, "nathalie", PASSWORD, HOME, future) == "right"


async def test_provisional_codes_are_held_by_the_same_limit(space: Space) -> None:
    account = await a_person(space)
    code = await space.house.authorization.people.provisional(account)
    await fail(space, FAILURES_OF_LOGIN, CAFE)
    assert await tried(space, "nathalie", code, CAFE) == "locked"
    assert await tried(space, "nathalie", code, HOME) == "right"


@pytest.mark.parametrize(
    ("given", "failures", "found"),
    [
        ("password", 0, ("password", "")),
        ("another", 0, (None, "wrong")),
        ("provisional", 0, (None, "wrong")),
        ("password", FAILURES_OF_LOGIN, (None, "locked")),
    ],
)
async def test_who_is_signed_in_is_asked_again_under_the_same_limit(
    space: Space, given: str, failures: int, found: tuple[str | None, str]
) -> None:
    account, people = await a_person(space), space.house.authorization.people
    typed = {"password": PASSWORD, "another": "x" * 20, "provisional": await people.provisional(account)}[given]
    await fail(space, failures, CAFE)
    assert await people.again(account, typed, "", CAFE) == found


#: Ways besides the sign-in form, which somebody without a session may try.
OTHERS = ["/auth/activate", "/auth/with/psc/callback"]


@pytest.mark.parametrize("path", OTHERS)
async def test_other_ways_to_prove_oneself_are_held_by_the_limit_of_the_address(tmp_path: Path, path: str) -> None:
    async with serving(tmp_path, simulators=True) as space:
        browser = Browser(space)
        page = await browser.http.get("/auth/sign-in")
        word = page.text.partition('name="word" value="')[2].partition('"')[0]
        statuses = []
        for n in range(FAILURES_OF_ADDRESS + 2):
            if path == "/auth/activate":
                answer = await browser.http.post(path, data={"word": word, "key": f"guess-{n}"})
            else:
                answer = await browser.http.get(path, params={"state": f"guess-{n}", "code": "x"})
            statuses.append(answer.status_code)
    assert statuses == [403] * FAILURES_OF_ADDRESS + [429] * 2


async def test_behind_a_trusted_proxy_each_person_has_their_own_limit(tmp_path: Path) -> None:
    async with serving(tmp_path, trusted_proxies=(PROXY,)) as space:
        await a_person(space)

        async def signed(source: str, password: str) -> int:
            transport = httpx.ASGITransport(space.house.asgi, client=(PROXY, 1))
            async with httpx.AsyncClient(transport=transport, base_url=ROOT) as http:
                page = await http.get("/auth/sign-in")
                word = page.text.partition('name="word" value="')[2].partition('"')[0]
                data = {"word": word, "login": "nathalie", "password": password}
                # What stands before the proxy's own word is the caller's: it changes nothing.
                forged = f"192.0.2.{len(password)}, {source}"
                answer = await http.post("/auth/sign-in", data=data, headers={"X-Forwarded-For": forged})
                return answer.status_code

        assert [await signed(CAFE, "x" * (12 + n)) for n in range(FAILURES_OF_LOGIN + 1)] == [403] * 5 + [429]
        assert await signed(CAFE, PASSWORD) == 429
        assert await signed(HOME, PASSWORD) == 303


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("2001:db8:1:2::5", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_who_has_a_whole_network_of_addresses_is_one(address: str, counted: str) -> None:
    assert network(address) == counted
