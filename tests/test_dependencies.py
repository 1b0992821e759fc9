"""What is declared is what is imported, the locks hold what is declared and name no address, and one version is said.

https://packaging.python.org/en/latest/specifications/pyproject-toml/#dependencies-optional-dependencies
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from fhir_server.fhir.version import VERSION
from tests.examples import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
#: Lock → the extra that it holds; "" for what the server itself needs.
LOCKS = {
    "requirements.lock": "",
    "requirements-dev.lock": "dev",
    "requirements-mongo.lock": "mongo",
    "requirements-mongod.lock": "mongod",
}

#: Declared though no module of the server imports them → what they are there for.
UNIMPORTED = {
    "fastapi-offline": "the files of Swagger UI, which site/api_reference finds by name",
    "tzdata": "zoneinfo, on machines without a time zone database",
}
#: The same for development: what is run, or a plugin.
RUN = {
    "codespell": "make lint",
    "import-linter": "make lint",
    "lxml-stubs": "read by mypy",
    "mypy": "make lint",
    "pytest-cov": "a plugin",
    "pytest-xdist": "a plugin",
    "ruff": "make lint",
}


def normalized(name: str) -> str:
    """https://packaging.python.org/en/latest/specifications/name-normalization/"""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    return {normalized(re.split(r"[<>=!~\[; ]", one, maxsplit=1)[0]) for one in requirements}


@cache
def imported(folder: str) -> dict[str, set[str]]:
    """Distribution → files under `folder` that import it; of a namespace shared by several, each of them."""
    found: dict[str, set[str]] = {}
    known = packages_distributions()
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for module in _modules(node):
                top = module.partition(".")[0]
                if top in sys.stdlib_module_names or top in ("fhir_server", "tests"):
                    continue
                for name in known.get(top, [top]):
                    found.setdefault(normalized(name), set()).add(str(file.relative_to(ROOT)))
    return found


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []


def locked(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return {normalized(n): v for n, v in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", text, re.MULTILINE)}


def test_every_import_of_the_server_is_declared() -> None:
    extra = declared(PROJECT["optional-dependencies"]["mongo"])
    assert set(imported("fhir_server")) - declared(PROJECT["dependencies"]) - extra == set()
    for name in extra:
        files = imported("fhir_server").get(name, set())
        assert all(file.startswith("fhir_server/store/mongo/") for file in files), name


def test_every_declared_dependency_is_imported_or_has_its_reason() -> None:
    assert declared(PROJECT["dependencies"]) - set(imported("fhir_server")) == set(UNIMPORTED)


def test_every_import_of_the_tests_is_declared() -> None:
    extras = PROJECT["optional-dependencies"]
    ours = declared([*PROJECT["dependencies"], *extras["dev"], *extras["mongo"]])
    assert set(imported("tests")) - ours == set()


def test_every_dependency_of_development_is_imported_or_has_its_reason() -> None:
    assert declared(PROJECT["optional-dependencies"]["dev"]) - set(imported("tests")) == set(RUN)


@pytest.mark.parametrize("lock", LOCKS)
def test_the_locks_hold_what_is_declared_within_its_range(lock: str) -> None:
    held, extra = locked(lock), LOCKS[lock]
    # What tests of MongoDB need is installed beside the rest.
    own = [] if extra.startswith("mongo") else PROJECT["dependencies"]
    for one in own + (PROJECT["optional-dependencies"][extra] if extra else []):
        found = re.match(r"([A-Za-z0-9._-]+)[>=]=([0-9.]+)", one)
        assert found, f"{one} has no lower bound"
        assert _numbers(held[normalized(found[1])]) >= _numbers(found[2]), one


@pytest.mark.parametrize("lock", LOCKS)
def test_the_locks_are_hashed_and_name_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text and "--index-url" not in text and "--find-links" not in text
    pinned = [line for line in text.splitlines() if re.match(r"\S+==", line)]
    assert pinned and text.count("--hash=sha256:") >= len(pinned)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0]))


def test_the_build_takes_the_version_from_the_server() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    file = ROOT / tool["hatch"]["version"]["path"]
    assert "version" in PROJECT["dynamic"] and f'VERSION = "{VERSION}"' in Path(file).read_text(encoding="utf-8")
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


@pytest.mark.parametrize("promised", ["ruff", "mypy", "lint-imports", "codespell"])
def test_lint_runs_what_help_promises(promised: str) -> None:
    recipe = re.search(r"^lint:.*?(?=^\S)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert recipe and f"/{promised}" in recipe[0]
