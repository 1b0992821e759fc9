"""What is loaded is judged as what is posted: the same verdict, whichever way a resource comes.

https://hl7.org/fhir/R4/http.html#create, https://hl7.org/fhir/R4/http.html#trules, https://hl7.org/fhir/R4/profiling.html
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fhir_server.app import House, opened
from fhir_server.cli.main import app
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import FhirError
from fhir_server.interactions.exchange import FHIR_JSON, Request
from fhir_server.interactions.routes import dispatch
from fhir_server.settings import Settings
from fhir_server.store.filters import EVERYTHING

Tree = dict[str, Any]
OWN = "https://fhir-server.example/StructureDefinition"
NOWHERE = "urn:uuid:6a0f6e0d-7b0e-4f9b-8e3c-2f7b9e1d0c22"


def profile(name: str, element: str, **says: Any) -> Tree:
    return {
        "resourceType": "StructureDefinition",
        "id": name,
        "url": f"{OWN}/{name}",
        "name": name.title().replace("-", ""),
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": element.partition(".")[0],
        "baseDefinition": f"http://hl7.org/fhir/StructureDefinition/{element.partition('.')[0]}",
        "derivation": "constraint",
        "differential": {"element": [{"id": element, "path": element, **says}]},
    }


BORN = profile("born", "Patient.birthDate", min=1)
NARROW = {**profile("narrow", "Patient.gender", min=1), "baseDefinition": f"{OWN}/born"}


def patient(**more: Any) -> Tree:
    return {"resourceType": "Patient", **more}


def observation(subject: str) -> Tree:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "poids"},
        "subject": {"reference": subject},
    }


def claiming(canonical: str, **more: Any) -> Tree:
    return patient(meta={"profile": [canonical]}, **more)


def parameter(expression: str) -> Tree:
    return {
        "resourceType": "SearchParameter",
        "url": "https://fhir-server.example/SearchParameter/odd",
        "name": "Odd",
        "status": "active",
        "description": "An odd one.",
        "code": "odd",
        "base": ["Patient"],
        "type": "string",
        "expression": expression,
    }


#: What is sent → whether it is taken, where the profile `born` is in force.
CASES: dict[str, tuple[Tree, bool]] = {
    "plain": (patient(), True),
    "against base R4": (patient(gender="x"), False),
    "conforms to a stored profile": (claiming(f"{OWN}/born", birthDate="1990-01-01"), True),
    "against a stored profile": (claiming(f"{OWN}/born"), False),
    "against a shipped profile": (
        {
            "resourceType": "Device",
            "meta": {"profile": [f"{OWN}/ens-app"]},
            "deviceName": [{"name": "x", "type": "user-friendly-name"}],
        },
        False,
    ),
    "a parameter that can be indexed": (parameter("Patient.name.text"), True),
    "a parameter that cannot": (parameter("Patient.name.where("), False),
    "a profile that can be judged by": (profile("another", "Patient.name", min=1), True),
    "a profile that cannot": (profile("broken", "Patient.noSuchElement", min=1), False),
    "a type that is none": ({"resourceType": "Patients"}, False),
}

#: How a resource may come to `load`.
WAYS: dict[str, Callable[[Tree], tuple[str, Tree]]] = {
    "line": lambda tree: ("x.ndjson", tree),
    "document": lambda tree: ("x.json", tree),
    "collection": lambda tree: ("x.json", {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": tree}]}),
    "transaction": lambda tree: ("x.json", requested("transaction", tree)),
    "batch": lambda tree: ("x.json", requested("batch", tree)),
}  # fmt: skip


def requested(type: str, tree: Tree, full: str = "") -> Tree:
    entry = {"resource": tree, "request": {"method": "POST", "url": tree["resourceType"]}}
    return {"resourceType": "Bundle", "type": type, "entry": [{"fullUrl": full, **entry} if full else entry]}


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def lines(file: Path, *resources: Tree) -> Path:
    file.write_bytes(b"\n".join(map(serialize, resources)))
    return file


def within(data: Path, use: Callable[[House], Any], **settings: Any) -> Any:
    async def asked() -> Any:
        async with opened(Settings(data=data, **settings)) as house:
            return await use(house)

    return asyncio.run(asked())


def is_taken_when_posted(data: Path, tree: Tree, path: tuple[str, ...] | None = None) -> bool:
    async def post(house: House) -> bool:
        where = (tree["resourceType"],) if path is None else path
        request = Request("POST", where, body=serialize(tree), content_type=FHIR_JSON)
        try:
            await dispatch(request, house.own_context())
        except FhirError:
            return False
        return True

    return bool(within(data, post))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("born")
    assert run("load", lines(folder / "born.ndjson", BORN), "--data", folder / "var").exit_code == 0
    return folder / "var"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES)
def test_what_is_loaded_gets_the_verdict_that_a_post_of_it_gets(
    made: Path, tmp_path: Path, case: str, way: str
) -> None:
    tree, taken = CASES[case]
    name, whole = WAYS[way](tree)
    assert is_taken_when_posted(made, tree) is taken
    done = run("load", lines(tmp_path / name, whole), "--again", "--data", made)
    assert (done.exit_code == 0) is taken, done.output


@pytest.mark.parametrize("way", ["line", "document", "collection"])
def test_a_reference_that_only_a_bundle_could_explain_is_refused_where_no_entry_explains_it(
    tmp_path: Path, way: str
) -> None:
    name, whole = WAYS[way](observation(NOWHERE))
    done = run("load", lines(tmp_path / name, whole), "--data", tmp_path / "var")
    assert done.exit_code == 1 and NOWHERE not in done.output


@pytest.mark.parametrize("type", ["collection", "transaction", "batch"])
@pytest.mark.parametrize(
    "element",
    [
        {"subject": {"reference": NOWHERE}},
        {"extension": [{"url": "https://fhir-server.example/e", "valueUri": NOWHERE}]},
        {"extension": [{"url": "https://fhir-server.example/e", "valueUrl": NOWHERE}]},
        {"text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{NOWHERE}">x</a></div>'}},
        {"identifier": [{"system": "urn:ietf:rfc:3986", "value": NOWHERE}]},
        {"extension": [{"url": "https://fhir-server.example/e", "valueCanonical": NOWHERE}]},
    ],
    ids=["reference", "uri", "url", "narrative", "identifier", "canonical"],
)  # fmt: skip
def test_links_are_rewritten_by_the_rule_of_a_transaction(tmp_path: Path, type: str, element: Tree) -> None:
    # R4 http.html#trules: references, uri, url, oid, uuid and the narrative; not identifiers and canonicals.
    person = {"fullUrl": NOWHERE, "resource": patient(id="p"), "request": {"method": "PUT", "url": "Patient/p"}}
    measured = {**observation("Patient/p"), "id": "o", **element}
    second = {"resource": measured, "request": {"method": "PUT", "url": "Observation/o"}}
    bundle = {"resourceType": "Bundle", "type": type, "entry": [person, second]}
    posted = {**bundle, "type": "transaction"}
    assert is_taken_when_posted(tmp_path / "posted", posted, ())
    done = run("load", lines(tmp_path / "x.json", bundle), "--data", tmp_path / "loaded")
    assert done.exit_code == 0, done.output

    async def stored(house: House) -> Tree:
        tree = parse((await house.repository().read("Observation", "o")).body)
        return {name: value for name, value in tree.items() if name != "meta"}

    assert within(tmp_path / "loaded", stored) == within(tmp_path / "posted", stored)


@pytest.mark.parametrize("name", ["x.ndjson", "x.json"])
@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize("first", [True, False], ids=["profile first", "profile last"])
def test_a_profile_is_in_force_for_what_comes_with_it(tmp_path: Path, name: str, processes: str, first: bool) -> None:
    people = [claiming(f"{OWN}/born", id="good", birthDate="1990-01-01"), claiming(f"{OWN}/born", id="bad")]
    resources = [BORN, *people] if first else [*people, BORN]
    collection = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": resource} for resource in resources],
    }
    file = lines(tmp_path / name, *(resources if name == "x.ndjson" else [collection]))
    done = run("load", file, "--processes", processes, "--data", tmp_path / "var")
    assert done.exit_code == 1 and "2 resources written" in done.output and "1 refused" in done.output
    assert "Patient.birthDate" in done.output


def like_birthdate(id: str, **more: Any) -> Tree:
    """A search parameter that says what R4's own `birthdate` says."""
    url = f"https://fhir-server.example/SearchParameter/{id}"
    return {**parameter("Patient.birthDate"), "id": id, "url": url, "code": "birthdate", "type": "date", **more}


