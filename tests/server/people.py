"""What is in a server before a test begins: resources, and accounts of people."""

from __future__ import annotations

import json
import secrets
from typing import Any

from fhir_server.app import House
from fhir_server.smart.people.accounts import Account

PASSWORD = "correct horse battery"


async def kept(house: House, *resources: dict[str, Any], base: str = "") -> None:
    """Resources with ids, in one commit of the server's own hand, over what was there before; `base` is its address."""
    repository = house.repository(base=base)
    puts = []
    for tree in resources:
        type, id = tree["resourceType"], tree["id"]
        before = await repository.current(type, id)
        puts.append(await repository.put(type, id, tree, json.dumps(tree).encode(), before))
    await repository.transact(puts)


async def escaped(house: House, type: str, id: str) -> None:
    """A resource as software writes it that escapes what need not be: RFC 8259 §7 lets `-` and `/` be written so."""
    repository = house.repository()
    before = await repository.current(type, id)
    assert before is not None
    tree = json.loads(before.body)
    body = json.dumps(tree).replace("-", "\\u002d").replace("/", "\\/").encode()
    assert json.loads(body) == tree
    await repository.transact([await repository.put(type, id, tree, body, before)])


async def a_person(house: House, login: str, name: str, subject: str, **more: Any) -> Account:
    """An account that signs in with `PASSWORD`."""
    account = Account(secrets.token_hex(8), login, name, subject, **more)
    assert await house.authorization.accounts.add(account)
    return await house.authorization.people.set_password(account, PASSWORD)


def a_care_team(patient: str, *members: str, **more: Any) -> dict[str, Any]:
    """Those who care for a patient (id): professionals ("Practitioner/1") who read the record without being asked."""
    return {
        "resourceType": "CareTeam",
        "id": f"team-{patient}",
        "status": "active",
        "subject": {"reference": f"Patient/{patient}"},
        "participant": [{"member": {"reference": one}} for one in members],
        **more,
    }
