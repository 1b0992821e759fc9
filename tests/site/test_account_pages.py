"""One's own account: OWASP ASVS 2.1.5 and 2.1.6, 2.8 (RFC 6238), 3.3.3 and 3.3.4."""

from __future__ import annotations

import html
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyotp
import pytest
import pytest_asyncio

from tests.server.closed import ROOT, TOKEN, Space, serving
from tests.site.accessible import document, errors, said
from tests.smart.browser import PASSWORD, Browser, a_person, an_app, launched

NEW = "une autre phrase de passe"


@pytest_asyncio.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with serving(tmp_path) as found:
        yield found


async def signed_in(space: Space, code: str = "") -> Browser:
    browser = Browser(space)
    page = await browser.sign_in(await browser.http.get("/auth/sign-in"), code=code)
    assert str(page.url).endswith("/mon-espace"), page.text
    return browser


async def send(browser: Browser, action: str, **fields: str) -> Any:
    """The form of one's account that leads to `action`, sent."""
    page = await browser.http.get("/auth/me")
    word = page.text.partition('name="word" value="')[2].partition('"')[0]
    answer = await browser.http.post(f"/auth/{action}", data={"word": word, **fields}, headers={"Origin": ROOT})
    return await browser._followed(answer)


async def test_the_page_says_who_one_is_and_where_one_is_signed_in(space: Space) -> None:
    await a_person(space)
    await signed_in(space)
    browser = await signed_in(space)
    page = document(await browser.http.get("/auth/me"))
    assert "Nathalie DEMO" in said(page)
    rows = page.xpath("//tbody/tr")
    assert len(rows) == 2 and sum("cette session" in row.text_content() for row in rows) == 1


async def test_a_password_changes_only_with_the_present_one_and_ends_other_sessions(space: Space) -> None:
    await a_person(space)
    other, browser = await signed_in(space), await signed_in(space)
    wrong = await send(browser, "me/password", current="x" * 20, new=NEW)
    assert errors(document(wrong, 403)).keys() == {"current"}
    weak = await send(browser, "me/password", current=PASSWORD, new="court")
    assert errors(document(weak, 400)).keys() == {"new"}
    done = await send(browser, "me/password", current=PASSWORD, new=NEW)
    assert "est changé" in said(document(done))
    assert (await other.http.get("/auth/me")).status_code == 303
    again = Browser(space)
    start = await again.http.get("/auth/sign-in")
    assert (await again.sign_in(start)).status_code == 403
    assert str((await again.sign_in(start, password=NEW)).url).endswith("/mon-espace")


async def test_a_second_factor_is_enrolled_by_its_first_code_and_removed_by_both_factors(space: Space) -> None:
    account = await a_person(space)
    browser = await signed_in(space)
    page = await send(browser, "me/second-factor/start", current=PASSWORD)
    shown = document(page)
    secret = shown.findtext(".//code").replace(" ", "")
    [uri] = re.findall(r'href="(otpauth://[^"]+)"', page.text)
    assert pyotp.parse_uri(html.unescape(uri)).secret == secret
    code = pyotp.TOTP(secret).now()
    wrong = "000000" if code != "000000" else "111111"
    assert errors(document(await browser.submit(page, code=wrong), 403)).keys() == {"code"}
    accounts = space.house.authorization.accounts
    assert (found := await accounts.get(account.id)) is not None and found.totp is None
    assert "sera demandé" in said(document(await browser.submit(page, code=code)))
    start = await Browser(space).http.get("/auth/sign-in")
    assert (await Browser(space).sign_in(start)).status_code == 403
    refused = await send(browser, "me/second-factor/remove", current=PASSWORD, code=code)
    assert errors(document(refused, 403)).keys() == {"current", "code"}
    later = pyotp.TOTP(secret).at(time.time() + 30)
    removed = await send(browser, "me/second-factor/remove", current=PASSWORD, code=later)
    assert "Plus aucun code" in said(document(removed))


async def test_signing_out_everywhere_ends_every_session(space: Space) -> None:
    await a_person(space)
    other, browser = await signed_in(space), await signed_in(space)
    await send(browser, "me/sign-out-everywhere")
    for one in (other, browser):
        assert (await one.http.get("/auth/me")).status_code == 303


