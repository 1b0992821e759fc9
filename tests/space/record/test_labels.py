"""Labels are accepted in every spelling, stored in one and found by any; what hides nothing here is refused.

Value set JDV_J58; CSP R1111-53; https://interop.esante.gouv.fr/ig/fhir/pdsm, whose examples spell N in three ways.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.binaries import WRITER
from fhir_server.app import House, opened
from fhir_server.audit.recording import WITNESSED
from fhir_server.fhir.nos import CONFIDENTIALITY, VISIBILITY
from fhir_server.search.activation.reindex import NOT_OF_RESOURCE, indexed_anew
from fhir_server.settings import Settings
from fhir_server.space.record.invisible import VISIBLE_FROM, a_month_after, said_of
from fhir_server.space.record.labels import LABELS, OTHER_SPELLINGS
from fhir_server.space.record.rows import consents
from fhir_server.store.filters import Span, Word
from fhir_server.store.matching import unpack
from tests.server.calls import Answer
from tests.space.record.callers import BASE, OWN, SYSTEM, Caller, document, grant, labelled, spelt

HL7 = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
MISSPELT = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatusVisibiliteDocument/FHIR/TRE-A07-StatusVisibiliteDocument"
SOFTWARE = grant(None, SYSTEM)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path)) as found:
        await Caller(found).put({"resourceType": "Patient", "id": "a"})
        yield found


async def stored(house: House, labels: Any) -> list[list[str]]:
    """The codes of each label that is stored."""
    tree = await Caller(house, SOFTWARE).put(document("d", securityLabel=labels))
    return [[one["code"] for one in label["coding"]] for label in tree["securityLabel"]]


def errors(answer: Answer) -> list[tuple[str, str]]:
    """Code and element of each error."""
    issues = answer.json["issue"]
    return [(one["code"], *one.get("expression", ())) for one in issues if one["severity"] == "error"]


#: (what is said, code as it is stored)
SPELLINGS = [(spelt, code) for code, others in OTHER_SPELLINGS.items() for spelt in others]


@pytest.mark.parametrize(
    "said, code", SPELLINGS, ids=lambda found: found if isinstance(found, str) else "|".join(found)
)
async def test_every_spelling_is_stored_as_one_and_found_by_any(house: House, said: tuple[str, str], code: str) -> None:
    caller = Caller(house, SOFTWARE)
    tree = await caller.put(document("d", securityLabel=[spelt(*said)]))
    assert tree["securityLabel"][0]["coding"] == [LABELS[code].coding]
    for system, spelling in (said, (LABELS[code].system, code)):
        assert (await caller("GET", f"DocumentReference?security-label={system}|{spelling}")).json["total"] == 1
        assert (await caller("GET", f"DocumentReference?security-label:not={system}|{spelling}")).json["total"] == 0


def test_the_spellings_of_the_guides_are_among_them() -> None:
    assert {(HL7, "N"), (MISSPELT, "N"), (VISIBILITY, "N")} <= {*OTHER_SPELLINGS["N"]}
    assert (MISSPELT, "MASQUE_PS") in OTHER_SPELLINGS["MASQUE_PS"]
    assert (VISIBILITY, "INVISIBLE_REP_LEGAUX") in OTHER_SPELLINGS["INVISIBLE_REPRESENTANTS_LEGAUX"]


@pytest.mark.parametrize(
    "said, kept",
    [
        (labelled("N"), [["N"]]),
        (labelled("N", "MASQUE_PS"), [["MASQUE_PS"]]),
        (labelled("MASQUE_PS", "N", "N"), [["MASQUE_PS"]]),
        (labelled("R", "MASQUE_PS"), [["R"], ["MASQUE_PS"]]),
        ([spelt(HL7, "N"), spelt(CONFIDENTIALITY, "N")], [["N"]]),
        (labelled("MASQUE_PS", "INVISIBLE_REPRESENTANTS_LEGAUX"), [["MASQUE_PS"], ["INVISIBLE_REPRESENTANTS_LEGAUX"]]),
        ([{"coding": [*spelt(HL7, "R")["coding"], *spelt(MISSPELT, "MASQUE_PS")["coding"]]}], [["R"], ["MASQUE_PS"]]),
        # HL7's other labels say what to do with a document; they stand beside ours.
        ([spelt("http://terminology.hl7.org/CodeSystem/v3-ActCode", "ETH"), *labelled("N")], [["ETH"], ["N"]]),
    ],
)
async def test_labels_cumulate_and_n_says_nothing_beside_one_that_hides(
    house: House, said: Any, kept: list[list[str]]
) -> None:
    assert await stored(house, said) == kept


async def test_what_is_stored_so_already_stays_as_it_came(house: House) -> None:
    label = {
        "id": "mine",
        "coding": [{"system": CONFIDENTIALITY, "code": "N", "display": "normal, to us"}],
        "text": "x",
    }
    tree = await Caller(house, SOFTWARE).put(document("d", securityLabel=[label]))
    assert tree["securityLabel"] == [label]


@pytest.mark.parametrize(
    "label",
    [
        spelt(VISIBILITY, "MASQUE_PSOCIAL"),
        spelt(VISIBILITY, "MASQUE_PT"),
        spelt(VISIBILITY, "INVENTED"),
        spelt(MISSPELT, "MASQUE_PT"),
        spelt(CONFIDENTIALITY, "MASQUE_PS"),
        spelt("http://example.org/labels", "MASQUE_PS"),
        spelt(HL7, "MASQUE_PS"),
        spelt(VISIBILITY, "masque_ps"),
        spelt("http://terminology.hl7.org/CodeSystem/v3-ActCode", "INVISIBLE_PATIENT"),
        {"coding": [*spelt(VISIBILITY, "MASQUE_PS")["coding"], {"code": "INVISIBLE_PATIENT"}]},
        {"coding": [*spelt(CONFIDENTIALITY, "N")["coding"], *spelt("http://example.org/x", "MASQUE_PS")["coding"]]},
        {"coding": [{"code": "MASQUE_PS"}]},
        {"text": "MASQUE_PS"},
        {"coding": [*spelt(VISIBILITY, "MASQUE_PS")["coding"], *spelt(VISIBILITY, "MASQUE_PT")["coding"]]},
    ],
)
async def test_a_label_nobody_acts_upon_is_refused_by_name(house: House, label: Any) -> None:
    """A producer who writes it believes the document hidden."""
    tree = document("d", securityLabel=[*labelled("N"), label])
    refused = await Caller(house, SOFTWARE)("PUT", "DocumentReference/d", tree)
    [(code, element)] = errors(refused)
    assert (refused.status, code) == (422, "code-invalid")
    # What its own system has not is told at the code.
    assert element.startswith("DocumentReference.securityLabel[1]")
    assert (await Caller(house)("GET", "DocumentReference/d")).status == 404


@pytest.mark.parametrize("code", ["MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REP_LEGAUX", "MASQUE_PT"])
async def test_a_label_where_it_hides_nothing_is_refused_there(house: House, code: str) -> None:
    """R4 has labels of any resource in meta.security; a document's own are what the record acts upon."""
    caller, security = Caller(house, SOFTWARE), [spelt(HL7, "R")["coding"][0], spelt(VISIBILITY, code)["coding"][0]]
    refused = await caller("PUT", "DocumentReference/d", document("d", "N", meta={"security": security}))
    assert (refused.status, errors(refused)) == (422, [("business-rule", "DocumentReference.meta.security[1]")])
    await caller.put(document("d", "N", meta={"security": security[:1]}))
    added = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"security": security[1:]}}]}
    refused = await caller("POST", "DocumentReference/d/$meta-add", added)
    assert (refused.status, len(errors(refused))) == (422, 1), refused.json


