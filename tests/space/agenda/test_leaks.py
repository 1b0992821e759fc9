"""The leak matrix of the agenda: by no way out is an appointment of others told from one that is not there.

Two servers, alike but for the appointment: each request is made of both, and status, headers and body must agree.
https://hl7.org/fhir/R4/security.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.space.agenda.model import AUTHOR, PATIENT
from fhir_server.store.matching import unpack
from tests.server.people import kept
from tests.space.agenda.world import CALLERS, a_slot, an_appointment, own_entry, peopled
from tests.space.record.callers import BASE, Caller, Tree
from tests.space.record.test_leak_matrix import told
from tests.space.record.ways_out import JSON, PATCH, Call, get, post

pytestmark = pytest.mark.asyncio(loop_scope="module")

H = "Appointment/h"
RICH: Tree = {
    "id": "h",
    "meta": {"tag": [{"system": "urn:t", "code": "hiddentag"}], "source": "urn:hidden"},
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">hiddennarrative</div>'},
    "identifier": [{"system": "urn:rdv", "value": "hidden"}],
    "serviceType": [{"coding": [{"system": "urn:s", "code": "hiddenservice"}]}],
    "reasonReference": [{"reference": "Condition/c"}],
    "basedOn": [{"reference": "ServiceRequest/s"}],
    "description": "hiddenwords",
    "created": "2026-12-01",
}
OWN = {"meta": {"tag": [*RICH["meta"]["tag"], {"system": AUTHOR, "code": PATIENT}]}}
#: What there is → from whom it is hidden.
HIDDEN: dict[str, tuple[Tree, tuple[str, ...]]] = {
    "a doctor's": (an_appointment("busy", **RICH), ("colleague", "stranger", "another patient")),
    "a patient's own": (own_entry(**{**RICH, **OWN}), ("doctor", "colleague", "another patient")),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worlds(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[House, House]]:
    """With the appointment, and without it; the slot that it would fill is taken in both."""
    async with AsyncExitStack() as stack:
        made = []
        for tree in (HIDDEN[request.param][0], None):
            house = await stack.enter_async_context(opened(Settings(data=tmp_path_factory.mktemp("w"), base_url=BASE)))
            await peopled(house)
            await kept(house, a_slot("busy", status="busy"))
            await kept(house, *([] if tree is None else [tree]))
            made.append(house)
        yield made[0], made[1]


async def ways(house: House) -> list[Call]:
    version = await house.engine.store.read("Appointment", "h")
    assert version is not None
    index = unpack(version.packed)
    found = [get(f"{H}{more}") for more in ("", "/_history", "/_history/1", "/$meta", "/$explain", "/$access-explain")]
    for code, param in house.registry.of("Appointment").items():
        words = [word for word in index.words if word.param == code and not word.group]
        values = [f"{one.qualifier}|{one.value}" if param.type == "token" else one.value for one in words]
        values += ["gt2026-01-01"] if any(span.param == code for span in index.spans) else []
        for value in dict.fromkeys(values):
            asked = f"Appointment?{code}={quote(value, safe='')}"
            found += [get(f"{asked}&_total=accurate"), get(f"{asked}&_summary=count")]
        found.append(get(f"Appointment?{code}:missing=false&_total=accurate&_elements=id"))
        if param.type == "reference":
            found += [get(f"Appointment?_include=Appointment:{code}&_total=accurate")]
            found += [get(f"{type}?_has:Appointment:{code}:_id=h&_total=accurate") for type in ("Patient", "Slot")]
            found += [get(f"{type}?_revinclude=Appointment:{code}") for type in ("Patient", "Slot", "Practitioner")]
        if param.type not in ("composite", "special"):
            found.append(get(f"Appointment?_sort=-{code}&_elements=id&_count=1"))
    for query in ("_id=h", "_text=hiddennarrative", "_content=hiddenwords", "_lastUpdated=gt2020", "_tag=hiddentag",
                  "_filter=_id%20eq%20h", "_include=*", "_count=1", "patient=a", "actor:Patient.birthdate=1980-01-01",
                  "slot.start=ge2027", "slot.schedule.actor=Practitioner/doctor"):  # fmt: skip
        found.append(get(f"Appointment?{query}&_total=accurate"))
    found += [get(one) for one in ("_history", "Appointment/_history", "Patient/a/$everything", "Slot/busy",
                                   "Patient/a/Appointment?_total=accurate", "Practitioner/doctor/Appointment")]  # fmt: skip
    return [*found, *writes()]


def writes() -> list[Call]:
    status = {"op": "test", "path": "/status", "value": "x"}
    found: list[Call] = [
        ("DELETE", H, None, "", {}),
        ("DELETE", "Appointment?_tag=hiddentag", None, "", {}),
        ("PATCH", H, [status], PATCH, {}),
        ("PATCH", "Appointment?identifier=urn:rdv|hidden", [status], PATCH, {}),
        post(f"{H}/$validate?mode=delete"),
        post("Appointment", an_appointment("busy")),
        ("PUT", H, {**an_appointment(), "id": "h"}, JSON, {"if_match": 'W/"1"'}),
        ("POST", "Appointment", {**an_appointment(), "comment": "x"}, JSON, {"if_none_exist": "_tag=hiddentag"}),
        post("AppointmentResponse", {"resourceType": "AppointmentResponse", "appointment": {"reference": H},
                                     "participantStatus": "accepted", "actor": {"reference": "Patient/b"}}),
    ]  # fmt: skip
    for method in ("GET", "DELETE"):
        entry = {"request": {"method": method, "url": H}}
        found += [
            post("", {"resourceType": "Bundle", "type": type, "entry": [entry]}) for type in ("batch", "transaction")
        ]
    return found


@pytest.mark.parametrize("worlds", HIDDEN, indirect=True)
async def test_no_way_out_tells_an_appointment_of_others_from_none(
    worlds: tuple[House, House], request: pytest.FixtureRequest
) -> None:
    telling: list[Any] = []
    for name in HIDDEN[request.node.callspec.params["worlds"]][1]:
        telling += [(name, *one) for one in await differing(worlds, name)]
    assert telling == []
    # Whoever sees it is told by most of the same ways.
    assert len(await differing(worlds, "operator")) > 50


async def differing(worlds: tuple[House, House], name: str) -> list[Any]:
    """What a caller is answered otherwise by the two."""
    one, other = (Caller(house, CALLERS[name]) for house in worlds)
    found: list[Any] = []
    for method, url, body, type, headers in await ways(worlds[0]):
        there, absent = [await caller(method, url, body, type, **headers) for caller in (one, other)]
        if told(there) != told(absent) or there.status >= 500:
            found.append((method, url, there.status, absent.status))
    return found
