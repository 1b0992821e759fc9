"""`fhir-server store plan`: printed for whoever runs the database, with a database or without, and changing nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fhir_server.cli.main import app
from tests import mongod


def run(*arguments: str, **variables: str) -> Result:
    clean = {name: None for name in os.environ if name.startswith("FHIR_")}
    return CliRunner().invoke(app, ["store", "plan", *arguments], env={**clean, "COLUMNS": "80", **variables})


@pytest.mark.parametrize(
    ("arguments", "database"),
    [
        ((), "fhir"),
        (("--database", "ens"), "ens"),
        (("--store", "mongodb://u:geheim@nowhere.invalid/x", "--database", "ens"), "ens"),
    ],
)
def test_it_is_printed_without_a_database(tmp_path: Path, arguments: tuple[str, ...], database: str) -> None:
    done = run(*arguments, "--data", str(tmp_path / "var"))
    assert done.exit_code == 0, done.output
    # A line each, however narrow the terminal: it is a script.
    assert f'sh.shardCollection("{database}.res", {{"rk": "hashed", "_id": 1}})' in done.stdout.splitlines()
    assert "NOT TRIED: routing itself" in done.stdout
    assert "bytes of data" not in done.stdout and "geheim" not in done.output
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize("name", ["a b", "a.b", "a/b", 'a"b', "$a", "", "x" * 64, "a\nb"])
def test_a_name_that_no_database_can_have_is_refused(tmp_path: Path, name: str) -> None:
    done = run("--database", name, "--data", str(tmp_path))
    assert (done.exit_code, done.stdout) == (2, "") and "--database" in done.stderr


def test_what_is_no_store_is_said(tmp_path: Path) -> None:
    done = run("--store", "mysql://u:geheim@h/x", "--data", str(tmp_path))
    assert done.exit_code == 1 and "sqlite:///" in done.stderr and "geheim" not in done.output
    done = run("--data", str(tmp_path), FHIR_CORS_ORIGINS="x")
    assert done.exit_code == 2 and "FHIR_CORS_ORIGINS is not JSON" in done.stderr


def test_a_database_that_is_there_is_looked_at(tmp_path: Path) -> None:
    mongod.require()
    url = mongod.url()
    done = run("--data", str(tmp_path), FHIR_STORE=url)
    assert done.exit_code == 0 and "Not there yet." in done.stdout
    from pymongo import MongoClient

    name = url.rpartition("/")[2].partition("?")[0]
    with MongoClient(url) as client:
        assert name not in client.list_database_names()
