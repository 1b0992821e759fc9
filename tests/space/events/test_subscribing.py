"""Subscriptions to events, flows 1 and 2 of https://interop.esante.gouv.fr/ig/fhir/nde: who follows whose events.

R4 https://hl7.org/fhir/R4/subscription.html, "Safety and Security".
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from fhir_server.app import House
from fhir_server.fhir.xml import to_json, to_xml
from tests.space.events.people import (
    CALLERS,
    GUIDE,
    RECORD,
    SELVES,
    ask,
    at,
    changed,
    dated,
    named,
    subscription,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Caller → what they are answered who follow the events of patient a in their own name, at their own address.
ANSWERS = {
    "patient": 201,
    # Software by itself is nobody who is notified.
    "patient's app": 403,
    "parent": 201,
    "parent of a grown child": 422,
    "another patient": 422,
    "team": 201,
    "team in the record": 201,
    "authorised": 201,
    "stranger": 422,
    "blocked": 422,
    "clinic": 201,
    "other clinic": 422,
    "publisher's app": 422,
    "operator": 201,
}


@pytest.mark.parametrize("who", CALLERS)
async def test_who_follows_a_patient_s_events(house: House, who: str) -> None:
    answer = await ask(house, who, "POST", "Subscription", subscription(who))
    assert answer.status == ANSWERS[who], answer.json
    if answer.status == 201:
        assert answer.json["id"] and answer.json["status"] == "requested"
        found = next(one for one in answer.json["extension"] if one["url"] == GUIDE + "subject")
        said = found["valueReference"]["extension"]
        assert said == [{"url": RECORD, "valueReference": {"reference": "Patient/a"}}]


async def test_a_parent_follows_a_child_until_it_is_of_age(house: House) -> None:
    """Code civil, art. 414."""
    tree = subscription("parent of a grown child", "grown")
    assert (await ask(house, "parent of a grown child", "POST", "Subscription", tree)).status == 422


async def test_who_may_not_follow_somebody_is_answered_as_for_nobody(house: House) -> None:
    unknown = subscription("stranger")
    unknown["contained"][0]["identifier"][0]["value"] = "2800199999999"
    for tree in (unknown, subscription("stranger"), subscription("stranger", "closed")):
        answer = await ask(house, "stranger", "POST", "Subscription", tree)
        assert answer.status == 422
        assert answer.json["issue"] == (await ask(house, "stranger", "POST", "Subscription", unknown)).json["issue"]
    # In a care team of a record that is closed.
    assert (await ask(house, "team", "POST", "Subscription", subscription("team", "closed"))).status == 422


async def test_the_subscriber_is_who_asks_at_an_address_of_their_own(house: House) -> None:
    for who, as_whom, status in (
        ("team", "clinic", 201),
        ("team", "authorised", 403),
        ("authorised", "clinic", 403),
        ("patient", "team", 403),
        ("patient", "parent", 403),
        ("parent", "patient", 201),
        ("parent", "parent of a grown child", 403),
        ("clinic", "team", 403),
        ("operator", "team", 201),
    ):
        tree = subscription(as_whom)
        tree["channel"]["endpoint"] = subscription(who)["channel"]["endpoint"]
        answer = await ask(house, who, "POST", "Subscription", tree)
        assert answer.status == status, (who, as_whom, answer.json)
    for who, address, status in (
        ("team", "TEAM@exemple.fr", 201),
        ("team", "clinic@exemple.fr", 201),
        ("team", "authorised@exemple.fr", 403),
        ("patient", "b@exemple.fr", 403),
        ("parent", "a@exemple.fr", 403),
        ("operator", "nobody@exemple.fr", 201),
    ):
        tree = changed(subscription(who), "channel.endpoint", f"mailto:{address}")
        answer = await ask(house, who, "POST", "Subscription", tree)
        assert answer.status == status, (who, address, answer.json)
        if status == 403:
            assert answer.json["issue"][0]["expression"] == ["Subscription.channel.endpoint"]
    # A mail to one's own address is of events alone.
    plain = {name: one for name, one in subscription("team").items() if name not in ("meta", "extension", "contained")}
    assert (await ask(house, "team", "POST", "Subscription", plain)).status == 403


GOOD = subscription("operator")
#: What is otherwise → the element that is refused.
WRONG: dict[str, tuple[Any, str]] = {
    **{
        one["url"].rpartition("/")[2]: (changed(GOOD, f"extension.{n}"), "Subscription.extension")
        for n, one in enumerate(GOOD["extension"])
    },
    "contained": (changed(GOOD, "contained"), "Subscription.contained"),
    "two types": (changed(GOOD, "extension.5", GOOD["extension"][3]), "Subscription.extension"),
    "another type": (
        changed(GOOD, "criteria", "CommunicationRequest?event-type=ADM"),
        "Subscription.criteria",
    ),
    "another resource": (changed(GOOD, "criteria", "Observation?code=x"), "Subscription.criteria"),
    "a topic": (
        changed(GOOD, "criteria", "https://fhir-server.example/SubscriptionTopic/message-request"),
        "Subscription.criteria",
    ),
    "ends before it starts": (changed(GOOD, "extension.0", dated("start", 40)), "Subscription.end"),
    "ended": (changed(GOOD, "end", at(-2)), "Subscription.end"),
    "a payload": (changed(GOOD, "channel.payload", "application/fhir+json"), "Subscription.channel.payload"),
    "two addresses": (changed(GOOD, "channel.endpoint", "mailto:a@b.fr,c@d.fr"), "Subscription.channel.endpoint"),
    "declared by nobody": (
        changed(GOOD, "extension.2.valueReference.reference", "#other"),
        "Subscription.extension[2].value",
    ),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_a_subscription_lacks_is_named(house: House, what: str) -> None:
    tree, element = WRONG[what]
    answer = await ask(house, "operator", "POST", "Subscription", tree)
    named = {place for issue in answer.json["issue"] for place in issue.get("expression", ())}
    assert answer.status == 422 and element in named, answer.json


async def test_a_subscription_is_changed_and_ended_by_who_made_it(house: House) -> None:
    """Flow 1: PUT, 200 with the resource. Flow 2: DELETE, 200."""
    made = (await ask(house, "team", "POST", "Subscription", subscription("team"))).json
    asked_for = next(one for one in made["extension"] if one["url"] == GUIDE + "subscription-date")
    url = f"Subscription/{made['id']}"
    tree = {**subscription("team"), "id": made["id"], "reason": "Autre motif"}
    tree = json.loads(to_json(to_xml(json.dumps(tree).encode())))
    changes = await ask(house, "team", "PUT", url, tree)
    assert changes.status == 200 and changes.json["reason"] == "Autre motif"
    assert asked_for in changes.json["extension"]
    # As it was answered it is taken again.
    again = await ask(house, "team", "PUT", url, changes.json)
    assert again.status == 200, again.json
    moved = changed(again.json, "contained.0.identifier.0.value", "2800100000002")
    assert (await ask(house, "team", "PUT", url, moved)).status == 422
    gone = await ask(house, "team", "DELETE", url)
    assert (gone.status, gone.json["resourceType"]) == (200, "OperationOutcome")
    assert (await ask(house, "team", "GET", url)).status == 410
    # Of others nothing is said, as R4 has it.
    plain = await ask(house, "operator", "PUT", "Subscription/plain", {
        "resourceType": "Subscription", "id": "plain", "status": "off", "reason": "x", "criteria": "Observation?code=x",
        "channel": {"type": "email", "endpoint": "mailto:a@exemple.fr"},
    })  # fmt: skip
    assert plain.status == 201, plain.json
    assert (await ask(house, "operator", "DELETE", "Subscription/plain")).status == 204


async def test_a_subscription_is_its_owner_s_and_the_patient_s(house: House) -> None:
    """Who follows somebody's events they see, and end; nobody else knows of it."""
    sees = {"team", "team in the record", "patient", "patient's app", "parent", "operator"}
    changes = {"team", "team in the record", "operator"}
    for ends in ("patient", "parent", "patient's app", "team", "operator"):
        made = (await ask(house, "team", "POST", "Subscription", subscription("team"))).json
        url = f"Subscription/{made['id']}"
        for who in CALLERS:
            answer = await ask(house, who, "GET", url)
            assert answer.status == (200 if who in sees else 404), who
            found = await ask(house, who, "GET", f"Subscription?_id={made['id']}&_total=accurate")
            assert found.json["total"] == (who in sees), who
            if who not in changes:
                assert (await ask(house, who, "PUT", url, {**made, "reason": "mine"})).status in (403, 404, 422), who
            if who not in sees:
                # As of what is not there.
                absent = await ask(house, who, "DELETE", "Subscription/absent")
                assert (await ask(house, who, "DELETE", url)).status == absent.status, who
        assert (await ask(house, "team", "GET", url)).json["reason"] == "Suivi"
        assert (await ask(house, ends, "DELETE", url)).status == 200, ends


async def test_there_are_no_others_in_history_or_counts(house: House) -> None:
    made = (await ask(house, "team", "POST", "Subscription", subscription("team"))).json
    for who in ("stranger", "another patient", "other clinic", "parent of a grown child"):
        history = await ask(house, who, "GET", f"Subscription/{made['id']}/_history")
        assert history.status == 404, who
        assert made["id"] not in json.dumps((await ask(house, who, "GET", "Subscription?_total=accurate")).json)
        assert made["id"] not in json.dumps((await ask(house, who, "GET", "Subscription/_history")).json)


async def test_a_professional_is_named_by_the_directory_s_identifier(house: House) -> None:
    tree = subscription("team")
    tree["contained"][2] = named("sub", "Practitioner", "", "", "Team")
    assert (await ask(house, "team", "POST", "Subscription", tree)).status == 403
    assert SELVES["team"][0] == "Practitioner"
