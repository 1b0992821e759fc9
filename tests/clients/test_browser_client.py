"""npm's `fhirclient` and `@medplum/core` in pages of another origin, in Chromium: public apps without a server of their own.

https://hl7.org/fhir/smart-app-launch/app-launch.html, https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlencode

import httpx
import pytest
from playwright.async_api import Page, async_playwright

from tests.clients.install import WHY_NOT, modules
from tests.server.people import PASSWORD
from tests.server.process import Served

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)"),
    pytest.mark.skipif(modules() is None, reason=WHY_NOT),
]
SCOPES = "openid fhirUser launch/patient offline_access patient/*.rs"


class Files(SimpleHTTPRequestHandler):
    """The pages beside this file, and the libraries' own builds for browsers."""

    extensions_map: ClassVar[dict[str, str]] = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}

    def translate_path(self, path: str) -> str:
        if path == "/fhir-client.js":
            return str((modules() or Path()) / "node_modules" / "fhirclient" / "build" / "fhir-client.pure.min.js")
        if path.startswith("/medplum/"):
            return str((modules() or Path()) / "node_modules" / "@medplum" / "core" / "dist" / "esm" / Path(path).name)
        return super().translate_path(path)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def app() -> Iterator[str]:
    """The origin of the page."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=Path(__file__).parent / "js"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = await chromium.new_page(locale="fr-FR")
        # A machine that runs much else is slow, not wrong.
        opened.set_default_timeout(120_000)
        yield opened
        await chromium.close()


async def register(served: Served, id: str, redirect: str, scopes: str) -> None:
    """Register an app, and wait until the server that runs knows the origin of its page: it hears of it shortly after.

    Until then the page is one of any (`*`), which may not call with `credentials: include`.
    """
    await asyncio.to_thread(served.register, id, redirect, scopes)
    origin = redirect.rsplit("/", 1)[0]
    async with httpx.AsyncClient(base_url=served.base, headers={"origin": origin}) as client:
        for _ in range(1_200):
            answer = await client.get("/.well-known/smart-configuration")
            if answer.headers["access-control-allow-origin"] == origin:
                return
            await asyncio.sleep(0.1)
    raise AssertionError("the origin of a registered app stays unknown")


async def allow_everything(page: Page) -> None:
    """Tick each line of the consent page, and allow."""
    allow = page.get_by_role("button", name="Autoriser")
    await allow.wait_for()
    for box in await page.get_by_role("checkbox").all():
        await box.check()
    await allow.click()


async def test_a_page_of_another_origin_launches_reads_searches_and_refreshes(
    served: Served, app: str, page: Page
) -> None:
    await register(served, "js-page", f"{app}/index.html", SCOPES)
    await page.goto(f"{app}/launch.html?{urlencode({'client': 'js-page', 'scope': SCOPES, 'iss': served.base})}")
    await page.get_by_label("Identifiant").fill("nathalie")
    await page.get_by_label("Mot de passe, ou code provisoire").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await allow_everything(page)
    await page.wait_for_url(f"{app}/index.html*")
    await page.wait_for_function("document.getElementById('told').textContent")
    said = json.loads(await page.inner_text("#told"))
    weights = said.pop("weights")
    assert weights[:5] == ["w1", "w2", "w3", "w4", "w5"]
    assert said == {"patient": "p1", "user": "Patient", "refreshed": True, "again": "p1", "other": 404}


async def test_a_library_that_sends_its_own_header_and_credentials_reads_and_writes(
    served: Served, app: str, page: Page
) -> None:
    """`@medplum/core` sends `X-Medplum` and asks with `credentials: include` whatever is set."""
    scopes = "openid launch/patient patient/*.cruds"
    await register(served, "medplum", f"{app}/medplum.html", scopes)
    await page.goto(f"{app}/medplum.html?{urlencode({'client': 'medplum', 'scope': scopes, 'base': served.base})}")
    await page.get_by_label("Identifiant").fill("nathalie")
    await page.get_by_label("Mot de passe, ou code provisoire").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await allow_everything(page)
    await page.wait_for_url(f"{app}/medplum.html?code*")
    await page.wait_for_function("document.getElementById('told').textContent")
    assert json.loads(await page.inner_text("#told")) == {
        "patient": "p1",
        "found": ["w1", "w2", "w3"],
        "status": "amended",
        "versions": 2,
        "both": ["w1", "w2"],
        "refused": "not-found",
    }
