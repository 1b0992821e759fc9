"""The commands as a person runs them: what they leave in the store, what they say, and how they end."""

from __future__ import annotations

import asyncio
import gzip
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from fhir_server.app import opened
from fhir_server.cli.main import app
from fhir_server.cli.occupancy import occupied
from fhir_server.fhir.json import serialize
from fhir_server.loading.progress import LOADED, Progress
from fhir_server.population.generation import population
from fhir_server.settings import Settings
from fhir_server.store.filters import EVERYTHING, Token
from tests.server.command import command, environment, until


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def count(data: Path, type: str = "Patient", where: Any = EVERYTHING) -> int:
    async def counted() -> int:
        async with opened(Settings(data=data)) as house:
            return await house.repository().count({type: where})

    return asyncio.run(counted())


def journal(data: Path) -> list[Progress]:
    """How far the files loaded into a store are; none before there is a store."""

    async def read() -> list[Progress]:
        async with opened(Settings(data=data)) as house:
            rows = await house.engine.records.list(LOADED)
        return [msgspec.json.decode(value, type=Progress) for _, value in rows]

    return asyncio.run(read()) if (data / "fhir.sqlite").exists() else []


def write(file: Path, *resources: dict[str, Any]) -> Path:
    body = b"\n".join(map(serialize, resources))
    file.write_bytes(gzip.compress(body) if file.suffix == ".gz" else body)
    return file


def people(number: int) -> list[dict[str, Any]]:
    return [{"resourceType": "Patient", "id": f"p{n}"} for n in range(number)]


def transaction(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def test_seeding_fills_the_store_and_again_changes_nothing(tmp_path: Path) -> None:
    first = run("seed", "--patients", "6", "--random-seed", "3", "--data", tmp_path)
    assert first.exit_code == 0, first.output
    assert count(tmp_path) == 6
    again = run("seed", "--patients", "6", "--random-seed", "3", "--data", tmp_path)
    assert "0 resources written" in again.output
    assert count(tmp_path) == 6


def test_seeding_if_empty_leaves_a_filled_store_alone(tmp_path: Path) -> None:
    assert run("seed", "--patients", "2", "--if-empty", "--data", tmp_path).exit_code == 0
    assert run("seed", "--patients", "5", "--if-empty", "--data", tmp_path).exit_code == 0
    assert count(tmp_path) == 2


def test_seeding_to_a_file_writes_the_population_line_by_line(tmp_path: Path) -> None:
    assert run("seed", "--patients", "3", "--random-seed", "5", "--output", tmp_path / "p.ndjson").exit_code == 0
    expected = b"".join(serialize(resource) + b"\n" for resource in population(3, 5))
    assert (tmp_path / "p.ndjson").read_bytes() == expected


@pytest.mark.parametrize("name", ["p.ndjson", "p.ndjson.gz", "p.jsonl"])
def test_lines_are_loaded_under_their_own_ids(tmp_path: Path, name: str) -> None:
    done = run("load", write(tmp_path / name, *people(7)), "--data", tmp_path / "var")
    assert done.exit_code == 0, done.output
    assert "7 resources written" in done.output
    assert count(tmp_path / "var") == 7


def test_a_file_loaded_before_is_left_out_unless_asked_for_again(tmp_path: Path) -> None:
    # Neither has an id: only what the journal remembers keeps them from coming twice.
    file = write(tmp_path / "two.ndjson", {"resourceType": "Patient"}, {"resourceType": "Patient"})
    outputs = [run("load", file, *more, "--data", tmp_path / "var").output for more in ([], [], ["--again"])]
    assert "2 resources written" in outputs[0]
    assert "loaded before" in outputs[1]
    assert "0 resources written, 2 already there" in outputs[2]
    assert count(tmp_path / "var") == 2


def test_a_resource_that_changed_gets_a_new_version_and_the_others_none(tmp_path: Path) -> None:
    run("load", write(tmp_path / "one.ndjson", *people(3)), "--data", tmp_path / "var")
    changed = people(3)
    changed[1]["active"] = True
    done = run("load", write(tmp_path / "other.ndjson", *changed), "--data", tmp_path / "var")
    assert "1 resources written, 2 already there" in done.output
    assert count(tmp_path / "var", where=Token("active", "true")) == 1


def test_the_last_of_two_lines_with_one_id_is_what_stays(tmp_path: Path) -> None:
    twice = [{"resourceType": "Patient", "id": "a", "active": value} for value in (False, True)]
    assert run("load", write(tmp_path / "x.ndjson", *twice), "--data", tmp_path / "var").exit_code == 0
    assert count(tmp_path / "var", where=Token("active", "true")) == 1


def test_what_is_refused_is_named_and_the_command_ends_with_1(tmp_path: Path) -> None:
    bad = {"resourceType": "Patient", "id": "bad", "birthDate": "1990-02-31"}
    done = run("load", write(tmp_path / "p.ndjson", *people(2), bad), "--data", tmp_path / "var")
    assert done.exit_code == 1
    assert "line 3" in done.output and "Patient.birthDate" in done.output and "1990-02-31" not in done.output
    assert count(tmp_path / "var") == 2


def test_a_transaction_is_loaded_whole_or_not_at_all(tmp_path: Path) -> None:
    good = {"resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient"}}
    bad = {"resource": {"resourceType": "Patient", "gender": "x"}, "request": {"method": "POST", "url": "Patient"}}
    done = run("load", write(tmp_path / "b.json", transaction(good, bad)), "--data", tmp_path / "var")
    assert done.exit_code == 1
    assert count(tmp_path / "var") == 0