POSTS = [
    "me/password",
    "me/second-factor/start",
    "me/second-factor",
    "me/second-factor/remove",
    "me/sign-out-everywhere",
    "sign-out",
]


@pytest.mark.parametrize("action", POSTS)
async def test_nothing_changes_without_the_browser_s_word(space: Space, action: str) -> None:
    await a_person(space)
    browser = await signed_in(space)
    answer = await browser.http.post(f"/auth/{action}", data={"current": PASSWORD, "new": NEW, "word": "0" * 64})
    document(answer, 403)
    assert (await browser.http.get("/auth/me")).status_code == 200


async def test_guessing_the_present_password_is_limited(space: Space) -> None:
    await a_person(space)
    browser = await signed_in(space)
    said_last = ""
    for _ in range(6):
        said_last = said(document(await send(browser, "me/password", current="x" * 20, new=NEW), 403))
    assert "Trop d’essais" in said_last


LASTING = "launch/patient patient/*.rs offline_access"
#: What ends access → the fields it is sent with, besides the box about apps.
ENDINGS: dict[str, dict[str, str]] = {
    "me/sign-out-everywhere": {},
    "me/password": {"current": PASSWORD, "new": NEW},
}


async def an_open_app(space: Space, browser: Browser, scope: str) -> dict[str, Any]:
    app = await an_app(space, f"{LASTING} online_access", scope.rpartition(" ")[2])
    await space.put({"resourceType": "Patient", "id": "p1"})
    return {**(await launched(space, app, scope, browser)).json(), "client": app.id}


async def works(space: Space, app: dict[str, Any]) -> bool:
    """Whether the app can still refresh, and its access token reads."""
    read = await space.fhir("GET", "Patient/p1", app["access_token"])
    form = {"grant_type": "refresh_token", "refresh_token": app["refresh_token"], "client_id": app["client"]}
    refreshed = await space.http.post(TOKEN, data=form)
    assert (read.status_code == 200) is (refreshed.status_code == 200)
    return refreshed.status_code == 200


@pytest.mark.parametrize("apps", ["end", ""])
@pytest.mark.parametrize("ending", ENDINGS)
async def test_who_leaves_everywhere_says_whether_apps_go_too(space: Space, ending: str, apps: str) -> None:
    """What hangs on a session ends with it, whatever is said; what outlives it is the person's to end."""
    await a_person(space)
    browser = await signed_in(space)
    lasting = await an_open_app(space, browser, LASTING)
    bound = await an_open_app(space, browser, "launch/patient patient/*.rs online_access")
    page = document(await browser.http.get("/auth/me"))
    [box] = page.xpath(f"//form[contains(@action, '{ending}')]//input[@name='apps']")
    assert box.get("value") == "end" and box.get("checked") is not None
    await send(browser, ending, **ENDINGS[ending], **({"apps": apps} if apps else {}))
    assert await works(space, lasting) is (apps == "")
    assert not await works(space, bound)


async def test_a_closed_account_that_is_opened_again_begins_anew(space: Space) -> None:
    account = await a_person(space)
    browser = await signed_in(space)
    lasting = await an_open_app(space, browser, LASTING)
    await space.house.authorization.shut_out(account.id)
    await space.house.authorization.accounts.reopen(account.id)
    assert not await works(space, lasting)
    assert (await browser.http.get("/auth/me")).status_code == 303


@pytest.mark.parametrize("apps", ["end", ""])
async def test_a_password_that_was_given_anew_ends_sessions_and_asks_about_apps(space: Space, apps: str) -> None:
    account = await a_person(space)
    browser = await signed_in(space)
    lasting = await an_open_app(space, browser, LASTING)
    code = await space.house.authorization.people.provisional(account)
    other = Browser(space)
    page = await other.sign_in(await other.http.get("/auth/sign-in"), password=code)
    assert document(page).xpath("//input[@name='apps'][@checked]")
    await other.submit(page, password=NEW, **({"apps": apps} if apps else {}))
    assert (await browser.http.get("/auth/me")).status_code == 303
    assert await works(space, lasting) is (apps == "")
