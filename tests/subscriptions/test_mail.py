"""The email channel: https://hl7.org/fhir/R4/valueset-subscription-channel-type.html; without any content (CSP R1111-43)."""

from __future__ import annotations

from email import message_from_bytes, policy
from pathlib import Path

import pytest

from tests.server.closed import Space
from tests.subscriptions.test_topics import to_topic
from tests.subscriptions.world import a_subscription, an_observation, attended, status, subscribed, until

pytestmark = pytest.mark.asyncio


def mails(folder: Path) -> list[str]:
    found = [message_from_bytes(one.read_bytes(), policy=policy.default) for one in folder.rglob("*.eml")]
    return sorted(f"{one['To']} {one['Subject']} {one.get_content()}" for one in found)


async def test_a_mail_says_that_there_is_something_once_an_hour_and_no_more(tmp_path: Path) -> None:
    async with attended(tmp_path) as space:
        await space.put({"resourceType": "Patient", "id": "a"})
        await space.backend("lab")
        token = await space.backend_token()
        mail = {"type": "email", "endpoint": "mailto:suivi@exemple.fr"}
        id = await subscribed(space, token, a_subscription("", "Observation?code=mail") | {"channel": mail})
        for _ in range(3):
            await space.fhir("POST", "Observation", token, json=an_observation("mail"))
        await until(lambda: _waits(space))
        await space.house.services.outbox.send()
        (said,) = mails(tmp_path)
        assert said.startswith("suivi@exemple.fr Something is new")
        assert id not in said and "Observation" not in said and "mail" not in said.removeprefix("suivi@exemple.fr")
        assert await status(space, token, id) == "active"


async def _waits(space: Space) -> bool:
    return bool((await space.house.services.outbox.sizes())["waiting"])


async def test_who_may_have_mails_sent_and_what_they_cannot_have(tmp_path: Path) -> None:
    async with attended(tmp_path) as space:
        await space.backend("lab")
        token, wrong = await space.backend_token(), {}
        good = {"type": "email", "endpoint": "mailto:suivi@exemple.fr"}
        refused = {
            "no address": ({**good, "endpoint": "https://exemple.fr/"}, "channel.endpoint"),
            "two": ({**good, "endpoint": "mailto:a@exemple.fr,b@exemple.fr"}, "channel.endpoint"),
            "fields": ({**good, "endpoint": "mailto:a@exemple.fr?bcc=b@exemple.fr"}, "channel.endpoint"),
            "payload": ({**good, "payload": "application/fhir+json"}, "channel.payload"),
            "headers": ({**good, "header": ["A: b"]}, "channel.header"),
        }
        for what, (channel, element) in refused.items():
            tree = a_subscription("", "Observation") | {"channel": channel}
            answer = await space.fhir("POST", "Subscription", token, json=tree)
            named = [name for issue in answer.json()["issue"] for name in issue.get("expression", ())]
            if answer.status_code != 422 or f"Subscription.{element}" not in named:
                wrong[what] = (answer.status_code, named)
        assert not wrong
        whole = to_topic("mailto:suivi@exemple.fr", "full-resource")
        whole["channel"]["type"] = "email"
        assert (await space.fhir("POST", "Subscription", token, json=whole)).status_code == 422
