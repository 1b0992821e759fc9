"""Events are notified to who follows them: once, by a mail without a word of them, while it is their right to know.

https://interop.esante.gouv.fr/ig/fhir/nde, flows 3 to 5; mails by SMTP (RFC 5321) to a server of this test, their words
ours (CSP R1111-43). What is told and in which order is seen by a rest-hook, which names each.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from fhir_server.smart.people.accounts import Account
from fhir_server.smart.tokens.storage import Family
from fhir_server.store.protocol import Drop, Keep
from fhir_server.subscriptions import kept as told
from tests.jobs.test_outbox import Post
from tests.server.closed import BASE, Space, serving
from tests.server.people import a_care_team
from tests.space.events.people import (
    CALLERS,
    CLINIC,
    RESOURCES,
    SELVES,
    TYPES,
    changed,
    dated,
    declaration,
    named,
    request,
    subscription,
)
from tests.space.record.callers import Tree
from tests.subscriptions.receiver import receiving
from tests.subscriptions.world import attended, status, subscribed, until

pytestmark = pytest.mark.asyncio(loop_scope="module")
TYPE = "CommunicationRequest"
POST = Post()
UNNAMED = ("Organization", "", "")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def space(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Space]:
    async with POST.listening() as address, attended(tmp_path_factory.mktemp("notified"), outbox=address) as found:
        for tree in RESOURCES:
            await found.put(tree)
        await found.backend("lab")
        await found.backend("app")
        yield found


async def token_of(space: Space, who: str) -> tuple[str, str]:
    """The token of somebody's app, and the authorization that it is of."""
    grant, subject = CALLERS[who], CALLERS[who].subject or ""
    accounts, tokens = space.house.authorization.accounts, space.house.authorization.tokens
    wards = () if subject.startswith(("Patient/", "Practitioner/")) else tuple(grant.wards)
    account = Account(f"account-{subject.replace('/', '-')}", subject, who, subject, wards)
    if await accounts.get(account.id) is None:
        assert await accounts.add(account)
    level = "patient" if grant.patient else "user"
    scopes = (f"{level}/Subscription.cruds", f"{level}/{TYPE}.crus")
    family = Family(f"family-{time.time_ns()}", "app", account.id, BASE, scopes, grant.patient, grant.role)
    await space.house.engine.records.apply([Keep("family", family.id, msgspec.json.encode(family))])
    return await tokens.issue("app", BASE, scopes, family.id), family.id


async def declared(space: Space, token: str, tree: Tree) -> Tree:
    answer = await space.fhir("POST", TYPE, token, json=tree)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def hooked(tree: Tree, address: str) -> Tree:
    return {**tree, "channel": {"type": "rest-hook", "endpoint": address, "payload": "application/fhir+json"}}


async def queued(space: Space, id: str) -> int:
    return await told.counted(space.house.engine.records, id)


#: What is not notified → the event, as it is declared.
OTHERS: dict[str, Tree] = {
    "of another patient": declaration(patient="b"),
    "of another type": declaration(code="ADM"),
    "by another organisation": declaration(("Organization", "https://finess.esante.gouv.fr", "750000002")),
    "by a professional": declaration(SELVES["team"]),
    "by a name alone": changed(declaration(), "contained.1", named("dec", *UNNAMED, "clinic")),
    "taken back at once": declaration(status="revoked"),
    "done, and not declared": declaration(status="completed"),
}


async def test_a_subscription_is_told_of_its_person_type_and_declarant_once(space: Space) -> None:
    lab = await space.backend_token()
    async with receiving() as hook:
        id = await subscribed(space, lab, hooked(subscription("operator"), hook.address))
        for tree in OTHERS.values():
            await declared(space, lab, tree)
        made = await declared(space, lab, declaration())
        # What is corrected is no other event.
        made = (await space.fhir("PUT", f"{TYPE}/{made['id']}", lab, json={**made, "priority": "urgent"})).json()
        last = await declared(space, lab, declaration())
        await hook.until(2)
        assert [one.path.rpartition("/")[2] for one in hook.got] == [made["id"], last["id"]]
        assert await queued(space, id) == 2


async def test_a_declarant_without_an_identifier_is_told_by_name(space: Space) -> None:
    """As in the guide's own example."""
    lab = await space.backend_token()
    by_name = changed(subscription("operator"), "contained.1", named("dec", *UNNAMED, "Hôpital Test"))
    async with receiving() as hook:
        await subscribed(space, lab, hooked(by_name, hook.address))
        await declared(space, lab, declaration())
        for name in ("Hôpital d’à côté", "HOPITAL  TEST"):
            tree = changed(declaration(), "contained.1", named("dec", *UNNAMED, name))
            last = await declared(space, lab, tree)
        await hook.until(1)
        assert [one.path.rpartition("/")[2] for one in hook.got] == [last["id"]]


