"""A version is said in one place and everywhere alike, and can be released: https://keepachangelog.com/, https://semver.org/."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from datetime import date

import pytest

from fhir_server.fhir.json import parse
from fhir_server.fhir.version import VERSION
from fhir_server.interactions.capabilities import completed, terminology
from fhir_server.search.parameters.registry import Registry
from tests.examples import ROOT

CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
TITLES = re.findall(r"^## (.*)$", CHANGELOG, re.MULTILINE)
RELEASE = re.compile(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)")
KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


def test_the_newest_release_of_the_changelog_is_the_version() -> None:
    first, *releases = TITLES
    assert first == "[Unreleased]"
    found = [RELEASE.fullmatch(title) for title in releases]
    assert all(found) and found[0] is not None and found[0][1] == VERSION
    days = [date.fromisoformat(one[2]) for one in found if one is not None]
    assert days == sorted(days, reverse=True)


def test_each_section_says_each_kind_of_change_once_and_in_order() -> None:
    for section in re.split(r"^## .*$", CHANGELOG, flags=re.MULTILINE)[1:]:
        kinds = re.findall(r"^### (.*)$", section, re.MULTILINE)
        assert kinds == [kind for kind in KINDS if kind in kinds]


def test_what_changed_of_a_kind_is_one_list_that_says_nothing_twice() -> None:
    assert re.findall(r"^(?:- |  ).*\n\n- .*", CHANGELOG, re.MULTILINE) == []
    begins = [line[:60] for line in CHANGELOG.splitlines() if line.startswith("- ")]
    assert sorted(begins) == sorted(set(begins))


def test_the_server_says_its_version_as_the_package_does() -> None:
    statement = completed("https://fhir.example/fhir", Registry(), True, ())
    assert statement["software"] == {"name": "fhir-server", "version": VERSION}
    assert parse(terminology("https://fhir.example/fhir"))["software"]["version"] == VERSION
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == "fhir_server/fhir/version.py"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not here")
def test_release_notes_are_the_section_of_the_version() -> None:
    shown = subprocess.run(["make", "-s", "release-notes"], cwd=ROOT, capture_output=True, text=True, check=True)
    section = CHANGELOG.partition(f"## [{VERSION}]")[2].partition("\n## ")[0].partition("\n")[2]
    assert shown.stdout.strip() and shown.stdout.strip() == section.strip()


def test_hooks_of_commits_fetch_nothing_and_run_what_is_pinned() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    pinned = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
    assert re.findall(r"repo: (\S+)", hooks) == ["local"]
    for program in re.findall(r"entry: \.venv/bin/([\w-]+)", hooks):
        assert re.search(rf"^{program}==", pinned, re.MULTILINE), program
    assert set(re.findall(r"language: (\S+)", hooks)) == {"system", "pygrep"}
