"""The invented population: reproducible, coherent, in the shape of the national guides, and valid R4.

https://hl7.org/fhir/R4/documentreference.html, https://hl7.org/fhir/R4/binary.html
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date
from itertools import islice
from typing import Any

import pytest

from fhir_server.fhir import definitions
from fhir_server.fhir.json import parse, serialize
from fhir_server.population.generation import population
from fhir_server.population.registration import ins, ins_key
from fhir_server.population.today import REFERENCE_DAY
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator

PATIENTS = 150


@pytest.fixture(scope="module")
def everyone() -> dict[str, list[dict[str, Any]]]:
    found = defaultdict(list)
    for resource in population(PATIENTS, 7):
        found[resource["resourceType"]].append(resource)
    return found


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield node["reference"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def luhn_holds(digits: str) -> bool:
    doubled = [int(d) if i % 2 == 0 else sum(divmod(2 * int(d), 10)) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def identifier(resource: dict[str, Any], system: str) -> str:
    return next(i["value"] for i in resource["identifier"] if i["system"] == system)


def test_the_same_seed_gives_the_same_bytes() -> None:
    once, again = ([serialize(r) for r in population(25, 3)] for _ in range(2))
    assert once == again


def test_another_seed_gives_other_people_under_other_ids() -> None:
    one, other = ({(r["resourceType"], r["id"]) for r in population(10, seed)} for seed in (1, 2))
    assert not one & other


def test_a_larger_population_begins_with_the_smaller_one() -> None:
    small = [serialize(r) for r in population(12, 5)]
    assert [serialize(r) for r in islice(population(400, 5), len(small))] == small


@pytest.mark.parametrize("patients", [0, 1, 30])
def test_there_are_as_many_patients_as_asked_for(patients: int) -> None:
    assert sum(r["resourceType"] == "Patient" for r in population(patients, 1)) == patients


def test_no_two_resources_share_an_id(everyone: dict[str, list[dict[str, Any]]]) -> None:
    for type, resources in everyone.items():
        ids = [r["id"] for r in resources]
        assert len(ids) == len(set(ids)), type
        assert all(re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", id) for id in ids)


def test_every_reference_leads_to_a_resource_or_to_a_contained_one(everyone: dict[str, list[dict[str, Any]]]) -> None:
    there = {f"{type}/{r['id']}" for type, resources in everyone.items() for r in resources}
    for resources in everyone.values():
        for resource in resources:
            inside = {"#" + c["id"] for c in resource.get("contained", ())}
            # What a trace names is named with the version that was read.
            named = {reference.partition("/_history/")[0] for reference in references(resource)}
            assert named <= there | inside, resource["id"]


def test_every_contained_resource_is_referred_to(everyone: dict[str, list[dict[str, Any]]]) -> None:
    for resource in everyone["DocumentReference"] + everyone["List"]:
        assert {"#" + c["id"] for c in resource["contained"]} <= set(references(resource))


@pytest.mark.parametrize(
    ("thirteen", "key"),
    [("2690549588157", "80"), ("1850578006084", "91"), ("2550814168025", "38"), ("285092A004001", None)],
)
def test_the_key_of_an_ins_is_97_less_the_number_modulo_97(thirteen: str, key: str | None) -> None:
    digits = int(thirteen.replace("2A", "19"))
    assert ins_key(thirteen) == (key or f"{97 - digits % 97:02d}")
    assert (digits + int(ins_key(thirteen))) % 97 == 0


@pytest.mark.parametrize(("place", "counts_as"), [("2A004", "19004"), ("2B033", "18033")])
def test_corsica_counts_as_19_and_18_in_the_key(place: str, counts_as: str) -> None:
    number = ins("F", date(1985, 9, 1), place, 1)
    assert number[5:10] == place
    assert (int(number[:5] + counts_as + number[10:13]) + int(number[13:])) % 97 == 0


def test_an_ins_says_the_sex_the_month_and_the_place_of_birth(everyone: dict[str, list[dict[str, Any]]]) -> None:
    for patient in everyone["Patient"]:
        number = identifier(patient, "urn:oid:1.2.250.1.213.1.4.11")
        place = next(e for e in patient["extension"] if e["url"].endswith("patient-birthPlace"))
        assert number[0] == ("1" if patient["gender"] == "male" else "2")
        assert number[1:5] == patient["birthDate"][2:4] + patient["birthDate"][5:7]
        assert number[5:10] == place["valueAddress"]["extension"][0]["valueCoding"]["code"]
        assert number[13:] == ins_key(number[:13])


def test_no_two_people_share_an_ins(everyone: dict[str, list[dict[str, Any]]]) -> None:
    numbers = [identifier(p, "urn:oid:1.2.250.1.213.1.4.11") for p in everyone["Patient"]]
    assert len(numbers) == len(set(numbers))


def test_professionals_and_establishments_have_numbers_with_a_valid_key(
    everyone: dict[str, list[dict[str, Any]]],
) -> None:
    for practitioner in everyone["Practitioner"]:
        rpps = identifier(practitioner, "https://rpps.esante.gouv.fr")
        assert len(rpps) == 11 and luhn_holds(rpps)
        assert identifier(practitioner, "urn:oid:1.2.250.1.71.4.2.1") == "8" + rpps
    for organization in everyone["Organization"]:
        if "identifier" in organization:
            finess = identifier(organization, "https://finess.esante.gouv.fr")
            assert len(finess) == 9 and luhn_holds(finess.replace("A", "1").replace("B", "2"))


def test_a_document_s_size_and_hash_are_those_of_its_bytes(everyone: dict[str, list[dict[str, Any]]]) -> None:
    contents = {f"Binary/{b['id']}": b for b in everyone["Binary"]}
    for sheet in everyone["DocumentReference"]:
        attachment = sheet["content"][0]["attachment"]
        binary = contents[attachment["url"]]
        body = base64.b64decode(binary["data"])
        assert attachment["size"] == len(body)
        assert attachment["hash"] == base64.b64encode(hashlib.sha1(body).digest()).decode()
        assert binary["securityContext"]["reference"] == f"DocumentReference/{sheet['id']}"


def test_a_document_is_a_pdf_whose_table_of_objects_is_where_it_says(
    everyone: dict[str, list[dict[str, Any]]],
) -> None:
    for binary in [one for one in everyone["Binary"] if one["contentType"] == "application/pdf"][:50]:
        body = base64.b64decode(binary["data"])
        assert body.startswith(b"%PDF-1.") and body.rstrip().endswith(b"%%EOF") and b"~~" not in body
        start = int(re.search(rb"startxref\s+(\d+)", body)[1])
        assert body[start:].startswith(b"xref")
        for offset in re.findall(rb"(\d{10}) 00000 n", body[start:]):
            assert re.match(rb"\d+ 0 obj", body[int(offset) :])


def test_documents_follow_the_published_shares_of_sectors() -> None:
    types: Counter[str] = Counter()
    for resource in population(600, 11):
        if resource["resourceType"] == "DocumentReference":
            types[resource["type"]["coding"][0]["code"]] += 1
    biology = (types["11502-2"] + types["60568-3"]) / types.total()
    assert 0.30 < biology < 0.44
    assert 0.05 < types["18748-4"] / types.total() < 0.12
    assert types["57833-6"] / types.total() > 0.12


def test_most_documents_are_open_and_some_are_hidden_from_someone() -> None:
    labels: Counter[str] = Counter()
    for resource in population(500, 4):
        if resource["resourceType"] == "DocumentReference":
            labels[resource["securityLabel"][0]["coding"][0]["code"]] += 1
    assert set(labels) == {"N", "MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX"}
    assert labels["N"] / labels.total() > 0.85


def test_a_replaced_document_is_superseded_and_the_new_one_says_so(everyone: dict[str, list[dict[str, Any]]]) -> None:
    sheets = {f"DocumentReference/{s['id']}": s for s in everyone["DocumentReference"]}
    replacements = [s for s in sheets.values() if "relatesTo" in s]
    replaced = {s["relatesTo"][0]["target"]["reference"] for s in replacements}
    assert replacements
    assert {name for name, s in sheets.items() if s["status"] == "superseded"} == replaced


def test_no_document_precedes_a_birth_or_follows_a_death_or_today(everyone: dict[str, list[dict[str, Any]]]) -> None:
    people = {f"Patient/{p['id']}": p for p in everyone["Patient"]}
    for sheet in everyone["DocumentReference"]:
        person = people[sheet["subject"]["reference"]]
        assert person["birthDate"] <= sheet["date"][:10] <= REFERENCE_DAY.isoformat()


def test_minors_have_their_parents_as_related_persons(everyone: dict[str, list[dict[str, Any]]]) -> None:
    minors = {f"Patient/{p['id']}" for p in everyone["Patient"] if p["birthDate"] > "2008-06-30"}
    with_parents = {r["patient"]["reference"] for r in everyone["RelatedPerson"]}
    assert minors and minors == with_parents


def test_a_message_that_answers_another_is_of_the_same_conversation(
    everyone: dict[str, list[dict[str, Any]]],
) -> None:
    messages = {f"Communication/{m['id']}": m for m in everyone["Communication"]}
    answers = [m for m in messages.values() if "inResponseTo" in m]
    assert answers
    for answer in answers:
        before = messages[answer["inResponseTo"][0]["reference"]]
        assert answer["partOf"] == before.get("partOf", answer["inResponseTo"])
        assert before["subject"] == answer["subject"]
        assert before["sender"] == answer["recipient"][0]


def test_apps_come_in_all_five_statuses(everyone: dict[str, list[dict[str, Any]]]) -> None:
    statuses = {d["extension"][0]["valueCode"] for d in everyone["Device"]}
    assert statuses == {"EN_LIGNE", "HORS_LIGNE", "PRESERIE", "SUSPENDUE", "DEREFERENCEE"}


def test_some_have_died() -> None:
    people = [r for r in population(600, 2) if r["resourceType"] == "Patient"]
    assert any("deceasedDateTime" in p for p in people)


def test_everything_conforms_to_r4_and_to_the_profiles_it_claims_which_are_all_here() -> None:
    validator = Validator(Profiles(), unknown="error")
    for resource in population(60, 9):
        issues = [i for i in validator.validate(parse(serialize(resource))) if i.severity in ("error", "fatal")]
        assert not issues, (resource["resourceType"], resource["id"], issues)


def test_every_extension_of_this_project_is_one_that_it_defines() -> None:
    own = "https://fhir-server.example/StructureDefinition/"
    shipped = {
        file.stem.removeprefix("StructureDefinition-") for file in (definitions.folder("profiles") / "ens").iterdir()
    }
    used = {
        url.removeprefix(own) for resource in population(60, 1) for url in _extensions(resource) if url.startswith(own)
    }
    assert used and used <= shipped


def _extensions(node: Any) -> Iterator[str]:
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _extensions(child)
    if isinstance(node, dict):
        yield from (e["url"] for name in ("extension", "modifierExtension") for e in node.get(name, ()))