async def test_criteria_may_choose_the_person_by_identifier(space: Space) -> None:
    """Flow 1: what the guide's page shows."""
    lab = await space.backend_token()
    ins = RESOURCES[0]["identifier"][0]
    criteria = f"{TYPE}?subject.identifier={ins['system']}|{ins['value']}&event-type={TYPES}|DEM"
    async with receiving() as hook:
        tree = hooked(subscription("operator", code="DEM", criteria=criteria), hook.address)
        await subscribed(space, lab, tree)
        made = await declared(space, lab, declaration(code="DEM"))
        await hook.until(1)
        assert hook.got[0].path.endswith(made["id"])


async def test_nothing_is_told_before_the_start(space: Space) -> None:
    lab = await space.backend_token()
    async with receiving() as hook:
        later = changed(subscription("operator", code="DOC"), "extension.0", dated("start", 1))
        waits = await subscribed(space, lab, hooked(later, hook.address))
        await subscribed(space, lab, hooked(subscription("operator", code="DOC"), f"{hook.address}/now"))
        await declared(space, lab, declaration(code="DOC"))
        await hook.until(1)
        assert await queued(space, waits) == 0
        assert await status(space, lab, waits) == "active"


async def test_who_is_not_let_in_any_more_is_not_told(space: Space) -> None:
    """Rights are those of when it is told: a care team that ended, an authorization that was withdrawn."""
    lab = await space.backend_token()
    team, family = await token_of(space, "team")
    async with receiving() as hook:
        mine = await subscribed(space, team, hooked(subscription("team", code="NOT"), f"{hook.address}/team"))
        await subscribed(space, lab, hooked(subscription("operator", code="NOT"), f"{hook.address}/lab"))
        await declared(space, lab, declaration(code="NOT"))
        await hook.until(2)
        await space.put({**a_care_team("a", "Practitioner/blocked"), "id": "team-a"})
        await declared(space, lab, declaration(code="NOT"))
        await hook.until(3)
        assert await queued(space, mine) == 1
        assert sorted(one.path.split("/")[-3] for one in hook.got) == ["lab", "lab", "team"]
        await space.put(a_care_team("a", "Practitioner/team", "Practitioner/blocked", "Organization/clinic"))
        await space.house.authorization.tokens.end(family)
        await declared(space, lab, declaration(code="NOT"))
        await until(lambda: _is(space, lab, mine, "off"))
        assert sum(one.path.split("/")[-3] == "team" for one in hook.got) == 1


async def _is(space: Space, token: str, id: str, wanted: str) -> bool:
    return await status(space, token, id) == wanted


async def test_what_was_taken_back_while_it_waited_is_not_told(space: Space) -> None:
    lab = await space.backend_token()
    patient, _ = await token_of(space, "patient")
    async with receiving() as hook:
        hook.answer = "wait"
        await subscribed(space, patient, hooked(subscription("patient", code="POS"), hook.address))
        made = [await declared(space, lab, declaration(code="POS")) for _ in range(3)]
        await hook.until(1)
        taken = {**made[1], "status": "entered-in-error"}
        assert (await space.fhir("PUT", f"{TYPE}/{made[1]['id']}", lab, json=taken)).is_success
        hook.answer = 200
        await hook.until(3)
        paths = dict.fromkeys(one.path.rpartition("/")[2] for one in hook.got)
        assert list(paths) == [made[0]["id"], made[2]["id"]]


async def mails(space: Space) -> list[tuple[str, str]]:
    """What was sent since this was last asked: to whom, and all that it says."""
    POST.messages.clear()
    await space.house.services.outbox.send()
    found = [message_from_bytes(one, policy=policy.default) for one in POST.messages]
    return sorted((str(one["To"]), f"{one['Subject']} {one.get_content()}") for one in found)


async def waiting(space: Space, count: int) -> bool:
    return (await space.house.services.outbox.sizes())["waiting"] == count


@pytest.mark.parametrize("who", ["patient", "parent", "team"])
async def test_a_mail_goes_to_who_follows_and_says_nothing_of_the_event(space: Space, who: str) -> None:
    lab, (token, _) = await space.backend_token(), await token_of(space, who)
    code = {"patient": "ADM", "parent": "ECH", "team": "TRA"}[who]
    id = await subscribed(space, token, subscription(who, code=code))
    made = await declared(space, lab, declaration(code=code, payload=[{"contentString": "Sortie de pneumologie"}]))
    await until(lambda: waiting(space, 1))
    [(to, text)] = await mails(space)
    assert to == f"{(CALLERS[who].subject or '').rpartition('/')[2]}@exemple.fr"
    for word in (id, made["id"], code, "Famille", "pneumologie", "clinic", "Patient", "Lou"):
        assert word not in text
    # Once: nothing more waits, and what its declarant corrects is no other event.
    await space.fhir("PUT", f"{TYPE}/{made['id']}", lab, json={**made, "priority": "urgent"})
    assert await mails(space) == []
    gone = await space.fhir("DELETE", f"Subscription/{id}", token)
    assert gone.status_code == 200 and gone.json()["resourceType"] == "OperationOutcome"


