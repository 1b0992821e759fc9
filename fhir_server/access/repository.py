"""The only door to the store: everything that passes is held to the caller's rule, in both directions.

Hidden and absent look the same (404). A write pins the version it was judged against, so what is masked between check
and write is refused, not overwritten. Filters are narrowed on the way in, links inside them included.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from fhir_server.access.audit import Traces
from fhir_server.access.challenge import insufficient
from fhir_server.access.grant import OPEN, Grant
from fhir_server.access.owning import owned, owner_of, with_owner
from fhir_server.access.policy import KEPT, WRITER, narrow, rule
from fhir_server.access.whose import CLOSED, Owner, rows
from fhir_server.access.writes import asks_whose, closed, people
from fhir_server.fhir.json import parse, stamped
from fhir_server.fhir.outcome import Forbidden, Gone, NotFound
from fhir_server.search.extract import extract
from fhir_server.search.parameters import Registry
from fhir_server.store.filters import (
    EVERYTHING,
    NOTHING,
    And,
    Filter,
    Id,
    Index,
    Linked,
    LinkedFrom,
    Not,
    Or,
    Refers,
    Word,
    both,
)
from fhir_server.store.matching import has_links, matches, unpack
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
    Write,
)
from fhir_server.work.budget import carry, settle


class Repository:
    """The store as one caller may see it.

    Attributes:
        grant: the caller.
        registry: the search parameters in force.
        traces: what this exchange touched, for its AuditEvent.
    """

    __slots__ = ("_base", "_store", "grant", "registry", "traces")

    def __init__(self, store: Store, grant: Grant, registry: Registry, base: str = "") -> None:
        """`base` is the server's own public URL, under which absolute references are local."""
        self._store = store
        self._base = base
        self.grant = grant
        self.registry = registry
        self.traces = Traces(grant.traced)

    @property
    def store(self) -> Store:
        """The store itself, for the server's own work (traces); never for a caller's."""
        return self._store

    def allows(self, type: str, verb: str) -> bool:
        """Whether some scope lets the caller `verb` (a letter of `cruds`) some resource of `type`."""
        return self.grant is OPEN or rule(self.grant, type, verb) != NOTHING

    def searches(self, type: str) -> bool:
        """Whether some scope lets the caller search some resource of `type`."""
        return self.allows(type, "s")

    def require(self, type: str, verb: str) -> None:
        """Refuse at once what no scope speaks of.

        Raises:
            Forbidden: the token has no scope for it; the caller knows their token, so this is no secret.
        """
        if not self.allows(type, verb):
            if verb in "cud" and rows()[type].kind in CLOSED and any(s.covers(type, verb) for s in self.grant.scopes):
                raise Forbidden(f"A person's token does not {WORDS[verb]} {type}: it is the space's own to write.")
            words = f"The token has no scope to {WORDS[verb]} {type}."
            raise Forbidden(words, headers=insufficient(self.grant, type, verb))

    async def read(self, type: str, id: str) -> Version:
        """The current version.

        Raises:
            Forbidden: no scope to read the type at all.
            NotFound: absent, or hidden from this caller.
            Gone: deleted, and the caller could see what it was.
        """
        version = await self.current(type, id)
        if version is None:
            raise NotFound(f"There is no such {type}.")
        if version.deleted:
            raise Gone(f"This {type} was deleted.", headers={"ETag": f'W/"{version.version}"'})
        self.traces.saw(version)
        return version

    async def vread(self, type: str, id: str, version: int) -> Version:
        """That version, judged by the *current* version's index: masking a document hides its unmasked past.

        Raises:
            Forbidden, NotFound, Gone: as for `read`.
        """
        self.require(type, "r")
        found = await self._store.vread(type, id, version)
        if found is None or not await self._sees(found, "r"):
            raise NotFound(f"There is no such version of a {type}.")
        if found.deleted:
            raise Gone(f"This version is the deletion of the {type}.")
        self.traces.saw(found)
        return found

    async def current(self, type: str, id: str, verb: str = "r") -> Version | None:
        """The current version, which may be a deletion; None when absent or hidden.

        Args:
            type: resource type.
            id: logical id.
            verb: the letter of `cruds` it is to be judged for; writers ask with the verb they mean to use.

        Raises:
            Forbidden: no scope for it on the type, or the caller sees it and may not write it: nobody's token may
                (`KEPT`), or it is not the patient's.
        """
        self.require(type, verb)
        version = await self._store.read(type, id)
        if version is None:
            return None
        if not await self._sees(version, verb):
            # What the space keeps is no secret to those who may read it: they are told that it is kept.
            if verb in "ud" and version.type in KEPT and self.allows(type, "r") and await self._sees(version, "r"):
                raise Forbidden(f"This {type} is kept by the space: it changes by its own operations.")
            if await self._is_anothers(version, verb):
                raise Forbidden(f"This {type} is not in the record of the token's patient.")
            return None
        return version

    async def _is_anothers(self, version: Version, verb: str) -> bool:
        """Whether the caller sees what they may not write, since it is not the patient's: that is no secret to them."""
        if verb not in "ud" or not asks_whose(rule(self.grant, version.type, verb)):
            return False
        return self.allows(version.type, "r") and await self._sees(version, "r")

    async def find(
        self,
        scope: Scope,
        sort: Sequence[Sort] = NEWEST,
        after: Position | None = None,
        count: int = 50,
        most_bytes: int | None = None,
    ) -> Page:
        """Current resources satisfying the filter of their type and visible to the caller: as `Store.find`."""
        page = _carried(await self._store.find(self.visible(scope), sort, after, count, most_bytes))
        self.traces.listed(page.versions)
        return page

    async def find_each(self, scopes: Sequence[Scope], count: int = 50) -> list[Page]:
        """As `find` for each of `scopes`, in the same order: many small questions asked at once."""
        pages = await self._store.find_each([self.visible(scope) for scope in scopes], count)
        for page in map(_carried, pages):
            self.traces.listed(page.versions)
        return pages

    async def count(self, scope: Scope, limit: int | None = None) -> int:
        """How many `find` would give in all; counting stops at `limit`."""
        return await self._store.count(self.visible(scope), limit)

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
        """Versions newest first, deletions included, of resources whose current index the caller may read."""
        page = _carried(await self._store.history(self.visible(scope, "r"), id, since, at, after, count, most_bytes))
        self.traces.listed(page.versions)
        return page

    async def history_count(
        self, scope: Scope, id: str | None = None, since: int | None = None, at: tuple[int, int] | None = None
    ) -> int:
        """How many versions `history` would give in all."""
        return await self._store.history_count(self.visible(scope, "r"), id, since, at)

    def visible(self, scope: Scope, verb: str = "s") -> Mapping[str, Filter]:
        """`scope` as the caller may use it: types without a rule dropped, links narrowed, the rule ANDed."""
        if self.grant.unrestricted:
            return scope
        rules = ((type, rule(self.grant, type, verb), where) for type, where in scope.items())
        return {type: both(allowed, narrow(self.grant, where)) for type, allowed, where in rules if allowed != NOTHING}

    async def put(
        self,
        type: str,
        id: str,
        tree: dict[str, Any],
        body: bytes,
        before: Version | None,
        method: Literal["POST", "PUT", "PATCH"] = "PUT",
    ) -> Put:
        """The write of a new version, judged before and after.

        Args:
            type: resource type.
            id: logical id.
            tree: the parsed resource, already valid.
            body: its JSON; `id` and `meta` are set here.
            before: the version it follows (as `current` gave it), a deletion included; None for an id never used.
            method: the verb that history shows.

        Raises:
            NotFound: the version before is hidden from this verb.
            Forbidden: the caller may not write what the resource says (another patient's, say), or lacks the scope.
        """
        new = before is None or before.deleted
        verb = "c" if new else "u"
        self.require(type, verb)
        if before is not None and not new and not await self._sees(before, verb):
            raise NotFound(f"There is no such {type}.")
        index = self.index(type, tree)
        await self._require_written(type, id, tree, index, before, verb)
        stamped_body, stamp = stamped(body, id, (before.version if before else 0) + 1)
        return Put(type, id, before.version if before else 0, stamped_body, stamp, index, method)

    async def delete(self, before: Version) -> Delete:
        """The write of a deletion after `before`.

        Raises:
            Forbidden: no scope to delete the type.
            NotFound: hidden from this verb.
        """
        self.require(before.type, "d")
        if not await self._sees(before, "d"):
            if await self._is_anothers(before, "d"):
                raise Forbidden(f"This {before.type} is not in the record of the token's patient.")
            raise NotFound(f"There is no such {before.type}.")
        return Delete(before.type, before.id, before.version)

    def guard(self, type: str, where: Filter, ids: frozenset[str] = frozenset()) -> Guard:
        """The condition that the resources of `type` matching `where`, as the caller sees them, are exactly `ids`."""
        return Guard(type, self.visible({type: where}).get(type, NOTHING), ids)

    async def transact(self, writes: Sequence[Write], guards: Sequence[Guard] = ()) -> list[Version]:
        """All the writes or none, durable when this returns; one version per write, same order.

        Raises:
            Stale: something was overtaken; judge again and retry.
        """
        settle()
        puts = [write for write in writes if isinstance(write, Put)]
        if self.traces.witness is not None and len(puts) == len(writes):
            made = await self._store.transact([*writes, await self.traces.witness(puts)], guards)
            self.traces.told, versions = True, made[:-1]
        else:
            versions = await self._store.transact(writes, guards)
        self.traces.wrote(versions)
        return versions

    def index(self, type: str, tree: dict[str, Any]) -> Index:
        """What can be searched of a resource of this caller's."""
        index = extract(type, tree, self.registry, self._base)
        if type == "Binary" and self.grant.client:
            # Only the writer is added: the security context is the resource's own element.
            return Index((*index.words, Word(WRITER, self.grant.client)), index.spans, index.narrative, index.content)
        return index

    @staticmethod
    def new_id() -> str:
        """An unguessable id: 120 bits in 24 characters of FHIR's `id` alphabet that sort alike everywhere."""
        return secrets.token_hex(12)

    async def _require_written(
        self, type: str, id: str, tree: dict[str, Any], index: Index, before: Version | None, verb: str
    ) -> None:
        """Refuse what the caller may not write as it would be, or may not make of what it was."""
        allowed = rule(self.grant, type, verb)
        if allowed == EVERYTHING and not people(self.grant):
            return
        where = None
        if asks_whose(allowed):
            found = await owned(self._store, self.grant, type, tree, self._base)
            where = found.element
            # From one of a person's patients to another of them is as little theirs to say as to a stranger.
            kept = before is None or (await self._owner_of(before)).patient == found.patient
            index = with_owner(index, found) if kept else index
        if not await self._satisfies(allowed, type, id, index):
            raise Forbidden(f"The token does not allow this {type} to be written.", where)
        was = parse(before.body) if before is not None and not before.deleted else None
        if people(self.grant) and (element := closed(type, was, tree)) is not None:
            raise Forbidden(f"A person's token does not change this of a {type}.", element)

    async def _sees(self, version: Version, verb: str) -> bool:
        allowed = rule(self.grant, version.type, verb)
        if allowed == EVERYTHING:
            return True
        index = unpack(version.packed)
        if asks_whose(allowed):
            index = with_owner(index, await self._owner_of(version))
        return await self._satisfies(allowed, version.type, version.id, index, version.at)

    async def _satisfies(self, where: Filter, type: str, id: str, index: Index, at: int = 0) -> bool:
        if where == EVERYTHING:
            return True
        settled = await self._settled(where, type, id, index) if has_links(where) else where
        return matches(settled, index, id, at * 1000)

    async def _settled(self, where: Filter, type: str, id: str, index: Index) -> Filter:
        """`where` with each link replaced by what the store says of it: the rest is a matter of the index alone."""
        match where:
            case Linked():
                found = await self._refers(where, index)
            case LinkedFrom():
                linked = both(Refers(where.param, f"{type}/{id}"), where.where)
                found = await self._store.count({where.type: linked}, 1) > 0
            case And() | Or():
                return replace(where, parts=tuple([await self._settled(p, type, id, index) for p in where.parts]))
            case Not():
                return Not(await self._settled(where.part, type, id, index))
            case _:
                return where
        return EVERYTHING if found else NOTHING

    async def _refers(self, link: Linked, index: Index) -> bool:
        prefix = link.type + "/"
        ids = tuple(w.value[len(prefix) :] for w in index.words if w.param == link.param and w.value.startswith(prefix))
        if asks_whose(link.where):
            return any([await self._is_so(link, id) for id in ids])
        return bool(ids) and await self._store.count({link.type: both(Id(ids), link.where)}, 1) > 0

    async def _is_so(self, link: Linked, id: str) -> bool:
        """Whether what is linked to satisfies a rule that no stored index tells of."""
        version = await self._store.read(link.type, id)
        if version is None or version.deleted:
            return False
        index = with_owner(unpack(version.packed), await self._owner_of(version))
        return await self._satisfies(link.where, link.type, id, index, version.at)

    async def _owner_of(self, version: Version) -> Owner:
        return await owner_of(self._store, self.grant, version, self._base)


def _carried(page: Page) -> Page:
    carry(sum([len(version.body) + len(version.packed) for version in page.versions]))
    return page


#: What each letter of `cruds` is called in a refusal.
WORDS = {"c": "create", "r": "read", "u": "update", "d": "delete", "s": "search"}
