"""The pages that a service gives the web site: one row each, whose module is read when somebody first comes to it.

The rows also say where the pages are linked from, so that the site's own pages know no service: the header of every
page, the home page, the page of one's account.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from fhir_server.smart.people.accounts import Account

#: Whether an account may be on a page.
Allowed = Callable[["Account"], bool]
#: The same in French and in English.
Words = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Page:
    """One page, or what a form of it does.

    Attributes:
        method: of HTTP.
        path: from the root, such as "/referencement/{file}"; a fixed one stands before one with a part to fill in.
        answer: "module:function" in the service's package. It is given a `signed_in.Guest`, or the `Visit` and the
            service where everybody may come.
        allowed: who may, of those signed in; None for everybody, signed in or not.
        long: whether its form has many fields, or files.
        label: what it is called among one's places, for those who may; None where it is not listed.
        about: what is found there, in a line; shown where one's space begins.
        rank: where it stands among one's places, the smallest first.
        counted: "module:function" in the service's package: given a `signed_in.Guest`, how much waits there unread.
        home: how the home page leads to it; None where it does not.
        header: whether every page leads to it, by its label.
    """

    method: Literal["GET", "POST"]
    path: str
    answer: str
    allowed: Allowed | None
    long: bool = False
    label: Words | None = None
    about: Words | None = None
    rank: int = 90
    counted: str = ""
    home: Words | None = None
    header: bool = False


@dataclass(frozen=True, slots=True)
class ServicePages:
    """What one service gives.

    Attributes:
        name: its templates are found by, such as "catalogue/desk.html".
        package: in which the modules of its rows are, such as "fhir_server.space.catalogue.pages".
        templates: its folder of them.
        rows: its pages.
        service: what its pages stand on, handed to them.
        largest_file: that a form of it may hold, in bytes; longer ones come cut, one byte too long.
    """

    name: str
    package: str
    templates: Path
    rows: tuple[Page, ...]
    service: Any
    largest_file: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """A way to a page: its path from the root, and what it is called in French and in English."""

    path: str
    words: Words


@dataclass(frozen=True, slots=True)
class Furnishing:
    """What every page needs of the services; plain, so that it can be handed to another process.

    Attributes:
        header: links of every page.
        home: links of the home page.
        folders: (name, folder) of templates, by service.
    """

    header: tuple[Link, ...] = ()
    home: tuple[Link, ...] = ()
    folders: tuple[tuple[str, Path], ...] = ()


def furnishing(services: Sequence[ServicePages]) -> Furnishing:
    """What the rows of the services make of it, in their order."""
    rows = [row for one in services for row in one.rows]
    return Furnishing(
        tuple(Link(row.path, row.label) for row in rows if row.header and row.label is not None),
        tuple(Link(row.path, row.home) for row in rows if row.home is not None),
        tuple((one.name, one.templates) for one in services),
    )


def places(services: Iterable[ServicePages], account: Account) -> list[tuple[ServicePages, Page]]:
    """Where somebody signed in may go: rows with a label, each with its service, in their order."""
    rows = ((one, row) for one in services for row in one.rows)
    return sorted((pair for pair in rows if pair[1].label and _may(pair[1], account)), key=lambda pair: pair[1].rank)


def after_signing_in(services: Iterable[ServicePages], own: Sequence[str]) -> re.Pattern[str]:
    """Paths of pages for people signed in, `own` and the services': nothing else is an address to be taken to."""
    rows = (row for one in services for row in one.rows if row.method == "GET" and row.allowed is not None)
    return re.compile("|".join(map(_pattern, (*own, *(row.path for row in rows)))))


def _may(row: Page, account: Account) -> bool:
    return row.allowed is None or row.allowed(account)


def _pattern(path: str) -> str:
    parts = re.split(r"\{[a-z_]+\}", path)
    return r"[A-Za-z0-9\-.]{1,64}".join(map(re.escape, parts))
