"""What a resource says of days and instants is read whatever R4 allows it to be, by everything that shows or sends it.

https://hl7.org/fhir/R4/datatypes.html#dateTime: a year, a month, a day, an instant to any fraction of a second, the
second of a leap (60) among them; #Period: an end is inclusive.
"""

from __future__ import annotations

import email
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fhir_server.site.moments import day, moment
from fhir_server.space import acting
from fhir_server.space.agenda.pages.day import _slot
from fhir_server.space.catalogue import consent_resource, dossiers, reports
from fhir_server.space.messages.mail.composing import Letter, Sent, written
from fhir_server.space.messages.mail.xdm.documents import entry_of
from fhir_server.space.messages.model import communication, message_of
from fhir_server.space.record import choices
from fhir_server.space.record.choosing import is_minor
from fhir_server.space.record.pages.measured import taken
from fhir_server.subscriptions import model as subscriptions

PARIS = ZoneInfo("Europe/Paris")
SPACE = Path(__file__).parents[2] / "fhir_server" / "space"

#: What R4 allows of a dateTime.
DATE_TIMES = (
    "2026", "2026-07", "2026-07-02", "2026-07-02T23:30:00Z", "2026-07-02T10:00:00.123456789+02:00",
    "2016-12-31T23:59:60Z", "0001", "0001-01-01T00:00:00+14:00", "9999-12-31", "9999-12-31T23:59:59-12:00",
)  # fmt: skip
INSTANTS = tuple(one for one in DATE_TIMES if "T" in one)
DATES = tuple(one for one in DATE_TIMES if "T" not in one)
ZONED = {"code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}, "valueQuantity": {"value": 70, "code": "kg"}}  # fmt: skip


def a_mail(sent: str, document: Mapping[str, Any] | None = None) -> Any:
    message = message_of(communication("Patient/p", "Patient/p", ["Practitioner/d"], "Objet", [{"contentString": "x"}]))
    documents = [] if document is None else [Sent(document, b"%PDF")]
    letter = Letter(replace(message, sent=sent), "a@b", [], "p@x", "d@y", {}, ("urn:oid:1", "1"), [], documents, "")
    return email.message_from_bytes(written(letter))


def a_choice(at: str) -> Any:
    category = [{"coding": [{"system": choices.SYSTEM, "code": "blocked"}]}]
    period = {"start": "2020-01-01", "end": at}
    return choices.from_consent(
        {"status": "active", "category": category, "dateTime": at, "provision": {"period": period}}
    )


#: What reads it → of the values that the element may have, those.
READERS: dict[str, tuple[Callable[[str], Any], tuple[str, ...]]] = {
    "the Date of a mail": (lambda at: a_mail(at)["Date"], DATE_TIMES),
    "the act of a document sent by mail": (lambda at: a_mail("2026", a_document(at)).get_content_type(), DATE_TIMES),
    "the times of a document in XDM": (lambda at: entry_of(a_document(at), 1, ("urn:oid:1", "1")).slots, DATE_TIMES),
    "a moment on a page": (lambda at: moment(at, "fr", "Europe/Paris"), DATE_TIMES),
    "a day on a page": (lambda at: day(at, "fr", "Europe/Paris"), DATE_TIMES),
    "a choice": (a_choice, DATE_TIMES),
    "a consent": (lambda at: consent_resource.from_consent({"dateTime": at}), DATE_TIMES),
    "a report": (lambda at: reports._from_task({"authoredOn": at}), DATE_TIMES),
    "a step of a dossier": (lambda at: dossiers._taken({"extension": [{"url": "at", "valueDateTime": at}]}), DATE_TIMES),
    "a slot": (lambda at: _slot({"status": "free", "start": at, "end": at}, PARIS), INSTANTS),
    "the end of a subscription": (lambda at: subscriptions.ends({"end": at}), INSTANTS),
    "a minor's birth": (lambda at: [is_minor(at)], DATES),
    "a birth": (lambda at: [acting.is_of_age({"birthDate": at}, acting.minute())], DATES),
    "a measure": (lambda at: taken({**ZONED, "effectiveDateTime": at}, PARIS), tuple(one for one in DATE_TIMES if len(one) > 7)),
}  # fmt: skip


def a_document(at: str) -> Mapping[str, Any]:
    attachment = {"contentType": "application/pdf", "title": "Bilan", "creation": at}
    coding = {"system": "urn:oid:2.16.840.1.113883.6.1", "code": "11502-2"}
    return {
        "resourceType": "DocumentReference",
        "masterIdentifier": {"value": "urn:oid:1.2.3"},
        "type": {"coding": [coding]},
        "description": "Bilan",
        "content": [{"attachment": attachment}],
        "context": {"period": {"start": at, "end": at}},
    }


@pytest.mark.parametrize("reader", READERS)
def test_what_reads_a_date_reads_every_one(reader: str) -> None:
    read, values = READERS[reader]
    assert [value for value in values if not read(value)] == []


def test_a_mail_is_dated_by_the_first_instant_that_its_message_may_have_been_sent_at() -> None:
    dates = {at: a_mail(at)["Date"] for at in ("2026", "2026-07", "2026-07-02T23:30:00Z", "")}
    assert dates == {
        "2026": "Wed, 31 Dec 2025 23:00:00 +0000",
        "2026-07": "Tue, 30 Jun 2026 22:00:00 +0000",
        "2026-07-02T23:30:00Z": "Thu, 02 Jul 2026 23:30:00 +0000",
        "": "Thu, 01 Jan 1970 00:00:00 +0000",
    }


@pytest.mark.parametrize(
    "at, words",
    [
        ("2026", "2026"),
        ("2026-07", "juillet 2026"),
        ("2026-07-02", "2 juillet 2026"),
        # In Paris it is the next day by then.
        ("2026-07-02T23:30:00Z", "3 juillet 2026"),
        ("2026-07-02T01:30:00+02:00", "2 juillet 2026"),
        ("2016-12-31T23:59:60Z", "1er janvier 2017"),
    ],
)
def test_a_day_on_a_page_is_that_of_who_reads_it(at: str, words: str) -> None:
    assert day(at, "fr", "Europe/Paris").striptags() == words


@pytest.mark.parametrize(
    "end, until",
    [
        ("2026-07-02T10:00:00+02:00", "2026-07-02T08:00:00+00:00"),
        ("2026-07-02", "2026-07-02T21:59:59.999999+00:00"),
        ("2026-12", "2026-12-31T22:59:59.999999+00:00"),
        ("2026", "2026-12-31T22:59:59.999999+00:00"),
    ],
)
def test_a_choice_holds_to_the_end_of_the_day_or_the_year_that_it_names(end: str, until: str) -> None:
    assert a_choice(end).until == datetime.fromisoformat(until)


def test_who_is_born_in_a_month_or_a_year_is_a_minor_until_all_of_it_is_eighteen_years_ago() -> None:
    year = datetime.now(UTC).astimezone(PARIS).year
    assert [is_minor(one) for one in (f"{year - 10}", f"{year - 10}-05", f"{year - 18}", f"{year - 19}", "")] == [
        True, True, datetime.now(UTC).astimezone(PARIS).strftime("%m-%d") != "12-31", False, False,
    ]  # fmt: skip


#: Files that read dates otherwise → what these are.
OTHERWISE = {
    "agenda/prevention/calendar.py": "a birth date, filled up to a day",
    "agenda/prevention/telling.py": "its own record",
    "agenda/prevention/operations.py": "a parameter that is a day",
    "agenda/pages/prevention.py": "the server's own answer",
    "agenda/pages/noting.py": "a field of a form",
    "agenda/availability/lines.py": "iCalendar",
    "agenda/availability/recurring.py": "iCalendar",
    "agenda/availability/reading.py": "a time of day",
    "accesses/pages/emergencies.py": "the server's own answer",
    "childhood/notebook.py": "the server's own answer",
    "childhood/pages/adding.py": "a field of a form",
    "messages/mail/xdm/documents.py": "a birth date that is a day",
    "notices/quiet.py": "a setting",
    "notices/composing.py": "its own record",
    "delegations/settling.py": "its own record",
    "majority/clock.py": "its own record",
    "identities/merging/aftermath.py": "its own record",
    "indicators/tables.py": "a month of its own",
    "indicators/calendar.py": "an hour of its own",
    "catalogue/operations.py": "a parameter that is a day",
    "catalogue/apps.py": "an extension that is a day",
    "catalogue/pages/desk.py": "a field of a form",
}


def test_no_service_reads_a_date_of_a_resource_by_python_s_own_reader() -> None:
    found = {
        str(file.relative_to(SPACE))
        for file in SPACE.rglob("*.py")
        if re.search(r"\bfromisoformat\b|\bstrptime\b", file.read_text())
    }
    assert found - {*OTHERWISE} == set(), "fhir.dates reads them: begins, ends"
    cut = [str(file) for file in SPACE.rglob("*.html") if re.search(r"moment\([a-z_.]*\[:", file.read_text())]
    assert cut == [], "the day of an instant is `day_of` it"
