"""Guides as a person adds, lists and removes them. https://hl7.org/fhir/R4/packages.html"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fhir_server.app import opened
from fhir_server.cli.main import app
from fhir_server.fhir.json import parse
from fhir_server.settings import Settings
from fhir_server.store.filters import EVERYTHING
from tests.examples import shared_data
from tests.validation.profiled import profile

BORN = {**profile("born", "Patient", {"id": "Patient.birthDate", "min": 1}, version="1.0.0"), "id": "born"}
BAD = {**profile("bad", "Patient", {"id": "Patient.nothing", "min": 1}), "id": "bad"}


def parameter(id: str, code: str) -> dict[str, Any]:
    return {
        "resourceType": "SearchParameter",
        "id": id,
        "url": f"https://example.org/SearchParameter/{id}",
        "name": id,
        "status": "active",
        "description": id,
        "code": code,
        "base": ["Patient"],
        "type": "token",
        "expression": "Patient.maritalStatus",
    }


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["profiles", *[str(argument) for argument in arguments]])


def folder(path: Path, version: str, *resources: dict[str, Any]) -> Path:
    path.mkdir()
    manifest = {"name": "example.guide", "version": version, "dependencies": {"example.other": "2.0.0"}}
    (path / "package.json").write_text(json.dumps(manifest))
    for tree in resources:
        (path / f"{tree['resourceType']}-{tree['id']}.json").write_text(json.dumps(tree))
    return path


def stored(data: Path, type: str = "StructureDefinition") -> dict[str, dict[str, Any]]:
    async def found() -> dict[str, dict[str, Any]]:
        async with opened(Settings(data=data)) as house:
            page = await house.repository().find({type: EVERYTHING}, count=1000)
            return {version.id: parse(version.body) for version in page.versions}

    return asyncio.run(found())


def judged(data: Path, canonical: str) -> set[str | None]:
    async def found() -> set[str | None]:
        async with opened(Settings(data=data)) as house:
            tree = {"resourceType": "Patient", "meta": {"profile": [canonical]}}
            return {issue.key for issue in house.validator.validate(tree)} - {"dom-6"}

    return asyncio.run(found())


def test_a_guide_is_added_listed_and_removed(tmp_path: Path):
    data, guide = tmp_path / "data", folder(tmp_path / "guide", "1.0.0", BORN, parameter("marital", "marital"))
    first = run("add", guide, "--data", data)
    assert first.exit_code == 0, first.output
    assert "example.guide#1.0.0: 2 resources, 2 written, 1 search parameters to be indexed." in first.output
    assert "example.guide#1.0.0 asks for example.other#2.0.0, not there." in first.output
    assert judged(data, BORN["url"]) == judged(data, BORN["url"] + "|1.0.0") == {"cardinality-min"}
    assert judged(data, BORN["url"] + "|2.0.0") == {"unknown-profile"}
    assert "2 resources, 0 written." in run("add", guide, "--data", data).output
    assert "example.guide#1.0.0: 2 resources; not there: example.other#2.0.0" in run("list", "--data", data).output
    assert run("remove", "example.guide", "--data", data).exit_code == 0
    assert stored(data) == stored(data, "SearchParameter") == {}
    assert judged(data, BORN["url"]) == {"unknown-profile"}
    assert run("list", "--data", data).output == ""


def test_search_parameters_that_restate_r4s_are_stored_and_counted_in_one_line(tmp_path: Path):
    data = tmp_path / "data"
    born = {**parameter("born", "birthdate"), "type": "date", "expression": "Patient.birthDate"}
    derived = {**parameter("id", "_id"), "derivedFrom": "http://hl7.org/fhir/SearchParameter/Resource-id"}
    guide = folder(tmp_path / "guide", "1.0.0", born, derived, parameter("marital", "marital"))
    found = run("add", guide, "--data", data)
    assert found.exit_code == 0
    assert "3 resources, 3 written, 1 search parameters to be indexed." in found.output
    assert "2 search parameters restate R4's, which are in force." in found.output
    assert set(stored(data, "SearchParameter")) == {"born", "id", "marital"}


def test_versions_of_a_guide_are_kept_apart(tmp_path: Path):
    data = tmp_path / "data"
    second = {**profile("born", "Patient", {"id": "Patient.gender", "min": 1}, version="2.0.0"), "id": "born"}
    one, two = folder(tmp_path / "one", "1.0.0", BORN), folder(tmp_path / "two", "2.0.0", second)
    assert run("add", one, two, "--data", data).exit_code == 0
    assert {(id, tree["version"]) for id, tree in stored(data).items()} == {("born", "1.0.0"), ("born-2.0.0", "2.0.0")}
    assert run("remove", "example.guide#1.0.0", "--data", data).exit_code == 0
    assert judged(data, BORN["url"] + "|1.0.0") == {"unknown-profile"}
    assert judged(data, BORN["url"] + "|2.0.0") == {"cardinality-min"}


def test_what_the_server_cannot_follow_is_said_and_the_rest_is_taken(tmp_path: Path):
    data = tmp_path / "data"
    guide = folder(tmp_path / "guide", "1.0.0", BORN, BAD, parameter("one", "twice"), parameter("two", "twice"))
    for _ in range(2):
        found = run("add", guide, "--data", data)
        assert found.exit_code == 0
        assert "Patient has no element nothing" in found.output
        assert "SearchParameter/two" in found.output
    assert set(stored(data)) == {"born"}
    assert set(stored(data, "SearchParameter")) == {"one"}


@pytest.mark.parametrize("arguments", [("add", "nowhere.tgz"), ("remove", "nothing")])
def test_what_is_not_there_is_said(tmp_path: Path, arguments: tuple[str, str]):
    assert run(*arguments, "--data", tmp_path).exit_code != 0


def test_what_is_no_package_is_said_and_the_others_are_added(tmp_path: Path):
    (tmp_path / "broken.tgz").write_bytes(b"no archive")
    guide = folder(tmp_path / "guide", "1.0.0", BORN)
    found = run("add", tmp_path / "broken.tgz", guide, "--data", tmp_path / "data")
    assert found.exit_code == 1
    assert set(stored(tmp_path / "data")) == {"born"}


def test_the_national_guides_are_added_together(tmp_path: Path):
    data = shared_data()
    if data is None or not (data / "ig").is_dir():
        pytest.skip("the national guides are not beside the checkout")
    found = run("add", *sorted((data / "ig").glob("*.tgz")), "--data", tmp_path)
    assert found.exit_code == 0, found.output
    assert len(stored(tmp_path)) > 20
    assert "ans.fhir.fr.pdsm#3.1.1 asks for" in found.output