@pytest.mark.parametrize("labels", [labelled("N") * 21, [{"coding": labelled("N")[0]["coding"] * 21}]])
async def test_a_thousand_labels_are_refused(house: House, labels: Any) -> None:
    refused = await Caller(house, SOFTWARE)("PUT", "DocumentReference/d", document("d", securityLabel=labels))
    assert (refused.status, [code for code, _ in errors(refused)]) == (422, ["too-long"])


# R1111-53: invisible to the patient for one month.


def instants(tree: Any) -> list[str]:
    return [said for label in tree["securityLabel"] for said in said_of(label)]


async def test_the_server_says_from_when_the_patient_sees_a_document_and_keeps_it(house: House) -> None:
    caller, before = Caller(house, SOFTWARE), datetime.now(UTC).replace(microsecond=0)
    first = await caller.put(document("d", "INVISIBLE_PATIENT"))
    [said] = instants(first)
    assert a_month_after(before) <= datetime.fromisoformat(said) <= a_month_after(datetime.now(UTC))
    again = await caller.put(document("d", "MASQUE_PS", "INVISIBLE_PATIENT"))
    assert instants(again) == [said]
    assert instants(await caller.put(again)) == [said]
    assert instants(await caller.put(document("d", "N"))) == []
    # Hidden again, it counts from the first time: nobody hides a document for longer by showing it for a moment.
    assert instants(await caller.put(document("d", "INVISIBLE_PATIENT"))) == [said]


