"""What is refused, what is left out, and what shapes the answer.

https://hl7.org/fhir/R4/search.html, https://hl7.org/fhir/R4/http.html#search, https://hl7.org/fhir/R4/search.html#return
"""

from __future__ import annotations

from urllib.parse import quote

import pytest

from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.outcome import FhirError, InvalidParameter, NotSupported, PreconditionFailed, TooCostly
from fhir_server.search.asking.includes import Include
from fhir_server.search.asking.query import condition, parse
from fhir_server.search.kinds.reading import Coding
from fhir_server.store.filters import EVERYTHING, And, Not, Or, Refers, String, Token
from fhir_server.store.protocol import NEWEST, Sort
from tests.search.reading_of import BASE, REGISTRY, SETTINGS, query, where


@pytest.mark.parametrize(
    ("asked", "error", "expression"),
    [
        ("Patient?foo=1", NotSupported, "http.foo"),
        ("Patient?name:foo=1", NotSupported, "http.name:foo"),
        ("Patient?birthdate:exact=2000", NotSupported, "http.birthdate:exact"),
        ("Patient?gender:exact=male", NotSupported, "http.gender:exact"),
        ("Observation?code-value-quantity:missing=true", NotSupported, "http.code-value-quantity:missing"),
        ("Patient?_lastUpdated:exact=2000", NotSupported, "http._lastUpdated:exact"),
        ("Patient?_id:exact=a", NotSupported, "http._id:exact"),
        ("Patient?birthdate=abc", InvalidParameter, "http.birthdate"),
        ("Patient?birthdate=2023-02-30", InvalidParameter, "http.birthdate"),
        ("Patient?birthdate=xx2000", InvalidParameter, "http.birthdate"),
        ("Patient?birthdate=2000-01-01T10", InvalidParameter, "http.birthdate"),
        ("RiskAssessment?probability=high", InvalidParameter, "http.probability"),
        ("RiskAssessment?probability=1e999", InvalidParameter, "http.probability"),
        ("RiskAssessment?probability=NaN", InvalidParameter, "http.probability"),
        ("Observation?value-quantity=5.4|mg", InvalidParameter, "http.value-quantity"),
        ("Observation?subject=not/a/reference", InvalidParameter, "http.subject"),
        ("Observation?subject=%23x", InvalidParameter, "http.subject"),
        ("Observation?subject:Practitioner=1", NotSupported, "http.subject:Practitioner"),
        ("Observation?subject:Patient=http://other.org/Patient/1", InvalidParameter, "http.subject:Patient"),
        ("Observation?subject:Patient=Group/1", InvalidParameter, "http.subject:Patient"),
        ("Patient?identifier=a|b|c", InvalidParameter, "http.identifier"),
        ("Patient?identifier=|", InvalidParameter, "http.identifier"),
        ("Patient?identifier:of-type=a|b", InvalidParameter, "http.identifier:of-type"),
        ("Patient?name=xx%5Cxx", InvalidParameter, "http.name"),
        ("Patient?name=a%00b", InvalidParameter, "http.name"),
        ("Patient?birthdate:missing=maybe", InvalidParameter, "http.birthdate:missing"),
        ("ValueSet?url:below=urn:oid:1.2", InvalidParameter, "http.url:below"),
        ("Observation?code-value-quantity=a", InvalidParameter, "http.code-value-quantity"),
        ("Observation?code-value-quantity=a$1$2", InvalidParameter, "http.code-value-quantity"),
        ("Location?near=91|0", InvalidParameter, "http.near"),
        ("Location?near=1|2|3|parsec", InvalidParameter, "http.near"),
        ("Location?near=1", InvalidParameter, "http.near"),
        ("Observation?code:in=http://x", NotSupported, "http.code:in"),
        ("Observation?code.display=x", InvalidParameter, "http.code.display"),
        ("Observation?subject.nothing=x", NotSupported, "http.subject.nothing"),
        ("Observation?subject:Practitioner.name=x", InvalidParameter, "http.subject:Practitioner.name"),
        ("Observation?subject:identifier.name=x", InvalidParameter, "http.subject:identifier.name"),
        ("Patient?_has=x", InvalidParameter, "http._has"),
        ("Patient?_has:Observation:patient=x", InvalidParameter, "http._has:Observation:patient"),
        ("Patient?_has:Nothing:patient:code=x", InvalidParameter, "http._has:Nothing:patient:code"),
        ("Location?_has:Observation:patient:code=x", InvalidParameter, "http._has:Observation:patient:code"),
        ("Patient?_list=$current-allergies", NotSupported, "http._list"),
        ("Patient?_query=mine", NotSupported, "http._query"),
        ("Patient?_text=(a", InvalidParameter, "http._text"),
        ("Patient?_text=a)", InvalidParameter, "http._text"),
        ("Patient?_count=-1", InvalidParameter, "http._count"),
        ("Patient?_count=abc", InvalidParameter, "http._count"),
        ("Patient?_count=1&_count=2", InvalidParameter, "http._count"),
        ("Patient?_sort=,", InvalidParameter, "http._sort"),
        ("Patient?_sort=foo", NotSupported, "http._sort"),
        ("Observation?_sort=code-value-quantity", NotSupported, "http._sort"),
        ("Patient?_sort=_text", NotSupported, "http._sort"),
        ("Patient?_total=some", InvalidParameter, "http._total"),
        ("Patient?_summary=some", InvalidParameter, "http._summary"),
        ("Patient?_elements=no such", InvalidParameter, "http._elements"),
        ("Patient?_contained=maybe", InvalidParameter, "http._contained"),
        ("Patient?_containedType=any", InvalidParameter, "http._containedType"),
        ("Patient?_include=Patient", InvalidParameter, "http._include"),
        ("Patient?_include=Patient:name", InvalidParameter, "http._include"),
        ("Patient?_include=Nobody:x", InvalidParameter, "http._include"),
        ("Patient?_include:once=Patient:link", NotSupported, "http._include:once"),
        ("Patient?_include=Patient:link&_summary=text", InvalidParameter, "http._include"),
        ("?_type=Nothing", InvalidParameter, "http._type"),
        ("?name=x", NotSupported, "http.name"),
        ("?_type=Patient,Observation&birthdate=2000", NotSupported, "http.birthdate"),
    ],
)
async def test_what_is_not_understood_is_refused_naming_the_parameter(
    asked: str, error: type[FhirError], expression: str
) -> None:
    with pytest.raises(error) as refused:
        await query(asked)
    assert refused.value.status == 400
    assert [issue.expression for issue in refused.value.issues] == [expression]
    assert refused.value.issues[0].diagnostics


