"""Finds the patients a person may choose, as that person may see them.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#apps-that-launch-from-outside-the-ehr
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from fhir_server.access.grant import Grant, Scope
from fhir_server.access.repository import Repository
from fhir_server.fhir.outcome import FhirError
from fhir_server.search.query import Place, condition
from fhir_server.smart.people.accounts import Account
from fhir_server.store.filters import EVERYTHING, Filter, Id, both

#: Patients shown at once: more, and the name must be more precise.
SHOWN = 20
_SCOPE = Scope("user", "Patient", frozenset("rs"))


async def find(
    repository: Callable[[Grant], Repository], place: Place, account: Account, asked: str
) -> Sequence[tuple[str, str]]:
    """(id, label) of patients, `SHOWN` at most.

    Args:
        repository: the store as a grant may see it.
        place: where conditions are read.
        account: who chooses: a professional among all, anyone else among those they act for.
        asked: words of a name, "" for any, or "id:" and an id.
    """
    grant = Grant((_SCOPE,), subject=account.subject, wards=frozenset(account.wards))
    where = _where(asked, place)
    if not account.professional:
        where = both(where, Id(account.patients))
    page = await repository(grant).find({"Patient": where}, count=SHOWN)
    return [(version.id, _label(version.body)) for version in page.versions]


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