@pytest.mark.parametrize("code", ["INVISIBLE_PATIENT", "MASQUE_PS", "N"])
async def test_nobody_else_says_from_when(house: House, code: str) -> None:
    said = {"extension": [{"url": VISIBLE_FROM, "valueInstant": "2099-01-01T00:00:00Z"}]}
    tree = document("d", securityLabel=[said | labelled(code)[0]])
    refused = await Caller(house, SOFTWARE)("PUT", "DocumentReference/d", tree)
    assert (refused.status, refused.codes) == (422, ["business-rule"])
    assert refused.expressions[0].startswith("DocumentReference.securityLabel[0].extension")


async def test_what_an_export_says_of_it_comes_back(house: House) -> None:
    said = {"extension": [{"url": VISIBLE_FROM, "valueInstant": "2020-01-01T00:00:00Z"}]}
    tree = await Caller(house).put(document("d", securityLabel=[said | labelled("INVISIBLE_PATIENT")[0]]))
    assert instants(tree) == ["2020-01-01T00:00:00Z"]


@pytest.mark.parametrize(
    "start, end",
    [
        ("2026-01-15T10:00:00+01:00", "2026-02-15T10:00:00+01:00"),
        ("2026-01-31T10:00:00+01:00", "2026-02-28T10:00:00+01:00"),
        ("2026-12-31T23:30:00+01:00", "2027-01-31T23:30:00+01:00"),
        # Summer time comes between: the same time of day.
        ("2026-03-15T10:00:00+01:00", "2026-04-15T10:00:00+02:00"),
    ],
)
def test_a_month_is_one_of_the_calendar(start: str, end: str) -> None:
    assert a_month_after(datetime.fromisoformat(start)) == datetime.fromisoformat(end)


# The rows by which the record's rules find documents.

RPPS, ID_NAT_PS = "https://rpps.esante.gouv.fr", "urn:oid:1.2.250.1.71.4.2.1"
ROLE = {
    "resourceType": "PractitionerRole",
    "id": "r",
    "practitioner": {"reference": "#p"},
    "organization": {"reference": "#o"},
}
PRACTITIONER = {"resourceType": "Practitioner", "id": "p", "identifier": [{"system": RPPS, "value": "10000000001"}]}
HOSPITAL = {
    "resourceType": "Organization",
    "id": "o",
    "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.2", "value": "1750000001"}],
}
LAB = {"resourceType": "Organization", "id": "l"} | {
    "identifier": [{"system": "https://finess.esante.gouv.fr", "value": "750000002"}]
}
POSING = {"resourceType": "Device", "id": "d", "identifier": [{"system": ID_NAT_PS, "value": "810000000001"}]}
PATIENT = {
    "resourceType": "Patient",
    "id": "me",
    "identifier": [{"system": "urn:oid:1.2.250.1.213.1.4.11", "value": "1"}],
}


