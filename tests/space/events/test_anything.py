"""Whatever is sent as an event or a subscription to some is taken or refused with words, whatever its profile's level.

R4 https://hl7.org/fhir/R4/http.html#rejecting; the guide's profiles are off here, so that nothing is refused by them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from tests.space.events.people import ask, declaration, peopled, request, subscription
from tests.space.record.callers import BASE

pytestmark = pytest.mark.asyncio(loop_scope="module")
#: In the place of an element: nothing, and what it may not or may be.
JUNK: tuple[Any, ...] = (None, "x", 1, [], [{}], {}, {"reference": "#pat"}, "2026")
TREES = {
    "subscription": subscription("team"),
    "declaration": declaration(),
    "request": request("absent", "mailto:team@exemple.fr"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lax(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    settings = Settings(data=tmp_path_factory.mktemp("lax"), base_url=BASE, profile_levels={"*": "off"})
    async with opened(settings) as found:
        await peopled(found)
        yield found


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each element, two levels into what is contained."""
    members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, one in members:
        if name != "resourceType" and len(path) < 5:
            yield (*path, name)
            yield from places(one, (*path, name))


def with_junk(tree: Any, path: tuple[Any, ...], junk: Any) -> Any:
    made = deepcopy(tree)
    node = made
    for name in path[:-1]:
        node = node[name]
    if junk is None:
        del node[path[-1]]
    else:
        node[path[-1]] = junk
    return made


@pytest.mark.parametrize("name", TREES)
async def test_whatever_stands_in_an_element_is_taken_or_refused(lax: House, name: str) -> None:
    tree, statuses, wrong = TREES[name], set[int](), []
    for n, path in enumerate(places(tree)):
        for junk in (JUNK[0], JUNK[1 + n % (len(JUNK) - 1)]):
            answer = await ask(lax, "team", "POST", tree["resourceType"], with_junk(tree, path, junk))
            statuses.add(answer.status)
            named = [issue for issue in answer.json.get("issue", ()) if issue["severity"] == "error"]
            if answer.status not in (201, 400, 403, 422) or (answer.status != 201 and not named):
                wrong.append((path, junk, answer.status, answer.json))
    assert wrong == []
    assert 422 in statuses


def by_reference(tree: Any) -> Any:
    """The same of people who are here, by literal references, and nothing contained."""
    here = {"#pat": "Patient/a", "#dec": "Practitioner/team", "#rec": "Practitioner/team", "#sub": "Practitioner/team"}

    def put(node: Any) -> Any:
        if isinstance(node, list):
            return [put(one) for one in node]
        if isinstance(node, dict):
            return {name: here.get(one, one) if name == "reference" else put(one) for name, one in node.items()}
        return node

    return {name: put(one) for name, one in tree.items() if name != "contained"}


LITERAL = {name: by_reference(tree) for name, tree in TREES.items()}


async def test_people_who_are_here_may_be_referred_to(lax: House) -> None:
    for name in ("declaration", "subscription"):
        answer = await ask(lax, "team", "POST", LITERAL[name]["resourceType"], LITERAL[name])
        assert answer.status == 201, answer.json
        assert "ens-record" not in str(answer.json)
    url = "CommunicationRequest?subject=Patient/a&requester=Practitioner/team&event-type=SOR"
    assert (await ask(lax, "patient", "GET", url)).json["total"] >= 1
    for who, status in {"patient": 403, "stranger": 403}.items():
        answer = await ask(lax, who, "POST", "CommunicationRequest", LITERAL["declaration"])
        assert answer.status == status, (who, answer.json)


@pytest.mark.parametrize(
    ("name", "path", "element"),
    [
        ("declaration", ("subject",), "CommunicationRequest.subject"),
        ("declaration", ("requester",), "CommunicationRequest.requester"),
        ("declaration", ("extension",), "CommunicationRequest.extension"),
        ("declaration", ("extension", 1), "CommunicationRequest.extension"),
        ("request", ("basedOn",), "CommunicationRequest.basedOn"),
        ("request", ("medium",), "CommunicationRequest.medium"),
        ("request", ("recipient",), "CommunicationRequest.recipient"),
        ("request", ("recipient", 0, "extension"), "CommunicationRequest.recipient"),
        *(("subscription", ("extension", n), "Subscription.extension") for n in range(5)),
    ],
)
async def test_what_the_guide_demands_is_demanded_with_its_profiles_off(
    lax: House, name: str, path: tuple[Any, ...], element: str
) -> None:
    tree = with_junk(LITERAL[name], path, None)
    answer = await ask(lax, "team", "POST", tree["resourceType"], tree)
    named = {place for issue in answer.json["issue"] for place in issue.get("expression", ())}
    assert answer.status == 422 and element in named, answer.json


#: Values of extensions that are of a type which has what a Reference, a code or an instant has.
OTHERWISE: tuple[dict[str, Any], ...] = (
    {"valueExpression": {"language": "text/fhirpath", "expression": "x", "reference": "Patient/a"}},
    {"valueExpression": {"language": "text/fhirpath", "expression": "x", "reference": "#pat"}},
    {"valueIdentifier": {"system": "urn:a", "value": "b"}},
    {"valueString": "2026-01-01"},
    {"valueDate": "2026"},
    {"valueCodeableConcept": {"coding": [{"code": "SOR"}]}},
)


@pytest.mark.parametrize("name", TREES)
async def test_an_extension_with_a_value_of_another_type_is_taken_or_refused(lax: House, name: str) -> None:
    wrong = []
    for tree in (TREES[name], LITERAL[name]):
        for path in places(tree):
            if path[-1] != "url" or "extension" not in path:
                continue
            for value in OTHERWISE:
                otherwise = with_junk(tree, path[:-1], {"url": _at(tree, path), **value})
                answer = await ask(lax, "team", "POST", tree["resourceType"], otherwise)
                if answer.status not in (201, 400, 403, 422):
                    wrong.append((path, value, answer.status))
    assert wrong == []


def _at(tree: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        tree = tree[name]
    return tree
