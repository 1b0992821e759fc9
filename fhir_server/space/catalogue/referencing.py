"""Takes the steps by which an app gets into the catalogue and leaves it: by the right duty, dated, reasoned, audited.

CSP R1111-38, R1111-39. `steps.ROWS` is the workflow; here it is checked, and the file (`Task`), the app (`Device`) and
the AuditEvent are written together or not at all. A step that another overtook is refused (409).
"""

from __future__ import annotations

import secrets
from base64 import b64decode
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from fhir_server.audit.recording import witnessed
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import Conflict, Forbidden, Invalid, NotFound
from fhir_server.space.catalogue import dossiers
from fhir_server.space.catalogue.apps import App
from fhir_server.space.catalogue.completeness import lacking
from fhir_server.space.catalogue.dossiers import UNDER_WAY, Dossier, State, Taken
from fhir_server.space.catalogue.impact_assessment import Attached
from fhir_server.space.catalogue.reach import REFERENCING
from fhir_server.space.catalogue.registry import Catalogue
from fhir_server.space.catalogue.step_events import step_event
from fhir_server.space.catalogue.step_input import Act, Actor, content, require
from fhir_server.space.catalogue.steps import STEPS, Row, open_to, rows
from fhir_server.space.names import names
from fhir_server.store.filters import Filter, Refers, Token, both, either
from fhir_server.store.matching import matches, unpack
from fhir_server.store.protocol import Put, Stale, Version, Write

#: Patients have this long to consent anew to a version whose purposes changed, unless the convention says otherwise.
RECONSENT = timedelta(days=60)
_STATUS = "http://hl7.org/fhir/task-status"
_PAGE = 200