def test_conditions_in_a_transaction_are_judged(tmp_path: Path) -> None:
    resource = {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "1"}]}
    entry = {
        "resource": resource,
        "request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=urn:x|1"},
    }
    file = write(tmp_path / "b.json", transaction(entry))
    for more in ([], ["--again"]):
        done = run("load", file, *more, "--data", tmp_path / "var")
        assert done.exit_code == 0, done.output
    assert count(tmp_path / "var") == 1


def test_a_loaded_search_parameter_is_usable_after_reindexing(tmp_path: Path) -> None:
    parameter = {
        "resourceType": "SearchParameter",
        "id": "favourite",
        "url": "https://fhir-server.example/SearchParameter/favourite",
        "name": "Favourite",
        "status": "active",
        "description": "The text of the language spoken.",
        "code": "favourite",
        "base": ["Patient"],
        "type": "string",
        "expression": "Patient.communication.language.text",
    }
    person = {"resourceType": "Patient", "id": "p", "communication": [{"language": {"text": "Breton"}}]}
    done = run("load", write(tmp_path / "p.ndjson", person, parameter), "--data", tmp_path / "var")
    assert done.exit_code == 0, done.output

    async def known() -> bool:
        async with opened(Settings(data=tmp_path / "var")) as house:
            return house.registry.get("Patient", "favourite") is not None

    assert not asyncio.run(known())
    assert run("reindex", "--data", tmp_path / "var").exit_code == 0
    assert asyncio.run(known())


@pytest.mark.parametrize(("name", "said"), [("absent.json", "not there"), ("notes.txt", "ending in .json")])
def test_a_file_that_cannot_be_loaded_is_refused_before_anything_begins(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "notes.txt").write_text("")
    done = run("load", tmp_path / name, "--data", tmp_path / "var")
    assert done.exit_code == 2 and said in done.output


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_an_interrupted_load_goes_on_and_makes_nothing_twice(tmp_path: Path, sent: int, code: int) -> None:
    lines = b"".join(b'{"resourceType":"Patient","name":[{"family":"Essai","text":"%d"}]}\n' % n for n in range(9000))
    file = tmp_path / "many.ndjson"
    file.write_bytes(lines)
    arguments = ("load", file, "--data", tmp_path / "var", "--processes", "1")
    process = subprocess.Popen(
        command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
    )
    until(lambda: any(progress.lines for progress in journal(tmp_path / "var")))
    process.send_signal(sent)
    assert process.wait(60) == code
    assert not any(progress.done for progress in journal(tmp_path / "var"))
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    assert count(tmp_path / "var") == 9000


def test_a_sound_store_passes_its_check_and_a_damaged_one_does_not(tmp_path: Path) -> None:
    run("load", write(tmp_path / "p.ndjson", *people(300)), "--data", tmp_path / "var")
    assert run("check", "--data", tmp_path / "var").exit_code == 0
    store = tmp_path / "var" / "fhir.sqlite"
    body = bytearray(store.read_bytes())
    middle = len(body) // 2
    body[middle : middle + 4096] = b"\xff" * 4096
    store.write_bytes(body)
    assert run("check", "--data", tmp_path / "var").exit_code == 1


def test_a_backup_restores_what_was_there(tmp_path: Path) -> None:
    run("load", write(tmp_path / "p.ndjson", *people(5)), "--data", tmp_path / "var")
    assert run("backup", tmp_path / "copy" / "b.sqlite", "--data", tmp_path / "var").exit_code == 0
    run("load", write(tmp_path / "q.ndjson", *people(9)), "--data", tmp_path / "var")
    restored = run("restore", tmp_path / "copy" / "b.sqlite", "--force", "--data", tmp_path / "var")
    assert restored.exit_code == 0, restored.output
    assert count(tmp_path / "var") == 5
    assert run("restore", tmp_path / "copy" / "b.sqlite", "--data", tmp_path / "elsewhere").exit_code == 0
    assert count(tmp_path / "elsewhere") == 5


