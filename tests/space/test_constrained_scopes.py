"""An operation asks for all of a type: a scope with a constraint, which speaks of some of it, is not enough.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_server.access.grant import Grant, Scope
from fhir_server.app import opened
from fhir_server.settings import Settings
from fhir_server.store.filters import EVERYTHING, Filter, Token
from tests.server.people import kept
from tests.space.record.callers import BASE, Caller

#: Operation → the type and the letter that it asks for.
ASKED = {
    "$space": ("Basic", "r"),
    "$delegations": ("Consent", "r"),
    "$record-choices": ("Consent", "r"),
    "$prevention": ("Patient", "r"),
    "$notice-preferences": ("Patient", "r"),
    "$calendar-address": ("Appointment", "s"),
}
SOME: Filter = Token("code", "some")


@pytest.mark.parametrize(("where", "status"), [(EVERYTHING, 200), (SOME, 403)])
@pytest.mark.parametrize("operation", ASKED)
async def test_a_scope_for_some_of_a_type_is_none_for_all(
    tmp_path: Path, operation: str, where: Filter, status: int
) -> None:
    type, verb = ASKED[operation]
    scopes = (Scope("patient", type, frozenset(verb), where), Scope("patient", "Patient", frozenset("r")))
    if type == "Patient":
        scopes = scopes[:1]
    caller = Grant(scopes, subject="Patient/p", patient="p", client="app")
    async with opened(Settings(data=tmp_path, base_url=BASE)) as house:
        await kept(house, {"resourceType": "Patient", "id": "p", "active": True})
        answer = await Caller(house, caller)("POST", f"Patient/p/{operation}", {"resourceType": "Parameters"})
    assert answer.status == status
    if status == 403:
        assert f"/{type}.{verb}" in answer.headers["WWW-Authenticate"]