async def test_all_problems_are_said_at_once() -> None:
    with pytest.raises(InvalidParameter) as refused:
        await query("Patient?foo=1&birthdate=x&name=ok&_count=z")
    assert [issue.expression for issue in refused.value.issues] == ["http.foo", "http.birthdate", "http._count"]


async def test_lenient_reading_leaves_out_what_it_does_not_understand_and_says_so() -> None:
    read = await query("Patient?foo=1&name=a&birthdate=x&_count=z", strict=False)
    assert read.scope == {"Patient": String("name", "a")}
    assert read.used == (("name", "a"),)
    assert [issue.expression for issue in read.ignored] == ["http.foo", "http.birthdate", "http._count"]
    assert {issue.severity for issue in read.ignored} == {"warning"}
    assert read.results.count == SETTINGS.default_page


async def test_a_named_query_is_refused_even_when_lenient() -> None:
    """https://hl7.org/fhir/R4/search.html#query: servers SHALL refuse one they do not recognise."""
    with pytest.raises(NotSupported):
        await query("Patient?_query=mine", strict=False)


async def test_a_parameter_without_value_asks_nothing_and_is_not_repeated() -> None:
    read = await query("Patient?name=&gender=male&birthdate=")
    assert read.scope == {"Patient": Token("gender", "male")}
    assert read.used == (("gender", "male"),)
    assert len(read.ignored) == 2


async def test_the_wire_s_own_parameters_are_kept_for_the_links() -> None:
    read = await query("Patient?_format=json&_pretty=true")
    assert read.used == (("_format", "json"), ("_pretty", "true"))
    assert read.scope == {"Patient": EVERYTHING}