class Referencing:
    """The files of one opened store."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Kept where the catalogue is."""
        self._catalogue = catalogue

    async def file(self, actor: Actor, proposed: App, answers: Mapping[str, str], dpia: Attached | None) -> Dossier:
        """A new file, for an app that is new or for a new version of one.

        An app that was never referenced takes what is proposed at once, with status PRESERIE: it can be tried on
        synthetic patients. A referenced one stays as it is until the convention is signed.

        Args:
            actor: a publisher.
            proposed: the app; its id "" for one that is not in the catalogue at all. Publisher and status are not read.
            answers: to the questionnaire, by linkId.
            dpia: the impact assessment; not needed where nothing is exchanged.

        Raises:
            Forbidden: not a publisher (403).
            NotFound: the app is another publisher's, or is not there (404).
            Invalid: all that is missing or wrong (422).
            Conflict: a file of the app is under way, or the client id is another app's (409).
        """
        if "publisher" not in actor.duties or actor.organization is None:
            raise Forbidden("Only publishers file apps.", key="other-duty")
        current, at = await self._own(actor, proposed.id) if proposed.id else (None, 0)
        app = _identified(proposed, current, actor.organization)
        taken = Taken("file", _now(), actor.subject, "publisher", "", "filed")
        made = _attached(
            Dossier(
                id=self._catalogue.repository.new_id("Task"),
                app=app.id,
                publisher=actor.organization,
                state="filed",
                proposed=app,
                answers=dict(answers),
                steps=(taken,),
            ),
            dpia,
            taken,
        )
        _require_complete(made, current)
        draft = current is None or current.status == "PRESERIE"
        # What was stored before claims were kept has none.
        if await self._catalogue.repository.count({"Task": self._of_app(app.id, UNDER_WAY)}, 1):
            raise Conflict(_ANOTHER_UNDER_WAY, key="under-way")
        changes = [await self._catalogue.put(app, at)] if draft else []
        return await self._write(actor, made, taken, changes, dpia=dpia)

    async def step(self, actor: Actor, id: str, step: str, act: Act | None = None) -> Dossier:
        """The file after a step.

        Args:
            actor: who takes it.
            id: of the Task.
            step: a code of `STEPS`.
            act: what it is taken with.

        Raises:
            NotFound: no such file, or another publisher's (404).
            Invalid: no such step, a reason or something else is missing or wrong (422).
            Forbidden: the step is not of the actor's duties (403).
            Conflict: not possible where the file stands, or another step came first (409).
        """
        act = act or Act()
        before = await self.get(actor, id)
        row = _row(actor, before, step)
        if act.expected is not None and act.expected != before.version:
            raise Conflict("Another step was taken meanwhile.", key="overtaken")
        require(row, act)
        current, at = await self._catalogue.at(before.app)
        taken = Taken(step, _now(), actor.subject, row.duty, before.state, row.target, act.reason.strip(), act.opinion)
        after = replace(before, state=row.target, steps=(*before.steps, taken), **content(before, row, act))
        if step == "complete":
            after = _attached(after, act.dpia, taken)
            after = replace(after, proposed=_identified(after.proposed, current, before.publisher))
            _require_complete(after, current)
        changed_app = _changed(row, act, after, current)
        changes = [] if changed_app is None else [await self._catalogue.put(changed_app, at)]
        others = await self._superseded(actor, after, taken.at) if step == "sign" else []
        return await self._write(actor, after, taken, changes, others, act.dpia)

    async def assessment(self, actor: Actor, id: str) -> tuple[Mapping[str, Any], bytes]:
        """The impact assessment of a file: the Attachment that speaks of it, and its bytes.

        Raises:
            NotFound: no such file, or hidden, or without an assessment (404).
        """
        found = (await self.get(actor, id)).dpia or {}
        binary = str(found.get("url", "")).removeprefix("Binary/")
        version = await self._catalogue.repository.current("Binary", binary) if binary else None
        if version is None or version.deleted:
            raise NotFound("There is no such file.")
        return found, b64decode(parse(version.body)["data"])

    async def get(self, actor: Actor, id: str) -> Dossier:
        """The file, for whoever has a duty; a publisher sees their own organization's.

        Raises:
            NotFound: no such file, or hidden (404).
        """
        version = await self._catalogue.repository.current("Task", id)
        if version is not None and not version.deleted and _is_file(version):
            found = dossiers.from_body(version.body)
            if _sees(actor, found):
                return found
        raise NotFound("There is no such file.")

    async def files(self, actor: Actor, state: State | None = None, app: str | None = None) -> list[Dossier]:
        """The files that the actor sees, last changed first; those in a state, or of an app (Device id) alone."""
        where: Filter = REFERENCING if app is None else both(REFERENCING, Refers("focus", f"Device/{app}"))
        found: list[Dossier] = []
        after = None
        while True:
            page = await self._catalogue.repository.find({"Task": where}, after=after, count=_PAGE)
            found += [dossiers.from_body(version.body) for version in page.versions]
            after = page.next
            if after is None:
                seen = [one for one in found if _sees(actor, one) and state in (None, one.state)]
                return sorted(seen, key=lambda one: [taken.at for taken in one.steps[-1:]], reverse=True)

    async def names(self, dossier: Dossier, duties: Collection[str]) -> dict[str, str]:
        """What the publisher of a file is called, and those who took its steps for one of `duties`, by reference."""
        people = (one.by for one in dossier.steps if one.duty in duties and one.by.startswith("Person/"))
        publisher = [dossier.proposed.publisher] if dossier.proposed.publisher.startswith("Organization/") else []
        return await names(self._catalogue.repository, (*publisher, *people))

    @staticmethod
    def open_to(actor: Actor, dossier: Dossier) -> tuple[Row, ...]:
        """The steps that the actor may take now: what a page offers."""
        return open_to(actor.duties, dossier.state) if _sees(actor, dossier) else ()

    async def _own(self, actor: Actor, id: str) -> tuple[App, int]:
        found, version = await self._catalogue.at(id)
        if found is None or found.publisher != actor.organization:
            raise NotFound("There is no such app.")
        return found, version

    async def _superseded(self, actor: Actor, by: Dossier, at: datetime) -> list[tuple[Dossier, Taken]]:
        """The files that a newer one takes the place of."""
        where = self._of_app(by.app, ("completed",))
        page = await self._catalogue.repository.find({"Task": where}, count=_PAGE)
        found = [dossiers.from_body(version.body) for version in page.versions]
        old = [one for one in found if one.id != by.id and one.state != "superseded"]
        steps = [Taken("supersede", at, actor.subject, "administrator", one.state, "superseded") for one in old]
        return [
            (replace(one, state="superseded", steps=(*one.steps, step)), step)
            for one, step in zip(old, steps, strict=True)
        ]

    async def _write(
        self,
        actor: Actor,
        dossier: Dossier,
        taken: Taken,
        changes: list[Put],
        others: list[tuple[Dossier, Taken]] | None = None,
        dpia: Attached | None = None,
    ) -> Dossier:
        repository = self._catalogue.repository
        writes: list[Write] = [*changes]
        if dpia is not None and dossier.dpia is not None:
            writes.append(await self._keep(dpia, dossier))
        for one, step in [(dossier, taken), *(others or ())]:
            writes += [await self._put(one), witnessed(repository, step_event(actor.client, one, step))]
        try:
            await repository.transact(writes)
        except Stale as stale:
            key, words = _overtaken(stale)
            raise Conflict(words, key=key) from None
        return replace(dossier, version=dossier.version + 1)

    async def _put(self, dossier: Dossier) -> Put:
        repository = self._catalogue.repository
        before = await repository.current("Task", dossier.id) if dossier.version else None
        if before is not None and before.version != dossier.version:
            raise Conflict("Another step was taken meanwhile.", key="overtaken")
        tree = dossiers.to_task(dossier)
        put = await repository.put("Task", dossier.id, tree, serialize(tree), before)
        return replace(put, claims=frozenset({_under_way(dossier.app)} if tree["status"] in UNDER_WAY else ()))

    async def _keep(self, dpia: Attached, dossier: Dossier) -> Put:
        tree = dpia.resource(dossier.id)
        id = str((dossier.dpia or {})["url"]).removeprefix("Binary/")
        return await self._catalogue.repository.put("Binary", id, tree, serialize(tree), None)

    @staticmethod
    def _of_app(app: str, statuses: tuple[str, ...]) -> Filter:
        state = either([Token("status", status, _STATUS) for status in statuses])
        return both(REFERENCING, Refers("focus", f"Device/{app}"), state)


