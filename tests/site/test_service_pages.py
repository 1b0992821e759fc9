"""The pages that services give the site: their rows lead to what is there, and to nothing else.

OWASP ASVS 5.1.5: an address somebody is taken to after signing in is one of ours.
"""

from __future__ import annotations

from inspect import iscoroutinefunction
from pathlib import Path

import pytest

from fhir_server.site.service_pages import Furnishing, Link, Page, ServicePages, after_signing_in, furnishing, places
from fhir_server.site.signed_in import answering
from fhir_server.smart.people.accounts import Account
from fhir_server.space.catalogue.pages.rows import ROWS

CATALOGUE = ServicePages("catalogue", "fhir_server.space.catalogue.pages", Path("templates"), ROWS, None)
WORDS = ("Mes rendez-vous", "My appointments")
AGENDA = ServicePages(
    "agenda",
    "none",
    Path("agenda"),
    (
        Page("GET", "/agenda", "none:show", lambda one: one.professional, label=WORDS),
        Page("POST", "/agenda/{slot}", "none:book", lambda one: one.professional),
        Page("GET", "/agenda/{slot}", "none:show", lambda one: one.professional),
        Page("GET", "/horaires", "none:show", None, label=("Horaires", "Hours"), home=WORDS, header=True, rank=1),
    ),
    None,
)
AFTER = after_signing_in([AGENDA], ["/auth/me"])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
def test_each_row_of_the_catalogue_has_what_answers_it(row: Page) -> None:
    assert iscoroutinefunction(answering(CATALOGUE, row))


@pytest.mark.parametrize("path", ["/auth/me", "/agenda", "/agenda/s1", f"/agenda/{'x' * 64}"])
def test_whoever_signed_in_is_taken_to_a_page_of_ours(path: str) -> None:
    assert AFTER.fullmatch(path)


@pytest.mark.parametrize(
    "path",
    ["", "/", "//evil.example", "/agenda/", "/agenda/a/b", "/agenda/..//evil", "/agenda?x=1", "/horaires", "/agenda\n"],
)
def test_and_to_nothing_else(path: str) -> None:
    assert not AFTER.fullmatch(path)


def test_an_account_leads_where_it_may_go() -> None:
    patient, doctor = (Account("a", "a", "A", subject) for subject in ("Patient/1", "Practitioner/1"))
    assert [row.path for _, row in places([AGENDA], patient)] == ["/horaires"]
    # By rank, then as the rows stand.
    assert [row.path for _, row in places([AGENDA], doctor)] == ["/horaires", "/agenda"]


def test_what_every_page_leads_to_is_what_the_rows_say() -> None:
    header = (Link("/horaires", ("Horaires", "Hours")),)
    assert furnishing([AGENDA]) == Furnishing(header, (Link("/horaires", WORDS),), (("agenda", Path("agenda")),))
