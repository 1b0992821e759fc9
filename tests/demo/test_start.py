"""`fhir-server demo`: what it makes, what it says, and where it refuses to run."""

from __future__ import annotations

import asyncio
import stat
from collections import Counter
from pathlib import Path

import httpx
import pytest

from fhir_server.app import House, opened
from fhir_server.demo.cast import CAST
from fhir_server.demo.playbill import TRIED
from fhir_server.demo.software import SAMPLES
from fhir_server.fhir.json import parse
from fhir_server.settings import Settings
from fhir_server.smart.clients.registered import RecordedClients
from fhir_server.smart.people.accounts import Account
from fhir_server.store.filters import EVERYTHING
from tests.demo.served import Demo
from tests.server.command import run
from tests.site.accessible import document


def test_it_says_where_to_look_who_may_sign_in_and_how(demo: Demo) -> None:
    for expected in ("FHIR base", "Sample app", *(role.login for role in CAST), "Gérard DUPONT", "Sylvie EXEMPLE"):
        assert expected in demo.said
    assert demo.password == (demo.folder / "demo-password").read_text().strip()
    assert len(demo.said.splitlines()) < 30


@pytest.mark.parametrize("language", ["fr", "en"])
def test_its_home_page_says_who_is_who_and_what_to_try(demo: Demo, language: str) -> None:
    answer = httpx.get(f"{demo.root}/", headers={"Accept": "text/html", "Accept-Language": language})
    page = document(answer)
    rows = [[" ".join(cell.text_content().split()) for cell in row] for row in page.xpath("//main//tbody/tr")]
    assert [row[0] for row in rows] == [role.login for role in CAST]
    assert rows[0][:2] == ["patient", "Gérard DUPONT, patient"]
    assert {login: tries[("fr", "en").index(language)] for login, (_, tries) in TRIED.items()} == {
        login: tries for login, _, tries in rows
    }
    for role, link in zip(CAST, page.xpath("//main//tbody//a/@href"), strict=True):
        assert link == f"{demo.root}{role.page}"
    assert demo.password not in answer.text


async def test_no_other_server_has_a_cast(tmp_path: Path) -> None:
    """Simulators alone make no demonstration: an account of somebody else under one of its logins is not of it."""
    async with opened(Settings(data=tmp_path, simulators=True)) as house:
        await house.authorization.accounts.add(Account("x", "patient", "Somebody", "Patient/other"))
        transport = httpx.ASGITransport(house.served)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
            page = (await client.get("/")).text
    assert "<h1>" in page and "Somebody" not in page and 'id="cast"' not in page


@pytest.mark.parametrize("name", ["demo-password", "demo-key.json"])
def test_what_it_keeps_is_for_its_owner_alone(first: Demo, name: str) -> None:
    assert stat.S_IMODE((first.folder / name).stat().st_mode) == 0o600


def test_a_second_start_adds_nothing_and_keeps_the_password(first: Demo, demo: Demo) -> None:
    assert demo.password == first.password
    assert "resources written" in first.said and "resources written" not in demo.said

    async def look() -> tuple[Counter[str], list[str]]:
        async with opened(Settings(data=demo.folder)) as house:
            logins = Counter([key for key, _ in await house.engine.records.list("login")])
            devices = (await house.repository().find({"Device": EVERYTHING}, count=100)).versions
            return Counter(type=len(logins), device=len(devices)), [one.id for one in devices if one.version > 1]

    counts, changed = asyncio.run(look())
    assert counts["type"] == len(CAST)
    assert counts["device"] == 16 + len(SAMPLES)
    assert changed == []


def test_the_sample_app_s_clients_are_where_it_is_served_now(demo: Demo) -> None:
    async def look() -> list[str]:
        async with opened(Settings(data=demo.folder)) as house:
            clients = await RecordedClients(house.engine.records).list()
            # Others let software of their own into the same demonstration.
            ours = {sample.client for sample in SAMPLES}
            return [uri for client in clients if client.id in ours for uri in client.redirect_uris]

    assert sorted(asyncio.run(look())) == sorted(f"{demo.app}/{sample.place}/" for sample in SAMPLES)


def test_what_it_adds_to_the_population_is_valid(demo: Demo) -> None:
    async def judge(house: House) -> list[str]:
        wrong = []
        for type, ids in {
            "Device": [sample.client for sample in SAMPLES],
            "RelatedPerson": ["demo-rel-1", "demo-rel-2"],
            "PractitionerRole": ["demo-rol-1"],
        }.items():
            for id in ids:
                version = await house.repository().read(type, id)
                issues = house.validator.validate(parse(version.body))
                wrong += [f"{type}/{id}: {issue}" for issue in issues if issue.severity in ("error", "fatal")]
        return wrong

    async def look() -> list[str]:
        async with opened(Settings(data=demo.folder)) as house:
            return await judge(house)

    assert asyncio.run(look()) == []


def test_without_a_token_nothing_is_read(demo: Demo) -> None:
    assert httpx.get(f"{demo.base}/Patient").status_code == 401


@pytest.mark.parametrize(
    "path", ["/carnet/", "/cabinet/launch.html", "/courbes/main.js", "/nothing", "/carnet/%2e%2e/pages.py"]
)
def test_the_app_s_origin_runs_its_own_scripts_only_and_serves_known_files_only(demo: Demo, path: str) -> None:
    answer = httpx.get(f"{demo.app}{path}")
    assert (answer.status_code == 404) == (path in ("/nothing", "/carnet/%2e%2e/pages.py"))
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert f"connect-src 'self' data: {demo.root}" in policy


@pytest.mark.parametrize(("path", "host"), [("/", "127.0.0.1"), ("/carnet", "127.0.0.1"), ("/carnet/", "localhost")])
def test_who_types_another_address_is_taken_to_the_app(demo: Demo, path: str, host: str) -> None:
    named = demo.app.replace("127.0.0.1", host)
    assert httpx.get(f"{named}{path}", follow_redirects=True).url == f"{demo.app}/carnet/"


def test_each_place_has_the_client_and_scopes_of_its_own(demo: Demo) -> None:
    found = {s.place: httpx.get(f"{demo.app}/{s.place}/configuration.json").json() for s in SAMPLES}
    assert {one["iss"] for one in found.values()} == {demo.base}
    assert len({one["client"] for one in found.values()}) == len(SAMPLES)
    assert "DocumentReference" not in found["courbes"]["scope"]


@pytest.mark.parametrize("host", ["0.0.0.0", "example.org"])
def test_it_is_refused_where_others_could_reach_it(tmp_path: Path, host: str) -> None:
    found = run("demo", "--host", host, "--port", "0", "--data", tmp_path)
    assert found.returncode == 2
    assert host in found.stderr
    assert not any(tmp_path.iterdir())


def test_it_is_refused_over_a_store_of_other_people(tmp_path: Path) -> None:
    assert run("seed", "--patients", "1", "--random-seed", "2", "--data", tmp_path).returncode == 0
    found = run("demo", "--port", "0", "--data", tmp_path)
    assert (found.returncode, "--data" in found.stderr) == (1, True)
    assert not (tmp_path / "demo-password").exists()
