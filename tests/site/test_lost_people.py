"""People who come by another name, to no page, to a closed one, or while a provider is down are told so, in a page.

RFC 9110 §12.5.1 (what is asked for), §15.4.8 (307); RFC 6454 (origins); RGAA 4.1 criterion 8.7 (changes of language);
https://hl7.org/fhir/R4/valueset-issue-type.html
"""

from __future__ import annotations

import ast
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from fhir_server.app import opened
from fhir_server.fhir.definitions import folder
from fhir_server.fhir.version import VERSION
from fhir_server.settings import Settings
from fhir_server.site.visit import REASONS
from fhir_server.site.words import KINDS
from fhir_server.space.catalogue.pages.desk_words import WRONG
from tests.examples import ROOT
from tests.site.accessible import document

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


#: With the servers of this file, on their event loop.
served = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def visited(chosen: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(chosen) as house:
        transport = httpx.ASGITransport(house.served)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
            yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def closed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """Nothing that is asked here changes anything."""
    folder = tmp_path_factory.mktemp("closed")
    async with visited(Settings(data=folder, base_url="http://127.0.0.1:8080/fhir")) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def unlocked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """An open server, likewise."""
    async with visited(Settings(data=tmp_path_factory.mktemp("open"), open=True)) as client:
        yield client


#: Host asked for, whether the page is at another address.
HOSTS = [
    ("127.0.0.1:8080", False),
    ("localhost:8080", True),
    ("LOCALHOST:8080", True),
    ("[::1]:8080", True),
    ("127.0.0.2:8080", True),
    # Another port: a tunnel or a proxy, from where the printed address may not be reached.
    ("localhost:9090", False),
    ("localhost", False),
]


@pytest.mark.parametrize(("host", "elsewhere"), HOSTS)
@pytest.mark.parametrize("path", ["/", "/catalogue?category=mesures", "/auth/sign-in", "/fhir/Patient/a", "/nowhere"])
@served
async def test_a_person_is_sent_to_the_address_that_is_printed(
    closed: httpx.AsyncClient, host: str, elsewhere: bool, path: str
) -> None:
    answer = await closed.get(path, headers={**PAGE, "Host": host})
    if elsewhere:
        assert (answer.status_code, answer.headers["location"]) == (307, f"http://127.0.0.1:8080{path}")
    else:
        assert answer.status_code != 307


@pytest.mark.parametrize(
    ("method", "accept"),
    [("GET", "application/fhir+json"), ("GET", "*/*"), ("POST", "text/html"), ("OPTIONS", "text/html")],
)
@served
async def test_software_is_answered_where_it_asks(closed: httpx.AsyncClient, method: str, accept: str) -> None:
    answer = await closed.request(method, "/fhir/metadata", headers={"Host": "localhost:8080", "Accept": accept})
    assert answer.status_code != 307


@served
async def test_a_server_with_a_public_name_sends_nobody_away_from_its_proxy(tmp_path: Path) -> None:
    async with opened(Settings(data=tmp_path, base_url="https://fhir.example/fhir")) as house:
        transport = httpx.ASGITransport(house.served)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
            assert (await client.get("/catalogue", headers=PAGE)).status_code == 200


LOST = ["/nowhere", "/auth/nowhere", "/catalogue/a/b/c", "/static/none.css", "/docs/assets/none.js"]


@pytest.mark.parametrize("path", LOST)
@pytest.mark.parametrize(
    ("language", "said"), [("fr", "Il n’y a rien à cette adresse"), ("en", "nothing at this address")]
)
@served
async def test_an_unknown_address_is_a_page_to_a_browser(
    closed: httpx.AsyncClient, path: str, language: str, said: str
) -> None:
    answer = await closed.get(path, headers={**PAGE, "Accept-Language": language})
    document(answer, 404)
    assert answer.headers["content-language"] == language and said in answer.text


@pytest.mark.parametrize("path", LOST)
@pytest.mark.parametrize("accept", ["application/fhir+json", "*/*", "application/json"])
@served
async def test_an_unknown_address_is_an_outcome_to_software(closed: httpx.AsyncClient, path: str, accept: str) -> None:
    answer = await closed.get(path, headers={"Accept": accept})
    assert answer.status_code == 404 and answer.json()["resourceType"] == "OperationOutcome"


@served
async def test_a_method_that_an_address_has_not_is_a_page_with_what_it_has(closed: httpx.AsyncClient) -> None:
    answer = await closed.post("/catalogue", headers=PAGE)
    assert answer.status_code == 405 and "GET" in answer.headers["allow"] and "<main" in answer.text


@pytest.mark.parametrize("path", ["Patient", "Patient/a", "Patient?name=a", "Patient/a/_history", "Observation/$lastn"])
@served
async def test_a_closed_page_leads_to_signing_in(closed: httpx.AsyncClient, path: str) -> None:
    answer = await closed.get(f"/fhir/{path}", headers=PAGE)
    page = document(answer, 401)
    assert answer.headers["www-authenticate"]
    assert [one.get("href") for one in page.iter("a") if "/auth/sign-in" in (one.get("href") or "")]


@served
async def test_an_open_server_has_nobody_to_sign_in(unlocked: httpx.AsyncClient) -> None:
    assert "/auth/sign-in" not in (await unlocked.get("/fhir/Patient/none", headers=PAGE)).text


#: Requests whose refusal a person reads, each for another kind of issue.
REFUSED = [
    "Patient/none",
    "Patient?nonsense=1",
    "Patient?birthdate=x",
    "Nothing",
    "Patient?_count=x",
    "Patient/$nothing",
]


@pytest.mark.parametrize("path", REFUSED)
@served
async def test_english_words_in_a_french_page_say_that_they_are(unlocked: httpx.AsyncClient, path: str) -> None:
    answer = await unlocked.get(f"/fhir/{path}", headers={**PAGE, "Accept-Language": "fr"})
    told = (await unlocked.get(f"/fhir/{path}", headers={"Accept": "application/fhir+json"})).json()
    page = document(answer, answer.status_code)
    for issue in told["issue"]:
        assert KINDS[issue["code"]][0] in answer.text
        assert issue["diagnostics"] in ["".join(one.itertext()) for one in page.iter("span") if one.get("lang") == "en"]


def test_every_kind_of_issue_has_words_in_both_languages() -> None:
    found = json.loads((folder("profiles") / "hl7.fhir.r4.core" / "required-codes.json").read_bytes())
    codes = set(found["http://hl7.org/fhir/ValueSet/issue-type"]["http://hl7.org/fhir/issue-type"])
    assert codes - KINDS.keys() == set()
    assert all(french and english for french, english in KINDS.values())


def test_every_reason_that_a_page_gives_has_its_french() -> None:
    """Each sentence given to `refused` in the code of the pages."""
    said = set()
    for file in (ROOT / "fhir_server").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "refused":
                said |= {one.value for one in node.args[:1] if isinstance(one, ast.Constant)}
    assert said and said <= REASONS.keys()


def test_every_rule_of_the_catalogue_has_its_words_in_both_languages() -> None:
    """Each key that the code of the catalogue gives to an issue, which a desk then shows beside a field or on top."""
    keys: set[str] = set()
    unkeyed = []
    for file in (ROOT / "fhir_server" / "space" / "catalogue").glob("*.py"):
        if file.name == "operations.py":  # What software is told is on no page.
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id == "_issue":
                keys |= {one.value for one in node.args[2:] if isinstance(one, ast.Constant)}
            elif node.func.id in ("Conflict", "Forbidden", "Invalid"):
                given = {one.arg: one.value for one in node.keywords}
                keys |= {given["key"].value} if isinstance(given.get("key"), ast.Constant) else set()
                unkeyed += [f"{file.name}:{node.lineno}"] if not given.keys() & {"key", "issues"} else []
    assert len(keys) > 20 and keys - WRONG.keys() == set()
    assert unkeyed == []


@served
async def test_the_version_is_said_alike_everywhere(tmp_path: Path) -> None:
    async with opened(Settings(data=tmp_path, open=True)) as house:
        transport = httpx.ASGITransport(house.served, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
            statement = (await client.get("/fhir/metadata")).json()
            terminology = (await client.get("/fhir/metadata?mode=terminology")).json()
            described = (await client.get("/openapi.json")).json()
            metrics = (await client.get("/metrics")).text
    assert statement["software"]["version"] == terminology["software"]["version"] == VERSION
    assert described["info"]["version"] == VERSION and f'fhir_server_info{{version="{VERSION}"}}' in metrics
