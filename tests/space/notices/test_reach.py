"""By which address, number and language somebody is reached: R4 ContactPoint, ITU-T E.164."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.jobs.sms import number
from fhir_server.space.notices.reach import reach
from tests.space.notices.space import NOON


@pytest.mark.parametrize(
    "written, found",
    [
        ("0600000000", "+33600000000"),
        ("06 00 00 00 00", "+33600000000"),
        ("06.00.00.00.00", "+33600000000"),
        ("(06) 00-00-00-00", "+33600000000"),
        ("+33 6 00 00 00 00", "+33600000000"),
        ("0033 600000000", "+33600000000"),
        ("+262 692 00 00 00", "+262692000000"),
        ("3646", ""),
        ("0000000000", ""),
        ("06000000000", ""),
        ("+0600000000", ""),
        ("+33600000000 ext 2", ""),
        ("٠٦٠٠٠٠٠٠٠٠", ""),
        ("", ""),
    ],
)
def test_a_number_is_read_as_people_write_it(written: str, found: str) -> None:
    assert number(written) == found


def email(value: str, **more: Any) -> dict[str, Any]:
    return {"system": "email", "value": value, **more}


def phone(value: str, **more: Any) -> dict[str, Any]:
    return {"system": "phone", "value": value, **more}


@pytest.mark.parametrize(
    "telecom, address, to",
    [
        ([], "", ""),
        ([email("a@example.org")], "a@example.org", ""),
        ([email("b@example.org", rank=2), email("a@example.org", rank=1)], "a@example.org", ""),
        ([email("b@example.org"), email("a@example.org", rank=1)], "a@example.org", ""),
        ([email("b@example.org", use="old"), email("a@example.org")], "a@example.org", ""),
        ([email("b@example.org", period={"end": "2026-11-30"}), email("a@example.org")], "a@example.org", ""),
        ([email("a@example.org", period={"end": "2026-12-01"})], "a@example.org", ""),
        ([email("a@example.org", period={"end": "2030"})], "a@example.org", ""),
        ([email("nobody at all"), email(" a@example.org ")], "a@example.org", ""),
        ([email("a@example.org\r\nBcc: b@example.org")], "", ""),
        ([email("a@example.org, b@example.org")], "", ""),
        ([email("<a@example.org>")], "", ""),
        ([phone("0100000000"), phone("0600000000", use="mobile")], "", "+33600000000"),
        ([phone("3646"), phone("0600000000")], "", "+33600000000"),
        ([phone("0700000000"), {"system": "sms", "value": "0600000000"}], "", "+33600000000"),
        ([{"system": "fax", "value": "0600000000"}], "", ""),
    ],
)
def test_the_point_that_somebody_prefers_of_those_in_use(telecom: list[Any], address: str, to: str) -> None:
    found = reach({"telecom": telecom}, NOON)
    assert (found.email, found.number) == (address, to)


@pytest.mark.parametrize(
    "communication, language",
    [
        ([], "fr"),
        ([{"language": {"coding": [{"code": "en-GB"}]}, "preferred": True}], "en"),
        ([{"language": {"coding": [{"code": "en"}]}}], "fr"),
        ([{"language": {"coding": [{"code": "de"}]}, "preferred": True}], "fr"),
        ([{"coding": [{"code": "en"}]}], "fr"),
    ],
)
def test_the_language_is_english_for_who_prefers_it_and_french_else(communication: list[Any], language: str) -> None:
    assert reach({"communication": communication}, NOON).language == language