async def test_a_mail_that_is_not_taken_is_sent_again_and_once(space: Space) -> None:
    """RFC 5321 §4.5.4.1."""
    lab = await space.backend_token()
    await subscribed(
        space, lab, changed(subscription("operator", code="SSD"), "channel.endpoint", "mailto:x@exemple.fr")
    )
    await declared(space, lab, declaration(code="SSD"))
    await until(lambda: waiting(space, 1))
    POST.greeting = "421 busy"
    assert await mails(space) == []
    POST.greeting = "220 mail.example"
    records = space.house.engine.records
    # As after the pause until the next attempt.
    await records.apply([Drop("outbox-lease", key) for key, _ in await records.list("outbox")])
    assert [to for to, _ in await mails(space)] == ["x@exemple.fr"]
    assert await mails(space) == []


async def test_an_event_leaves_a_trace_of_its_person(space: Space) -> None:
    """CSP R1111-43: who did what in whose record; the patient is found though what was sent contains them."""
    lab = await space.backend_token()
    made = await declared(space, lab, declaration(code="REC"))
    traces = await space.fhir("GET", f"AuditEvent?patient=Patient/a&entity={TYPE}/{made['id']}&_elements=entity", lab)
    assert traces.json()["total"] == 1, traces.text


async def test_a_notification_that_is_asked_for_is_told_by_its_subscription_alone(space: Space) -> None:
    """Flow 4: a CommunicationRequest based on the subscription."""
    lab = await space.backend_token()
    address = "mailto:suivi@exemple.fr"
    some = [
        await subscribed(space, lab, changed(subscription("operator", code="SOR"), "channel.endpoint", address))
        for _ in range(2)
    ]
    before = [await queued(space, id) for id in some]
    await declared(space, lab, request(some[0], address))
    await until(lambda: waiting(space, 1))
    assert [await queued(space, id) for id in some] == [before[0] + 1, before[1]]
    assert [to for to, _ in await mails(space)] == ["suivi@exemple.fr"]


async def test_a_request_that_fits_no_subscription_is_refused_whatever_does_not_fit(space: Space) -> None:
    """Another's subscription is told of by nothing."""
    lab, (team, _) = await space.backend_token(), await token_of(space, "team")
    address = "mailto:team@exemple.fr"
    id = await subscribed(space, team, subscription("team"))
    tree: dict[str, Any] = request(id, address)
    off = await subscribed(space, team, subscription("team"))
    stops = (await space.fhir("GET", f"Subscription/{off}", team)).json()
    assert (await space.fhir("PUT", f"Subscription/{off}", team, json={**stops, "status": "off"})).is_success
    wrong = {
        "no such": request("absent", address),
        "another address": request(id, "mailto:other@exemple.fr"),
        "another type": changed(tree, "extension.0.valueCodeableConcept.coding.0.code", "ADM"),
        "another patient": changed(tree, "contained.0", declaration(patient="b")["contained"][0]),
        "off": request(off, address),
        "not of events": request("plain", address),
        "another server's": changed(tree, "basedOn.0.reference", f"https://autre.example/fhir/Subscription/{id}"),
    }
    said = {}
    for what, one in wrong.items():
        answer = await space.fhir("POST", TYPE, lab, json=one)
        assert answer.status_code == 422, (what, answer.text)
        said[what] = [issue for issue in answer.json()["issue"] if issue["severity"] == "error"]
    assert all(one == said["no such"] for one in said.values()), said
    channel = changed(tree, "medium.0.coding.0.code", "1")
    answer = await space.fhir("POST", TYPE, lab, json=channel)
    assert answer.status_code == 422 and f"{TYPE}.medium" in answer.text
    assert (await space.fhir("POST", TYPE, lab, json=tree)).status_code == 201
    assert CLINIC[0] == "Organization"


async def test_the_server_itself_attends_to_subscriptions_as_the_guide_has_them(tmp_path: Path) -> None:
    """What runs beside the requests: nothing of other events, and the space's own words, French first."""
    async with POST.listening() as address, serving(tmp_path, outbox=address) as space:
        for tree in RESOURCES:
            await space.put(tree)
        await space.backend("lab")
        lab = await space.backend_token()
        tasks = [asyncio.create_task(one) for one in space.house.services.attending()]
        try:
            id = await subscribed(space, lab, subscription("operator"))
            for tree in OTHERS.values():
                await declared(space, lab, tree)
            await declared(space, lab, declaration())
            await until(lambda: waiting(space, 1))
            assert await queued(space, id) == 1
            [(_, text)] = await mails(space)
            assert text.startswith("Du nouveau dans un suivi de l’Espace santé Bonjour,")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