@pytest.mark.parametrize(
    ("asked", "sort"),
    [
        ("Patient", NEWEST),
        ("Patient?_sort=birthdate", (Sort("birthdate", "span"),)),
        ("Patient?_sort=-name,_id", (Sort("name", "word", True), Sort("_id", "own"))),
        ("Patient?_sort=-_lastUpdated", (Sort("_lastUpdated", "own", True),)),
        ("Patient?_sort=gender&_sort=-birthdate", (Sort("gender", "word"), Sort("birthdate", "span", True))),
        ("Observation?_sort=value-quantity", (Sort("value-quantity", "span"),)),
        ("Observation?_sort=patient", (Sort("patient", "word"),)),
    ],
)
async def test_the_order_asked(asked: str, sort: tuple[Sort, ...]) -> None:
    assert (await query(asked)).sort == sort


@pytest.mark.parametrize(
    ("asked", "include"),
    [
        ("_include=Observation:patient", Include("Observation", "patient")),
        ("_include=Observation:subject:Patient", Include("Observation", "subject", "Patient")),
        ("_include:iterate=Patient:organization", Include("Patient", "organization", iterate=True)),
        ("_include:recurse=Patient:organization", Include("Patient", "organization", iterate=True)),
        ("_include=Observation:*", Include("Observation", "*")),
        ("_include=*", Include("*", "*")),
        ("_revinclude=Provenance:target", Include("Provenance", "target", reverse=True)),
        ("_revinclude:iterate=Provenance:target", Include("Provenance", "target", reverse=True, iterate=True)),
    ],
)
async def test_the_includes_asked(asked: str, include: Include) -> None:
    assert (await query(f"Observation?{asked}")).results.includes == [include]


@pytest.mark.parametrize(("asked", "count"), [("0", 0), ("5", 5), ("1000000", SETTINGS.max_page), ("007", 7)])
async def test_a_page_is_at_most_the_largest(asked: str, count: int) -> None:
    read = await query(f"Patient?_count={asked}")
    assert read.results.count == count
    assert read.used == (("_count", str(count)),)


async def test_a_system_search_has_every_type_and_the_common_parameters() -> None:
    read = await query("?_lastUpdated=ge2020&_id=a")
    assert set(read.scope) == resource_types()
    assert read.path == ""
    narrowed = await query("?_type=Patient,Observation&_id=a")
    assert set(narrowed.scope) == {"Patient", "Observation"}
    shared = await query("?code=x&_type=Observation,Condition")
    assert shared.scope == {"Observation": Token("code", "x"), "Condition": Token("code", "x")}


class _Codes:
    """A terminology of three codes."""

    async def members(self, url: str) -> list[Coding]:
        if url != "http://x.org/vs":
            raise InvalidParameter("No such value set.")
        return [("http://s", "A"), ("http://s", "b")]

    async def below(self, system: str, code: str) -> list[Coding]:
        return [(system or "http://s", code), ("http://s", "child")]

    async def above(self, system: str, code: str) -> list[Coding]:
        return [(system or "http://s", code), ("http://s", "parent")]


A_OR_B = Or((Token("code", "a", "http://s"), Token("code", "b", "http://s")))


@pytest.mark.parametrize(
    ("asked", "filter"),
    [
        ("Observation?code:in=http://x.org/vs", A_OR_B),
        ("Observation?code:not-in=http://x.org/vs", Not(A_OR_B)),
        ("Observation?code:below=http://s|c", Or((Token("code", "c", "http://s"), Token("code", "child", "http://s")))),
        (
            "Observation?code:above=http://s|c",
            Or((Token("code", "c", "http://s"), Token("code", "parent", "http://s"))),
        ),
        ("Observation?_filter=code in http://x.org/vs", A_OR_B),
        ("Observation?_filter=code ni http://x.org/vs", Not(A_OR_B)),
        (
            "Observation?_filter=code ss http://s|c",
            Or((Token("code", "c", "http://s"), Token("code", "child", "http://s"))),
        ),
        (
            "Observation?_filter=code sb http://s|c",
            Or((Token("code", "c", "http://s"), Token("code", "parent", "http://s"))),
        ),
    ],
)
async def test_value_sets_and_subsumption_are_asked_of_the_terminology(asked: str, filter: Or | Not) -> None:
    assert await where(asked, _Codes()) == filter


