"""Finds the patients a person may choose, as that person may see them.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#apps-that-launch-from-outside-the-ehr
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Any

import msgspec

from fhir_server.access.grant import Grant, Scope
from fhir_server.access.repository import Repository
from fhir_server.fhir.outcome import FhirError
from fhir_server.search.asking.query import Place, condition
from fhir_server.search.parameters.text import fold
from fhir_server.smart.people.accounts import Account
from fhir_server.store.filters import EVERYTHING, Filter, Id, both

#: Patients shown at once: more, and the name must be more precise.
SHOWN = 20
#: Pages of names that begin alike which are looked through.
_PAGES = 20
#: Systems of a NIR and a NIA as INS, real, of test and of demonstration.
_INS = tuple(f"urn:oid:1.2.250.1.213.1.4.{last}" for last in (8, 9, 10, 11))
_MATRICULE = re.compile(r"[0-9]{5}[0-9AB][0-9]{7}[0-9]{2}")
#: A day as people write it (1/4/1990, 01.04.1990), or as a form gives it (1990-04-01).
_DAY = re.compile(r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})|([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})", re.ASCII)
#: What stands for a day that no calendar has: nobody is found by it, and who typed it is told that more is needed.
NO_DAY = ""
_SCOPE = Scope("user", "Patient", frozenset("rs"))


async def find(
    repository: Callable[[Grant], Awaitable[Repository]], place: Place, account: Account, asked: str
) -> Sequence[tuple[str, str]]:
    """(id, label) of patients, `SHOWN` at most.

    Args:
        repository: the store as a grant may see it.
        place: where conditions are read.
        account: who chooses: a professional among all, anyone else among those they act for.
        asked: what a professional knows of somebody (see `known_enough`), "" for whom anyone else acts for, or "id:"
            and an id.
    """
    if account.professional and not asked.startswith("id:"):
        return await _identified(await repository(_grant(account)), place, asked)
    grant = _grant(account)
    where = _where(asked, place)
    if not account.professional:
        where = both(where, Id(account.patients))
    page = await (await repository(grant)).find({"Patient": where}, count=SHOWN)
    return [(version.id, _label(version.body)) for version in page.versions]


async def sexes(
    repository: Callable[[Grant], Awaitable[Repository]], account: Account, ids: Sequence[str]
) -> dict[str, str]:
    """Id → administrative gender of patients, as far as it is said and the account may see them."""
    page = await (await repository(_grant(account))).find({"Patient": Id(tuple(ids))}, count=max(len(ids), 1))
    return {version.id: str(msgspec.json.decode(version.body).get("gender", "")) for version in page.versions}


def known_enough(asked: str) -> bool:
    """Whether it names somebody: the INS, or a name with a first name or a date of birth (identity is by traits).

    A professional looks for the patient before them, and does not read through everyone: RNIV, volet socle (search by
    INS or by traits), and the least that is needed (GDPR article 5.1.c).
    """
    words, born = _traits(asked)
    if born == NO_DAY:
        return False
    return _ins(asked) is not None or len(words) >= 2 or (bool(words) and born is not None)


def _grant(account: Account) -> Grant:
    return Grant((_SCOPE,), subject=account.subject, wards=frozenset(account.wards))


async def _identified(repository: Repository, place: Place, asked: str) -> Sequence[tuple[str, str]]:
    """Patients of that INS, or of that name: every word is one of their names, whole, whatever its case and accents."""
    if not known_enough(asked):
        return ()
    ins = _ins(asked)
    words, born = _traits(asked)
    named = [("name", word) for word in asked.replace(",", " ").split() if not _DAY.fullmatch(word)]
    named += [("birthdate", born)] if born is not None else []
    pairs = [("identifier", ",".join(f"{system}|{ins}" for system in _INS))] if ins else named
    try:
        where = condition("Patient", pairs, place)
    except FhirError:
        return ()
    found: list[tuple[str, str]] = []
    after = None
    for _ in range(_PAGES):
        page = await repository.find({"Patient": where}, count=SHOWN, after=after)
        found += [(one.id, _label(one.body)) for one in page.versions if ins or set(words) <= _names(one.body)]
        after = page.next
        if after is None or len(found) >= SHOWN:
            break
    return found[:SHOWN]


def _ins(asked: str) -> str | None:
    """The INS typed, its 15 characters without spaces; None when it is none."""
    packed = "".join(asked.split()).upper()
    return packed if _MATRICULE.fullmatch(packed) else None


def _traits(asked: str) -> tuple[list[str], str | None]:
    """The words of the name, folded, and the date of birth: YYYY-MM-DD, `NO_DAY`, or None when it is not said."""
    words, born = [], None
    for word in asked.replace(",", " ").split():
        day = _DAY.fullmatch(word)
        if day:
            born = _day(*(day.group(3, 2, 1) if day[3] else day.group(4, 5, 6)))
        else:
            words += [one for one in fold(word).replace("-", " ").replace("'", " ").split() if len(one) > 1]
    return words, born


def _day(year: str, month: str, day: str) -> str:
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return NO_DAY


def _names(body: bytes) -> set[str]:
    tree: dict[str, Any] = msgspec.json.decode(body)
    said = [
        text
        for name in tree.get("name") or ()
        for text in (*(name.get("given") or ()), name.get("family") or "", name.get("text") or "")
    ]
    return {word for text in said for word in fold(str(text)).replace("-", " ").replace("'", " ").split()}


def _where(asked: str, place: Place) -> Filter:
    if asked.startswith("id:"):
        return Id((asked.removeprefix("id:"),))
    words = [("name", word.replace(",", " ").strip()) for word in asked.split()]
    try:
        return condition("Patient", words, place) if words else EVERYTHING
    except FhirError:
        return Id(())


def _label(body: bytes) -> str:
    tree: dict[str, Any] = msgspec.json.decode(body)
    name = (tree.get("name") or [{}])[0]
    words = [*(name.get("given") or ()), name.get("family") or ""]
    full = name.get("text") or " ".join(word for word in words if word) or str(tree.get("id"))
    return f"{full} ({tree['birthDate']})" if tree.get("birthDate") else full
