"""The FHIRPath language: literals, precedence, operators, three-valued logic, equality and order.

http://hl7.org/fhirpath/N1
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.fhir.fhirpath.errors import EvaluationError, MalformedExpression
from fhir_server.fhir.fhirpath.expression import compile
from fhir_server.fhir.fhirpath.functions_conversion import to_string

NOBODY = {"resourceType": "Patient", "active": True, "name": [{"family": "Demo", "given": ["Ada", "Bea"]}]}


def answer(expression: str, tree: dict[str, Any] = NOBODY) -> list[str | None]:
    """What `expression` selects, each item as FHIRPath writes it."""
    return [to_string(node.system) for node in compile(expression).values(tree)]


TRUE, FALSE, EMPTY = ["true"], ["false"], []


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("true", TRUE),
        ("'a\\tb\\'c\\u0041\\`\\/'", ["a\tb'cA`/"]),
        ("'\\\\d'", ["\\d"]),
        ("042", ["42"]),
        ("3.140", ["3.140"]),
        ("{}", EMPTY),
        ("@2015", ["2015"]),
        ("@2015-02-04", ["2015-02-04"]),
        ("@2015T", ["2015"]),
        ("@2015-02-04T14:34:28.123+02:00", ["2015-02-04T14:34:28.123+02:00"]),
        ("@2015-02-04T14Z", ["2015-02-04T14Z"]),
        ("@T14:34", ["14:34"]),
        ("4 days", ["4 day"]),
        ("1.5 'mg'", ["1.5 'mg'"]),
        ("// nothing\n1 /* inside */ + 2", ["3"]),
        ("`Patient`.`active`", TRUE),
    ],
)
def test_literals_and_comments_mean_what_n1_says(expression: str, expected: list[str]) -> None:
    assert answer(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3 - 4", ["3"]),
        ("(1 + 2) * 3", ["9"]),
        ("-2 + 3", ["1"]),
        ("- name.given.count()", ["-2"]),
        ("7 div 2 mod 2", ["1"]),
        ("1 | 2 | 2", ["1", "2"]),
        ("1 + 1 | 3", ["2", "3"]),
        ("1 < 2 = true", TRUE),
        ("1 = 1 and 2 = 2", TRUE),
        ("true or false and false", TRUE),
        ("false implies true and false", TRUE),
        ("'a' & 'b' = 'ab'", TRUE),
        ("1 in (1 | 2) and true", TRUE),
        ("(1 | 1 is Integer).count()", ["2"]),
        ("1 + 1 is Integer", TRUE),
        ("name.given.first() is string", TRUE),
        ("active as boolean", TRUE),
        ("name[0].given[1]", ["Bea"]),
        ("name.given[5]", EMPTY),
        ("name.given[-1]", EMPTY),
    ],
)
def test_operators_bind_in_the_order_of_the_table(expression: str, expected: list[str]) -> None:
    assert answer(expression) == expected


# http://hl7.org/fhirpath/N1/#boolean-logic: columns are true, false, empty of the right operand.
@pytest.mark.parametrize(
    ("operator", "left", "expected"),
    [
        ("and", "true", (TRUE, FALSE, EMPTY)),
        ("and", "false", (FALSE, FALSE, FALSE)),
        ("and", "{}", (EMPTY, FALSE, EMPTY)),
        ("or", "true", (TRUE, TRUE, TRUE)),
        ("or", "false", (TRUE, FALSE, EMPTY)),
        ("or", "{}", (TRUE, EMPTY, EMPTY)),
        ("xor", "true", (FALSE, TRUE, EMPTY)),
        ("xor", "false", (TRUE, FALSE, EMPTY)),
        ("xor", "{}", (EMPTY, EMPTY, EMPTY)),
        ("implies", "true", (TRUE, FALSE, EMPTY)),
        ("implies", "false", (TRUE, TRUE, TRUE)),
        ("implies", "{}", (TRUE, EMPTY, EMPTY)),
    ],
)
def test_the_unknown_side_decides_only_where_it_could_matter(
    operator: str, left: str, expected: tuple[list[str], ...]
) -> None:
    assert tuple(answer(f"{left} {operator} {right}") for right in ("true", "false", "{}")) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 = 1.0", TRUE),
        ("1.10 = 1.1", TRUE),
        ("'a' = 'A'", FALSE),
        ("true = 1", FALSE),
        ("1 = 'a'", FALSE),
        ("{} = {}", EMPTY),
        ("1 = {}", EMPTY),
        ("(1 | 2) = (1 | 2)", TRUE),
        ("(1 | 2) = (2 | 1)", FALSE),
        ("(1 | 2) = 1", FALSE),
        ("name = name", TRUE),
        ("@2012-04-15 = @2012-04-15", TRUE),
        ("@2012-04 = @2012-04-15", EMPTY),
        ("@2012-05 = @2012-04-15", FALSE),
        ("@2012-04-15 = @2012-04-15T10:00:00", EMPTY),
        ("@2012-04-15T10:00:00 = @2012-04-15T10:00:00.0", TRUE),
        ("@2012-04-15T15:00:00+02:00 = @2012-04-15T16:00:00+03:00", TRUE),
        ("@2012-04-15T00:30:00+02:00 = @2012-04-14T22:30:00Z", TRUE),
        ("@2012-04-15T15:00:00Z = @2012-04-15T10:00:00", EMPTY),
        ("@2012-04-15T15:00:00Z = @2013-04-15T10:00:00", FALSE),
        ("@T10 = @T10:30", EMPTY),
        ("@2012 = @T10", FALSE),
        ("4.0 'g' = 4000 'mg'", TRUE),
        ("4 'g' != 4040 'mg'", TRUE),
        ("4 'g' = 4 'm'", EMPTY),
        ("1 'm' = 1 '[nonsense]'", EMPTY),
        ("98.6 '[degF]' = 37 'Cel'", TRUE),
        ("7 days = 1 week", TRUE),
        ("1 day = 1 'd'", TRUE),
        ("1 year = 12 months", TRUE),
        ("1 year = 1 'a'", EMPTY),
        ("1 month = 1 'mo'", EMPTY),
        ("1 = 1 '1'", TRUE),
        ("1 != 2", TRUE),
        ("1 != {}", EMPTY),
    ],
)
def test_equality_is_empty_where_it_cannot_be_told(expression: str, expected: list[str]) -> None:
    # http://hl7.org/fhirpath/N1/#equals
    assert answer(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("{} ~ {}", TRUE),
        ("1 ~ {}", FALSE),
        ("'A b' ~ 'a\\tB'", TRUE),
        ("1.2 / 1.8 ~ 0.67", TRUE),
        ("1.2 / 1.8 ~ 0.6", FALSE),
        ("(1 | 2) ~ (2 | 1)", TRUE),
        ("(1 | 2) ~ (1 | 3)", FALSE),
        ("@2012-04 ~ @2012-04-15", FALSE),
        ("@2012-04-15T10:00:00 ~ @2012-04-15T10:00:00.0", TRUE),
        ("4 'g' ~ 4040 'mg'", TRUE),
        ("4.1 'g' ~ 4440 'mg'", FALSE),
        ("1 year ~ 1 'a'", TRUE),
        ("1 'g' ~ 1 'm'", FALSE),
        ("name ~ name", TRUE),
        ("'a' !~ 'A'", FALSE),
        ("1 !~ 2", TRUE),
        ("true ~ true", TRUE),
        ("true ~ 1", FALSE),
    ],
)
def test_equivalence_always_answers(expression: str, expected: list[str]) -> None:
    # http://hl7.org/fhirpath/N1/#equivalent
    assert answer(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 < 1.5", TRUE),
        ("'b' > 'a'", TRUE),
        ("'A' < 'a'", TRUE),
        ("1 <= 1", TRUE),
        ("{} > 1", EMPTY),
        ("@2018-03 < @2018-03-01", EMPTY),
        ("@2018-03 < @2018-04-01", TRUE),
        ("@T10:30:00 >= @T10:30:00.0", TRUE),
        ("@2017-11-05T01:30:00-04:00 < @2017-11-05T01:15:00-05:00", TRUE),
        ("6 days < 1 week", TRUE),
        ("1 'm' > 1 'cm'", TRUE),
        ("1 'm' > 1 's'", EMPTY),
        ("2 'mg' > 1", EMPTY),
        ("today() > @1900", TRUE),
        ("now() = now()", TRUE),
        ("now() > today()", EMPTY),
    ],
)
def test_order_is_empty_where_precision_or_units_leave_it_open(expression: str, expected: list[str]) -> None:
    # http://hl7.org/fhirpath/N1/#comparison
    assert answer(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 1", ["2"]),
        ("1.2 + 1.8", ["3.0"]),
        ("'a' + 'b'", ["ab"]),
        ("'a' + {}", EMPTY),
        ("'a' & {} & 'b'", ["ab"]),
        ("1 / 2", ["0.5"]),
        ("1 / 0", EMPTY),
        ("5 div 0", EMPTY),
        ("5 mod 0", EMPTY),
        ("-5 div 2", ["-2"]),
        ("-5 mod 2", ["-1"]),
        ("2.2 mod 1.8", ["0.4"]),
        ("2147483647 + 1", EMPTY),
        ("1 'm' + 50 'cm'", ["150 'cm'"]),
        ("3 'm' - 1 'm'", ["2 'm'"]),
        ("1 'm' + 1 's'", EMPTY),
        ("2.0 'cm' * 2.0 'm' = 0.040 'm2'", TRUE),
        ("4 'g' / 2 'm' = 2 'g/m'", TRUE),
        ("3 * 2 'mg'", ["6 'mg'"]),
        ("4 'mg' / 2", ["2 'mg'"]),
        ("-(1 'mg')", ["-1 'mg'"]),
        ("+(2)", ["2"]),
    ],
)
def test_arithmetic_gives_nothing_rather_than_a_wrong_number(expression: str, expected: list[str]) -> None:
    # http://hl7.org/fhirpath/N1/#math-1
    assert answer(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("@1973-12-25 + 7 days", ["1974-01-01"]),
        ("@1973-12-25 + 7.7 days", ["1974-01-01"]),
        ("@2012-01-31 + 1 month", ["2012-02-29"]),
        ("@2012-02-29 + 1 year", ["2013-02-28"]),
        ("@2012-03-31 - 1 month", ["2012-02-29"]),
        ("@2014 + 24 months", ["2016"]),
        ("@2014 + 25 months", ["2016"]),
        ("@2014-06 + 40 days", ["2014-07"]),
        ("@1973-12-25 + 1 'wk'", ["1974-01-01"]),
        ("@1973-12-25T00:00:00.000+10:00 + 1 second", ["1973-12-25T00:00:01.000+10:00"]),
        ("@1973-12-25T23:59:59Z + 1.5 's'", ["1973-12-26T00:00:00.500Z"]),
        ("@1973-12-25T23:30 + 45 minutes", ["1973-12-26T00:15"]),
        ("@T23:30 + 45 minutes", ["00:15"]),
        ("@9999-12-31 + 1 day", EMPTY),
        ("@0001 - 1 year", EMPTY),
        ("@2020 + {}", EMPTY),
    ],
)
def test_durations_move_dates_in_their_own_precision(expression: str, expected: list[str]) -> None:
    # http://hl7.org/fhirpath/N1/#datetime-arithmetic
    assert answer(expression) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "(1 | 2) + 1",
        "(1 | 2) > 1",
        "(1 | 2) and true",
        "(1 | 2).not()",
        "1 + 'a'",
        "'a' - 'b'",
        "1 > 'a'",
        "1 > true",
        "@2012 > @T10",
        "-1.convertsToInteger()",
        "-'a'",
        "+'a'",
        "@1974-12-25 + 7",
        "@1974-12-25 + 1 'mo'",
        "@1974-12-25 + 1 'cm'",
        "(1 | 2) & 'b'",
        "name.given['a']",
        "name > name",
        "(1 | 2) in (1 | 2)",
        "%nothing",
    ],
)
def test_what_cannot_be_evaluated_is_an_evaluation_error(expression: str) -> None:
    with pytest.raises(EvaluationError):
        answer(expression)


@pytest.mark.parametrize(
    ("expression", "position"),
    [
        ("", 0),
        ("2 + 2 /", 7),
        ("2 + 2 /* open", 6),
        ("'open", 0),
        ("'\\q'", 1),
        ("a b", 2),
        ("a..b", 2),
        ("(a", 2),
        ("a)", 1),
        ("a[", 2),
        ("a.where(", 8),
        ("a,b", 1),
        ("$that", 0),
        ("#", 0),
        ("@T14:34Z", 7),
        ("@2015-13", 0),
        ("@2015-02-30", 0),
        ("a.unheardOf()", 2),
        ("a.where()", 2),
        ("a.first(1)", 2),
        ("a is Unheard", 2),
        ("a.ofType(Unheard)", 9),
        ("a.ofType(1)", 9),
        ("= 1", 0),
        ("div", 0),
    ],
)
def test_a_malformed_expression_is_refused_with_the_position(expression: str, position: int) -> None:
    with pytest.raises(MalformedExpression) as refused:
        compile(expression)
    assert refused.value.position == position
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 5_000 + "1" + ")" * 5_000,
        "-" * 5_000 + "1",
        "1 - " * 5_000 + "1",
        "a.where(" * 500 + "b" + ")" * 500,
        "a" + ".where(b)" * 5_000,
        "x" * 60_000,
        "1" * 100,
    ],
)
def test_an_absurd_expression_is_refused_not_suffered(expression: str) -> None:
    with pytest.raises(MalformedExpression):
        compile(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "1" + " + 1" * 2_000,
        "active" + " or active" * 900,
        "id" + " | id" * 1_000,
        "a" + ".b" * 3_000,
    ],
)
def test_a_long_flat_expression_is_no_deeper_than_a_short_one(expression: str) -> None:
    compile(expression).values(NOBODY)


@pytest.mark.parametrize(
    "expression",
    [
        "1.repeat($this + 1)",
        "(1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20|21|22|23|24|25|26|27|28|29|30).aggregate($total + $total, 'aaaaaaaaaa')",
        "(1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20|21).aggregate($total.combine($total), 1)",
        "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.replaceMatches('(a+)+$', 'b')",
        "name.given.matches('(')",
    ],
)
def test_work_without_end_is_ended(expression: str) -> None:
    with pytest.raises(EvaluationError):
        answer(expression)


def test_a_pattern_that_would_backtrack_for_ever_is_matched_in_linear_time() -> None:
    assert answer("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('^(a+)+$')") == FALSE


def test_it_is_a_resource_of_r4_that_fhirpath_starts_from() -> None:
    with pytest.raises(EvaluationError):
        compile("id").values({"resourceType": "Unheard"})
    with pytest.raises(EvaluationError):
        compile("id").values({})
