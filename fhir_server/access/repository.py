"""The only door to the store: everything that passes is held to the caller's rule, in both directions.

Hidden and absent look the same (404). A write pins the version it was judged against, so what is masked between check
and write is refused, not overwritten. Filters are narrowed on the way in, links inside them included.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Literal

from fhir_server.access import binaries, touched_patients
from fhir_server.access.attachment_filing import Filing, concerns, context_kept, with_context
from fhir_server.access.challenge import refusal
from fhir_server.access.grant import OPEN, Grant
from fhir_server.access.policy import Known, Policy
from fhir_server.access.readings import Key, Numbered, Readings, carried
from fhir_server.access.record_owner import owner
from fhir_server.access.rules import Decision
from fhir_server.access.sight import Sight
from fhir_server.access.touched import Touched
from fhir_server.access.write_judging import Written, refuse_seen, require_written
from fhir_server.fhir.json import serialize, stamped
from fhir_server.fhir.outcome import Forbidden, Gone, NotFound
from fhir_server.search.indexing.extract import extract
from fhir_server.search.parameters.registry import Registry
from fhir_server.store.content import Content
from fhir_server.store.filters import NOTHING, Filter, Index
from fhir_server.store.protocol import (
    NEWEST,
    Delete,
    Guard,
    Page,
    Position,
    Put,
    Scope,
    Sort,
    Store,
    Version,
    Want,
    Write,
)
from fhir_server.work.budget import settle

_log = logging.getLogger(__name__)
_ALONE = nullcontext()


class Repository:
    """The store as one caller may see it.

    Attributes:
        base: the server's own public URL, under which absolute references are local; "" when it is not known.
        grant: the caller.
        registry: the search parameters in force.
        policy: who may do what.
        sight: what the caller sees, and what is left of it.
        touched: what this exchange touched, for its AuditEvents.
        failed: guards by which a write of this exchange did not go through when it was tried before.
    """

    __slots__ = ("_known", "_readings", "_store", "base", "failed", "grant", "policy", "registry", "sight", "touched")

    def __init__(
        self,
        store: Store,
        grant: Grant,
        registry: Registry,
        base: str,
        policy: Policy,
        known: Known = (),
        readings: Readings | None = None,
    ) -> None:
        """The arguments are the attributes, and `store`, which nothing else reaches.

        `known` is what `policy` knows of the caller: without it, rules that ask for facts show nothing. `readings` are
        those of the exchange, where there are some already.
        """
        self._store = store
        self.base = base
        self._readings = readings or Readings(store)
        self.sight = Sight(policy, grant, known, registry, base, self._readings)
        self._known = known
        self.grant = grant
        self.registry = registry
        self.policy = policy
        self.failed: frozenset[Guard] = frozenset()
        self.touched = Touched(grant.traced)

    def as_server(self) -> Repository:
        """The same store as the server itself sees it, for its own work; never for what a caller is shown.

        What either has read in this exchange the other need not read again.
        """
        return Repository(self._store, OPEN, self.registry, self.base, self.policy, readings=self._readings)

    def rule(self, type: str, verb: str) -> Filter:
        """What of `type` the caller may `verb`: as `Policy.rule`."""
        return self.policy.rule(self.grant, type, verb, self._known)

    def rule_of(self, type: str, verb: str, index: Index, made: bool = False) -> Filter:
        """As `rule`, for one resource of that index: as `Policy.rule_of`."""
        return self.policy.rule_of(self.grant, type, verb, index, self._known, made)

    def chooses_ids(self, type: str) -> bool:
        """Whether the caller may make resources of `type` under ids of their own."""
        return self.policy.chooses_ids(self.grant, type, self._known)

    def allows(self, type: str, verb: str) -> bool:
        """Whether some scope lets the caller `verb` (a letter of `cruds`) some resource of `type`."""
        if type == "Binary":
            return binaries.allowed(self.grant, verb)
        return self.grant is OPEN or self.rule(type, verb) != NOTHING

    def searches(self, type: str) -> bool:
        """As `allows`, for a search."""
        return self.allows(type, "s")

    def require(self, type: str, verb: str) -> None:
        """Refuse at once what no scope speaks of.

        Raises:
            Forbidden: the token has no scope for it; the caller knows their token, so this is no secret.
        """
        if not self.allows(type, verb):
            raise refusal(self.grant, type, verb)

    async def read(self, type: str, id: str, *, want: Want = "body") -> Version:
        """The current version, whole or bare.

        Raises:
            Forbidden, NotFound, Gone: no scope for the type; absent or hidden; deleted, and visible before.
        """
        with self._readings if type == "Binary" else _ALONE:
            version = await self.current(type, id, want=want)
            if version is None:
                raise NotFound(f"There is no such {type}.")
            if version.deleted:
                raise Gone(f"This {type} was deleted.", headers={"ETag": f'W/"{version.version}"'})
            return await self._given_one(version)

    def together(self) -> Readings:
        """What is read inside is asked of the store once: a write and all it is judged by, a Bundle's entries."""
        return self._readings

    async def ahead(self, keys: Sequence[Key]) -> None:
        """Ask for what will be read one by one inside the same `together`: in one call, with what it is judged by."""
        await self._readings.ahead(keys, contexts=not self.grant.own)

    async def vread(self, type: str, id: str, version: int, want: Want = "body") -> Version:
        """That version, whole or bare, judged by its own index and the *current* version's.

        Masking a document hides its unmasked past, and correcting whom it is about does not show what was wrong.

        Raises:
            Forbidden, NotFound, Gone: as for `read`.
        """
        self.require(type, "r")
        (found,) = await self.sight.past(await self._readings.vread_many([(type, id, version)], want))
        if found is None:
            raise NotFound(f"There is no such version of a {type}.")
        if found.deleted:
            raise Gone(f"This version is the deletion of the {type}.")
        return await self._given_one(found)

    async def vread_many(self, keys: Sequence[Numbered], most_bytes: int) -> list[Version | None]:
        """For each of `keys` what `vread` gives, None where it raises; over early as `Store.vread_many` is."""
        found = await self.sight.past(await self._readings.vread_many(keys, "body", most_bytes))
        whole = [one if one and not one.deleted and self.allows(one.type, "r") else None for one in found]
        given = iter((await self._given(Page(tuple(filter(None, whole))), "body")).versions)
        return [one and next(given) for one in whole]

    async def current(self, type: str, id: str, verb: str = "r", *, want: Want = "body") -> Version | None:
        """The current version, which may be a deletion; None when absent or hidden.

        Args:
            type, id, want: of the resource, and whether it is to be whole.
            verb: the letter of `cruds` it is to be judged for; writers ask with the verb they mean to use.

        Raises:
            Forbidden: no scope for the type, or what is seen may not be written: it is kept, or not the patient's.
        """
        self.require(type, verb)
        version = await self._readings.read(type, id, want)
        if version is None:
            return None
        if not await self.sees(version, verb):
            # That something is kept is no secret to those who may read it.
            keeper = self.policy.keeper(type) if verb in "ud" else None
            if keeper is not None and await self.shows(version):
                raise Forbidden(f"This {type} is {keeper.reason}.")
            await refuse_seen(self, version, verb)
            if _log.isEnabledFor(logging.DEBUG):
                # Which rule, and of which type: nothing of the resource.
                decided = await self.sight.decided(version, verb)
                _log.debug("%s by %s: %s %s", decided.outcome, decided.rule, verb, type)
            return None
        return version

    async def find(
        self,
        scope: Scope,
        sort: Sequence[Sort] = NEWEST,
        after: Position | None = None,
        count: int = 50,
        most_bytes: int | None = None,
        want: Want = "body",
    ) -> Page:
        """Current resources satisfying the filter of their type and visible to the caller: as `Store.find`."""
        least = self._least(want)
        self.sight.require_sort(scope, sort)
        page = await self._readings.find(self.visible(scope), sort, after, count, most_bytes, least)
        return await self._given(page, want)

    async def find_each(self, scopes: Sequence[Scope], count: int = 50, want: Want = "body") -> list[Page]:
        """As `find` for each of `scopes`, in the same order: many small questions asked at once."""
        pages = await self._readings.find_each([self.visible(scope) for scope in scopes], count, self._least(want))
        return [await self._given(page, want) for page in pages]

    async def there(self, keys: Sequence[Key]) -> set[Key]:
        """Which of `keys` are there and may be read: nothing is shown, and nothing is traced."""
        read = [key for key in keys if self.allows(key[0], "r")]
        found = await self._readings.heads(read, "head" if self.grant.own else "index")
        return {(v.type, v.id) for v in found if v is not None and not v.deleted and await self.sees(v, "r")}

    async def ended(self, keys: Sequence[Numbered]) -> list[Version | None]:
        """For each of `keys` the deletion that it is, bare, where what it ended may be read, else None; not traced."""
        found = await self.sight.past(await self._readings.vread_many(keys, "index"))
        return [one if one is not None and one.deleted and self.allows(one.type, "r") else None for one in found]

    async def ids_each(self, scopes: Sequence[Scope], count: int) -> list[frozenset[str]]:
        """The ids of what `find` would give for each of `scopes`: nothing is shown, and nothing is traced."""
        pages = await self._store.find_each([self.visible(scope) for scope in scopes], count, "head")
        return [frozenset(version.id for version in page.versions) for page in pages]

    async def count(self, scope: Scope, limit: int | None = None) -> int:
        """How many `find` would give in all; counting stops at `limit`."""
        return await self._store.count(self.visible(scope), limit)

    async def explain(self, scope: Scope, sort: Sequence[Sort]) -> Sequence[str]:
        """How the engine would answer `find`: as `Store.explain`; empty where something is hidden from the caller.

        The plan counts, and chooses by, what is stored of everybody.
        """
        return await self._store.explain(scope, sort) if self.visible(scope) == scope else ()

    async def history(
        self,
        scope: Scope,
        id: str | None = None,
        since: int | None = None,
        at: tuple[int, int] | None = None,
        after: Position | None = None,
        count: int = 50,
        most_bytes: int | None = None,
    ) -> Page:
        """Versions newest first, deletions included, which the caller may read as they were and as they are now."""
        page = carried(await self._store.history(self.visible(scope, "r"), id, since, at, after, count, most_bytes))
        return await self._given(page, "body")

    async def history_count(
        self, scope: Scope, id: str | None = None, since: int | None = None, at: tuple[int, int] | None = None
    ) -> int:
        """How many versions `history` would give in all."""
        return await self._store.history_count(self.visible(scope, "r"), id, since, at)

    def visible(self, scope: Scope, verb: str = "s") -> Mapping[str, Filter]:
        """`scope` as the caller may use it: types without a rule dropped, links narrowed, the rule ANDed.

        What is hidden so that nothing names it is found by no link either.
        """
        return self.sight.visible(scope, verb)

    async def put(
        self,
        type: str,
        id: str,
        tree: dict[str, Any],
        body: bytes,
        before: Version | None,
        method: Literal["POST", "PUT", "PATCH"] = "PUT",
        content: Content | None = None,
    ) -> Put:
        """The write of a new version, judged before and after.

        Args:
            type, id, content: of the resource, and what of it is stored already.
            tree, body: the parsed resource, already valid, and its JSON; `id` and `meta` are set here.
            before: the version it follows (as `current` gave it), a deletion included; None for an id never used.

        Raises:
            NotFound: the version before is hidden from this verb.
            Forbidden: the caller may not write what the resource says (another patient's, say), or lacks the scope.
        """
        verb = "c" if before is None or before.deleted else "u"
        self.require(type, verb)
        if before is not None and verb == "u" and not await self.sees(before, verb):
            raise NotFound(f"There is no such {type}.")
        context = context_kept(self.grant, tree, before, method) if type == "Binary" else None
        index = self.index(type, tree if context is None else {**tree, "securityContext": context}, before)
        await require_written(self, self.sight.judge, Written(type, id, tree, index, before, verb))
        stamped_body, stamp = stamped(body, id, (before.version if before else 0) + 1)
        if context is not None:
            stamped_body = with_context(stamped_body, serialize(context))
        return Put(type, id, before.version if before else 0, stamped_body, stamp, index, method, None, content)

    async def delete(self, before: Version) -> Delete:
        """The write of a deletion after `before`.

        Raises:
            Forbidden, NotFound: no scope to delete the type; hidden from this verb.
        """
        self.require(before.type, "d")
        if not await self.sees(before, "d"):
            await refuse_seen(self, before, "d")
            raise NotFound(f"There is no such {before.type}.")
        self.touched.ends(before)
        return Delete(before.type, before.id, before.version)

    def guard(self, type: str, where: Filter, ids: frozenset[str] = frozenset()) -> Guard:
        """The condition that the resources of `type` matching `where`, as the caller sees them, are exactly `ids`."""
        return Guard(type, self.visible({type: where}).get(type, NOTHING), ids)

    async def transact(
        self, writes: Sequence[Write], guards: Sequence[Guard] = (), shown: bool = True
    ) -> list[Version]:
        """All the writes or none, durable when this returns; one version per write, same order.

        What is filed with them (`access.attachment_filing`) and, where they are made with it, the AuditEvents are of
        the same commit. Versions not to be `shown` have the bodies that are stored: for nobody.

        Raises:
            Forbidden: a Binary would be put where its writer may not write.
            Stale: something was overtaken; judge again and retry.
        """
        asked = len(writes)
        if any(map(concerns, writes)):
            filing = Filing(self, self._readings, writes)
            await filing.settle()
            writes, guards = filing.writes, [*guards, *filing.guards]
        settle()
        if not self.touched.noting:
            made = await self._readings.transact(writes, guards)
            return [*await self.sight.shown(made[:asked])] if shown else made[:asked]
        touched = self.touched.with_writes(writes, await touched_patients.of_writes(self._readings, writes))
        events = await self.touched.auditing(touched) if self.touched.auditing is not None and writes else ()
        made = await self._readings.transact([*writes, *events], guards)
        self.touched.take(touched)
        if events:
            self.touched.settle()
        return [*await self.sight.shown(made[:asked])] if shown else made[:asked]

    async def append(self, puts: Sequence[Put]) -> None:
        """New resources of the server's own that nothing is judged against: as `Store.append`."""
        settle()
        await self._store.append(puts)

    def index(self, type: str, tree: dict[str, Any], before: Version | None = None) -> Index:
        """What can be searched of a resource of this caller's, which follows the version `before`."""
        index = extract(type, tree, self.registry, self.base)
        return index if type != "Binary" else binaries.written(index, self.grant, before)

    def new_id(self, type: str, tree: dict[str, Any] | None = None) -> str:
        """An unguessable id for a new resource, as `Store.new_id`; `tree` says whose it will be."""
        return self._store.new_id(type, (lambda: owner(type, tree, self.base).patient) if tree else None)

    def _least(self, want: Want) -> Want:
        """What must be read to give what is wanted: a trace says whom what was found is about, as its index does."""
        return "index" if want == "head" and self.touched.noting else want

    async def _given_one(self, version: Version) -> Version:
        return (await self._given(Page((version,)), "body")).versions[0]

    async def _given(self, page: Page, want: Want) -> Page:
        """What the caller is given of versions that they may see; it is noted that they were."""
        if self.touched.noting:
            self.touched.saw(page.versions, await touched_patients.of_versions(self._readings, page.versions))
        if want != "body":
            return page
        left = await self.sight.shown(page.versions, {(one.type, one.id) for one in page.versions})
        return page if left is page.versions else replace(page, versions=tuple(left))

    async def sees(self, version: Version, verb: str) -> bool:
        """Whether the caller may `verb` that version."""
        return await self.sight.sees(version, verb)

    async def shows(self, version: Version) -> bool:
        """Whether the caller may read that version: no scope for its type is no error here."""
        return self.allows(version.type, "r") and await self.sees(version, "r")

    async def why(self, type: str, id: str, verb: str) -> Decision | None:
        """Whether the caller may `verb` the current version, and which rule says so; None when there is none.

        For operators and logs: a caller is not told more than `current` tells.
        """
        version = await self._store.read(type, id)
        return None if version is None else await self.sight.decided(version, verb)
