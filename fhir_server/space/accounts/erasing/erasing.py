"""Erases the spaces whose time has come: asked for within three months, kept for ten years, or of somebody who died.

CSP R1111-36; GDPR art. 17. First the space is `erased`, in a commit from which there is no way back and by which a
process that died is gone on from: then, in commits of some dozens of resources, all that is theirs (`belongings`),
the traces about them, the records that name them (`naming`), and last the Patient and the life of the space. What
stays is one record under a digest: when, why and how much, of nobody who could be named by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from fhir_server.audit.erasures import telling
from fhir_server.audit.recording import witnessed
from fhir_server.fhir.json import parse, serialize
from fhir_server.smart.people.accounts import Accounts
from fhir_server.space.accounts import moving, rows
from fhir_server.space.accounts.erasing import belongings, naming
from fhir_server.space.accounts.erasing.ledger import NAME, Ledger
from fhir_server.space.accounts.life import Life, from_basic, life_id, to_basic
from fhir_server.space.accounts.moving import Asked
from fhir_server.space.accounts.together import move_together
from fhir_server.space.identities.links import is_into
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import EVERYTHING, both, either
from fhir_server.store.protocol import Keep, Sort, Stale, Version

if TYPE_CHECKING:
    from fhir_server.store.filters import Filter

#: Spaces of one run: their records are looked for together.
MOST = 50
#: Kinds of the records of who is being erased, by id, and of what is kept of who was, by digest.
ERASING, ERASED = "erasing", "erased"
#: The record of how long the list beside the store was, in bytes, when the store knew all of it.
KNOWN = (ERASED, "list")
#: What others remember hangs on these: they hear that one was deleted, before nothing of it is there to be heard of.
_REMEMBERED = frozenset({"CareTeam", "Consent", "RelatedPerson"})
_OLDEST = (Sort(rows.NEXT, "span"),)
#: Turns of scouring in one run; what is left then is the next one's.
_TURNS = 500
#: Versions of a Patient in which is looked for what names them.
_MOST_VERSIONS = 200
#: State before → why it is erased; who asked for deletion is told apart by that.
_WHY: Mapping[str, str] = {"closed": "kept for ten years", "deceased": "ten years after death"}


class Erased(msgspec.Struct, frozen=True):
    """What is kept of an erased space.

    Attributes:
        since: when it was closed, as a date.
        erased: when it was erased, likewise.
        why: in words.
        resources, traces: how many there were.
    """

    since: str
    erased: str
    why: str
    resources: int = 0
    traces: int = 0


class _Begun(msgspec.Struct):
    """Who is being erased: what names them, gathered while there was still something that says it."""

    words: list[str] = []
    reached: list[str] = []
    others: list[str] = []
    resources: int = 0
    traces: int = 0


@dataclass
class Erasing:
    """Erases the spaces of one server.

    Attributes:
        around: the server.
        ledger: who was erased, beside the store.
    """

    around: Surroundings
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is read yet."""
        self.ledger = Ledger(self.around.settings.data / NAME)
        self._own = self.around.repository()

    async def run(self, now: datetime) -> int:
        """Erase what is due by a moment, and what was begun before; how many spaces are erased."""
        await self._begin(now)
        return await self.finish(now)

    async def finish(self, now: datetime) -> int:
        """Erase all spaces that are `erased` by now, so many of them as one run takes; how many that were."""
        page = await self._own.find({"Basic": rows.in_state("erased")}, count=MOST)
        lives = [life for one in page.versions if (life := from_basic(parse(one.body))) is not None]
        if not lives:
            await self._scoured()
            return 0
        begun = {life.patient: await self._gone(life.patient) for life in lives}
        if any(one.others for one in begun.values()):
            page = await self._own.find({"Basic": rows.in_state("erased")}, count=2 * MOST)
            lives = [life for one in page.versions if (life := from_basic(parse(one.body))) is not None]
            begun |= {one.patient: await self._gone(one.patient) for one in lives if one.patient not in begun}
        await self._records_gone(begun)
        for life in lives:
            # What was written meanwhile, by a job or by who was still signed in.
            one = await self._gone(life.patient)
            kept = Erased(
                f"{await self._ended_since(life):%Y-%m-%d}",
                f"{now:%Y-%m-%d}",
                life.reason or "its time had come",
                one.resources,
                one.traces,
            )
            await self._ended(life.patient, kept)
        await self.around.records.put(*KNOWN, str(await asyncio.to_thread(self.ledger.size)).encode())
        await self._scoured()
        return len(lives)

    async def kept_of(self, patient: str) -> Erased | None:
        """What is kept of the erased space of a Patient (id); None where none was erased."""
        digest = await asyncio.to_thread(self.ledger.digest, patient)
        value = await self.around.records.get(ERASED, digest)
        return None if value is None else msgspec.json.decode(value, type=Erased)

    async def condemn(self, patient: str, at: datetime, why: str) -> bool:
        """Have a space be `erased`, whatever state it is in; False where it is already, or there is none."""
        while True:
            (space,) = await moving.found(self._own, [patient])
            basic = await self._own.current("Basic", life_id(patient)) if space is None else space.basic
            before = None if basic is None or basic.deleted else from_basic(parse(basic.body))
            if (before is not None and before.state == "erased") or (before is None and space is None):
                return False
            since = at if before is None else before.since
            life = Life(patient, "erased", since, "due", at, "clock", reason=why)
            tree = to_basic(life)
            try:
                if space is None:
                    await self._own.transact([await self._own.put("Basic", life.id, tree, serialize(tree), basic)])
                else:
                    asked = Asked("due", "clock", at, reason=why)
                    await self._own.transact(await moving.writes(self._own, space, life, asked))
            except Stale:
                continue
            return True

    async def _begin(self, now: datetime) -> None:
        ending: Filter = either([rows.in_state("closed"), rows.in_state("deceased")])
        due = both(rows.due(round(now.timestamp() * 1_000_000)), ending)
        page = await self._own.find({"Basic": due}, sort=_OLDEST, count=MOST)
        asked = {}
        for life in filter(None, (from_basic(parse(one.body)) for one in page.versions)):
            why = "its holder asked for it" if life.deletion else _WHY[life.state]
            asked[life.patient] = Asked("due", "clock", now, reason=why)
        if asked:
            await move_together(self._own, asked)
        for patient, one in asked.items():
            (space,) = await moving.found(self._own, [patient])
            if space is None:
                # Their Patient was deleted: the life of the space, and whatever else there is, goes as well.
                await self.condemn(patient, one.at, one.reason)

    async def _gone(self, patient: str) -> _Begun:
        """Erase what the store has of a patient, but for the Patient and the life of the space."""
        await asyncio.to_thread(self.ledger.add, patient)
        begun = await self._named(patient)
        for other in begun.others:
            # One person's other record, made one with this.
            await self.condemn(other, datetime.now(UTC), "made one with a space that is erased")
        for id in await self._accounts_gone(patient):
            begun.words.append(id)
        while found := await belongings.next_of(self._own, patient):
            begun.words += [f"{one.type}/{one.id}" for one in found if one.type == "RelatedPerson"]
            await self._kept(patient, begun)
            begun.resources += await self._purged(patient, found)
        while traces := await belongings.next_traces_of(self._own, patient):
            begun.traces += await self._traces_purged(traces)
        await self._kept(patient, begun)
        return begun

    async def _ended_since(self, life: Life) -> datetime:
        """When the space was closed, or its person died."""
        versions = (await self._own.history({"Basic": EVERYTHING}, life.id, count=_MOST_VERSIONS)).versions
        before = (from_basic(parse(one.body)) for one in versions if not one.deleted)
        return next((one.since for one in before if one is not None and one.state != "erased"), life.since)

    async def _named(self, patient: str) -> _Begun:
        value = await self.around.records.get(ERASING, patient)
        if value is not None:
            return msgspec.json.decode(value, type=_Begun)
        begun = _Begun([f"Patient/{patient}", patient])
        # Numbers and addresses of before too.
        for version in (await self._own.history({"Patient": EVERYTHING}, patient, count=_MOST_VERSIONS)).versions:
            tree = {} if version.deleted else parse(version.body)
            begun.words += naming.values(tree, "identifier")
            begun.reached += naming.values(tree, "telecom")
            begun.others += [one for one in _replaced(tree) if one not in begun.others]
        begun.others = [one for one in begun.others if await self._is_into(one, patient)]
        strangers = await naming.of_others(self._own, begun.words, {patient, *begun.others})
        begun.words = [one for one in begun.words if one not in strangers]
        return begun

    async def _is_into(self, other: str, patient: str) -> bool:
        """Whether a record (id) is one with a patient's (id) now: a merge that was undone was a mistake."""
        versions = (await self._own.history({"Patient": EVERYTHING}, other, count=_MOST_VERSIONS)).versions
        last = next((parse(one.body) for one in versions if not one.deleted), {})
        return is_into(last, f"Patient/{patient}")

    async def _kept(self, patient: str, begun: _Begun) -> None:
        begun.words = list(dict.fromkeys(begun.words))
        await self.around.records.put(ERASING, patient, msgspec.json.encode(begun))

    async def _accounts_gone(self, patient: str) -> list[str]:
        """Nobody signs in as them any more, nor acts for them; the ids of their own accounts."""
        accounts, records = Accounts(self.around.records), self.around.records
        for account in await accounts.acting_for(patient):
            left = tuple(one for one in account.wards if one != patient)
            await accounts.revise(account, replace(account, wards=left))
        own = await accounts.of_subject(f"Patient/{patient}")
        if own is None:
            return []
        # First its id is kept, by which its sessions and tokens are found.
        begun = await self._named(patient)
        begun.words.append(own.id)
        await self._kept(patient, begun)
        await records.take("account", own.id)
        return [own.id]

    async def _purged(self, patient: str, found: Sequence[Version]) -> int:
        shared = [one for one in found if belongings.shared(one, patient)]
        for one in shared:
            tree = belongings.without(one, patient)
            try:
                await self._own.transact([await self._own.put(one.type, one.id, tree, serialize(tree), one)])
            except Stale:
                continue
        theirs = [one for one in found if one not in shared]
        live = [one for one in theirs if one.type in _REMEMBERED and not one.deleted]
        if live:
            try:
                await self._own.transact([await self._own.delete(one) for one in live])
            except Stale:
                return 0
        keys = [(one.type, one.id) for one in theirs]
        # The content first: what it is put under is how it is found.
        return await self._content_purged(keys) + await self.around.purging.purge(keys)

    async def _content_purged(self, keys: Sequence[belongings.Key]) -> int:
        done = 0
        while some := await belongings.binaries_of(self._own, keys):
            done += await self.around.purging.purge(some)
        return done

    async def _traces_purged(self, found: Sequence[Version]) -> int:
        latest: dict[str, int] = {}
        for one in found:
            latest[one.id] = max(one.version, latest.get(one.id, 0))
        told = witnessed(self._own, telling(self._own.base, sum(latest.values())))
        await self._own.append([told])
        return await self.around.purging.purge([("AuditEvent", id) for id in latest], told.id)

    async def _records_gone(self, begun: Mapping[str, _Begun]) -> None:
        names = naming.Names([word for one in begun.values() for word in one.words])
        reached = naming.Names([word for one in begun.values() for word in one.reached])
        for kind, _, value in await naming.forgotten(self.around.records, names, reached):
            if kind == "export":
                await asyncio.to_thread(self.around.service("portability").remove, msgspec.json.decode(value)["id"])

    async def _ended(self, patient: str, kept: Erased) -> None:
        records = self.around.records
        digest = await asyncio.to_thread(self.ledger.digest, patient)
        last = [("Patient", patient), ("Basic", life_id(patient))]
        done = await self._content_purged(last)
        kept = msgspec.structs.replace(kept, resources=kept.resources + done + len(last))
        await records.apply([Keep(ERASED, digest, msgspec.json.encode(kept))])
        await self.around.purging.purge(last)
        await records.take(ERASING, patient)

    async def _scoured(self) -> None:
        for _ in range(_TURNS):
            if await self.around.purging.scour():
                return
            await asyncio.sleep(0.01)


def _replaced(patient: Mapping[str, Any]) -> list[str]:
    """Ids of the Patients that were made one with this one: R4 Patient.link, `replaces`."""
    named = [
        str(one.get("other", {}).get("reference")) for one in patient.get("link", ()) if one.get("type") == "replaces"
    ]
    return [one.removeprefix("Patient/") for one in named if one.startswith("Patient/")]
