"""What an expression may cost: work is counted wherever much of it is done, and ended when it is too much."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.fhir.fhirpath import environment
from fhir_server.fhir.fhirpath.environment import Allowance
from fhir_server.fhir.fhirpath.errors import EvaluationError
from fhir_server.fhir.fhirpath.expression import compile
from fhir_server.fhir.fhirpath.patterns import replaced
from fhir_server.fhir.paths import compile_path
from fhir_server.work.budget import Budget, within

BUNDLE: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {"resource": {"resourceType": "Patient", "id": str(n), "name": [{"family": "Demo", "given": ["Ada", "Bea"]}]}}
        for n in range(60)
    ],
}


@pytest.mark.parametrize(
    "expression",
    [
        "descendants().select(%resource.descendants())",
        "descendants().where(%resource.descendants().exists($this = 'x'))",
        "entry.select(%resource.entry.select(%resource.entry.resource.name))",
        "entry.resource.where(%resource.entry.resource.name.given contains 'x')",
        "entry.resource.all(%resource.entry.resource.all(name.exists()))",
        "entry.select(%resource.entry | %resource.entry.resource)",
        "entry.select(%resource.entry ~ %resource.entry.skip(1).combine(%resource.entry.first()))",
        "entry.select('" + "a" * 5_000 + "'.toChars())",
        "entry.select('a'.replace('', '" + "b" * 5_000 + "').replace('', 'c').contains('d'))",
    ],
)
def test_what_multiplies_is_counted(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "MAX_STEPS", 500)
    compile("descendants().count()").values(BUNDLE)
    with pytest.raises(EvaluationError) as ended:
        compile(expression).values(BUNDLE)
    assert ended.value.issues[0].code == "too-costly"


def test_the_time_is_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "MAX_SECONDS", -1.0)
    compile("name.given").values({"resourceType": "Patient"})
    with pytest.raises(EvaluationError):
        compile("entry.select(resource.name.select(given))").values(BUNDLE)


def test_evaluations_may_share_what_they_may_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "MAX_STEPS", 500)
    path, shared = compile("entry.resource.where(name.exists())"), Allowance()
    with pytest.raises(EvaluationError):
        for _ in range(10):
            path.values(BUNDLE, allowance=shared)
    path.values(BUNDLE)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a*)*b",
        "(a|aa)+b",
        "a*a*a*a*b",
        "(a?){30}b",
        "(?:a{1,8}){1,8}b",
        "a?" * 30 + "a" * 30 + "b",
        "(a+)\\1b",
        "(?=(a+)+b)",
    ],
)
def test_a_pattern_that_could_backtrack_long_replaces_nothing(pattern: str) -> None:
    with pytest.raises(EvaluationError):
        replaced(pattern, "a" * 3_000, "x")


@pytest.mark.parametrize(
    ("pattern", "text", "result"),
    [
        ("a+b", "aab" + "a" * 3_000, "x" + "a" * 3_000),
        ("(a|b)+c", "abac" + "a" * 3_000, "x" + "a" * 3_000),
        ("(foo|bar)-", "foo-bar-" + "f" * 3_000, "xx" + "f" * 3_000),
        ("\\b(\\d{1,2})/(\\d{1,2})\\b", "11/30 " + "1" * 3_000, "x " + "1" * 3_000),
        ("(ab){2,}", "ababab", "x"),
    ],
)
def test_an_ordinary_pattern_replaces_in_a_long_text(pattern: str, text: str, result: str) -> None:
    assert replaced(pattern, text, "x") == result


def test_an_index_is_that_of_its_own_round() -> None:
    # exists() ends at the first item that meets it.
    found = compile("(7 | 8 | 9).select(iif((5 | 6).exists($index = 1), $index, 'none'))").values(BUNDLE)
    assert [node.value for node in found] == [0, 1, 2]


def named(count: int) -> dict[str, Any]:
    return {"resourceType": "Patient", "name": [{"family": f"Demo{n}"} for n in range(count)]}


#: A condition of many small parts, each too cheap to be counted by itself.
LONG_CONDITION = "Patient.name.where(" + " and ".join(["family.exists()"] * 100) + ").family"


def test_the_condition_of_a_path_is_bounded_for_all_items_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "MAX_STEPS", 2_000)
    path = compile_path(LONG_CONDITION, "Patient")
    assert path is not None
    assert len(path(named(50))) == 50
    with pytest.raises(EvaluationError):
        path(named(500))
    # Each resource has the whole of it.
    assert all(len(path(named(50))) == 50 for _ in range(10))


def test_a_longer_condition_takes_more_from_the_budget_of_a_request() -> None:
    spent = []
    for parts in (1, 100):
        path = compile_path("Patient.name.where(" + " and ".join(["family.exists()"] * parts) + ").family", "Patient")
        assert path is not None
        budget = Budget()
        with within(budget):
            path(named(10))
        spent.append(budget.spent)
    assert spent[1] > 5 * spent[0]
