"""FHIRPath's own functions, by chapter of http://hl7.org/fhirpath/N1/#functions."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.fhir.fhirpath.environment import Services
from fhir_server.fhir.fhirpath.errors import EvaluationError
from fhir_server.fhir.fhirpath.expression import compile
from fhir_server.fhir.fhirpath.functions_conversion import to_string
from fhir_server.fhir.fhirpath.nodes import Node

#: Three names, one without a family; two ways to reach them.
PERSON: dict[str, Any] = {
    "resourceType": "Patient",
    "active": True,
    "name": [
        {"use": "official", "family": "Démo", "given": ["Ada", "Bea"]},
        {"use": "usual", "given": ["Lili"]},
        {"use": "maiden", "family": "Essai", "given": ["Ada", "Bea"]},
    ],
    "telecom": [{"system": "phone", "value": "01"}, {"system": "email", "value": "a@example.org"}],
}
#: Items within items.
FORM: dict[str, Any] = {
    "resourceType": "Questionnaire",
    "status": "draft",
    "item": [
        {
            "linkId": "1",
            "type": "group",
            "item": [{"linkId": "1.1", "type": "group", "item": [{"linkId": "1.1.1", "type": "display"}]}],
        },
        {"linkId": "2", "type": "display"},
    ],
}
TRUE, FALSE, EMPTY = ["true"], ["false"], []


def answer(expression: str, tree: dict[str, Any] = PERSON) -> list[str | None]:
    return [to_string(node.system) for node in compile(expression).values(tree)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("name.exists()", TRUE),
        ("contact.exists()", FALSE),
        ("name.exists(use = 'usual')", TRUE),
        ("name.exists(use = 'old')", FALSE),
        ("name.empty()", FALSE),
        ("name.all(given.exists())", TRUE),
        ("name.all(family.exists())", FALSE),
        ("contact.all(false)", TRUE),
        ("(true | false).allTrue()", FALSE),
        ("{}.allTrue()", TRUE),
        ("(true | false).anyTrue()", TRUE),
        ("{}.anyTrue()", FALSE),
        ("(true | false).allFalse()", FALSE),
        ("{}.allFalse()", TRUE),
        ("(true | false).anyFalse()", TRUE),
        ("{}.anyFalse()", FALSE),
        ("name.first().subsetOf(name)", TRUE),
        ("name.subsetOf($this.name.first())", FALSE),
        ("{}.subsetOf(1)", TRUE),
        ("name.supersetOf(name.first())", TRUE),
        ("(1 | 2).supersetOf(1 | 2 | 3)", FALSE),
        ("name.count()", ["3"]),
        ("{}.count()", ["0"]),
        ("name.given.distinct()", ["Ada", "Bea", "Lili"]),
        ("name.given.isDistinct()", FALSE),
        ("{}.isDistinct()", TRUE),
        ("active.not()", FALSE),
        ("'text'.not()", FALSE),
        ("{}.not()", EMPTY),
    ],
)
def test_existence(expression: str, expected: list[str]) -> None:
    assert answer(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("name.where(use = 'usual').given", ["Lili"]),
        ("name.where($this.given = 'Lili').use", ["usual"]),
        ("name.where(family).use", ["official", "maiden"]),
        ("name.where($index = 1).use", ["usual"]),
        ("name.given.where(substring($this.length() - 1) = 'i')", ["Lili"]),
        ("telecom.select(system & ':' & value)", ["phone:01", "email:a@example.org"]),
        ("telecom.select($index)", ["0", "1"]),
        ("name.select(given.first())", ["Ada", "Lili", "Ada"]),
        ("name.select(use.union(given)).count()", ["8"]),
        ("name.repeat('same')", ["same"]),
        ("name.given.ofType(string).count()", ["5"]),
        ("name.given.ofType(code)", EMPTY),
        ("(1 | 2.0 | 'a').ofType(Integer)", ["1"]),
        ("name[1].use", ["usual"]),
        ("name.given.first()", ["Ada"]),
        ("name.given.last()", ["Bea"]),
        ("name.given.tail()", ["Bea", "Lili", "Ada", "Bea"]),
        ("name.given.skip(3)", ["Ada", "Bea"]),
        ("name.given.skip(-1).count()", ["5"]),
        ("name.given.take(2)", ["Ada", "Bea"]),
        ("name.given.take(0)", EMPTY),
        ("name.first().single().use", ["official"]),
        ("{}.single()", EMPTY),
        ("(1 | 2 | 3).intersect(2 | 3 | 4)", ["2", "3"]),
        ("1.combine(1).intersect(1)", ["1"]),
        ("(1 | 2 | 3).exclude(2)", ["1", "3"]),
        ("1.combine(1).exclude(2)", ["1", "1"]),
        ("name.given | name.use", ["Ada", "Bea", "Lili", "official", "usual", "maiden"]),
        ("1.union(2.union(1))", ["1", "2"]),
        ("(1 | 2).combine(2)", ["1", "2", "2"]),
        ("1 | 1.0", ["1"]),
        ("true | 1", ["true", "1"]),
        ("4 'g' | 4000 'mg'", ["4 'g'"]),
        ("(1|2|3|4).aggregate($this + $total, 0)", ["10"]),
        ("(3|1|2).aggregate(iif($total.empty(), $this, iif($this < $total, $this, $total)))", ["1"]),
        ("{}.aggregate($this + $total, 7)", ["7"]),
        ("(3 | 1 | 2).sort()", ["1", "2", "3"]),
        ("('b' | 'a').sort(-$this)", ["b", "a"]),
        ("name.sort(-family).use", ["usual", "maiden", "official"]),
    ],
)
def test_filtering_projection_subsetting_and_combining(expression: str, expected: list[str]) -> None:
    assert answer(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("repeat(item).linkId", ["1", "2", "1.1", "1.1.1"]),
        ("descendants().linkId", ["1", "2", "1.1", "1.1.1"]),
        ("children().linkId", ["1", "2"]),
        ("item.children().where($this is code)", ["group", "display"]),
        ("item.select(repeat(item).count())", ["2", "0"]),
    ],
)
def test_tree_navigation(expression: str, expected: list[str]) -> None:
    assert answer(expression, FORM) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("iif(active, 'a', 'b')", ["a"]),
        ("iif({}, 'a', 'b')", ["b"]),
        ("iif(false, 'a')", EMPTY),
        ("iif(true, 1, 1 + 'error')", ["1"]),
        ("name.first().iif(use = 'official', family, 'none')", ["Démo"]),
        ("'7'.toInteger()", ["7"]),
        ("'-7'.toInteger()", ["-7"]),
        ("'7.0'.toInteger()", EMPTY),
        ("true.toInteger()", ["1"]),
        ("'7.50'.toDecimal()", ["7.50"]),
        ("'1e3'.toDecimal()", EMPTY),
        ("7.toDecimal()", ["7"]),
        ("'yes'.toBoolean()", TRUE),
        ("'F'.toBoolean()", FALSE),
        ("0.0.toBoolean()", FALSE),
        ("2.toBoolean()", EMPTY),
        ("'2012-02-30'.toDate()", EMPTY),
        ("'2012-02'.toDate()", ["2012-02"]),
        ("@2012-02-03T10:00:00Z.toDate()", ["2012-02-03"]),
        ("'2012-02-03T10:00:00Z'.toDateTime()", ["2012-02-03T10:00:00Z"]),
        ("@2012.toDateTime()", ["2012"]),
        ("'10:00'.toTime()", ["10:00"]),
        ("'25:00'.toTime()", EMPTY),
        ("1.50.toString()", ["1.50"]),
        ("@2012-02.toString()", ["2012-02"]),
        ("1 'wk'.toString()", ["1 'wk'"]),
        ("1 week.toString()", ["1 week"]),
        ("name.first().toString()", EMPTY),
        ("'4 days'.toQuantity()", ["4 day"]),
        ("'4 \\'mg\\''.toQuantity()", ["4 'mg'"]),
        ("'4 mg'.toQuantity()", EMPTY),
        ("'4'.toQuantity()", ["4 '1'"]),
        ("4 'g'.toQuantity('mg')", ["4000 'mg'"]),
        ("4 'g'.toQuantity('m')", EMPTY),
        ("'7'.convertsToInteger()", TRUE),
        ("'x'.convertsToInteger()", FALSE),
        ("{}.convertsToInteger()", EMPTY),
        ("2.convertsToBoolean()", FALSE),
        ("'2012'.convertsToDate()", TRUE),
        ("'2012-13'.convertsToDateTime()", FALSE),
        ("'14'.convertsToTime()", TRUE),
        ("1.convertsToString()", TRUE),
        ("name.first().convertsToString()", FALSE),
        ("'1 wk'.convertsToQuantity()", FALSE),
        ("1.convertsToDecimal()", TRUE),
    ],
)
def test_conversion(expression: str, expected: list[str]) -> None:
    assert answer(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("'abc'.indexOf('c')", ["2"]),
        ("'abc'.indexOf('x')", ["-1"]),
        ("'abc'.indexOf('')", ["0"]),
        ("{}.indexOf('a')", EMPTY),
        ("'abc'.substring(1)", ["bc"]),
        ("'abc'.substring(1, 1)", ["b"]),
        ("'abc'.substring(0, 9)", ["abc"]),
        ("'abc'.substring(3)", EMPTY),
        ("'abc'.substring(-1)", EMPTY),
        ("'abc'.substring({})", EMPTY),
        ("'abc'.startsWith('ab')", TRUE),
        ("'abc'.startsWith('')", TRUE),
        ("{}.startsWith('a')", EMPTY),
        ("'abc'.endsWith('bc')", TRUE),
        ("'abc'.contains('b')", TRUE),
        ("'abc'.contains({})", EMPTY),
        ("'Éa'.upper()", ["ÉA"]),
        ("'ÉA'.lower()", ["éa"]),
        ("'abab'.replace('b', '')", ["aa"]),
        ("'ab'.replace('', '-')", ["-a-b-"]),
        ("'a\nb'.matches('a.b')", TRUE),
        ("'xay'.matches('a')", TRUE),
        ("'xay'.matches('^a$')", FALSE),
        ("'A'.matches('a')", FALSE),
        ("'x1'.matches('\\\\d')", TRUE),
        ("'xay'.matchesFull('a')", FALSE),
        ("'xay'.matchesFull('x|xay')", TRUE),
        ("'a1b22'.replaceMatches('[0-9]+', '#')", ["a#b#"]),
        ("'11/30/1972'.replaceMatches('(\\\\d+)/(\\\\d+)/(\\\\d+)', '$2-$1-$3')", ["30-11-1972"]),
        ("'ab'.replaceMatches('(?<x>a)', '${x}${x}')", ["aab"]),
        ("'ab'.replaceMatches('', 'x')", ["ab"]),
        ("'été'.length()", ["3"]),
        ("'ab'.toChars()", ["a", "b"]),
        ("' a '.trim()", ["a"]),
        ("'a,,b'.split(',')", ["a", "", "b"]),
        ("name.given.take(2).join('-')", ["Ada-Bea"]),
        ("'a?'.encode('base64')", ["YT8="]),
        ("'YT8='.decode('base64')", ["a?"]),
        ("'6162'.decode('hex')", ["ab"]),
        ("'<\"'.escape('html')", ["&lt;&quot;"]),
        ("'&lt;'.unescape('html')", ["<"]),
        ("'a\"b'.escape('json')", ['a\\"b']),
    ],
)
def test_strings(expression: str, expected: list[str]) -> None:
    assert answer(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("(-5.5).abs()", ["5.5"]),
        ("(-5 'mg').abs()", ["5 'mg'"]),
        ("1.1.ceiling()", ["2"]),
        ("(-1.1).ceiling()", ["-1"]),
        ("(-2.1).floor()", ["-3"]),
        ("(-1.56).truncate()", ["-1"]),
        ("0.exp()", ["1"]),
        ("1.ln()", ["0"]),
        ("0.ln()", EMPTY),
        ("16.log(2) = 4", TRUE),
        ("2.power(3)", ["8"]),
        ("2.5.power(2)", ["6.25"]),
        ("(-1).power(0.5)", EMPTY),
        ("10.power(1000000)", EMPTY),
        ("3.14159.round(3)", ["3.142"]),
        ("2.5.round()", ["3"]),
        ("81.sqrt() = 9", TRUE),
        ("(-1).sqrt()", EMPTY),
        ("{}.abs()", EMPTY),
        ("1.587.lowBoundary()", ["1.58650000"]),
        ("1.587.highBoundary(2)", ["1.59"]),
        ("(-1.587).lowBoundary(2)", ["-1.59"]),
        ("1.lowBoundary(32)", EMPTY),
        ("1.5 'cm'.highBoundary(2)", ["1.55 'cm'"]),
        ("@2014.lowBoundary(6)", ["2014-01"]),
        ("@2014-02.highBoundary()", ["2014-02-28"]),
        ("@2014-01-01T08:05-05:00.highBoundary()", ["2014-01-01T08:05:59.999-05:00"]),
        ("@2014-01-01T08:05.lowBoundary()", ["2014-01-01T08:05:00.000+14:00"]),
        ("@T10:30.highBoundary()", ["10:30:59.999"]),
        ("1.5870.precision()", ["4"]),
        ("@2014-01-05T10:30.precision()", ["12"]),
        ("1 'cm'.comparable(1 '[in_i]')", TRUE),
        ("1 'cm'.comparable(1 's')", FALSE),
    ],
)
def test_mathematics_and_precision(expression: str, expected: list[str]) -> None:
    assert answer(expression) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "name.single()",
        "name.iif(true, 1)",
        "(true | 'a').allTrue()",
        "name.startsWith('a')",
        "name.given.length()",
        "'a'.abs()",
        "true.abs()",
        "1.round(-1)",
        "name.given.toInteger()",
        "name.skip('a')",
        "'a'.substring('b')",
        "name.sort()",
        "'?'.decode('hex')",
    ],
)
def test_a_function_refuses_what_it_is_not_for(expression: str) -> None:
    with pytest.raises(EvaluationError):
        answer(expression)


def test_trace_shows_its_input_or_projection_and_changes_nothing() -> None:
    shown: list[tuple[str, list[Any]]] = []

    def trace(name: str, nodes: list[Node]) -> None:
        shown.append((name, [node.value for node in nodes]))

    found = compile("name.trace('given', given).use.trace('use')").values(PERSON, services=Services(trace=trace))
    assert [node.value for node in found] == ["official", "usual", "maiden"]
    assert shown == [("given", ["Ada", "Bea", "Lili", "Ada", "Bea"]), ("use", ["official", "usual", "maiden"])]
    assert len(compile("name.trace('x')").values(PERSON)) == 3


def test_the_clock_stands_still_during_an_evaluation() -> None:
    assert answer("now() = now() and timeOfDay() = timeOfDay() and today() = today()") == TRUE
    assert answer("today().toString().length()") == ["10"]
    assert answer("now() is DateTime and today() is Date and timeOfDay() is Time") == TRUE