async def test_an_unknown_value_set_is_said_where_it_is_asked() -> None:
    with pytest.raises(InvalidParameter) as refused:
        await query("Observation?code:in=http://nowhere", terminology=_Codes())
    assert refused.value.issues[0].expression == "http.code:in"


HOSTILE = [
    "Patient?" + "&".join(f"name=a{n}" for n in range(2_000)),
    "Patient?_id=" + ",".join(str(n) for n in range(10_000)),
    "Observation?" + "subject:Patient." + "link:Patient." * 100 + "name=a",
    "Observation?" + ".".join(["focus"] * 6) + "._id=a",
    "Patient?" + "_has:Observation:subject:" * 100 + "code=a",
    "Patient?name=" + "a" * 100_000,
    "Patient?_filter=" + "(" * 5_000 + "name eq a" + ")" * 5_000,
    "Patient?_filter=" + " and ".join(["name eq a"] * 2_000),
    "Patient?_filter=name eq " + "a" * 20_000,
    "Patient?_text=" + "(" * 1_000 + "a",
    "Patient?_text=" + "NOT " * 90 + "a",
    "Patient?_text=" + "a " * 5_000,
    "RiskAssessment?probability=" + "9" * 5_000,
    "RiskAssessment?probability=1e-99999",
    "Patient?birthdate=99999-01-01",
    "Patient?birthdate=0000",
    "Patient?_sort=" + ",".join(["name"] * 1_000),
    "Patient?_count=" + "9" * 1_000,
    "Patient?" + "x" * 10_000 + "=a",
    "Patient?name" + ":exact" * 50 + "=a",
    "Observation?code-value-quantity=" + "$".join(["a"] * 1_000),
    "Location?near=" + "|".join(["1"] * 1_000),
    "Location?near=1e308|1",
]


@pytest.mark.parametrize("asked", HOSTILE, ids=range(len(HOSTILE)))
async def test_absurd_queries_are_never_anything_but_a_client_error(asked: str) -> None:
    with pytest.raises(FhirError) as refused:
        await query(quote(asked, safe="?&=:%|,.$()"))
    assert refused.value.status == 400
    assert len(refused.value.body()) < 10_000


async def test_a_lone_surrogate_is_no_text() -> None:
    for pair in (("name", "\ud800"), ("\ud800", "a")):
        with pytest.raises(InvalidParameter) as refused:
            await parse(("Patient",), [pair], REGISTRY, strict=True, settings=SETTINGS, base=BASE)
        assert refused.value.body()


async def test_too_much_is_refused_even_when_lenient() -> None:
    with pytest.raises(TooCostly):
        await query(HOSTILE[0], strict=False)
    with pytest.raises(TooCostly):
        await query(HOSTILE[1], strict=False)


class _Place:
    """What `condition` needs of an interaction's context."""

    class repository:
        registry = REGISTRY

    base = BASE
    settings = SETTINGS


def test_a_condition_is_the_filter_of_its_criteria() -> None:
    expected = And((Token("identifier", "1", "s"), Token("active", "true")))
    assert condition("Patient", "identifier=s|1&active=true", _Place()) == expected
    assert condition("Patient", [("identifier", "s|1"), ("active", "true")], _Place()) == expected
    assert condition("Observation", "?subject=Patient/1", _Place()) == Refers("subject", "Patient/1")


@pytest.mark.parametrize("criteria", ["", "name=", "?"])
def test_a_condition_that_chooses_nothing_is_refused(criteria: str) -> None:
    with pytest.raises(PreconditionFailed):
        condition("Patient", criteria, _Place())


@pytest.mark.parametrize(
    "criteria", ["name=a&_count=1", "name=a&_sort=name", "name=a&_include=Patient:link", "foo=1", "name=a%ff"]
)
def test_a_condition_has_criteria_only_and_all_of_them_understood(criteria: str) -> None:
    with pytest.raises((InvalidParameter, NotSupported)):
        condition("Patient", criteria, _Place())