@pytest.mark.parametrize("shape", ["lines", "collection", "transaction", "conditional transaction"])
def test_search_parameters_that_restate_r4s_are_counted_in_one_line(tmp_path: Path, shape: str) -> None:
    resources = [like_birthdate("a"), like_birthdate("b"), parameter("Patient.name.text"), patient()]
    entries: list[Tree] = [{"resource": resource} for resource in resources]
    for entry in entries if "transaction" in shape else ():
        entry["request"] = {"method": "POST", "url": entry["resource"]["resourceType"]}
    if shape == "conditional transaction":
        entries[-1]["request"]["ifNoneExist"] = "identifier=https://fhir-server.example|1"
    bundle = {"resourceType": "Bundle", "type": shape.rpartition(" ")[2], "entry": entries}
    file = lines(tmp_path / "x.ndjson", *(resources if shape == "lines" else [bundle]))
    done = run("load", file, "--data", tmp_path / "var")
    assert done.exit_code == 0 and "4 resources written" in done.output, done.output
    assert "2 search parameters restate R4's, which are in force." in done.output


@pytest.mark.parametrize("condition", [None, "identifier=https://fhir-server.example|1"], ids=["plain", "conditional"])
def test_every_entry_that_is_wrong_is_named_however_its_bundle_is_run(tmp_path: Path, condition: str | None) -> None:
    entries: list[Tree] = [
        {"resource": patient(gender="x"), "request": {"method": "POST", "url": "Patient"}},
        {"resource": patient(birthDate="x"), "request": {"method": "POST", "url": "Patient"}},
    ]
    if condition:
        entries[0]["request"]["ifNoneExist"] = condition
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    done = run("load", lines(tmp_path / "x.ndjson", bundle), "--data", tmp_path / "var")
    assert done.exit_code == 1 and "gender" in done.output and "birthDate" in done.output, done.output


