"""Events are written as the library writes them, for less: RFC 5545 §3.1 (lines), §3.3.11 (texts), §3.6.1, §3.6.6."""

from __future__ import annotations

import json
from typing import Any

import icalendar
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.space.agenda.calendar.addresses import Shown
from fhir_server.space.agenda.calendar.events import written
from tests.space.agenda.calendar.library import STATUS, an_event

AT = 1_796_055_044_084
PLAIN: dict[str, Any] = {"status": "booked", "start": "2027-03-01T09:00:00+01:00", "description": "Consultation"}
#: What an appointment says besides, and what of it is told.
SAID: tuple[tuple[dict[str, Any], Shown], ...] = (
    ({}, Shown()),
    ({}, Shown(content=True)),
    *(({"status": status}, Shown(True, (15,))) for status in STATUS),
    ({"end": "2027-03-01T09:20:00+01:00"}, Shown(True)),
    ({"start": "2027-07-01T00:00:00Z", "end": "2027-07-02T00:00:00Z"}, Shown(True)),
    # The hour that comes twice, and the one that is not there: §3.3.5.
    ({"start": "2027-10-31T02:30:00+02:00", "end": "2027-10-31T02:30:00+01:00"}, Shown(True)),
    ({"start": "2027-03-28T01:59:59+01:00", "end": "2027-03-28T03:00:00+02:00"}, Shown(True)),
    *(({"minutesDuration": minutes}, Shown(True)) for minutes in (1, 20, 60, 90, 1440, 1500, 10080)),
    *(({}, Shown(True, (minutes,))) for minutes in (0, 1, 60, 1439, 1440, 1441, 40320)),
    ({}, Shown(True, (0, 60, 1440))),
    ({"priority": 0, "created": "2026-11-01T10:00:00+01:00"}, Shown(True)),
    ({"priority": 9, "comment": "Apporter\nles résultats; merci, \\ à jeun", "place": "Clinique, 3 rue"}, Shown(True)),
    ({"comment": "x", "place": "y", "priority": 3, "created": "2026-11-01T10:00:00+01:00"}, Shown(False, (5,))),
    *(({"description": "x" * length}, Shown(True)) for length in range(60, 82)),
    *(({"description": "é" * length}, Shown(True)) for length in range(30, 42)),
    *(({"description": "a" * length + "𝄞" * 20}, Shown(True)) for length in range(55, 70)),
    *(({"description": "a" * length + ";,\\;,\\;,\\"}, Shown(True)) for length in range(55, 70)),
    *(({"description": "a" * length + "^^n\\\\" * 9}, Shown(True)) for length in range(55, 70)),
    *(({"comment": "é;" * length}, Shown(True, (1,))) for length in (200, 333)),
)


def ours(tree: dict[str, Any], number: int, uid: str, shown: Shown) -> bytes:
    said = {name: value for name, value in tree.items() if name != "place"}
    if "place" in tree:
        said["participant"] = [{"actor": {"type": "Location", "display": tree["place"]}, "status": "accepted"}]
    body = json.dumps({"resourceType": "Appointment", **said}).encode()
    return written(body, AT, number, uid, shown)


@pytest.mark.parametrize("n", range(len(SAID)))
def test_an_event_is_what_the_library_writes(n: int) -> None:
    more, shown = SAID[n]
    tree = PLAIN | more
    assert ours(tree, 3, "ab-c.1@mes.example", shown) == an_event(tree, AT, 3, "ab-c.1@mes.example", shown)


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=300)


@given(TEXTS, TEXTS, TEXTS)
@settings(max_examples=60, deadline=None)
def test_any_text_is_written_in_lines_that_the_library_reads_back(title: str, notes: str, place: str) -> None:
    tree = PLAIN | {"description": title, "comment": notes, "place": place}
    found = ours(tree, 1, "x@host", Shown(True, (60,)))
    # The library reads `\\N` as an end of line where it writes a text, and so changes what has one.
    if not any("\\N" in one for one in (title, notes, place)):
        assert found == an_event(tree, AT, 1, "x@host", Shown(True, (60,)))
    lines = found.split(b"\r\n")
    assert all(len(line) <= 75 and b"\n" not in line and b"\r" not in line for line in lines)
    read = icalendar.Event.from_ical(found)
    assert len(found.decode().replace("\r\n ", "").split("\r\n")) == 19
    assert str(read["STATUS"]) == "CONFIRMED" and len(read.walk("VALARM")) == 1


#: A text → as it is read back.
TOLD = {
    "C:\\Nouveau dossier\\nuit": "C:\\Nouveau dossier\\nuit",
    "une ligne\r\ndeux\rtrois\nquatre": "une ligne\ndeux\ntrois\nquatre",
    "a\u2028b\x00c\x85d": "a b c d",
    "; , : \" '": "; , : \" '",
}


@pytest.mark.parametrize("said", TOLD)
def test_a_text_is_read_as_it_was_said(said: str) -> None:
    found = ours(PLAIN | {"comment": said}, 1, "x@host", Shown(True))
    [line] = [one for one in found.decode().replace("\r\n ", "").split("\r\n") if one.startswith("DESCRIPTION:")]
    assert _unescaped(line.removeprefix("DESCRIPTION:")) == TOLD[said]


def _unescaped(value: str) -> str:
    """RFC 5545 §3.3.11, ESCAPED-CHAR."""
    parts = iter(value)
    return "".join([{"n": "\n", "N": "\n"}.get(one := next(parts), one) if sign == "\\" else sign for sign in parts])
