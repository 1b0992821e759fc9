"""Thousands of searches over published and synthetic resources, answered as a second, brute-force reading answers them.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from tests.examples import examples_folder, shared_data
from tests.search import oracle
from tests.search.oracle import Json, dates, numbers, parts, quantities, references, strings, tokens
from tests.server.searches import SmallServer, a_server, ids, link


class Kind(NamedTuple):
    """How a parameter type matches, its modifiers, and what may be asked of one value."""

    matches: Callable[[Any, str, str], bool]
    modifiers: tuple[str, ...]
    asked: Callable[[Any, random.Random], str]


def _a_string(value: str, dice: random.Random) -> str:
    shapes = (value, value[: dice.randint(1, len(value))], value.upper(), oracle.plain(value), value[1:] or value)
    return dice.choice(shapes)


def _a_token(value: tuple[str | None, str | None], dice: random.Random) -> str:
    system, code = value
    if system is None:
        return code or ""
    return dice.choice((f"{system}|{code or ''}", code or f"{system}|", f"{system}|", f"|{code or 'x'}"))


def _a_date(value: tuple[int, int], dice: random.Random) -> str:
    micros = next(end for end in (*dice.sample(value, 2), 0) if abs(end) < 10**17)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        microseconds=micros + dice.choice((0, 0, -1, 1)) * 3_600_000_000
    )
    zoned = moment.astimezone(oracle.PARIS)
    text = dice.choice(
        (
            zoned.strftime("%Y"), zoned.strftime("%Y-%m"), zoned.strftime("%Y-%m-%d"), zoned.strftime("%Y-%m-%dT%H:%M"),
            moment.strftime("%Y-%m-%dT%H:%M:%SZ"), moment.strftime("%Y-%m-%dT%H:%MZ"),
            moment.strftime("%Y-%m-%dT%H:%M:%S+02:00"),
        )
    )  # fmt: skip
    return dice.choice(("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")) + text


def _a_number(value: Any, dice: random.Random) -> str:
    near = dice.choice((value, value + 1, value - 1, round(value), round(value, 1), value * 2))
    return dice.choice(("", "", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")) + f"{near}"


def _a_quantity(value: Json, dice: random.Random) -> str:
    number = _a_number(oracle.Decimal(str(value["value"])), dice)
    system, code, unit = (value.get(name, "") for name in ("system", "code", "unit"))
    # Units that the world also has in another size are for the tests of UCUM.
    whole = f"|{system}|{code}" if system and code and code not in CONVERTED else ""
    return number + dice.choice(("", whole, f"||{code or unit}" if code or unit else ""))


CONVERTED = frozenset(("cm", "[in_i]", "mm[Hg]", "kPa", "{score}", "%", "kg", "[lb_av]", "g", "pg"))


def _a_reference(value: str, dice: random.Random) -> str:
    return dice.choice((value, value.rpartition("/")[2] if value.count("/") == 1 else value))


def _a_uri(value: str, dice: random.Random) -> str:
    return dice.choice((value, value.rpartition("/")[0] or value, value + "/x"))


KINDS = {
    "string": Kind(oracle.string_matches, ("", "", "exact", "contains"), _a_string),
    "token": Kind(oracle.token_matches, ("", "", "", "not"), _a_token),
    "date": Kind(oracle.date_matches, ("",), _a_date),
    "number": Kind(oracle.number_matches, ("",), _a_number),
    "quantity": Kind(oracle.quantity_matches, ("",), _a_quantity),
    "reference": Kind(oracle.reference_matches, ("",), _a_reference),
    "uri": Kind(oracle.uri_matches, ("", "below", "above"), _a_uri),
}

#: Type → parameter → its type, and what takes its values out of a resource.
PARAMETERS: dict[str, dict[str, tuple[str, Callable[[Json], Any]]]] = {
    "Patient": {
        "name": ("string", parts("name", oracle.NAME)),
        "family": ("string", strings("name.family")),
        "given": ("string", strings("name.given")),
        "address": ("string", parts("address", oracle.ADDRESS)),
        "address-city": ("string", strings("address.city")),
        "address-postalcode": ("string", strings("address.postalCode")),
        "birthdate": ("date", dates("birthDate")),
        "death-date": ("date", dates("deceasedDateTime")),
        "gender": ("token", tokens("gender")),
        "active": ("token", tokens("active")),
        "identifier": ("token", tokens("identifier")),
        "general-practitioner": ("reference", references("generalPractitioner")),
        "organization": ("reference", references("managingOrganization")),
        "link": ("reference", references("link.other")),
    },
    "Observation": {
        "code": ("token", tokens("code")),
        "category": ("token", tokens("category")),
        "status": ("token", tokens("status")),
        "date": ("date", dates("effectiveDateTime", "effectivePeriod", "effectiveInstant", "effectiveTiming")),
        "value-quantity": ("quantity", quantities("valueQuantity")),
        "value-concept": ("token", tokens("valueCodeableConcept")),
        "component-code": ("token", tokens("component.code")),
        "component-value-quantity": ("quantity", quantities("component.valueQuantity")),
        "combo-code": ("token", tokens("code", "component.code")),
        "combo-value-quantity": ("quantity", quantities("valueQuantity", "component.valueQuantity")),
        "data-absent-reason": ("token", tokens("dataAbsentReason")),
        "subject": ("reference", references("subject")),
        "encounter": ("reference", references("encounter")),
        "performer": ("reference", references("performer")),
        "has-member": ("reference", references("hasMember")),
    },
    "Encounter": {
        "class": ("token", tokens("class")),
        "type": ("token", tokens("type")),
        "status": ("token", tokens("status")),
        "date": ("date", dates("period")),
        "length": ("quantity", quantities("length")),
        "subject": ("reference", references("subject")),
        "participant": ("reference", references("participant.individual")),
        "service-provider": ("reference", references("serviceProvider")),
    },
    "Condition": {
        "code": ("token", tokens("code")),
        "clinical-status": ("token", tokens("clinicalStatus")),
        "verification-status": ("token", tokens("verificationStatus")),
        "onset-date": ("date", dates("onsetDateTime", "onsetPeriod")),
        "abatement-date": ("date", dates("abatementDateTime", "abatementPeriod")),
        "recorded-date": ("date", dates("recordedDate")),
        "subject": ("reference", references("subject")),
        "encounter": ("reference", references("encounter")),
    },
    "Procedure": {
        "date": ("date", dates("performedDateTime", "performedPeriod")),
        "code": ("token", tokens("code")),
        "status": ("token", tokens("status")),
        "reason-reference": ("reference", references("reasonReference")),
    },
    "MedicationRequest": {
        "authoredon": ("date", dates("authoredOn")),
        "intent": ("token", tokens("intent")),
        "code": ("token", tokens("medicationCodeableConcept")),
        "medication": ("reference", references("medicationReference")),
        "requester": ("reference", references("requester")),
    },
    "RiskAssessment": {"probability": ("number", numbers("prediction.probabilityDecimal"))},
    "MolecularSequence": {
        "variant-start": ("number", numbers("variant.start")),
        "window-end": ("number", numbers("referenceSeq.windowEnd")),
    },
    "Goal": {"start-date": ("date", dates("startDate")), "target-date": ("date", dates("target.dueDate"))},
    "Questionnaire": {
        "url": ("uri", strings("url")),
        "title": ("string", strings("title")),
        "date": ("date", dates("date")),
        "effective": ("date", dates("effectivePeriod")),
        "version": ("token", tokens("version")),
    },
    "PlanDefinition": {
        "url": ("uri", strings("url")),
        "name": ("string", strings("name")),
        "topic": ("token", tokens("topic")),
        "effective": ("date", dates("effectivePeriod")),
    },
    "Organization": {
        "name": ("string", strings("name", "alias")),
        "address": ("string", parts("address", oracle.ADDRESS)),
        "partof": ("reference", references("partOf")),
        "active": ("token", tokens("active")),
    },
    "Practitioner": {
        "name": ("string", parts("name", oracle.NAME)),
        "identifier": ("token", tokens("identifier")),
    },
}
#: Sampled data and comparators, which this reading leaves to others' tests; and a reference to what the element may not
#: refer to.
LEFT_OUT = re.compile(rb'"(valueSampledData|comparator)"|"id" *: *"(clinical-gender|decimal)"')

World = dict[str, list[Json]]


@pytest.fixture(scope="module")
def resources() -> World:
    """Published examples and what happened to two invented people, by type."""
    folder, data = examples_folder(), shared_data()
    if folder is None or data is None:
        pytest.skip("the published examples or Synthea's bundles are not there")
    found: dict[tuple[str, str], Json] = {}
    for type in PARAMETERS:
        for file in sorted(folder.glob(f"{type}-*.json")):
            body = file.read_bytes()
            resource = json.loads(body, parse_float=oracle.Decimal)
            if resource["resourceType"] == type and not LEFT_OUT.search(body):
                found.setdefault((type, resource["id"]), resource)
    for file in sorted((data / "synthea").glob("*.json.gz"), key=lambda one: one.stat().st_size)[:2]:
        text = gzip.decompress(file.read_bytes()).decode()
        for entry in json.loads(text)["entry"]:
            text = text.replace(entry["fullUrl"], f"{entry['resource']['resourceType']}/{entry['resource']['id']}")
        for entry in json.loads(text, parse_float=oracle.Decimal)["entry"]:
            resource = entry["resource"]
            if resource["resourceType"] in PARAMETERS:
                found[resource["resourceType"], resource["id"]] = resource
    world: World = {}
    for (type, _), resource in found.items():
        world.setdefault(type, []).append(resource)
    return world


@pytest.fixture
async def full(tmp_path_factory: pytest.TempPathFactory, resources: World) -> AsyncIterator[SmallServer]:
    small = a_server(tmp_path_factory.mktemp("oracle"))
    for of_type in resources.values():
        await small.put(*of_type)
    yield small
    await small.engine.close()


class Asked(NamedTuple):
    """One criterion, and what it means."""

    name: str
    value: str
    holds: Callable[[Json], bool]


def a_criterion(type: str, world: World, dice: random.Random) -> Asked:
    code, (kind, taken) = dice.choice(list(PARAMETERS[type].items()))
    if dice.random() < 0.08:
        missing = dice.choice(("true", "false"))
        return Asked(f"{code}:missing", missing, lambda tree: (not taken(tree)) is (missing == "true"))
    known = [value for tree in dice.sample(world[type], min(60, len(world[type]))) for value in taken(tree)]
    if not known:
        return Asked(f"{code}:missing", "true", lambda tree: not taken(tree))
    modifier = dice.choice(KINDS[kind].modifiers)
    if kind == "token" and modifier == "not" and dice.random() < 0.5:
        modifier = ""
    choices = [KINDS[kind].asked(dice.choice(known), dice) for _ in range(dice.choice((1, 1, 1, 2)))]
    if modifier == "not":
        choices = choices[:1]
    matches = KINDS[kind].matches
    value = ",".join(one.replace("\\", "\\\\").replace(",", "\\,").replace("$", "\\$") for one in choices)
    name = f"{code}:{modifier}" if modifier else code
    if not all(
        choice.strip() and choice[0] != "#" and (kind != "string" or oracle.plain(choice)) for choice in choices
    ):
        return a_criterion(type, world, dice)
    return Asked(name, value, lambda tree: any(matches(taken(tree), modifier, choice) for choice in choices))


@pytest.mark.parametrize("type", sorted(PARAMETERS))
async def test_any_criteria_find_what_they_find_by_brute_force(full: SmallServer, resources: World, type: str) -> None:
    dice = random.Random(type)
    wrong = []
    for _ in range(150):
        asked = [a_criterion(type, resources, dice) for _ in range(dice.choice((1, 1, 1, 2, 3)))]
        expected = {tree["id"] for tree in resources[type] if all(one.holds(tree) for one in asked)}
        query = urlencode([(one.name, one.value) for one in asked])
        found = await full.ids(f"{type}?{query}&_count=1000")
        if set(found) != expected or len(found) != len(expected):
            wrong.append((asked, sorted(set(found) - expected)[:5], sorted(expected - set(found))[:5]))
    assert not wrong, "\n".join(
        f"{[a[:2] for a in asked]} found too {more}, not {less}" for asked, more, less in wrong[:15]
    )


#: A reference: the type and parameter that hold it, the type it leads to, and what takes it out.
LINKS = [
    ("Observation", "subject", "Patient", references("subject")),
    ("Observation", "patient", "Patient", references("subject")),
    ("Observation", "encounter", "Encounter", references("encounter")),
    ("Encounter", "subject", "Patient", references("subject")),
    ("Condition", "subject", "Patient", references("subject")),
    ("Condition", "encounter", "Encounter", references("encounter")),
    ("Encounter", "participant", "Practitioner", references("participant.individual")),
    ("Patient", "organization", "Organization", references("managingOrganization")),
    ("Patient", "general-practitioner", "Practitioner", references("generalPractitioner")),
]


def _contained(tree: dict[str, Any]) -> list[dict[str, Any]]:
    return list(tree.get("contained", ()))


def _holds(tree: dict[str, Any], target: str, asked: Any) -> bool:
    return tree.get("resourceType") == target and bool(asked.holds(tree))


@pytest.mark.parametrize("type", sorted({link[0] for link in LINKS}))
async def test_chains_find_what_refers_to_what_satisfies_the_rest(
    full: SmallServer, resources: World, type: str
) -> None:
    # https://hl7.org/fhir/R4/search.html#chaining
    dice = random.Random(type)
    wrong = []
    for _ in range(60):
        _, param, target, taken = dice.choice([link for link in LINKS if link[0] == type])
        asked = a_criterion(target, resources, dice)
        holding = {f"{target}/{tree['id']}" for tree in resources[target] if asked.holds(tree)}
        expected = {tree["id"] for tree in resources[type] if holding.intersection(taken(tree))}
        # Chains lead inside too (R4 search.html#contained): what is contained is found beside what is referred to.
        inside = {tree["id"] for tree in resources[type] if any(_holds(one, target, asked) for one in _contained(tree))}
        written = dice.choice((param, param if param == "patient" else f"{param}:{target}"))
        if written == param and param in ("subject", "participant", "general-practitioner"):
            # What the other types it may lead to find is not looked at here.
            written = f"{param}:{target}"
        found = await full.ids(f"{type}?{urlencode({f'{written}.{asked.name}': asked.value})}&_count=1000")
        if len(set(found)) != len(found) or not expected <= set(found) <= expected | inside:
            wrong.append((f"{written}.{asked.name}={asked.value}", set(found) - expected, expected - set(found)))
    assert not wrong


@pytest.mark.parametrize("type", sorted({link[2] for link in LINKS}))
async def test_has_finds_what_is_referred_to_by_what_satisfies_the_rest(
    full: SmallServer, resources: World, type: str
) -> None:
    # https://hl7.org/fhir/R4/search.html#has
    dice = random.Random(type)
    wrong = []
    for _ in range(60):
        source, param, _, taken = dice.choice([link for link in LINKS if link[2] == type])
        asked = a_criterion(source, resources, dice)
        named = {name for tree in resources[source] if asked.holds(tree) for name in taken(tree)}
        expected = {tree["id"] for tree in resources[type] if f"{type}/{tree['id']}" in named}
        query = urlencode({f"_has:{source}:{param}:{asked.name}": asked.value})
        found = await full.ids(f"{type}?{query}&_count=1000")
        if sorted(found) != sorted(expected):
            wrong.append((query, set(found) - expected, expected - set(found)))
    assert not wrong


#: Type, parameter, what takes the values that are compared: least first, greatest last.
SORTED: list[tuple[str, str, Callable[[Json], list[Any]]]] = [
    ("Patient", "family", lambda tree: [oracle.plain(value) for value in strings("name.family")(tree)]),
    ("Patient", "given", lambda tree: [oracle.plain(value) for value in strings("name.given")(tree)]),
    ("Patient", "birthdate", dates("birthDate")),
    ("Patient", "gender", strings("gender")),
    ("Patient", "organization", references("managingOrganization")),
    ("Observation", "date", PARAMETERS["Observation"]["date"][1]),
    ("Observation", "status", strings("status")),
    ("Encounter", "date", dates("period")),
    ("Encounter", "status", strings("status")),
    ("Condition", "onset-date", PARAMETERS["Condition"]["onset-date"][1]),
    ("Condition", "abatement-date", PARAMETERS["Condition"]["abatement-date"][1]),
    ("RiskAssessment", "probability", numbers("prediction.probabilityDecimal")),
    ("Questionnaire", "url", strings("url")),
    ("Questionnaire", "title", lambda tree: [oracle.plain(value) for value in strings("title")(tree)]),
]


@pytest.mark.parametrize("size", [7, 1000])
@pytest.mark.parametrize("type", sorted({one[0] for one in SORTED}))
async def test_pages_together_hold_each_match_once_in_the_order_asked_for(
    full: SmallServer, resources: World, type: str, size: int
) -> None:
    # https://hl7.org/fhir/R4/search.html#sort: what has no value comes last, and is never dropped.
    dice = random.Random(type)
    for _ in range(12):
        own = [one for one in SORTED if one[0] == type]
        order = [(one, dice.random() < 0.5) for one in dice.sample(own, dice.randint(1, min(3, len(own))))]
        asked = a_criterion(type, resources, dice)
        expected = {tree["id"]: tree for tree in resources[type] if asked.holds(tree)}
        sort = ",".join(("-" if down else "") + one[1] for one, down in order)
        page = await full.search(
            f"{type}?{urlencode({asked.name: asked.value})}&_sort={sort}&_count={size}&_total=accurate"
        )
        assert page["total"] == len(expected)
        found = ids(page)
        while (further := link(page, "next")) is not None:
            page = await full.search(further)
            found += ids(page)
        assert sorted(found) == sorted(expected), (asked, sort)
        places = [[oracle.place(one[2](expected[id]), down) for one, down in order] for id in found]
        assert places == sorted(places), (asked[:2], sort)