def _row(actor: Actor, dossier: Dossier, step: str) -> Row:
    known = rows(step)
    if not known:
        raise Invalid(f"The steps are {', '.join(STEPS)}.", "Task", code="code-invalid", key="no-step")
    mine = [row for row in known if row.duty in actor.duties]
    if not mine:
        duties = ", ".join(sorted({row.duty for row in known}))
        raise Forbidden(f"This step is for: {duties}.", key="other-duty")
    found = next((row for row in mine if dossier.state in row.sources), None)
    if found is None:
        raise Conflict(f"The step {step} is not possible while the file is: {dossier.words}.", key="not-now")
    return found


def _changed(row: Row, act: Act, after: Dossier, current: App | None) -> App | None:
    """What the step makes of the app; None when that is nothing."""
    if current is None:
        raise Conflict("The app is no more.", key="app-gone")
    if row.step == "complete" and current.status == "PRESERIE":
        return after.proposed
    if row.step == "sign":
        if current.status == "SUSPENDUE":
            words = "The app is suspended: end the suspension before a new version is signed."
            raise Conflict(words, key="app-suspended")
        return _signed(after.proposed, current, act)
    return replace(current, status=row.status) if row.status else None


def _attached(dossier: Dossier, dpia: Attached | None, taken: Taken) -> Dossier:
    """The file with the assessment that comes with it; as it was without one."""
    return replace(dossier, dpia=dpia.attachment(secrets.token_hex(12), taken.at)) if dpia else dossier


def _signed(proposed: App, current: App, act: Act) -> App:
    """The app as its convention has it. `current` was in pre-series, or is an earlier version."""
    deadline = current.reconsent_by
    earlier = {one.code: one.terms for one in current.purposes}
    if current.status != "PRESERIE" and any(
        earlier.get(one.code) not in (None, one.terms) for one in proposed.purposes
    ):
        deadline = act.reconsent_by or _now().date() + RECONSENT
    return replace(
        proposed,
        id=current.id,
        client=current.client,
        publisher=current.publisher,
        status="EN_LIGNE",
        reconsent_by=deadline,
        convention_start=act.start,
        convention_end=act.end,
    )


def _identified(proposed: App, current: App | None, publisher: str) -> App:
    """The app proposed, as the one it is: its id, client id and status are never the publisher's to say."""
    if current is None:
        id = secrets.token_hex(12)
        client = proposed.client or f"app-{id[:12]}"
        return replace(proposed, id=id, client=client, publisher=publisher, status="PRESERIE", **_NO_CONVENTION)
    return replace(
        proposed,
        # A file that does not speak of them, such as one of a system that knows no such extension, changes none.
        redirect_uris=proposed.redirect_uris or current.redirect_uris,
        id=current.id,
        client=current.client,
        publisher=publisher,
        status=current.status,
        reconsent_by=current.reconsent_by,
        convention_start=current.convention_start,
        convention_end=current.convention_end,
    )


_NO_CONVENTION: dict[str, Any] = {"reconsent_by": None, "convention_start": None, "convention_end": None}


def _require_complete(dossier: Dossier, current: App | None) -> None:
    referenced = current if current is not None and current.status != "PRESERIE" else None
    if issues := lacking(dossier, referenced):
        raise Invalid(issues=issues)


def _sees(actor: Actor, dossier: Dossier) -> bool:
    return bool(actor.duties - {"publisher"}) or (
        "publisher" in actor.duties and dossier.publisher == actor.organization
    )


def _is_file(version: Version) -> bool:
    return matches(REFERENCING, unpack(version.packed), version.id, version.at * 1000)


_ANOTHER_UNDER_WAY = "A file of this app is under way."


def _under_way(app: str) -> str:
    """What the file of an app that is under way claims: there is one at most."""
    return f"{dossiers.KIND}|Device/{app}"


def _overtaken(stale: Stale) -> tuple[str, str]:
    """What came first, as the key of an issue and in words."""
    if stale.claim is not None and stale.write is not None and stale.write.type == "Task":
        return "under-way", _ANOTHER_UNDER_WAY
    if stale.claim is not None:
        return "client", "The client id is another app's."
    return "overtaken", "Another step was taken meanwhile."


def _now() -> datetime:
    return datetime.now(UTC)