def test_a_profile_may_build_on_one_that_came_just_before_it(tmp_path: Path) -> None:
    file = lines(tmp_path / "x.ndjson", BORN, NARROW, claiming(f"{OWN}/narrow", gender="female"))
    done = run("load", file, "--data", tmp_path / "var")
    assert "2 resources written" in done.output and "Patient.birthDate" in done.output


def test_a_profile_of_one_file_is_in_force_for_those_prepared_after_it(tmp_path: Path) -> None:
    files = [lines(tmp_path / "a.ndjson", BORN)]
    files += [lines(tmp_path / f"b{n}.ndjson", claiming(f"{OWN}/born", id=f"p{n}")) for n in range(8)]
    done = run("load", *files, "--data", tmp_path / "var")
    assert "1 resources written" in done.output and "8 refused" in done.output


def test_references_must_lead_somewhere_where_the_setting_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FHIR_REFERENTIAL_INTEGRITY", "true")
    # The third refers to the second, which is refused: it refers to nothing either.
    lost = {**observation("Patient/nobody"), "id": "lost"}
    follows = {**observation("Patient/p"), "id": "follows", "hasMember": [{"reference": "Observation/lost"}]}
    file = lines(tmp_path / "x.ndjson", patient(id="p"), lost, follows, {**observation("Patient/p"), "id": "found"})
    done = run("load", file, "--data", tmp_path / "var")
    assert done.exit_code == 1 and "2 resources written" in done.output and "2 refused" in done.output
    assert "Observation.subject.reference" in done.output


def test_after_a_restore_what_the_backup_had_not_seen_is_loaded_again(tmp_path: Path) -> None:
    data, first, second = tmp_path / "var", tmp_path / "a.ndjson", tmp_path / "b.ndjson"
    run("load", lines(first, patient()), "--data", data)
    run("backup", tmp_path / "b.sqlite", "--data", data)
    run("load", lines(second, patient(), patient()), "--data", data)
    run("restore", tmp_path / "b.sqlite", "--force", "--data", data)
    done = run("load", first, second, "--data", data)
    assert "2 resources written" in done.output and "a.ndjson: loaded before" in done.output
    assert within(data, lambda house: house.repository().count({"Patient": EVERYTHING})) == 3


@pytest.mark.parametrize("second", ["x.json.gz", "copy of x.json"])
def test_the_same_content_is_loaded_once_however_it_is_named_or_packed(tmp_path: Path, second: str) -> None:
    first = lines(tmp_path / "x.json", patient())
    body = first.read_bytes()
    (tmp_path / second).write_bytes(gzip.compress(body) if second.endswith(".gz") else body)
    done = run("load", first, tmp_path / second, "--data", tmp_path / "var")
    assert "1 resources written" in done.output and "loaded once" in done.output
    assert "loaded before" in run("load", tmp_path / second, "--data", tmp_path / "var").output


#: Commands that look at what is there, or change it: none has anything to do where there is no store.
LOOKING = {
    "backup": ["backup", "{folder}/copy.sqlite"],
    "check": ["check"],
    "reindex": ["reindex"],
    "jobs run": ["jobs", "run"],
    "client list": ["client", "list"],
    "client suspend": ["client", "suspend", "x"],
    "client resume": ["client", "resume", "x"],
    "account close": ["account", "close", "x"],
    "profiles list": ["profiles", "list"],
    "profiles remove": ["profiles", "remove", "x"],
}


@pytest.mark.parametrize("command", LOOKING)
def test_a_mistyped_folder_is_no_empty_store_in_which_all_is_well(tmp_path: Path, command: str) -> None:
    words = [word.format(folder=tmp_path) for word in LOOKING[command]]
    done = run(*words, "--data", tmp_path / "vra")
    assert done.exit_code == 2 and "There is no store at" in done.output
    assert not (tmp_path / "vra").exists() and not (tmp_path / "copy.sqlite").exists()


def test_a_key_in_a_mistyped_folder_is_none_of_the_server_s(tmp_path: Path) -> None:
    done = run("keys", "rotate", "--data", tmp_path / "vra")
    assert done.exit_code == 2 and "There is no folder" in done.output
    assert not (tmp_path / "vra").exists()


def test_a_store_that_is_made_is_told_of(tmp_path: Path) -> None:
    done = run("load", lines(tmp_path / "x.ndjson", patient()), "--data", tmp_path / "vra")
    assert done.exit_code == 0 and "A new store at" in done.output
