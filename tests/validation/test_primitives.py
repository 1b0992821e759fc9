"""Primitive formats, value by value: https://hl7.org/fhir/R4/datatypes.html#primitive."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_server.validation.validator import validate


def _parameter(type: str, value: Any) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": [{"name": "a", f"value{type[0].upper()}{type[1:]}": value}]}


GOOD: dict[str, list[Any]] = {
    "base64Binary": ["AAAA", "QQ==", "QUI=", "QUJD\nQUJD", " QUJD "],
    "boolean": [True, False],
    "canonical": ["http://x.example/a|1.0#frag", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
    "code": ["a", "a b", "é-1", "a/b"],
    "date": ["2023", "2023-02", "2024-02-29", "2000-02-29", "1905-08-23", "0001-01-01", "9999-12-31"],
    "dateTime": ["2023", "2023-02", "2023-02-28", "2023-02-28T23:59:60Z", "2023-02-28T00:00:00.123+14:00"],
    "decimal": [0, -1, Decimal("1.10"), Decimal("1E-10"), Decimal("-0.0")],
    "id": ["a", "A-1.b", "x" * 64],
    "instant": ["2015-02-07T13:28:17.239+02:00", "2017-01-01T00:00:00Z"],
    "integer": [0, -2147483648, 2147483647],
    "markdown": ["# a\n\tb\r\n"],
    "oid": ["urn:oid:1.2.3.4.5", "urn:oid:2.999.0"],
    "positiveInt": [1, 2147483647],
    "string": ["a", " a ", "a\tb\r\nc", "\u00a0a", "𝄞"],
    "time": ["00:00:00", "23:59:60.999"],
    "unsignedInt": [0, 2147483647],
    "uri": ["a", "urn:oid:1.2", "http://x/é"],
    "url": ["mailto:a@b.example"],
    "uuid": ["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
}
BAD: dict[str, list[Any]] = {
    "base64Binary": ["A", "AAA", "A===", "AA=A", "****", "QQ==QQ==", "QUJD=", "é"],
    "canonical": ["a b", " http://x"],
    "code": [" a", "a ", "a  b", "a\tb", "a\nb", "\u00a0", "a\u0000"],
    "date": [
        "2023-02-30",
        "2023-02-29",
        "1900-02-29",
        "2023-04-31",
        "2023-13",
        "2023-00",
        "2023-1-1",
        "0000",
        "23",
        "2023-01-01T00:00:00Z",
        "2023-01-01\n",
        "02023",
    ],
    "dateTime": [
        "2023-02-30T00:00:00Z",
        "2023-01-01T00:00Z",
        "2023-01-01T00:00:00",
        "2023-01-01T24:00:00Z",
        "2023-01-01T00:00:00z",
        "2023-01-01 00:00:00Z",
        "2023-01-01T00:00:00+15:00",
        "2023-01T00:00:00Z",
        "2023-01-01T00:00:61Z",
    ],
    "id": ["a b", "x" * 65, "é", "a_b", "a/b", "a\n"],
    "instant": ["2017-01-01", "2017-01-01T00:00:00", "2017-01-01T00:00Z", "2017-02-29T00:00:00Z"],
    "integer": [Decimal("1.0"), Decimal("1.5"), Decimal("1E2"), 2147483648, -2147483649, 10**60],
    "markdown": ["a\u0000"],
    "oid": ["1.2.3", "urn:oid:3.1", "urn:oid:1.02", "urn:oid:1", "urn:oid:1."],
    "positiveInt": [0, -1, 2147483648],
    "string": ["a\u0000b", "a\u0008", "x" * (1024 * 1024 + 1)],
    "time": ["24:00:00", "12:00", "12:00:00Z", "1:00:00"],
    "unsignedInt": [-1, 2147483648],
    "uri": ["a b", "a\n", "\u2003"],
    "url": ["http://a b"],
    "uuid": ["c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:C757873D-EC9A-4326-A141-556F43239520"],
}
WRONG_JSON: dict[str, list[Any]] = {
    "boolean": ["true", 0, 1, {}, []],
    "decimal": ["1.0", True, [1]],
    "integer": ["1", True, {}],
    "string": [1, True, ["a"], {"a": 1}, Decimal("1.0")],
    "date": [2023, True],
}


@pytest.mark.parametrize(("type", "value"), [(t, v) for t, values in GOOD.items() for v in values])
def test_a_value_of_its_type_is_right(type: str, value: Any):
    assert validate(_parameter(type, value)) == []


@pytest.mark.parametrize(("type", "value"), [(t, v) for t, values in BAD.items() for v in values])
def test_a_value_that_is_not_of_its_type_is_refused_at_its_element(type: str, value: Any):
    assert [(i.key, i.code, i.expression) for i in validate(_parameter(type, value))] == [
        ("primitive-format", "value", "Parameters.parameter[0].value")
    ]


@pytest.mark.parametrize(("type", "value"), [(t, v) for t, values in WRONG_JSON.items() for v in values])
def test_a_value_of_another_json_type_is_refused(type: str, value: Any):
    assert [(i.key, i.expression) for i in validate(_parameter(type, value))] == [
        ("type", "Parameters.parameter[0].value")
    ]


@pytest.mark.parametrize("value", ["", None, [], {}])
def test_nothing_is_ever_empty_or_null(value: Any):
    keys = {i.key for i in validate(_parameter("string", value))}
    assert keys <= {"empty", "type"} and keys
