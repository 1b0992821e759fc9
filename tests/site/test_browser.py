"""The pages in a real browser, at 200 % zoom and without JavaScript: WCAG 2.1 §1.4.4, §1.4.10, §2.4.1, §2.4.7."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Page, async_playwright

from fhir_server.site.api_reference import assets
from tests.server.stub import Stub
from tests.site.test_pages import HISTORY, SEARCHSET, answering

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)"),
    pytest.mark.asyncio(loop_scope="module"),
]


class Browser:
    """Chromium, and a server for it to visit."""

    def __init__(self, chromium: Any) -> None:
        self._chromium = chromium
        self._servers: list[tuple[uvicorn.Server, asyncio.Task[None]]] = []
        self._contexts: list[Any] = []
        self.problems: list[str] = []

    async def open(self, stub: Stub, path: str, script: bool = False, width: int = 1280) -> Page:
        """The page at `path`, everything it complains of noted in `problems`."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(stub.app, port=port, log_level="error", lifespan="off"))
        self._servers.append((server, asyncio.create_task(server.serve())))
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        context = await self._chromium.new_context(
            java_script_enabled=script, viewport={"width": width, "height": 800}, locale="fr-FR"
        )
        # A machine that runs much else is slow, not wrong.
        context.set_default_timeout(120_000)
        self._contexts.append(context)
        page: Page = await context.new_page()
        page.on("console", lambda message: self.problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda request: self._own(request.url, port))
        await page.goto(f"http://127.0.0.1:{port}{path}")
        return page

    def _own(self, address: str, port: int) -> None:
        if not address.startswith((f"http://127.0.0.1:{port}/", "data:")):
            self.problems.append(f"asks for {address}")

    async def close(self) -> None:
        """Close every page and server."""
        for context in self._contexts:
            await context.close()
        for server, task in self._servers:
            server.should_exit = True
            await task


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Any]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="module")
async def browser(chromium: Any) -> AsyncIterator[Browser]:
    opened = Browser(chromium)
    yield opened
    await opened.close()
    assert opened.problems == []


PAGES = [
    pytest.param(None, "/", id="home"),
    pytest.param(None, "/fhir/Patient/1", id="resource"),
    pytest.param(None, "/fhir/Patient/1?view=json", id="source"),
    pytest.param(SEARCHSET, "/fhir/Patient", id="search"),
    pytest.param(HISTORY, "/fhir/Patient/1/_history", id="history"),
    pytest.param(None, "/docs?type=Patient", id="reference"),
]


#: Width in pixels → whether the ways of the site are behind a menu.
@pytest.mark.parametrize(("width", "behind"), [(360, True), (1280, False)])
async def test_the_ways_are_a_menu_on_a_narrow_screen_that_keys_open(
    browser: Browser, width: int, behind: bool
) -> None:
    page = await browser.open(Stub(), "/", width=width)
    menu, way = page.locator("header summary"), page.locator("header details a").first
    assert (await menu.is_visible(), await way.is_visible()) == (behind, not behind)
    for _ in range(3):
        # Past the link to the content and the name of the site.
        await page.keyboard.press("Tab")
    if behind:
        assert await menu.evaluate("one => one === document.activeElement")
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
    assert await way.is_visible()
    assert await way.evaluate("one => one === document.activeElement")


@pytest.mark.parametrize(("resource", "path"), PAGES)
async def test_a_page_is_whole_on_a_narrow_screen_without_script(browser: Browser, resource: Any, path: str) -> None:
    """A width of 320 is 1280 at 400 % (WCAG 1.4.10): nothing is cut and only tables and sources scroll sideways."""
    page = await browser.open(answering(resource) if resource else Stub(), path, width=320)
    await page.wait_for_selector("h1")
    box, head = await page.locator("main").bounding_box(), await page.locator("header").bounding_box()
    assert box is not None and head is not None
    assert box["width"] <= 320
    assert head["height"] <= 120
    for summary in await page.locator("main > details > summary").all():
        await summary.click()
    for block in await page.locator("main h1, main h2, main p, main form, main dl, main ul").all():
        inner = await block.bounding_box()
        inside = await block.locator("xpath=ancestor-or-self::*[contains(@class,'wide')]").count()
        assert inner is None or inside or inner["x"] + inner["width"] <= 321


async def test_the_first_tab_stop_leads_past_the_header_and_can_be_seen(browser: Browser) -> None:
    page = await browser.open(Stub(), "/fhir/Patient/1", script=True)
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    box = await page.locator(".skip").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "content"


async def test_a_search_is_made_with_the_form_alone(browser: Browser) -> None:
    stub = answering(SEARCHSET)
    page = await browser.open(stub, "/fhir/Patient?lang=en")
    await page.locator("main summary").first.click()
    await page.get_by_label("birthdate").fill("ge2000")
    await page.get_by_role("button", name="Search").click()
    await page.wait_for_url("**birthdate=ge2000**")
    assert stub.requests[-1].query == (("birthdate", "ge2000"),)
    assert await page.get_by_label("birthdate").input_value() == "ge2000"


@pytest.mark.skipif(assets() is None, reason="Swagger UI's files (fastapi-offline) are not installed")
async def test_swagger_works_without_a_network(browser: Browser) -> None:
    page = await browser.open(Stub(), "/docs/swagger?type=Patient", script=True)
    await page.wait_for_selector(".opblock-tag")
    assert await page.locator(".opblock-tag").count() >= 1
