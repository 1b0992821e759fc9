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
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from fhir_server.audit.erasures import telling
from fhir_server.audit.recording import witnessed
from fhir_server.fhir.json import parse, serialize
from fhir_server.smart.people.accounts import Accounts
from fhir_server.space.accounts import moving, rows
from fhir_server.space.accounts.erasing import belongings, naming
from fhir_server.space.accounts.erasing.ledger import NAME, Ledger
from fhir_server.space.accounts.life import from_basic, life_id
from fhir_server.space.accounts.moving import Asked
from fhir_server.space.accounts.together import move_together
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import both, either
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
        await self._records_gone(begun)
        for life in lives:
            # What was written meanwhile, by a job or by who was still signed in.
            one = await self._gone(life.patient)
            kept = Erased(
                f"{life.since:%Y-%m-%d}",
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

    async def _gone(self, patient: str) -> _Begun:
        """Erase what the store has of a patient, but for the Patient and the life of the space."""
        await asyncio.to_thread(self.ledger.add, patient)
        begun = await self._named(patient)
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

    async def _named(self, patient: str) -> _Begun:
        value = await self.around.records.get(ERASING, patient)
        if value is not None:
            return msgspec.json.decode(value, type=_Begun)
        (space,) = await moving.found(self._own, [patient])
        tree = space.tree if space is not None else {"id": patient}
        return _Begun(naming.words_of(tree), naming.reached_at(tree))

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