@pytest.mark.parametrize(
    "author, contained, rows",
    [
        ({"reference": "Practitioner/1"}, [], {("_author", "Practitioner/1")}),
        ({"reference": f"{BASE}/Practitioner/1"}, [], {("_author", "Practitioner/1")}),
        ({"reference": "http://elsewhere.example/fhir/Practitioner/1"}, [], set()),
        ({"reference": "PractitionerRole/2"}, [], {("_author", "PractitionerRole/2")}),
        ({"reference": "Organization/5"}, [], {("_authorOrg", "Organization/5")}),
        ({"reference": "#p"}, [PRACTITIONER], {("_author", "810000000001")}),
        (
            {"reference": "#r"},
            [ROLE, PRACTITIONER, HOSPITAL],
            {("_author", "810000000001"), ("_authorOrg", "1750000001")},
        ),
        ({"reference": "#l"}, [LAB], {("_authorOrg", "1750000002")}),
        ({"identifier": {"system": ID_NAT_PS, "value": "810000000001"}}, [], {("_author", "810000000001")}),
        ({"reference": "#d"}, [POSING], set()),
        ({"type": "Device", "identifier": POSING["identifier"][0]}, [], set()),
        ({"reference": "#me"}, [PATIENT], {("_author", "urn:oid:1.2.250.1.213.1.4.11|1")}),
    ],
)
async def test_who_wrote_a_document_is_found_however_it_is_said(
    house: House, author: Any, contained: list[Any], rows: set[tuple[str, str]]
) -> None:
    await Caller(house).put(document("d", author=author, **({"contained": contained} if contained else {})))
    version = await house.engine.store.read("DocumentReference", "d")
    assert version is not None
    found = {(w.param, w.value) for w in unpack(version.packed).words if w.param.startswith("_author")}
    assert found == rows


async def test_a_document_that_is_deleted_logically_has_a_row(house: House) -> None:
    await Caller(house).put(document("d", status="entered-in-error"))
    version = await house.engine.store.read("DocumentReference", "d")
    assert version is not None
    assert ("_gone", "1") in {(w.param, w.value) for w in unpack(version.packed).words}
    anew = indexed_anew(version, house.registry)
    assert {*anew.words} == {*unpack(version.packed).words}


@pytest.mark.parametrize("status, found", [("active", True), ("inactive", False)])
def test_a_choice_in_force_is_found_by_whom_it_is_about(status: str, found: bool) -> None:
    consent = {
        "resourceType": "Consent",
        "id": "c",
        "status": status,
        "scope": {"text": "x"},
        "category": [spelt("https://fhir-server.example/CodeSystem/ens-consent-kind", "blocked")],
        "patient": {"reference": "Patient/a"},
        "policyRule": {"text": "x"},
        "provision": {
            "period": {"end": "2030-01-01T00:00:00Z"},
            "actor": [{"role": {"text": "x"}, "reference": {"reference": "Practitioner/1"}}],
        },
    }
    made = [*consents(consent, BASE)]
    assert [(w.value, w.qualifier) for w in made if isinstance(w, Word) and w.param == "_choice"] == [
        ("blocked", "Practitioner/1")
    ] * found
    assert len([s for s in made if isinstance(s, Span)]) == found


def test_rows_that_no_resource_says_are_kept_when_it_is_indexed_anew() -> None:
    assert frozenset({WRITER, WITNESSED}) == NOT_OF_RESOURCE


async def test_a_patients_app_cannot_say_that_a_document_is_visible(house: House) -> None:
    """The instant is the server's: the patient's own software does not bring it forward."""
    tree = await Caller(house, SOFTWARE).put(document("d", "INVISIBLE_PATIENT"))
    tree["securityLabel"][0]["extension"][0]["valueInstant"] = "2020-01-01T00:00:00Z"
    app = Caller(house, grant("Patient/a", OWN, patient="a"))
    assert (await app("PUT", "DocumentReference/d", tree)).status in (404, 422)
