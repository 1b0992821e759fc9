"""What is heard in the feed: what one representative decided, which the other is told, and deaths, which end all.

By the feed, so that a crash between an act and its notice loses none. Code civil, art. 372-2 (each acts for both, as
long as the other, who has to know, says nothing).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError
from fhir_server.jobs.clock import Job
from fhir_server.jobs.feed_reader import FeedReader, Taken
from fhir_server.smart.people.accounts import Accounts
from fhir_server.space.accounts.life import from_basic
from fhir_server.space.acting import only_cares
from fhir_server.space.catalogue import consent_resource
from fhir_server.space.delegations import ending, people, settling, telling
from fhir_server.space.delegations.delegation import DELEGATION, LIVE, Delegation, from_consent
from fhir_server.space.delegations.ending import Asker
from fhir_server.space.notices.telling import Notices
from fhir_server.space.record import choices
from fhir_server.space.service import Surroundings
from fhir_server.store.changes import Changed
from fhir_server.store.filters import Refers, both, either

#: Why the operator's own clock ends what a representative had.
DEATH = "Décès"


def jobs(around: Surroundings) -> Sequence[Job]:
    """What is heard as time passes."""
    return (Job("delegations-news", timedelta(seconds=20), News(around).hear),)


class News:
    """What was heard of in one store."""

    def __init__(self, around: Surroundings) -> None:
        """Nothing is read yet."""
        self._around = around
        self._feed = FeedReader(around.records, around.changes, "delegations", ("Basic", "Consent", "Patient"))

    async def hear(self, now: datetime) -> int:
        """Act on what was written since the last time; how much there was to do."""

        async def take(changed: Sequence[Changed]) -> Taken:
            return Taken(sum([await self._heard(one, now) for one in changed]))

        return await self._feed.read(take)

    async def _heard(self, one: Changed, now: datetime) -> int:
        version = await self._around.repository().current(one.type, one.id)
        if version is None or version.deleted:
            return 0
        tree = parse(version.body)
        if one.type == "Patient":
            return await self._died(one.id, now) if people.is_dead(tree) else 0
        patient, performer = _act(tree)
        if not performer.startswith(("Patient/", "RelatedPerson/")) or performer == f"Patient/{patient}":
            return 0
        return await self._tell(patient, performer, f"representative-act {one.type}/{one.id}/{version.version}", now)

    async def _tell(self, patient: str, performer: str, key: str, now: datetime) -> int:
        """Tell the other representative of a minor; who helps with the minor is not concerned."""
        own = self._around.repository()
        child = await people.person(own, f"Patient/{patient}")
        if not child or people.of_age(child, now):
            return 0
        acting = [one.subject for one in await Accounts(self._around.records).acting_for(patient) if one.open]
        helping = {one for one in acting if await only_cares(own, one, patient)}
        notices: Notices = self._around.service("notices")
        told = 0
        for other in dict.fromkeys(acting):
            if other == performer or other in helping or not other.startswith("Patient/"):
                continue
            # In their own space: of one that was closed nobody is told.
            whom = other.removeprefix("Patient/")
            own_key = f"{key} {other}"
            told += await notices.tell(whom, "access", own_key, occasion="representative-act", private=True, at=now)
        return told

    async def _died(self, patient: str, now: datetime) -> int:
        """End what somebody who died had let others do, or did for them."""
        who = f"Patient/{patient}"
        where = both(DELEGATION, LIVE, either([Refers("patient", who), Refers("actor", who)]))
        page = await self._around.repository().find({"Consent": where}, count=people.MOST)
        known = [one for version in page.versions if (one := from_consent(parse(version.body))) is not None]
        return sum([await self._end(one, patient, now) for one in known])

    async def _end(self, one: Delegation, dead: str, now: datetime) -> bool:
        asker = Asker(dead, f"Patient/{dead}", is_operator=True, reason=DEATH)
        try:
            async with settling.settled(self._around, one.id, dead, now):
                await ending.end(self._around.repository(), one.id, asker, now)
        except FhirError:
            # Somebody was faster.
            return False
        await telling.tell(self._around, one.id, f"Patient/{dead}", now)
        return True


def _act(tree: dict[str, Any]) -> tuple[str, str]:
    """Of whose space something was decided (id), and by whom ("Patient/1"); "" where it is nothing of the kind."""
    if tree["resourceType"] == "Basic":
        life = from_basic(tree)
        return (life.patient, life.performer if life.role == "holder" else "") if life is not None else ("", "")
    choice = choices.from_consent(tree)
    if choice is not None:
        return choice.patient, choice.performer
    if tree.get("meta", {}).get("profile", [""])[0] != consent_resource.PROFILE:
        return "", ""
    _, _, decision = consent_resource.from_consent(tree)
    return str(tree.get("patient", {}).get("reference", "")).removeprefix("Patient/"), decision.performer
