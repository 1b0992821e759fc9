"""Whatever happens in whatever order, and on two workers at once: the bounds hold, and nobody acts without a living bond.

Domain file §2.2 (three caregivers, five people; two representatives); Code civil, art. 372, 414. Sequences are drawn by
a seed, so that what fails once fails again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from fhir_server.app import House, opened
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError
from fhir_server.space.delegations import changing, ending, people
from fhir_server.space.delegations.bonds import BONDS, Kind
from fhir_server.space.delegations.delegation import DELEGATION, Delegation, from_consent
from fhir_server.space.delegations.ending import Asker
from fhir_server.space.delegations.news import News
from fhir_server.space.majority.clock import Looking
from fhir_server.space.record.choices import choice_id
from fhir_server.store.filters import EVERYTHING
from tests import engines
from tests.access.test_rules import ask
from tests.server.people import kept
from tests.space.delegations.people import a_house, a_patient
from tests.space.majority.test_ways_in import OPERATOR, born

NOW = datetime.now(UTC).replace(microsecond=0)
ADULTS, CHILDREN = range(8), (20, 21)


def a_child(n: int, days: int = 100) -> dict[str, Any]:
    return a_patient(n, birthDate=born(days))


@dataclass
class World:
    """Some people, and what happened to them.

    Attributes:
        houses: workers over one store.
        random: by which everything is drawn.
        history: what was done, for who looks at a failure.
        gone: who died, or whose record was made one with another's.
    """

    houses: list[House]
    random: Random
    history: list[str] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)

    @property
    def house(self) -> House:
        return self.random.choice(self.houses)

    def one(self) -> str:
        """Mostly the first two, so that bounds are met."""
        return f"p{self.random.choice((0, 0, 0, 1, 1, *ADULTS))}"

    def anybody(self) -> str:
        return f"p{self.random.choice(ADULTS)}"

    def child(self) -> str:
        return f"p{self.random.choice(CHILDREN)}"

    async def known(self) -> list[Delegation]:
        page = await self.houses[0].repository().find({"Consent": DELEGATION}, count=500)
        return [one for version in page.versions if (one := from_consent(parse(version.body))) is not None]

    async def some(self, *statuses: str) -> Delegation | None:
        found = [one for one in await self.known() if one.status in statuses]
        return self.random.choice(sorted(found, key=lambda one: one.id)) if found else None


async def invites(world: World) -> Any:
    patient, delegate = world.one(), world.one()
    return await changing.invite(world.house.repository(), patient, delegate, f"Patient/{patient}", None, NOW)


async def invites_a_second(world: World) -> Any:
    by, delegate = world.anybody(), world.anybody()
    own = world.house.repository()
    return await changing.invite(own, world.child(), delegate, f"Patient/{by}", None, NOW, "representation")


async def attaches(world: World) -> Any:
    return await changing.attach(world.house.repository(), world.child(), world.anybody(), "Patient/op", NOW)


async def answers(world: World) -> Any:
    one = await world.some("proposed")
    if one is None:
        return None
    accepts, by = world.random.random() < 0.8, f"Patient/{one.delegate}"
    return await changing.answer(world.house.repository(), one.id, one.delegate, accepts, by, NOW)


async def ends(world: World) -> Any:
    one = await world.some("proposed", "active")
    if one is None:
        return None
    person = world.random.choice((one.patient, one.delegate))
    asker = Asker(person, f"Patient/{person}", world.random.random() < 0.2, world.random.choice(("", "Jugement")))
    return await ending.end(world.house.repository(), one.id, asker, NOW)


async def grows(world: World) -> Any:
    child = world.child()
    version = await world.houses[0].repository().current("Patient", child)
    assert version is not None
    if child in world.gone:
        return None
    tree = {**parse(version.body), "birthDate": born(0 if world.random.random() < 0.6 else 100)}
    await kept(world.house, {name: value for name, value in tree.items() if name != "meta"})
    return await Looking(world.house.services).run(NOW)


async def dies(world: World) -> Any:
    who = f"p{world.random.choice((3, 4, 5, 6, 7))}"
    if who in world.gone or world.random.random() < 0.5:
        return None
    world.gone.add(who)
    return await kept(world.house, a_patient(int(who[1:]), deceasedBoolean=True))


async def merges(world: World, what: str = "merge") -> Any:
    source, target = world.random.choice(((6, 7), (5, 3), (4, 1)))
    rows = [
        {"name": name, "valueReference": {"reference": f"Patient/p{n}"}}
        for name, n in (("source-patient", source), ("target-patient", target))
    ]
    given = {"resourceType": "Parameters", "parameter": rows}
    return await ask(world.house, OPERATOR, "POST", f"Patient/${what}", given)


async def unmerges(world: World) -> Any:
    return await merges(world, "unmerge")


#: What happens, and how often among a hundred.
EVENTS: list[tuple[Callable[[World], Awaitable[Any]], int]] = [
    (invites, 30),
    (invites_a_second, 12),
    (attaches, 8),
    (answers, 30),
    (ends, 12),
    (grows, 3),
    (dies, 2),
    (merges, 2),
    (unmerges, 1),
]


async def happens(world: World) -> None:
    (event,) = world.random.choices([one for one, _ in EVENTS], [often for _, often in EVENTS])
    try:
        found = await event(world)
        world.history.append(f"{event.__name__} → {found if isinstance(found, int) else 'done' if found else '–'}")
    except FhirError as error:
        world.history.append(f"{event.__name__} → {error.issues[0].key or error.status}")


async def holds(world: World) -> list[str]:
    """What is not as it must be, in words."""
    own = world.houses[0].repository()
    page = await own.find({"Patient": EVERYTHING}, count=500)
    there = {version.id: parse(version.body) for version in page.versions}
    page = await own.find({"RelatedPerson": EVERYTHING}, count=500)
    related = {version.id: parse(version.body) for version in page.versions}
    acting = [one for one in related.values() if people.acts(one, NOW)]
    acting = [one for one in acting if people.binds(one, there[_of(one)], NOW)]
    known = await world.known()
    wrong = [f"{one.id} acts for themself" for one in known if one.patient == one.delegate]
    for kind, bond in BONDS.items():
        of_patient = Counter(_of(one) for one in acting if bond.acts(one))
        wrong += [f"{n} act as {kind} for {who}" for who, n in of_patient.items() if n > bond.most[0]]
        of_delegate = Counter(_ins(one) for one in acting if bond.acts(one))
        most = bond.most_of_one[0] if bond.most_of_one is not None else 99
        wrong += [f"{who} acts as {kind} for {n}" for who, n in of_delegate.items() if n > most]
    for one in known:
        exercised = one.id in related and related[one.id].get("active") is True
        if exercised is not (one.status == "active"):
            wrong.append(f"{one.kind} {one.patient}/{one.delegate} is {one.status}, exercised: {exercised}")
    return wrong


def _of(related: Mapping[str, Any]) -> str:
    return str(related["patient"]["reference"]).removeprefix("Patient/")


def _ins(related: Mapping[str, Any]) -> str:
    return str(related["identifier"][0]["value"])


async def at_rest(world: World, news: News) -> list[str]:
    """As `holds`, once what was to follow has followed: nobody dead or merged has a living bond."""
    await news.hear(NOW)
    own = world.houses[0].repository()
    wrong = await holds(world)
    for one in await world.known():
        if one.status not in ("proposed", "active"):
            continue
        for id in (one.patient, one.delegate):
            tree = await people.person(own, f"Patient/{id}")
            replaced = any(link["type"] == "replaced-by" for link in tree.get("link", ()))
            if people.is_dead(tree) or replaced:
                wrong.append(f"{one.kind} {one.patient}/{one.delegate} is {one.status}, and {id} is no more")
    return wrong


@pytest.mark.parametrize("seed", range(10))
async def test_no_sequence_passes_a_bound_or_leaves_a_bond_without_its_people(tmp_path: Path, seed: int) -> None:
    async with a_house(tmp_path, people=len(ADULTS)) as house:
        await kept(house, *(a_child(n) for n in CHILDREN))
        world, news = World([house], Random(seed)), News(house.services)
        await news.hear(NOW)
        for n in range(80):
            await happens(world)
            wrong = await (at_rest(world, news) if n % 8 == 7 else holds(world))
            assert wrong == [], world.history
        # It is no property of a world in which nothing happens.
        assert sum(one.endswith("done") for one in world.history) > 10, world.history


@pytest.mark.parametrize("seed", range(3))
async def test_two_workers_at_once_pass_no_bound(tmp_path: Path, seed: int) -> None:
    engines.require_files()
    async with a_house(tmp_path, people=len(ADULTS)) as here:
        await kept(here, *(a_child(n) for n in CHILDREN))
        async with opened(here.settings) as there:
            world = World([here, there], Random(seed))
            for _ in range(12):
                await asyncio.gather(*(happens(world) for _ in range(10)))
                assert await holds(world) == [], world.history
            assert sum(one.endswith("done") for one in world.history) > 10, world.history


#: Kind → how many of eight who are asked at once on two workers may act.
AT_ONCE: list[tuple[Kind, str, int]] = [("caregiving", "p0", 3), ("representation", "p20", 2)]


@pytest.mark.parametrize(("kind", "patient", "most"), AT_ONCE)
async def test_of_all_who_accept_at_once_on_two_workers_no_more_act_than_may(
    tmp_path: Path, kind: Kind, patient: str, most: int
) -> None:
    engines.require_files()
    async with a_house(tmp_path, people=len(ADULTS)) as here:
        await kept(here, a_child(20))
        async with opened(here.settings) as there:
            houses = (here, there)
            asked = [
                changing.invite(houses[n % 2].repository(), patient, f"p{n}", "Patient/op", None, NOW, kind)
                if kind == "caregiving"
                else changing.attach(houses[n % 2].repository(), patient, f"p{n}", "Patient/op", NOW)
                for n in range(1, 8)
            ]
            done = await asyncio.gather(*asked, return_exceptions=True)
            made = [one for one in done if isinstance(one, Delegation)]
            assert len(made) == most, done
            if kind == "caregiving":
                both = [
                    changing.answer(house.repository(), one.id, one.delegate, True, "Patient/op", NOW)
                    for one in made
                    for house in houses
                ]
                found = await asyncio.gather(*both, return_exceptions=True)
                # Each was answered once, though twice at once.
                assert sum(isinstance(one, Delegation) for one in found) == most
            assert await holds(World([here, there], Random(0))) == []


def test_ids_of_kinds_differ() -> None:
    assert len({Delegation("p0", "p1", "proposed", NOW, NOW, "", kind=kind).id for kind in BONDS}) == len(BONDS)
    assert choice_id("p0", "administrator") not in {Delegation("p0", "p1", "proposed", NOW, NOW, "").id}
