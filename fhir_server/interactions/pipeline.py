"""The one way of a write: the steps that judge it, add to its commit and follow it, whoever asks for the write.

A POST, PUT, PATCH or DELETE, an entry of a transaction, an operation that writes and what is loaded all go this way.
The server's own steps (`server_steps`) come first; services add theirs. https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from fhir_server.fhir.json import serialize
from fhir_server.fhir.outcome import Conflict, FhirError, Invalid, Issue
from fhir_server.interactions.exchange import Context, Request
from fhir_server.interactions.left_alone import said_of_patched
from fhir_server.interactions.lots import Lot
from fhir_server.settings import Settings
from fhir_server.store.content import Content
from fhir_server.store.protocol import Guard, Put, Version, Write

Method = Literal["POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class Change:
    """One write that is wanted.

    Attributes:
        type, id: of the resource.
        tree: the resource as it would be; None for a deletion.
        before: the version it follows; None for an id never used.
        method: the verb that history shows.
        body: the JSON of `tree`, where it is known; else it is made of the tree.
        as_server: whether it is the server's own, and not held to what the caller may write.
        beside: what is written with it, in the same commit, because it was sent inside it.
        claims: names that it alone of its type holds from now on, as `Put.claims`; None: it goes on with those it has.
        content: the `data` of a Binary where that is stored already, and not in its tree (`Context.blobs`).
        sent_as: of what was sent inside another resource: its elements → those that they were sent as, in FHIRPath.
    """

    type: str
    id: str
    tree: dict[str, Any] | None
    before: Version | None
    method: Method
    body: bytes | None = None
    as_server: bool = False
    beside: Sequence[Change] = ()
    claims: frozenset[str] | None = None
    content: Content | None = None
    sent_as: Mapping[str, str] = field(default_factory=dict)

    def arranged(self, tree: dict[str, Any], *beside: Change) -> Change:
        """This change, with what it writes in another form, and what was taken out of it beside it."""
        return replace(self, tree=tree, body=None, beside=(*self.beside, *beside))


@dataclass(frozen=True, slots=True)
class Among:
    """What else the same commit does: `Type/id` of what it writes, and of what it deletes."""

    present: AbstractSet[str] = frozenset()
    ended: AbstractSet[str] = frozenset()

    def having(self, changes: Sequence[Change]) -> Among:
        """The same with further changes."""
        if not changes:
            return self
        present = {f"{one.type}/{one.id}" for one in changes if one.tree is not None}
        return Among(self.present | present, self.ended | {f"{one.type}/{one.id}" for one in changes} - present)


ALONE = Among()


@dataclass(frozen=True, slots=True)
class Extra:
    """What a step adds to a commit: further changes, and conditions under which all of it is made."""

    changes: Sequence[Change] = ()
    guards: Sequence[Guard] = ()


#: A resource to a changed one; the one given is the caller's own and may be changed in place.
Patch = Callable[[dict[str, Any]], dict[str, Any]]
#: Reads a patch of a type that is spelled in a guide's own way; None where the standard's formats say it all.
Spelled = Callable[[Context, Request], Patch | None]
#: Refuses what a patch would change, by what was there and what would be: before that is judged as a resource.
Patched = Callable[[Context, dict[str, Any], dict[str, Any]], None]
#: What is wrong with a transaction as a whole: of which entry, by its number, and what.
Together = Callable[[Context, Lot], Awaitable[list[tuple[int, FhirError]]]]
#: Refuses a resource by how it was sent, before anything is known of its content.
Receive = Callable[[dict[str, Any], Version | None], None]
#: Refuses what this caller may not write whatever it says.
Permit = Callable[[Context, dict[str, Any]], None]
#: What is to be said of a resource alone; errors refuse it. With profiles it must conform to besides those it claims.
Validate = Callable[[Context, dict[str, Any], Sequence[str]], Awaitable[list[Issue]]]
#: Gives what is valid as it was sent the form in which it is stored: `Change.arranged`, or the change as it is.
Arrange = Callable[[Context, Change], Awaitable[Change]]
#: Refuses a change, by what is stored: the resource is valid by now, and arranged.
Judge = Callable[[Context, Change], Awaitable[None]]
#: What goes into the same commit as changes of one type: one of them, or all that one interaction deletes.
Complete = Callable[[Context, Sequence[Change], Among], Awaitable[Extra]]
#: Is told of versions that were made, deletions among them, once they are durable.
After = Callable[[Context, Sequence[Version]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Step:
    """One step; a kind that it leaves out it has no part in.

    Attributes:
        name: for people who read the table.
        types: that it is asked of; None for all. Of other types it costs nothing.
        spelled, patched, together: of a patch, and of a transaction as a whole that has an entry of its types.
        receive, permit, validate, arrange, judge, complete, after: what it does, when its time comes, in this order.
        when: whether it is in force by the settings.
        tells: whether the deletion of a version is answered with an OperationOutcome where the client says nothing.
    """

    name: str
    types: frozenset[str] | None = None
    spelled: Spelled | None = None
    patched: Patched | None = None
    together: Together | None = None
    receive: Receive | None = None
    permit: Permit | None = None
    validate: Validate | None = None
    arrange: Arrange | None = None
    judge: Judge | None = None
    complete: Complete | None = None
    after: After | None = None
    when: Callable[[Settings], bool] | None = None
    tells: Callable[[Version], bool] | None = None

    def speaks_of(self, type: str) -> bool:
        """Whether it is asked of a type."""
        return self.types is None or type in self.types


@dataclass(slots=True)
class Commit:
    """What is written together, and on which conditions.

    Attributes:
        writes, extra: of the changes that were asked for, same order; what steps have added to them.
        guards: conditions of all of it.
        bodies: whether somebody is given them.
    """

    writes: list[Write] = field(default_factory=list)
    extra: list[Write] = field(default_factory=list)
    guards: list[Guard] = field(default_factory=list)
    bodies: bool = True


class Pipeline:
    """The steps of one server.

    Attributes:
        steps: in their order.
        looks_at_lots: whether some step judges transactions as a whole.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        """The server's own come first."""
        self.steps = tuple(steps)
        self._by_type: dict[str, tuple[Step, ...]] = {}
        self.looks_at_lots = any(step.together is not None for step in self.steps)

    def spelled(self, context: Context, request: Request) -> Patch | None:
        """What a patch asks for that is written in a guide's own way; None where it is not."""
        found = (step.spelled(context, request) for step in self._of(request.path[0]) if step.spelled is not None)
        return next((patch for patch in found if patch is not None), None)

    def patched(self, context: Context, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Refuse what a patch would change.

        Raises:
            FhirError: a patch does not change that, or not like this.
        """
        for step in self._of(after["resourceType"]):
            if step.patched is not None:
                step.patched(context, before, after)

    def bounds_patches(self, type: str) -> bool:
        """Whether some step looks at what patches of a type would change."""
        return any(step.patched is not None for step in self._of(type))

    async def together(self, context: Context, lot: Lot) -> list[tuple[int, FhirError]]:
        """What is wrong with a transaction as a whole: of which entry, and what."""
        types = {part.request.path[0] for part in lot.parts if part.request.path}
        found: list[tuple[int, FhirError]] = []
        for step in self.steps:
            if step.together is not None and any(map(step.speaks_of, types)):
                found += await step.together(context, lot)
        return found

    def receive(self, tree: dict[str, Any], before: Version | None = None) -> None:
        """Refuse a resource by how it was sent.

        Args:
            tree: the resource, links between entries of its Bundle already replaced.
            before: the version it follows.

        Raises:
            Invalid: naming each element (422).
        """
        for step in self._of(tree["resourceType"]):
            if step.receive is not None:
                step.receive(tree, before)

    async def issues(
        self, context: Context, tree: dict[str, Any], profiles: Sequence[str] = (), before: Version | None = None
    ) -> list[Issue]:
        """Everything to be said of a resource alone; once there is an error, the steps that follow are not asked.

        Args:
            context: for what is in force, and how strictly this caller is held to it.
            tree: the resource.
            profiles: canonicals it must conform to besides those it claims.
            before: what a patch was made of: what was wrong with an element that it leaves alone only warns.
        """
        found: list[Issue] = []
        for step in self._of(tree["resourceType"]):
            if step.validate is not None and not is_refused(found):
                found += await said_of_patched(step.validate, context, tree, profiles, before)
        return found

    async def judged(self, context: Context, tree: dict[str, Any], before: Version | None = None) -> list[Issue]:
        """What validation says beside errors: warnings and information; of a patch as `issues` has it.

        Raises:
            Invalid: with all the issues at once, when one of them is an error (422).
            FhirError: nobody, or not this caller, may write it whatever it says.
        """
        for step in self._of(tree["resourceType"]):
            if step.permit is not None:
                step.permit(context, tree)
        found = await self.issues(context, tree, before=before)
        if is_refused(found):
            raise Invalid(issues=found)
        return found

    async def prepared(self, context: Context, change: Change, among: Among = ALONE) -> Commit:
        """The writes of a change whose resource is valid, with what steps add to it.

        Raises:
            FhirError: the caller may not write it, or a step refuses it.
        """
        change = await self.arranged(context, change)
        await self.judge(context, change)
        made, among = Commit([await _write(context, change)]), among.having(change.beside)
        await self._complete(context, [change], among, made, frozenset())
        await self._add_beside(context, change, among, made, frozenset())
        return made

    async def ending(self, context: Context, versions: Sequence[Version], among: Among = ALONE) -> Commit:
        """The deletions of `versions`, all of one type, with what steps add to them.

        Raises:
            FhirError: as `prepared`.
        """
        changes, made = [Change(one.type, one.id, None, one, "DELETE") for one in versions], Commit()
        for change in changes:
            await self.judge(context, change)
            made.writes.append(await _write(context, change))
        if changes:
            await self._complete(context, changes, among, made, frozenset())
        return made

    async def arranged(self, context: Context, change: Change) -> Change:
        """A change in the form in which it is stored; what is valid as it was sent may be stored otherwise.

        Raises:
            FhirError: it cannot be given that form.
        """
        for step in self._of(change.type):
            if step.arrange is not None and change.tree is not None and _in_force(step, context):
                change = await step.arrange(context, change)
        return change

    async def judge(self, context: Context, change: Change) -> None:
        """Ask every step that judges.

        Raises:
            FhirError: a step refuses the change.
        """
        for step in self._of(change.type):
            if step.judge is not None and _in_force(step, context):
                await step.judge(context, change)

    def asks(self, context: Context, type: str) -> bool:
        """Whether some step judges or completes writes of a type."""
        return any((step.judge or step.complete) is not None and _in_force(step, context) for step in self._of(type))

    async def completed(self, context: Context, changes: Sequence[Change], among: Among = ALONE) -> Commit:
        """What steps add to changes of one type, whose own writes the caller has made already.

        Raises:
            FhirError: a step refuses them.
        """
        made = Commit()
        await self._complete(context, changes, among, made, frozenset())
        return made

    async def commit(self, context: Context, made: Commit, guards: Sequence[Guard] = ()) -> list[Version]:
        """All of it or nothing, durable when this returns; one version per write of `made.writes`, same order.

        Args:
            context: whose repository it is written by.
            made: what is written.
            guards: further conditions.

        Raises:
            Conflict: two writes are of the same resource, one of them a step's (409).
            Stale: something was overtaken; judge again and retry.
        """
        writes = [*made.writes, *made.extra]
        if made.extra and len({(one.type, one.id) for one in writes}) < len(writes):
            raise Conflict("What is written changes another resource, also written with it: one after the other.")
        shown = made.bodies or any(step.after is not None for step in self.steps)
        versions = await context.repository.transact(writes, list(dict.fromkeys((*guards, *made.guards))), shown)
        await self.told(context, versions)
        return versions[: len(made.writes)]

    async def told(self, context: Context, versions: Sequence[Version]) -> None:
        """Tell the steps of versions that are durable; each hears of all of its types at once."""
        types = {version.type for version in versions}
        for step in self.steps:
            if step.after is not None and any(map(step.speaks_of, types)):
                await step.after(context, [one for one in versions if step.speaks_of(one.type)])

    async def _complete(
        self, context: Context, changes: Sequence[Change], among: Among, made: Commit, asked: frozenset[str]
    ) -> None:
        """Add what steps add; what they add is judged as any write, and completed by the others than `asked`."""
        for step in self._of(changes[0].type):
            if step.complete is None or step.name in asked or not _in_force(step, context):
                continue
            extra = await step.complete(context, changes, among)
            made.guards += extra.guards
            for change in extra.changes:
                await self._add(context, change, among, made, asked | {step.name})

    async def _add(self, context: Context, change: Change, among: Among, made: Commit, asked: frozenset[str]) -> None:
        if change.tree is not None:
            self.receive(change.tree, change.before)
            await self.judged(context, change.tree)
            change = await self.arranged(context, change)
        await self.judge(context, change)
        made.extra.append(await _write(context, change))
        here = among.having((change, *change.beside))
        await self._complete(context, [change], here, made, asked)
        await self._add_beside(context, change, here, made, asked)

    async def _add_beside(
        self, context: Context, change: Change, among: Among, made: Commit, asked: frozenset[str]
    ) -> None:
        for one in change.beside:
            try:
                await self._add(context, one, among, made, asked)
            except FhirError as error:
                # Who sent it inside another resource knows its elements by the names they had there.
                raise error.placed(one.sent_as) from None

    def _of(self, type: str) -> tuple[Step, ...]:
        found = self._by_type.get(type)
        if found is None:
            found = tuple(step for step in self.steps if step.speaks_of(type))
            if len(self._by_type) < _TYPES:
                self._by_type[type] = found
        return found


#: Types that steps are remembered for: R4 has fewer, and what is sent may call itself anything.
_TYPES = 300


def is_refused(issues: Sequence[Issue]) -> bool:
    """Whether one of the issues is an error."""
    return any(issue.severity in ("error", "fatal") for issue in issues)


def _in_force(step: Step, context: Context) -> bool:
    return step.when is None or step.when(context.settings)


async def _write(context: Context, change: Change) -> Write:
    repository = context.repository.as_server() if change.as_server else context.repository
    if change.tree is None:
        assert change.before is not None
        return await repository.delete(change.before)
    assert change.method != "DELETE"
    body = serialize(change.tree) if change.body is None else change.body
    type, id, method, content = change.type, change.id, change.method, change.content
    made: Put = await repository.put(type, id, change.tree, body, change.before, method, content)
    return made if change.claims is None else replace(made, claims=change.claims)