def test_neither_a_backup_nor_a_store_is_replaced_without_force(tmp_path: Path) -> None:
    run("load", write(tmp_path / "p.ndjson", *people(5)), "--data", tmp_path / "var")
    backup = tmp_path / "b.sqlite"
    assert run("backup", backup, "--data", tmp_path / "var").exit_code == 0
    assert run("backup", backup, "--data", tmp_path / "var").exit_code == 2
    assert run("backup", backup, "--force", "--data", tmp_path / "var").exit_code == 0
    assert run("restore", backup, "--data", tmp_path / "var").exit_code == 2


def test_a_store_in_use_is_not_replaced(tmp_path: Path) -> None:
    run("load", write(tmp_path / "p.ndjson", *people(5)), "--data", tmp_path / "var")
    run("backup", tmp_path / "b.sqlite", "--data", tmp_path / "var")
    with occupied(Settings(data=tmp_path / "var")):
        refused = run("restore", tmp_path / "b.sqlite", "--force", "--data", tmp_path / "var")
    assert refused.exit_code == 2 and "in use" in refused.output


def of_another(file: Path) -> None:
    """A sound database that is no store of this server."""
    other = sqlite3.connect(file)
    other.execute("CREATE TABLE resource (id TEXT)")
    other.commit()
    other.close()


#: What a file of backups may have become → how to make it so.
NO_BACKUPS: dict[str, Callable[[Path], object]] = {
    "other content": lambda file: file.write_bytes(b"not a database" * 1000),
    "nothing": lambda file: file.write_bytes(b""),
    "a beginning": lambda file: file.write_bytes(file.read_bytes()[:4096]),
    "a half": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "another's database": lambda file: (file.unlink(), of_another(file)),
}


@pytest.mark.parametrize("content", NO_BACKUPS)
@pytest.mark.parametrize("over", [True, False], ids=["over a store", "where none is"])
def test_what_is_not_a_sound_backup_changes_nothing(tmp_path: Path, content: str, over: bool) -> None:
    run("load", write(tmp_path / "p.ndjson", *people(5)), "--data", tmp_path / "var")
    bad = tmp_path / "bad"
    assert run("backup", bad, "--data", tmp_path / "var").exit_code == 0
    NO_BACKUPS[content](bad)
    target = tmp_path / ("var" if over else "other")
    refused = run("restore", bad, "--force", "--data", target)
    assert refused.exit_code == 1 and "not a sound backup" in refused.output
    assert not list(target.glob("*.restoring*"))
    if over:
        assert count(target) == 5
    else:
        assert not (target / "fhir.sqlite").exists()


@pytest.mark.parametrize("command", ["check", "backup"])
def test_an_empty_file_is_no_store_in_which_all_is_well(tmp_path: Path, command: str) -> None:
    (tmp_path / "fhir.sqlite").touch()
    copy = [tmp_path / "b.sqlite"] if command == "backup" else []
    refused = run(command, *copy, "--data", tmp_path)
    assert refused.exit_code == 2 and "There is no store" in refused.output


def test_jobs_done_as_of_another_day_are_still_due_today(tmp_path: Path) -> None:
    run("seed", "--patients", "2", "--data", tmp_path)
    assert run("jobs", "run", "--at", "2031-01-31", "--data", tmp_path).exit_code == 0
    done = run("jobs", "run", "--data", tmp_path)
    assert all(name in done.output for name in ("emergencies", "conventions", "reconsent"))


def test_an_unknown_type_is_refused_by_reindex(tmp_path: Path) -> None:
    refused = run("reindex", "--type", "Patients", "--data", tmp_path)
    assert refused.exit_code == 2 and "Patients" in refused.output


def test_a_file_cut_short_is_loaded_as_far_as_it_goes_and_refused_by_name(tmp_path: Path) -> None:
    whole = gzip.compress(b"\n".join(map(serialize, people(2000))))
    (tmp_path / "cut.ndjson.gz").write_bytes(whole[:-200])
    done = run("load", tmp_path / "cut.ndjson.gz", "--data", tmp_path / "var")
    assert done.exit_code == 1 and "the rest of the file" in done.output
    assert 0 < count(tmp_path / "var") <= 2000


def test_several_files_are_loaded_and_the_refusals_of_each_are_told_apart(tmp_path: Path) -> None:
    bad = {"resourceType": "Patient", "active": "yes"}
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / "a.ndjson", *people(3))
    write(tmp_path / "in" / "b.ndjson", bad)
    done = run("load", tmp_path / "in", "--data", tmp_path / "var")
    assert done.exit_code == 1
    assert "b.ndjson, line 1" in done.output and "a.ndjson, line" not in done.output
    again = run("load", tmp_path / "in", "--data", tmp_path / "var")
    assert again.exit_code == 1 and "b.ndjson, line 1" in again.output
