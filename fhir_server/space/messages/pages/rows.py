"""Every page of messages: its address, what answers, who may, and where it is linked from."""

from __future__ import annotations

from pathlib import Path

from fhir_server.site.service_pages import Page, ServicePages
from fhir_server.space.service import Surroundings
from fhir_server.space.visitors import acts, professional

#: The largest file that a form of these pages may bring, in bytes: the files of a patient's message.
LARGEST = 5_000_000
_MINE, _THEIRS = "/mes-messages/{patient}", "/messages"

ROWS: tuple[Page, ...] = (
    Page(
        "GET",
        "/mes-messages",
        "inbox:choose",
        acts,
        label=("Mes messages", "My messages"),
        about=("Échanges avec des professionnels de santé", "Exchanges with health professionals"),
        rank=20,
        counted="waiting:unread",
    ),
    Page("GET", _MINE, "inbox:show", acts),
    Page("POST", f"{_MINE}/recherche", "inbox:look", acts),
    Page("GET", f"{_MINE}/ecrire", "writing:show", acts),
    Page("POST", f"{_MINE}/ecrire", "writing:send", acts, long=True),
    Page("GET", f"{_MINE}/brouillons", "drafts:show", acts),
    Page("GET", f"{_MINE}/brouillons/{{message}}", "drafts:edit", acts),
    Page("POST", f"{_MINE}/brouillons/{{message}}", "drafts:change", acts, long=True),
    Page("GET", f"{_MINE}/{{thread}}", "thread:show", acts),
    Page("POST", f"{_MINE}/{{thread}}", "thread:answer", acts, long=True),
    Page("GET", f"{_MINE}/{{thread}}/{{message}}/{{place}}", "thread:content", acts),
    Page("POST", f"{_MINE}/{{thread}}/{{message}}/{{place}}", "thread:save", acts),
    Page(
        "GET",
        _THEIRS,
        "inbox:show",
        professional,
        label=("Messages des patients", "Patients’ messages"),
        about=("Échanges avec les patients", "Exchanges with patients"),
        rank=20,
        counted="waiting:unread",
    ),
    Page("POST", f"{_THEIRS}/recherche", "inbox:look", professional),
    Page("GET", f"{_THEIRS}/brouillons", "drafts:show", professional),
    Page("GET", f"{_THEIRS}/brouillons/{{message}}", "drafts:edit", professional),
    Page("POST", f"{_THEIRS}/brouillons/{{message}}", "drafts:change", professional, long=True),
    Page("GET", f"{_THEIRS}/ecrire/{{patient}}", "writing:show", professional),
    Page("POST", f"{_THEIRS}/ecrire/{{patient}}", "writing:send", professional, long=True),
    Page("GET", f"{_THEIRS}/{{thread}}", "thread:show", professional),
    Page("POST", f"{_THEIRS}/{{thread}}", "thread:answer", professional, long=True),
    Page("POST", f"{_THEIRS}/{{thread}}/fin", "thread:end", professional),
    Page("GET", f"{_THEIRS}/{{thread}}/{{message}}/{{place}}", "thread:content", professional),
)


def pages(around: Surroundings) -> ServicePages:
    """The pages over one opened server."""
    return ServicePages("messages", __package__, Path(__file__).parents[1] / "templates", ROWS, around, LARGEST)
