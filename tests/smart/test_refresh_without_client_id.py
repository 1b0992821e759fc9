"""SMART's request for a refresh names no client: https://hl7.org/fhir/smart-app-launch/app-launch.html#refresh-access-token"""

from __future__ import annotations

import pytest

from fhir_server.smart.secret import digest
from tests.server.closed import TOKEN, Space
from tests.smart.browser import Browser, a_person, an_app, answered, launched

SCOPES = "launch/patient offline_access patient/*.rs"


async def test_a_public_app_refreshes_without_naming_itself(space: Space) -> None:
    await space.put({"resourceType": "Patient", "id": "p1"})
    await a_person(space)
    app = await an_app(space, SCOPES)
    first = (await launched(space, app, SCOPES)).json()
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = await space.http.post(TOKEN, data=form)
    assert second.status_code == 200
    assert (await space.fhir("GET", "Patient/p1", second.json()["access_token"])).status_code == 200
    # A second tab is given the same successor; once that is used, the first is in two hands.
    tab = await space.http.post(TOKEN, data=form)
    assert tab.json()["refresh_token"] == second.json()["refresh_token"]
    assert (
        await space.http.post(TOKEN, data={**form, "refresh_token": tab.json()["refresh_token"]})
    ).status_code == 200
    assert (await space.http.post(TOKEN, data=form)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("more", [{}, {"client_id": "app"}])
async def test_a_confidential_app_proves_who_it_is_to_refresh(space: Space, more: dict[str, str]) -> None:
    await space.put({"resourceType": "Patient", "id": "p1"})
    await a_person(space)
    app = await an_app(space, SCOPES, kind="confidential-symmetric", secret_hash=digest("word"))
    browser = Browser(space)
    page = await browser.submit(await browser.sign_in(await browser.open(app.request(SCOPES))), decision="allow")
    exchange = app.exchange(answered(page)["code"], client_id=None)
    tokens = (await space.http.post(TOKEN, data=exchange, auth=("app", "word"))).json()
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **more}
    refused = await space.http.post(TOKEN, data=form)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    unnamed = {name: value for name, value in form.items() if name != "client_id"}
    assert (await space.http.post(TOKEN, data=unnamed, auth=("app", "word"))).status_code == 200


async def test_an_unknown_refresh_token_names_nobody(space: Space) -> None:
    refused = await space.http.post(TOKEN, data={"grant_type": "refresh_token", "refresh_token": "nobody"})
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
