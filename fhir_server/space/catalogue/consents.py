"""What patients accept of the catalogue's apps, purpose by purpose, kept as Consents.

https://hl7.org/fhir/R4/consent.html. One Consent for each patient, app and purpose, under an id made of the three, so
that two decisions at once are two versions of one resource.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from fhir_server.access.trees import referred
from fhir_server.changes.cache import hangs_on
from fhir_server.fhir.json import parse, serialize
from fhir_server.space.acting import of_age_from
from fhir_server.space.catalogue import consent_resource as decisions
from fhir_server.space.catalogue.apps import App, Purpose
from fhir_server.space.catalogue.consent_resource import Decision, consent_id
from fhir_server.space.catalogue.reach import PURPOSE_CONSENT
from fhir_server.space.catalogue.registry import Catalogue
from fhir_server.store.filters import Filter, Refers, Token, both
from fhir_server.store.protocol import Put, Stale, Version

#: Consents read at once.
_PAGE = 500
#: How often a decision that another overtook is made again.
_ATTEMPTS = 20
_ACTIVE = Token("status", "active")


@dataclass(frozen=True, slots=True)
class Shared:
    """An app that a patient decided on, as "Mes applications" shows it.

    Attributes:
        app: as referenced now.
        decisions: by purpose code; codes the app no longer has are among them.
    """

    app: App
    decisions: Mapping[str, Decision]

    @property
    def active(self) -> bool:
        """Whether anything is accepted at present."""
        return any(decision.permit for decision in self.decisions.values())


class Consents:
    """The consents of one opened store."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Kept where the catalogue is."""
        self._catalogue = catalogue

    async def decided(self, patient: str, app: App) -> dict[str, Decision]:
        """What the patient (id) decided on the app, by purpose code; a purpose never asked about is not there."""

        async def ask() -> dict[str, Decision]:
            found = await self._current(patient, app)
            hangs_on(*_sources(patient, app, found))
            return {
                purpose: decision
                for _, purpose, decision in (decisions.from_consent(parse(v.body)) for v in found.values())
            }

        return await self._standing(patient, await self._catalogue.cache.get(("decided", patient, app.id), ask))

    async def _standing(self, patient: str, found: Mapping[str, Decision]) -> dict[str, Decision]:
        """Decisions as they stand by the clock; whose age is read where others accepted something for them."""
        if all(not one.permit or one.performer == f"Patient/{patient}" for one in found.values()):
            return dict(found)

        async def read() -> datetime | None:
            hangs_on(("Patient", patient))
            return of_age_from(await referred(self._catalogue.repository, f"Patient/{patient}"))

        majority = await self._catalogue.cache.get(("of-age", patient), read)
        return decisions.lapsed(found, patient, majority, datetime.now(UTC))

    async def decide(
        self,
        patient: str,
        app: App,
        accepted: Collection[str],
        performer: str,
        shown: Collection[str] | None = None,
    ) -> dict[str, Decision]:
        """Keep a decision on each purpose shown: those whose code is in `accepted` are accepted, the others refused.

        A purpose that was accepted before and is not any more is withdrawn. Every worker follows within a second.

        Args:
            patient: id.
            app: as it was shown.
            accepted: codes of purposes of it; others are passed over.
            performer: who decides: "Patient/1", or "RelatedPerson/1" for them.
            shown: codes of the purposes that were asked about; None for all.

        Returns:
            Every decision of the patient on the app, by purpose code.
        """
        asked = [one for one in app.purposes if shown is None or one.code in shown]

        def judge(purpose: Purpose, before: Decision | None) -> Decision | None:
            if purpose.code in accepted:
                return _accepted(app, purpose, before, performer)
            return _declined(app, purpose, before, performer)

        return await self._write(patient, app, asked, judge)

    async def withdraw(self, patient: str, app: App, purpose: str | None, performer: str) -> bool:
        """Withdraw a purpose (code), or all; True when nothing is accepted any more, and the app's tokens should end.

        Purposes that the app no longer has are withdrawn too. Every worker follows within a second; refresh tokens
        then give nothing. `space.catalogue.withdrawal.withdraw` also ends the authorizations.
        """
        known = await self.decided(patient, app)
        codes = [code for code in known if purpose in (None, code)]
        old = [app.purpose(code) or Purpose(code, code, ("read",)) for code in codes]
        now = _now()

        def judge(_: Purpose, before: Decision | None) -> Decision | None:
            if before is None or not before.permit:
                return None
            return replace(before, permit=False, refused=False, when=now, performer=performer)

        return not any(one.permit for one in (await self._write(patient, app, old, judge)).values())

    async def of(self, patient: str) -> list[Shared]:
        """Every app the patient (id) decided on, by name; those that are in the catalogue no more too."""
        by_app: dict[str, dict[str, Decision]] = {}
        for device, purpose, decision in await self._found(_of(patient)):
            by_app.setdefault(device, {})[purpose] = decision
        by_app = {app: await self._standing(patient, known) for app, known in by_app.items()}
        found = [Shared(app, by_app[id]) for id, app in (await self._catalogue.get_each(by_app)).items()]
        return sorted(found, key=lambda one: (one.app.name.casefold(), one.app.id))

    async def active(self) -> dict[str, set[str]]:
        """Ids of patients → ids of the apps (Devices) they accept something of: for the reminder every 90 days."""
        found: dict[str, set[str]] = {}
        async for tree in self._trees(_ACTIVE):
            device, _, _ = decisions.from_consent(tree)
            found.setdefault(_patient(tree), set()).add(device)
        return found

    async def patients_of(self, app: App) -> set[str]:
        """Ids of the patients who accept something of the app: for notices of its changes."""
        where = both(_ACTIVE, Refers("actor", app.reference))
        return {_patient(tree) async for tree in self._trees(where)}

    async def _current(self, patient: str, app: App) -> dict[str, Version]:
        """The Consents of the patient on the app, by id."""
        return {v.id: v async for v in self._versions(both(_of(patient), Refers("actor", app.reference)))}

    async def _found(self, where: Filter) -> list[tuple[str, str, Decision]]:
        return [decisions.from_consent(tree) async for tree in self._trees(where)]

    async def _trees(self, where: Filter) -> AsyncIterator[dict[str, Any]]:
        async for version in self._versions(where):
            yield parse(version.body)

    async def _versions(self, where: Filter) -> AsyncIterator[Version]:
        after = None
        repository = self._catalogue.repository
        while True:
            page = await repository.find({"Consent": both(PURPOSE_CONSENT, where)}, after=after, count=_PAGE)
            for version in page.versions:
                yield version
            after = page.next
            if after is None:
                return

    async def _write(
        self, patient: str, app: App, purposes: Iterable[Purpose], judge: Callable[[Purpose, Decision | None], Any]
    ) -> dict[str, Decision]:
        """Every decision of the patient on the app, after those that `judge` makes of `purposes`."""
        chosen = list(purposes)
        cache = self._catalogue.cache
        # Of whom nothing is known to be decided, the Consents are made at once: one that is there makes that stale.
        new_to_it = cache.known(("decided", patient, app.id)) == {}
        for attempt in range(_ATTEMPTS):
            moment = cache.moment()
            found = {} if new_to_it and attempt == 0 else await self._current(patient, app)
            kept = {code: one for _, code, one in (decisions.from_consent(parse(v.body)) for v in found.values())}
            known = await self._standing(patient, kept)
            judged = {p.code: judge(p, known.get(p.code)) for p in chosen}
            made = {code: one for code, one in judged.items() if one is not None and one != known.get(code)}
            new = [p for p in chosen if p.code in made]
            puts = [await self._put(patient, app, p, made[p.code], found, attempt > 0) for p in new]
            try:
                if puts:
                    await self._catalogue.repository.transact(puts)
            except Stale:
                continue
            decided = {**kept, **made}
            own = [("Consent", put.id) for put in puts]
            cache.put(("decided", patient, app.id), decided, _sources(patient, app, found), moment, own)
            return {**known, **made}
        raise Stale

    async def _put(
        self,
        patient: str,
        app: App,
        purpose: Purpose,
        decision: Decision,
        found: Mapping[str, Version],
        look: bool,
    ) -> Put:
        repository = self._catalogue.repository
        id = consent_id(patient, app.id, purpose.code)
        # One that was deleted is not found, and its versions go on: it is looked for when nothing could be made there.
        before = found.get(id) or (await repository.current("Consent", id) if look else None)
        tree = decisions.to_consent(patient, app, purpose, decision)
        return await repository.put("Consent", id, tree, serialize(tree), before)


def _accepted(app: App, purpose: Purpose, before: Decision | None, performer: str) -> Decision | None:
    if before is not None and before.permit and before.terms == purpose.terms and before.version == app.version:
        return None
    return Decision(True, _now(), app.version, performer, purpose.scopes, purpose.terms)


def _declined(app: App, purpose: Purpose, before: Decision | None, performer: str) -> Decision | None:
    if before is not None and not before.permit and before.terms == purpose.terms and before.refused:
        return None
    return Decision(False, _now(), app.version, performer, (), purpose.terms, refused=True)


def _sources(patient: str, app: App, found: Iterable[str]) -> list[tuple[str, str]]:
    """What the decisions of a patient on an app hang on: the Consents there are (ids), and those that may come."""
    ids = {*found, *(consent_id(patient, app.id, purpose.code) for purpose in app.purposes)}
    return [("Device", app.id), *(("Consent", id) for id in ids)]


def _of(patient: str) -> Filter:
    return Refers("patient", f"Patient/{patient}")


def _patient(tree: Mapping[str, Any]) -> str:
    return str(tree["patient"]["reference"]).removeprefix("Patient/")


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
