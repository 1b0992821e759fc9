"""What somebody looks for among documents: kept with their session, so that no words of theirs are in an address.

A search is made by a form and has a random name, which its pages are asked for by: several may be open side by side.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode

import msgspec

from fhir_server.search.parameters.text import fold
from fhir_server.site.signed_in import Guest
from fhir_server.smart import lifetimes
from fhir_server.smart.secret import digest
from fhir_server.space.record.pages.asking import Pairs
from fhir_server.space.record.pages.categories import CATEGORIES, condition
from fhir_server.space.record.pages.days import day
from fhir_server.space.service import Surroundings

#: Orders that may be asked for → `_sort`.
ORDERS = {"ajout": "-date", "soin": "-period-start"}
_KIND = "record-search"
_MOST = 100


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for.

    Attributes:
        text: words that stand in a document's sheet.
        category: code of `CATEGORIES`; "" for all.
        folder: id of a personal folder; "" for all documents.
        since, until: first and last day of the care, as typed.
        order: a key of `ORDERS`.
        archived: whether those that their author put aside are found too.
    """

    text: str = ""
    category: str = ""
    folder: str = ""
    since: str = ""
    until: str = ""
    order: str = "ajout"
    archived: bool = False

    @property
    def matters(self) -> bool:
        """Whether it is any other than of all documents in the usual order."""
        return self != Search()

    def errors(self) -> dict[str, str]:
        """Field → what is wrong: "day" for no day, "order" where the last is before the first."""
        days = {name: _day(typed) for name, typed in (("since", self.since), ("until", self.until)) if typed}
        wrong = {name: "day" for name, found in days.items() if found is None}
        first, last = days.get("since"), days.get("until")
        return {"until": "order"} if not wrong and first and last and last < first else wrong

    def pairs(self) -> Pairs:
        """The search parameters, whose and which status aside."""
        found = [("_sort", ORDERS[self.order])]
        # Folded, no word is an operator of `_content`.
        found += [("_content", words)] if (words := fold(self.text)) else []
        found += [condition(self.category)] if self.category else []
        found += [] if self.archived else [("isArchived:not", "true")]
        if self.since and (first := _day(self.since)):
            found.append(("period-start", f"ge{first.isoformat()}"))
        if self.until and (last := _day(self.until)):
            found.append(("period-start", f"lt{(last + timedelta(days=1)).isoformat()}"))
        return found


def typed(guest: Guest[Surroundings]) -> Search:
    """The search of a form."""
    category, order = guest.field("category"), guest.field("order")
    return Search(
        guest.field("text", _MOST),
        category if category in CATEGORIES else "",
        guest.field("folder", 64),
        guest.field("since", 30),
        guest.field("until", 30),
        order if order in ORDERS else "ajout",
        guest.field("archived") == "yes",
    )


async def keep(guest: Guest[Surroundings], search: Search) -> str:
    """The name under which it is found again, while the session goes on."""
    name = secrets.token_urlsafe(12)
    await guest.service.records.put(_KIND, _key(guest, name), msgspec.json.encode(search), lifetimes.SESSION)
    return name


async def kept(guest: Guest[Surroundings]) -> Search:
    """The search that the address names: by its random name, a category or a folder alone; else of all documents."""
    name = guest.query("recherche")
    found = await guest.service.records.get(_KIND, _key(guest, name)) if name else None
    if found is not None:
        return msgspec.json.decode(found, type=Search)
    category = guest.query("rubrique")
    return Search(category=category if category in CATEGORIES else "", folder=guest.query("dossier"))


def address(guest: Guest[Surroundings]) -> str:
    """What of the address names the search; "" for all documents."""
    given = ((name, guest.query(name)) for name in ("recherche", "rubrique", "dossier"))
    return urlencode([pair for pair in given if pair[1]])


def _key(guest: Guest[Surroundings], name: str) -> str:
    return digest(f"{guest.visit.cookie or ''}\n{name}")


def _day(text: str) -> date | None:
    return day(text) if text.strip() else None
