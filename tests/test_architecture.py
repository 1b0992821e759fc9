"""The house stays in order: imports go down, files stay small, names say what they hold, settings and commands are documented."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from fhir_server.cli.main import app
from fhir_server.settings import Settings
from tests.examples import ROOT

#: Files longer than the limit, and why each is.
LONG: dict[str, str] = {}
LIMIT = 400
FORBIDDEN = {"utils", "util", "helpers", "helper", "common", "base", "manager", "managers", "misc"}

SOURCES = sorted((ROOT / "fhir_server").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def relative(file: Path) -> str:
    return str(file.relative_to(ROOT))


def nodes(file: Path, *words: str) -> list[ast.AST]:
    """What a module consists of; nothing where none of these words is in it: to read all of them takes long."""
    text = file.read_text(encoding="utf-8")
    return list(ast.walk(ast.parse(text))) if any(word in text for word in words) else []


def contracts(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the import contracts over the package in `folder`."""
    program = shutil.which("lint-imports", path=Path(sys.executable).parent)
    assert program, "import-linter is a development dependency"
    return subprocess.run(
        [program, "--no-cache"], cwd=folder, capture_output=True, text=True, env={"PYTHONPATH": ".", "COLUMNS": "200"}
    )


def test_imports_only_go_down() -> None:
    found = contracts(ROOT)
    assert found.returncode == 0, found.stdout


#: A module, what it imports against which contract. Where a folder may hold no further module, one of its own is overwritten.
BREAKS: list[tuple[str, str, str]] = [
    ("fhir/broken.py", "fhir_server.store.protocol", "Imports only go down"),
    ("search/broken.py", "fhir_server.access.grant", "Imports only go down"),
    ("search/parameters/broken.py", "fhir_server.search.indexing.extract", "A search is asked before it is answered"),
    ("search/asking/broken.py", "fhir_server.search.answering.run", "A search is asked before it is answered"),
    ("interactions/shaping.py", "fhir_server.interactions.writing", "Interactions stand side by side, over what they share"),
    ("interactions/read.py", "fhir_server.interactions.vread", "Interactions stand side by side, over what they share"),
    ("smart/clients/governing.py", "fhir_server.smart.tokens.storage", "Authorizing stands over tokens, these over clients and people"),
    ("smart/people/matching.py", "fhir_server.smart.federation.sign_in", "Authorizing stands over tokens, these over clients and people"),
    ("validation/types/bound.py", "fhir_server.validation.profiles.registry", "Profiles are judged over types, and types over codes"),
    ("validation/codings.py", "fhir_server.validation.types.judges", "Profiles are judged over types, and types over codes"),
    ("store/private.py", "fhir_server.store.embedded.schema", "What engines share knows none of them"),
    ("interactions/history.py", "starlette", "Below the wire there is no web framework"),
    ("interactions/history.py", "fhir_server.store.embedded", "Only access opens the store"),
    ("http/broken.py", "authlib", "Only smart speaks OAuth's library"),
    ("store/notes.py", "pymongo", "Only store/mongo speaks to MongoDB"),
    ("store/notes.py", "apsw", "Only store/embedded speaks to SQLite"),
    ("population/broken.py", "fhir_server.store.filters", "The population knows the standard only"),
]  # fmt: skip


