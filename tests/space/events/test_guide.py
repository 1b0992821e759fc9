"""The guide's own examples, sent as they are, and mended where they break what no level lets pass.

https://interop.esante.gouv.fr/ig/fhir/nde (3.0.0): sub1, com2 (declaration), com1 (request).
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.app import House
from fhir_server.validation.profiles import packages
from tests.examples import shared_data
from tests.server.people import kept
from tests.space.events.people import RECORD, ask, at, changed

pytestmark = pytest.mark.asyncio(loop_scope="module")
#: Whom the examples are about, known by every trait.
LANGDON = {
    "resourceType": "Patient",
    "id": "langdon",
    "active": True,
    "name": [{"family": "ROBERT", "given": ["Langdon"]}],
    "gender": "male",
    "birthDate": "1960-03-20",
}
RPPS = ("contained.2.identifier.0.value", "99700218896")


def example(name: str) -> dict[str, Any]:
    data = shared_data()
    if data is None or not (data / "ig").is_dir():
        pytest.skip("the national guides are not beside the checkout")
    tree = packages.load(data / "ig" / "ans.fhir.fr.nde-3.0.0.tgz").examples[name]
    return {member: value for member, value in tree.items() if member != "id"}


async def refused(house: House, tree: dict[str, Any]) -> set[str]:
    answer = await ask(house, "operator", "POST", tree["resourceType"], tree)
    assert answer.status == 422, answer.json
    errors = [one for one in answer.json["issue"] if one["severity"] == "error"]
    return {place for one in errors for place in one.get("expression", ())}


async def test_the_examples_are_taken_once_what_is_wrong_in_them_is_right(house: House) -> None:
    declaration = example("CommunicationRequest-com2.json")
    # Nobody here is whom it is about.
    assert await refused(house, declaration) == {"CommunicationRequest.subject"}
    await kept(house, LANGDON)
    made = await ask(house, "operator", "POST", "CommunicationRequest", declaration)
    assert made.status == 201, made.json
    found = {"url": RECORD, "valueReference": {"reference": "Patient/langdon"}}
    assert made.json["subject"]["extension"] == [found]
    subscription = example("Subscription-sub1.json")
    assert "Subscription.contained[2].identifier[0].value" in await refused(house, subscription)
    subscription = changed(subscription, *RPPS)
    assert await refused(house, subscription) == {"Subscription.end"}
    follows = await ask(house, "operator", "POST", "Subscription", changed(subscription, "end", at(30)))
    assert follows.status == 201, follows.json
    request = changed(example("CommunicationRequest-com1.json"), *RPPS)
    # Its endpoint says mailto: twice, and another name than the subscription's.
    assert "CommunicationRequest.recipient" in await refused(house, request)
    request = changed(request, "recipient.0.extension.0.valueUrl", subscription["channel"]["endpoint"])
    assert await refused(house, request) == {"CommunicationRequest.basedOn"}
    request = changed(request, "basedOn.0.reference", f"Subscription/{follows.json['id']}")
    asked = await ask(house, "operator", "POST", "CommunicationRequest", request)
    assert asked.status == 201, asked.json
