"""Filing the content of a document: the Binary that an attachment names gets that document as its context.

https://hl7.org/fhir/R4/binary.html#security, https://hl7.org/fhir/R4/datatypes.html#Attachment. Clients write the
Binary, then the document whose `attachment.url` is that Binary. In the commit of the document its Binary is given the
document as `securityContext`, so that whoever may read one may open the other. Only those who may write the Binary
give it one, only while it has none: nobody reads what another wrote by pointing at it. A context stays when the
document no longer names the Binary, since its past versions do, and when the document is deleted, which hides both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from fhir_server.access import binaries
from fhir_server.access.grant import Grant
from fhir_server.access.readings import Key, Readings
from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.json import parse, serialize, stamped
from fhir_server.fhir.outcome import Forbidden, TooCostly
from fhir_server.search.indexing.attachments import ATTACHMENT
from fhir_server.store.filters import Id, Index, Range, Refers, Word, both
from fhir_server.store.matching import matches, unpack
from fhir_server.store.protocol import Guard, Put, Version, Write

if TYPE_CHECKING:
    from fhir_server.access.repository import Repository

#: Documents looked at that name a Binary before it is there.
SEVERAL = 10
#: Binaries for which such documents are looked for in one call.
TOGETHER = 16
#: Binaries that one exchange may give a context, beside those it writes itself.
MOST = 100


class Filing:
    """What filing adds to the writes of one commit.

    Attributes:
        writes: those asked for, in their order, then those of Binaries that are given a context.
        guards: that what a Binary names is still what the caller may write.
    """

    def __init__(self, repository: Repository, readings: Readings, writes: Sequence[Write]) -> None:
        """`writes` have been judged one by one, by what `repository` lets its caller do with what `readings` give."""
        self._repository = repository
        self._readings = readings
        self._asked = {(write.type, write.id): write for write in writes}
        self._places = {(write.type, write.id): place for place, write in enumerate(writes)}
        self.writes: list[Write] = list(writes)
        self.guards: list[Guard] = []

    async def settle(self) -> None:
        """Give contexts, and judge those that the caller gave.

        Raises:
            Forbidden: a Binary names what its writer may not write, or what is not there; or an attachment names a
                Binary that the caller sees and may not give a context.
            TooCostly: more than `MOST` Binaries would be given one.
        """
        puts = [write for write in self._asked.values() if isinstance(write, Put)]
        filing = [(put, ("Binary", id)) for put in puts for id in _named(put.index)]
        stored = await self._unfiled([key for _, key in filing if key not in self._places])
        for put, key in filing:
            self._file(put, key, stored.get(key))
        with self._readings:
            contents = [put for put in puts if put.type == "Binary"]
            named = [key for put in contents for key in binaries.contexts(put.index)]
            await self._readings.read_many([key for key in named if key not in self._asked])
            await self._found_filed(contents)
            for put in contents:
                await self._judge(self.writes[self._places["Binary", put.id]])

    async def _unfiled(self, keys: Sequence[Key]) -> dict[Key, Version]:
        """Those of some stored Binaries that have no context, with their bodies where the caller may give them one."""
        # Of many, bodies are asked for once it is known which of them are needed.
        few = len(set(keys)) == 1
        found = await self._readings.store.read_many(keys, "bare" if few else "index") if keys else ()
        unfiled = {
            (v.type, v.id): v
            for v in found
            if v is not None and not v.deleted and not binaries.is_named(unpack(v.packed))
        }
        if few or not unfiled:
            return unfiled
        mine = binaries.fileable(self._repository.grant)
        needed = [key for key, v in unfiled.items() if matches(mine, unpack(v.packed), v.id)][: MOST + 1]
        for key, version in zip(needed, await self._readings.store.read_many(needed, "bare"), strict=True):
            if version is not None and not version.deleted:
                unfiled[key] = version
        return unfiled

    def _file(self, holder: Put, key: Key, version: Version | None) -> None:
        target = f"{holder.type}/{holder.id}"
        if key in self._places:
            self._give(key, target)
            return
        if version is None or binaries.is_named(index := unpack(version.packed)):
            return
        grant = self._repository.grant
        if not matches(binaries.fileable(grant), index, version.id):
            if matches(binaries.unnamed(grant, "r"), index, version.id):
                words = "An attachment names a Binary without securityContext, which the token may not give one."
                raise Forbidden(words, holder.type)
            return
        if len(self.writes) - len(self._asked) >= MOST:
            raise TooCostly(f"More than {MOST} attachments name a Binary that was filed nowhere yet.", holder.type)
        self._places[key] = len(self.writes)
        self.writes.append(self._given(version, target))

    async def _found_filed(self, puts: Sequence[Put]) -> None:
        """A Binary that a client made under an id of its own may be named by a document already."""
        new = [put for put in puts if not put.expected and put.method == "PUT"]
        new = [put for put in new if not binaries.is_named(self._index(("Binary", put.id)))]
        holders = sorted(resource_types() - {"Binary"})
        for start in range(0, len(new), TOGETHER):
            some = new[start : start + TOGETHER]
            scopes = [dict.fromkeys(holders, Refers(ATTACHMENT, f"Binary/{put.id}")) for put in some]
            pages = await self._readings.store.find_each(scopes, SEVERAL)
            for put, page in zip(some, pages, strict=True):
                for holder in page.versions:
                    if await self._repository.sees(holder, "u"):
                        self._give(("Binary", put.id), f"{holder.type}/{holder.id}")

    async def _judge(self, write: Write) -> None:
        """Nothing is put under a resource by those who may not write it; hidden and absent are refused alike."""
        grant = self._repository.grant
        if grant.unrestricted or not isinstance(write, Put) or not binaries.is_named(write.index):
            return
        for type, id in binaries.contexts(write.index):
            here = self._asked.get((type, id))
            if isinstance(here, Put):
                return
            version = await self._readings.read(type, id) if here is None else None
            if version is None or version.deleted or not await self._repository.sees(version, binaries.asked("c")):
                continue
            # As it was judged: another version of it might not be this writer's.
            now = Range("_lastUpdated", low_from=version.at * 1000, high_to=version.at * 1000)
            self.guards.append(Guard(type, both(Id((id,)), now), frozenset({id})))
            return
        raise Forbidden("The token does not allow this Binary to be written.")

    def _give(self, key: Key, target: str) -> None:
        place = self._places[key]
        write = self.writes[place]
        if isinstance(write, Put) and not binaries.is_named(write.index):
            words = (*write.index.words, Word(binaries.SECURITY_CONTEXT, target))
            index = msgspec.structs.replace(write.index, words=words)
            body = with_context(write.body, serialize({"reference": target}))
            self.writes[place] = replace(write, body=body, index=index)

    def _given(self, before: Version, target: str) -> Put:
        tree = parse(before.body, max_depth=1000)
        tree["securityContext"] = {"reference": target}
        body, stamp = stamped(serialize(tree), before.id, before.version + 1)
        index = self._repository.index("Binary", tree, before)
        return Put("Binary", before.id, before.version, body, stamp, index, content=before.content)

    def _index(self, key: Key) -> Index:
        write = self.writes[self._places[key]]
        assert isinstance(write, Put)
        return write.index


def context_kept(grant: Grant, tree: dict[str, Any], before: Version | None, method: str) -> dict[str, Any] | None:
    """What a Binary goes on being judged by when its new version does not say; filing may have given it.

    Raises:
        Forbidden: a patch takes it away.
    """
    if before is None or before.deleted or "securityContext" in tree:
        return None
    context = msgspec.json.decode(before.body, type=_Secured).securityContext
    if context is None or (method == "PATCH" and grant.own):
        return None
    if method == "PATCH":
        raise Forbidden("A Binary keeps its securityContext, or is given another one.", "Binary.securityContext")
    return context


class _Secured(msgspec.Struct):
    securityContext: dict[str, Any] | None = None


def with_context(body: bytes, context: bytes) -> bytes:
    """The JSON of a Binary, as it is stored, with a `securityContext` that it does not have."""
    return b'%s,"securityContext":%s}' % (body[:-1], context)


def _named(index: Index) -> list[str]:
    """Ids of the Binaries that attachments name."""
    words = (word.value for word in index.words if word.param == ATTACHMENT)
    return [value.removeprefix("Binary/") for value in dict.fromkeys(words)]


def concerns(write: Write) -> bool:
    """Whether filing has to do with a write."""
    return isinstance(write, Put) and (
        write.type == "Binary" or any(word.param == ATTACHMENT for word in write.index.words)
    )
