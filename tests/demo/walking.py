"""A person at Chromium: by keyboard alone where it is said so, and everything the pages complain of noted."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from tests.demo.served import Demo

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NEEDED = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")
#: Tab stops of the longest page; more is a trap.
STOPS = 60
#: What is focused: its name as a person hears it, near enough, then its name and value in the form.
FOCUSED = """() => {
  const one = document.activeElement;
  const label = one.getAttribute("aria-label") ?? [...(one.labels ?? [])].map((each) => each.textContent).join(" ");
  return [(label || one.textContent || "").replace(/\\s+/g, " ").trim(), one.name ?? "", one.value ?? ""];
}"""


@dataclass
class Walker:
    """One browser, with nothing in it.

    Attributes:
        page: the tab that is looked at.
        demo: what is visited.
        problems: what the browser wrote to its console, and requests to anyone else.
        expected: what it may complain of all the same.
    """

    page: Page
    demo: Demo
    problems: list[str] = field(default_factory=list)
    expected: str = ""

    def note(self, message: Any) -> None:
        """Keep a warning or an error."""
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def ask(self, request: Any) -> None:
        """Keep a request to anyone but the server and the app."""
        own = request.url.startswith((f"{self.demo.root}/", f"{self.demo.app}/"))
        if request.url.startswith(("http:", "https:", "ws")) and not own:
            self.problems.append(f"asks for {request.url}")

    async def reach(self, name: str, value: str = "") -> None:
        """Press Tab until what is focused has a name that begins so, or is the field so called."""
        for _ in range(STOPS):
            await self.page.keyboard.press("Tab")
            text, field_, held = await self.page.evaluate(FOCUSED)
            if (field_ == name or text.startswith(name)) and (not value or held == value):
                return
        raise AssertionError(f"No tab stop is called {name} on {self.page.url}")

    async def press(self, name: str) -> None:
        """Reach a button and press it."""
        await self.reach(name)
        await self.page.keyboard.press("Enter")

    async def follow(self, name: str) -> None:
        """Reach a button or a link that leads to another page, and press it."""
        await self.reach(name)
        await self.enter()

    async def enter(self) -> None:
        """Press Enter, which leads to another page."""
        async with self.page.expect_navigation(wait_until="domcontentloaded"):
            await self.page.keyboard.press("Enter")

    async def type(self, name: str, text: str) -> None:
        """Reach a field and type into it."""
        await self.reach(name)
        await self.page.keyboard.type(text)

    async def sign_in(self, login: str) -> None:
        """On the sign-in page, with a demonstration account, by keyboard."""
        await self.page.wait_for_selector("input[name=login]")
        await self.type("login", login)
        await self.type("password", self.demo.password)
        await self.enter()

    async def said(self, text: str) -> None:
        """Wait until the page says so."""
        await self.page.get_by_text(text).first.wait_for()


@asynccontextmanager
async def walking(demo: Demo) -> AsyncIterator[Walker]:
    """A browser of a French person; nothing it complains of is let pass."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = await chromium.new_context(locale="fr-FR", timezone_id="Europe/Paris")
        # A machine that runs much else is slow, not wrong.
        context.set_default_timeout(240_000)
        walker = Walker(await context.new_page(), demo)
        context.on("console", walker.note)
        context.on("weberror", lambda error: walker.problems.append(str(error.error)))
        context.on("request", walker.ask)
        yield walker
        await chromium.close()
    unexpected = [text for text in walker.problems if not (walker.expected and re.search(walker.expected, text))]
    assert unexpected == [], unexpected
