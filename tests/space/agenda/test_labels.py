"""Whom a slot is for: https://interop.esante.gouv.fr/ig/fhir/sas, `Slot.meta.security` (JDV_J165)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from fhir_server.access.grant import Grant
from fhir_server.app import House
from tests.server.people import kept
from tests.space.agenda import platform
from tests.space.agenda.world import CALLERS as PEOPLE
from tests.space.agenda.world import COLLEAGUE, an_appointment, ask
from tests.space.messages.exchange import person
from tests.space.record.callers import Caller, Tree

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLERS: Mapping[str, Grant] = {
    **PEOPLE,
    "regulator": replace(person("user", "Practitioner/stranger"), client="platform"),
    "platform": replace(person("system", None), client="platform"),
    "app without anybody": replace(person("system", None), client="catalogue's", referenced=True),
}
EVERYBODY = frozenset(CALLERS)
#: Who sees them all: those who run the server, the platform, and whose schedule it is.
ALWAYS = frozenset({"open", "operator", "platform", "regulator", "colleague"})
PROFESSIONALS = ALWAYS | {"doctor", "stranger"}
#: Labels → who sees the slot.
FOR: dict[tuple[str, ...], frozenset[str]] = {
    ("PUBLIC",): EVERYBODY,
    ("PRO",): PROFESSIONALS,
    ("SNP",): ALWAYS,
    # Of the clinic, for which the doctor acts.
    ("CPTS",): ALWAYS | {"doctor"},
    ("PRO", "PUBLIC"): EVERYBODY,
    ("PRO", "SNP"): PROFESSIONALS,
    ("CPTS", "SNP"): ALWAYS | {"doctor"},
    ("UNHEARD-OF",): ALWAYS,
    (): PROFESSIONALS,
}


async def filed(house: House) -> dict[tuple[str, ...], Tree]:
    """A slot with each set of labels, offered by the clinic, in the colleague's agenda."""
    made = {
        labels: platform.offered_by(platform.slot(f"label-{n}", f"label-{n}", *labels), "service")
        for n, labels in enumerate(FOR)
    }
    identified = {
        labels: {**tree, "identifier": [{"system": "urn:label", "value": tree["id"]}]} for labels, tree in made.items()
    }
    agendas = [platform.agenda(tree["id"], COLLEAGUE) for tree in identified.values()]
    await kept(house, platform.service("service", "clinic"), *agendas, *identified.values())
    return identified


async def test_a_slot_is_seen_by_whom_it_is_for_and_absent_for_all_others(house: House) -> None:
    """Read, found, chained to, included, counted and linked from: hidden is as absent."""
    slots = await filed(house)
    wrong = []
    for labels, tree in slots.items():
        id = tree["id"]
        await kept(house, {**an_appointment(status="proposed"), "id": id, "slot": [{"reference": f"Slot/{id}"}]})
        for who, grant in CALLERS.items():
            caller, expected = Caller(house, grant), who in FOR[labels]
            # Platforms do not search otherwise than the guide says.
            seen = (await caller("GET", f"Slot/{id}")).status == 200
            seen = seen if who in ("platform", "regulator") else await caller.sees("Slot", id)
            by_slot = "" if who in ("platform", "regulator") else f"&_has:Slot:schedule:identifier=urn:label|{id}"
            linked = await caller("GET", f"Schedule?_id={id}{by_slot}&_total=accurate")
            included = await caller("GET", f"Schedule?_id={id}&_revinclude=Slot:schedule")
            found = {
                "read": seen,
                "_has": bool(linked.json.get("total")),
                "_revinclude": "Slot" in {one["resource"]["resourceType"] for one in included.json.get("entry", ())},
            }
            if who in ("doctor", "operator", "patient"):
                chained = await caller("GET", f"Appointment?slot.identifier=urn:label|{id}&_include=Appointment:slot")
                kinds = {one["resource"]["resourceType"] for one in chained.json.get("entry", ())}
                found |= {"chained": bool(kinds), "_include": "Slot" in kinds}
            if set(found.values()) != {expected}:
                wrong.append((labels, who, expected, found))
    assert not wrong


async def test_what_is_not_for_them_is_booked_by_nobody(house: House) -> None:
    slots = await filed(house)
    hidden, absent = [
        await ask(house, "doctor", "POST", "Appointment", an_appointment(id))
        for id in (slots[("SNP",)]["id"], "nowhere")
    ]
    assert (hidden.status, hidden.json["issue"]) == (absent.status, absent.json["issue"])
    assert hidden.status == 422


async def test_whoever_makes_a_slot_says_whom_it_is_for_and_sees_it(house: House) -> None:
    """A professional's software files slots for regulators, which it changes and deletes later."""
    await kept(house, platform.agenda("own", "Practitioner/doctor"))
    tree = platform.slot("own", "own", "SNP")
    made = await ask(house, "doctor", "POST", "Slot", {k: v for k, v in tree.items() if k != "id"})
    assert made.status == 201, made.json
    stored = (await ask(house, "doctor", "GET", f"Slot/{made.id}")).json
    changed = await ask(house, "doctor", "PUT", f"Slot/{made.id}", stored | {"comment": "https://agenda.example"})
    assert changed.status == 200
    assert (await ask(house, "stranger", "GET", f"Slot/{made.id}")).status == 404
