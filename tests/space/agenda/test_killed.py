"""A process that is killed while it makes slots, tells or reminds: another goes on, nothing is lost and nothing doubled.

Guide GAP 3.0.0 (flow 3); domain file §2.11. The jobs' leases end by themselves (`jobs/clock.py`); what each has done is
what the store says.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from fhir_server.app import House, opened
from fhir_server.fhir.json import parse
from fhir_server.space.agenda.reminders.keeping import DUE
from fhir_server.space.notices import centre
from fhir_server.store.filters import EVERYTHING
from tests.server.people import kept
from tests.space.agenda.availability.test_filling import available, lasting
from tests.space.agenda.killed import NOON, left, settings, work
from tests.space.agenda.world import DOCTOR, a_schedule, an_appointment
from tests.space.messages.exchange import a_patient
from tests.space.record.callers import Caller
from tests.space.record.writers import a_practitioner

#: Agendas with two hundred slots and more each, and people with an appointment each.
AGENDAS, PEOPLE = 12, 60
_EACH_DAY = available("2027-03-01T08:00:00+01:00", "2027-03-01T09:00:00+01:00", "FREQ=DAILY;COUNT=40")
_STARTS = NOON + timedelta(hours=1)


async def prepare(house: House) -> None:
    """What there is to be done: the first look of each job is of nothing, from then on they follow what changes."""
    await kept(
        house, a_practitioner("doctor", "99700218890"), *(a_patient(f"p{n}", "1980-01-01") for n in range(PEOPLE))
    )
    for name in ("availability", "appointments"):
        await work(house, name)
    for n in range(AGENDAS):
        tree = a_schedule(f"s{n}", DOCTOR, extension=[_EACH_DAY, lasting(10)])
        assert (await Caller(house)("PUT", f"Schedule/s{n}", tree)).status == 201
    reminders = house.services.service("agenda")
    times = {"start": _STARTS.isoformat(), "end": (_STARTS + timedelta(minutes=20)).isoformat()}
    for n in range(PEOPLE):
        made = await Caller(house)("POST", "Appointment", an_appointment(who=f"Patient/p{n}", **times))
        assert made.status == 201, made.json
        await reminders.choose(made.id, f"p{n}", (60,), NOON - timedelta(days=1))


@pytest.mark.parametrize("name", ["availability", "appointments", "agenda-reminders"])
async def test_whoever_is_killed_loses_nothing_and_another_doubles_nothing(tmp_path: Path, name: str) -> None:
    async with opened(settings(tmp_path)) as house:
        await prepare(house)
        began = (await left(house))[name]
    command = [sys.executable, "-m", "tests.space.agenda.killed", str(tmp_path), name]
    done = subprocess.run(command, check=False, timeout=300)  # noqa: ASYNC221
    assert done.returncode == -signal.SIGKILL
    async with opened(settings(tmp_path)) as house:
        there = (await left(house))[name]
        assert there != began and there != _ends(name), "it was killed in the middle"
        await work(house, name)
        assert (await left(house))[name] == _ends(name)
        assert await work(house, name) == 0, "and once more nothing is left to be done"
        await _as_if_done_at_once(house, name)


def _ends(name: str) -> int:
    """How far the job is when all is done. The first day's six slots are over at noon."""
    return {"availability": AGENDAS * 39 * 6, "appointments": PEOPLE, "agenda-reminders": 0}[name]


async def _as_if_done_at_once(house: House, name: str) -> None:
    if name == "availability":
        found = await house.repository().find({"Slot": EVERYTHING}, count=5_000)
        trees = [parse(one.body) for one in found.versions]
        times = Counter((one["schedule"]["reference"], one["start"]) for one in trees)
        assert len(times) == _ends(name) and set(times.values()) == {1}
        return
    occasion = {"appointments": "appointment", "agenda-reminders": "reminder"}[name]
    for n in range(PEOPLE):
        lines = await centre.lines(house.services.records, f"Patient/p{n}", "", 10)
        assert [one.told.occasion for one in lines].count(occasion) == 1, n
    assert name != "agenda-reminders" or await house.services.records.list(DUE) == []
