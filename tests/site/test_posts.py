"""Every form of the services' pages, attacked: sent from elsewhere, by somebody signed out, about others, or huge.

OWASP ASVS 4.2.2 (CSRF), 4.2.1 (ids of others), 13.1 (size); https://cheatsheetseries.owasp.org. The forms are the rows of the
services, so that a new one is among them.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.smart.people.accounts import Account
from fhir_server.space.accesses.pages.rows import ROWS as ACCESSES
from fhir_server.space.accounts.pages.rows import ROWS as ACCOUNTS
from fhir_server.space.agenda.pages.rows import ROWS as AGENDA
from fhir_server.space.catalogue.pages.rows import ROWS as CATALOGUE
from fhir_server.space.childhood.pages.rows import ROWS as CHILDHOOD
from fhir_server.space.delegations.pages.rows import ROWS as DELEGATIONS
from fhir_server.space.identities.pages.rows import ROWS as IDENTITIES
from fhir_server.space.majority.pages.rows import ROWS as MAJORITY
from fhir_server.space.messages.pages.rows import ROWS as MESSAGES
from fhir_server.space.notices.pages.rows import ROWS as NOTICES
from fhir_server.space.portability.pages.rows import ROWS as PORTABILITY
from fhir_server.space.profile.pages.rows import ROWS as PROFILE
from fhir_server.space.record.pages.rows import ROWS as RECORD
from tests.server.closed import Space, serving
from tests.server.people import kept
from tests.site.records import signed_in
from tests.smart.browser import Browser

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Those who come: whoever acts for a patient, a professional, staff with every duty.
PEOPLE: dict[str, tuple[str, dict[str, Any]]] = {
    "nathalie": ("Patient/p1", {}),
    "docteur": ("Practitioner/d1", {"roles": ("PractitionerRole/r1",)}),
    "agent": ("Person/s1", {"duties": ("publisher", "administrator"), "organization": "Organization/pub"}),
}
ROWS = (
    *ACCESSES,
    *ACCOUNTS,
    *CATALOGUE,
    *DELEGATIONS,
    *MAJORITY,
    *RECORD,
    *NOTICES,
    *MESSAGES,
    *AGENDA,
    *PORTABILITY,
    *PROFILE,
    *IDENTITIES,
    *CHILDHOOD,
)
#: But the way out of messages, which a mail system sends without a session (RFC 8058).
POSTS = [row for row in ROWS if row.method == "POST" and row.allowed is not None]
PATHS = sorted({row.path for row in POSTS})
#: What the parts of an address are filled in with: a patient, a document, a file that are others'.
OTHERS = {
    "patient": "p2",
    "document": "d2",
    "delegation": "g2",
    "folder": "f2",
    "app": "a2",
    "appointment": "v2",
    "file": "t2",
    "emergency": "e2",
    "report": "r2",
    "thread": "m2",
    "message": "m2",
    "place": "1",
    "kind": "allergies",
    "entry": "n2",
    "request": "q2",
    "source": "p2",
    "target": "p3",
}


def address(path: str) -> str:
    return re.sub(r"\{([a-z_]+)\}", lambda part: OTHERS[part[1]], path)


def who(path: str) -> str:
    """The login of the first who may be on the page."""
    row = next(row for row in POSTS if row.path == path)
    assert row.allowed is not None, "a form for everybody has no session to protect"
    for login, (subject, more) in PEOPLE.items():
        if row.allowed(Account("1", login, login, subject, **more)):
            return login
    raise AssertionError(f"nobody of these may be on {path}")


@dataclass(frozen=True)
class Visitors:
    """Those who come, each signed in once: nothing that is sent here changes anything."""

    space: Space
    seen: dict[str, tuple[Browser, str]] = field(default_factory=dict)

    async def at(self, path: str) -> tuple[Browser, str]:
        """Somebody who may be on the page, signed in, and the word of their forms."""
        login = who(path)
        if login not in self.seen:
            subject, more = PEOPLE[login]
            browser = await signed_in(self.space, login, subject, **more)
            word = re.search(r'name="word" value="([^"]+)"', (await browser.http.get("/auth/me")).text)
            assert word is not None
            self.seen[login] = browser, word[1]
        return self.seen[login]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def visitors(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Visitors]:
    async with serving(tmp_path_factory.mktemp("posts")) as space:
        await kept(
            space.house,
            *({"resourceType": "Patient", "id": id} for id in ("p1", "p2")),
            {
                "resourceType": "DocumentReference",
                "id": "d2",
                "status": "current",
                "subject": {"reference": "Patient/p2"},
            },
        )
        yield Visitors(space)


@pytest.mark.parametrize("path", PATHS)
async def test_a_form_counts_only_from_a_page_this_browser_was_given(visitors: Visitors, path: str) -> None:
    browser, word = await visitors.at(path)
    other = Browser(visitors.space)
    theirs = re.search(r'name="word" value="([^"]+)"', (await other.http.get("/auth/sign-in")).text)
    assert theirs is not None
    sent: list[tuple[dict[str, Any], dict[str, str]]] = [
        ({}, {}),
        ({"word": "0" * 64}, {}),
        ({"word": theirs[1]}, {}),
        ({"word": [word, theirs[1]]}, {}),
        ({"word": word}, {"origin": "https://elsewhere.example"}),
        ({"word": word}, {"origin": "null"}),
    ]
    for data, headers in sent:
        assert (await browser.http.post(address(path), data=data, headers=headers)).status_code == 403, (data, headers)
    # Signed out, with a word of this server: as good as from elsewhere.
    assert (await other.http.post(address(path), data={"word": theirs[1]})).status_code == 403


@pytest.mark.parametrize("path", [path for path in PATHS if "{" in path])
async def test_what_is_another_s_answers_as_what_is_not_there(visitors: Visitors, path: str) -> None:
    browser, word = await visitors.at(path)
    given = {
        "word": word,
        "act": "block",
        "masked": "yes",
        "agreed": "yes",
        "purpose": "BTG",
        "reason": "Arrêt cardiaque",
    }
    answer = await browser.http.post(address(path), data=given)
    # 422: what the form itself lacks, before anybody looks for what it is about.
    assert answer.status_code in (403, 404, 422), answer.status_code
    absent = await browser.http.post(address(path).replace("p2", "absent"), data=given)
    assert absent.status_code == answer.status_code
    # What forms carry differs by page, not by what is there.
    assert re.sub(r"p2|absent", "", absent.text) == re.sub(r"p2|absent", "", answer.text)


@pytest.mark.parametrize("path", PATHS)
async def test_a_huge_form_is_refused(visitors: Visitors, path: str) -> None:
    browser, word = await visitors.at(path)
    many = {"word": word, **{f"field{n}": "x" for n in range(20_000)}}
    for data in (many, {"word": word, "text": "x" * 4_000_000}):
        answer = await browser.http.post(address(path), data=data)
        assert answer.status_code in (400, 403, 404, 413), answer.status_code