def test_a_contract_fails_when_it_is_broken(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "fhir_server", tmp_path / "fhir_server", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for file in {file for file, _, _ in BREAKS}:
        imports = "".join(f"import {what}\n" for where, what, _ in BREAKS if where == file)
        (tmp_path / "fhir_server" / file).write_text(f'"""Broken on purpose."""\n{imports}')
    found = contracts(tmp_path)
    assert found.returncode != 0
    said = dict(re.findall(r"^([^\n]+)\n-+\n\n(.*?)(?=^[^\n]+\n-+\n\n|\Z)", found.stdout, re.M | re.S))
    missed = [
        (file, what, contract)
        for file, what, contract in BREAKS
        if f"fhir_server.{file.removesuffix('.py').replace('/', '.')} -> {what} " not in said.get(contract, "")
    ]
    assert not missed, found.stdout


def test_a_file_is_at_most_400_lines_unless_it_is_said_why() -> None:
    lines = {relative(file): len(file.read_text(encoding="utf-8").splitlines()) for file in SOURCES + TESTS}
    assert {name: count for name, count in lines.items() if count > LIMIT and name not in LONG} == {}
    assert {name for name, why in LONG.items() if why and lines[name] > LIMIT} == set(LONG)


#: What may hold the store itself; all else asks a Repository, which holds it to a caller's rule.
HOLDERS = (
    "store",
    "changes",
    "access",
    "audit",
    "loading",
    "terminology",
    "search/activation",
    "validation/profiles",
    "app.py",
)


def test_only_few_rooms_hold_the_store() -> None:
    for file in SOURCES:
        named = relative(file).removeprefix("fhir_server/")
        imported = [
            name.name
            for node in nodes(file, "store.protocol")
            if isinstance(node, ast.ImportFrom) and node.module == "fhir_server.store.protocol"
            for name in node.names
        ]
        assert named.startswith(HOLDERS) or not {"Store", "Engine"} & set(imported), named


#: Where records of a kind are listed without knowing whose: what few there are, or what an operator asks for.
LISTING = {
    "jobs/outbox.py": "what waits to be sent, for /metrics, up to a bound",
    "loading/guides.py": "packages that an administrator installed",
    "search/activation/watch.py": "search parameters that were added",
    "smart/authorizing/endpoint.py": "of one account and app, by the beginning of the key",
    "smart/registration.py": "drafts, as many as may be kept",
    "store/registry.py": "page by page",
    "store/blobs/collecting.py": "content of what was purged, up to a bound",
    "space/agenda/reminders/keeping.py": "what is due by now, a page at a time; once, to write rows of what was there",
    "space/indicators/counting.py": "the cells of one fact, a page at a time",
    "space/indicators/recounting.py": "what an earlier count left, a page at a time",
    "space/delegations/matching.py": "of one person, by the beginning of the key",
    "space/delegations/settling.py": "what was interrupted, up to a bound",
    "space/identities/merging/aftermath.py": "what was interrupted, up to a bound",
    "space/notices/centre.py": "of one person, by the beginning of the key",
    "space/notices/waiting.py": "what is due by now, a page at a time; for /metrics, up to a bound",
    "space/profile/sharing.py": "what is due by now, up to a bound at a time",
    "space/portability/keeping.py": "what waits or has ended, a page at a time",
    "space/record/first_accesses.py": "what is left of days that are over, a page at a time",
    "subscriptions/kept.py": "of one subscription, by the beginning of the key",
    "changes/records.py": "hands the question on",
}


def test_nothing_looks_through_all_records_of_a_kind() -> None:
    found = set()
    for file in SOURCES:
        for node in nodes(file, ".list("):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "list":
                owner = node.func.value
                if (isinstance(owner, ast.Attribute) and owner.attr in ("records", "_records")) or (
                    isinstance(owner, ast.Name) and owner.id == "records"
                ):
                    found.add(relative(file).removeprefix("fhir_server/"))
    assert found == set(LISTING)


#: Who asks for everything of a registry: operators' lists, what waits to be sent, the origins of all apps.
EVERYTHING = {
    "jobs/outbox.py",
    "smart/clients/registered.py",
    "smart/people/accounts.py",
    "space/messages/mail/outgoing.py",
    "store/registry.py",
}


def test_few_ask_for_everything_of_a_registry() -> None:
    found = {
        relative(file).removeprefix("fhir_server/")
        for file in SOURCES
        for node in nodes(file, ".everything(")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "everything"
    }
    assert found == EVERYTHING


def test_a_docstring_says_something() -> None:
    """What its name does not; one that leads to where it is said ("As `Store.find`.") does."""
    short = re.compile(r'^\s+(?:r?""")((?!As )[^"\n]{1,60})"""$', re.MULTILINE)
    assert short.findall('    """The page."""') == ["The page."]
    assert not short.findall('    """As `Store.find`."""')
    found = [(relative(file), said) for file in SOURCES for said in short.findall(file.read_text(encoding="utf-8"))]
    assert len(found) > 500
    assert [(file, said) for file, said in found if len(said.split()) <= 3] == []


def test_no_module_is_a_drawer() -> None:
    named = [relative(file) for file in SOURCES + TESTS if {file.stem, file.parent.name} & FORBIDDEN]
    assert not named


def test_a_package_s_init_holds_only_its_sign() -> None:
    for file in SOURCES:
        if file.name == "__init__.py":
            text = file.read_text(encoding="utf-8").strip()
            assert text.startswith('"""') and text.endswith('"""') and text.count('"""') == 2, relative(file)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_in_the_readme_with_its_default(name: str) -> None:
    rows = [
        line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `FHIR_")
    ]
    [row] = [row for row in rows if row.startswith(f"| `FHIR_{name.upper()}` |")]
    field = Settings.model_fields[name]
    spelt = {"False": "false", "True": "true", "": '""', "()": "[]"}
    said = json.dumps(field.default) if isinstance(field.default, dict) else str(field.default)
    default = spelt.get(said, said)
    assert f"| `{default}` |" in row
    assert field.description and field.description in row


def test_the_readme_lists_no_setting_that_is_not_there() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = {line.split("`")[1] for line in readme.splitlines() if line.startswith("| `FHIR_")}
    assert listed == {f"FHIR_{name.upper()}" for name in Settings.model_fields}


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in typer.main.get_command(app).commands:  # type: ignore[attr-defined]
        assert f"| `fhir-server {name}" in readme, name


def test_nothing_here_names_a_machine_or_a_workplace() -> None:
    ours = [*SOURCES, *TESTS, *ROOT.glob("*.md"), ROOT / "Makefile", ROOT / "pyproject.toml"]
    places = ("/".join(("", "work", "")), "/".join(("", "home", "")), "/".join(("", "root", "")))
    for file in ours:
        text = file.read_text(encoding="utf-8")
        assert not [place for place in places if place in text], relative(file)


#: Beside `access`, `audit`, `loading` and `store`: files that hold the store itself, for the server's own work. It only
#: shrinks.
HOLDING_THE_STORE = {
    "app.py",
    "changes/engine.py",
    "search/activation/reindex.py",
    "search/activation/watch.py",
    "terminology/library.py",
    "terminology/service.py",
    "validation/profiles/activation.py",
}


def _holds_the_store(file: Path) -> bool:
    found = nodes(file, "store.protocol", ".store")
    imported = [n for n in found if isinstance(n, ast.ImportFrom) and n.module == "fhir_server.store.protocol"]
    reached = [ast.unparse(n) for n in found if isinstance(n, ast.Attribute) and n.attr == "store"]
    return any(alias.name == "Store" for n in imported for alias in n.names) or any(
        one.endswith(("engine.store", "repository.store", "repository().store")) for one in reached
    )


def test_what_a_caller_asks_reaches_the_store_through_the_repository_only() -> None:
    package = ROOT / "fhir_server"
    holding = {str(file.relative_to(package)) for file in SOURCES if _holds_the_store(file)}
    doors = ("access/", "audit/", "loading/", "store/")
    assert {file for file in holding if not file.startswith(doors)} == HOLDING_THE_STORE
