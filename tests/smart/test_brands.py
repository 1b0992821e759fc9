"""What apps show people of this server: https://hl7.org/fhir/smart-app-launch/brands.html"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle

from fhir_server.app import opened
from fhir_server.settings import Settings
from tests.server.closed import BASE, ROOT, Space, serving


async def configured(space: Space) -> dict[str, Any]:
    found: dict[str, Any] = (await space.http.get(f"{BASE}/.well-known/smart-configuration")).json()
    return found


async def test_the_primary_brand_is_in_the_bundle_once_with_its_endpoint(space: Space) -> None:
    said = await configured(space)
    answer = await space.http.get(said["user_access_brand_bundle"], headers={"Origin": "https://any.example"})
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("application/fhir+json")
    assert answer.headers["access-control-allow-origin"] == "*" and "public" in answer.headers["cache-control"]
    bundle = answer.json()
    assert bundle["type"] == "collection" and bundle["timestamp"].endswith("Z")
    brands = [one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == "Organization"]
    [brand] = [one for one in brands if said["user_access_brand_identifier"] in one["identifier"]]
    [endpoint] = [one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == "Endpoint"]
    assert brand["endpoint"] == [{"reference": f"Endpoint/{endpoint['id']}"}]
    assert (endpoint["address"], endpoint["status"]) == (BASE, "active")


async def test_the_bundle_holds_to_r4(space: Space) -> None:

    answer = await space.http.get((await configured(space))["user_access_brand_bundle"])
    Bundle.model_validate_json(answer.text)


async def test_what_has_not_changed_is_not_sent_again(space: Space) -> None:
    url = (await configured(space))["user_access_brand_bundle"]
    first = await space.http.get(url)
    etag = first.headers["etag"]
    assert etag.startswith('W/"')
    for known in (etag, etag.removeprefix("W/"), f'"other", {etag}'):
        again = await space.http.get(url, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
    assert (await space.http.get(url, headers={"If-None-Match": '"other"'})).json() == first.json()


async def test_an_operator_gives_brands_of_their_own(tmp_path: Path) -> None:
    identifier = {"system": "urn:ietf:rfc:3986", "value": "https://hopital.example"}
    organization = {"resourceType": "Organization", "id": "h", "name": "Hôpital", "identifier": [identifier]}
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": "2026-01-01T00:00:00Z",
        "entry": [{"fullUrl": "https://hopital.example/Organization/h", "resource": organization}],
    }
    file = tmp_path / "brands.json"
    file.write_text(json.dumps(bundle))
    async with serving(tmp_path / "data", brands=file) as space:
        said = await configured(space)
        assert said["user_access_brand_identifier"] == identifier
        assert (await space.http.get(said["user_access_brand_bundle"])).json() == bundle


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"type":"collection","entry":[]}', '{"type":"collection"}'])
async def test_a_file_that_is_no_brand_bundle_is_refused_at_the_start(tmp_path: Path, content: str) -> None:
    file = tmp_path / "brands.json"
    file.write_text(content)
    async with opened(Settings(data=tmp_path, brands=file)) as house:
        with pytest.raises(ValueError, match="FHIR_BRANDS"):
            _ = house.asgi


async def test_the_brand_s_site_is_the_setting_without_its_path(tmp_path: Path) -> None:
    async with serving(tmp_path, brand_url="https://www.sante.example/espace", brand_name="Mon espace") as space:
        said = await configured(space)
        assert said["user_access_brand_identifier"]["value"] == "https://sante.example"
        bundle = (await space.http.get(said["user_access_brand_bundle"])).json()
        assert bundle["entry"][0]["resource"]["name"] == "Mon espace"


async def test_the_page_where_people_see_their_apps_is_in_discovery(space: Space) -> None:
    page = (await configured(space))["management_endpoint"]
    assert page == f"{ROOT}/mes-applications"
    assert (await space.http.get(page)).status_code == 303
