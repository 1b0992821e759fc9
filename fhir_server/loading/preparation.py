"""What loading asks of the processor: from bytes to judged, indexed writes. Runs in worker processes.

A resource is judged as a POST of it would be, by the same code: base R4, the profiles in force, what the server itself
must be able to follow. A Bundle of plain creates and updates is prepared here; one whose entries have conditions,
deletions or the like is handed back whole, for the server's own transaction to run.
https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import re
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import FhirError, Invalid, Issue, Malformed
from fhir_server.fhir.references import walk_references
from fhir_server.interactions import statement
from fhir_server.interactions.bundles import entries as bundle_entries
from fhir_server.interactions.bundles import links
from fhir_server.interactions.pipeline import Change
from fhir_server.loading.orphans import end_with_parent
from fhir_server.loading.sources import Part
from fhir_server.settings import Settings
from fhir_server.store.filters import Index
from fhir_server.store.protocol import Put
from fhir_server.terminology.resources import KINDS

if TYPE_CHECKING:
    from fhir_server.app import House
    from fhir_server.space.service import Service

Method = Literal["POST", "PUT"]
#: Bundles whose entries have requests; all others hold plain resources.
REQUESTS = ("transaction", "batch")
#: Conditions that only the server's own transaction can judge.
CONDITIONS = {"ifNoneMatch", "ifModifiedSince", "ifMatch", "ifNoneExist"}
#: Types that change how what follows them is judged or indexed.
DEFINING = frozenset(("SearchParameter", "StructureDefinition", *KINDS))

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
_MENTIONED = re.compile(rb'"(?:%s)"' % "|".join(sorted(DEFINING)).encode())
#: Whether a resource may have a reference by a name of a Bundle: most have none, and are not walked through for it.
_MAY_BE_UNLINKED = re.compile(rb'"reference"\s*:\s*"urn:|\\').search
_encode = msgspec.msgpack.Encoder().encode
_index = msgspec.msgpack.Decoder(Index).decode


class Row(NamedTuple):
    """A write as it travels between processes: `put()` makes the engine's of it. `place` says where it stood."""

    type: str
    id: str
    body: bytes
    stamp: int
    packed: bytes
    method: Method
    place: str

    def put(self) -> Put:
        """The write of a first version."""
        return Put(self.type, self.id, 0, self.body, self.stamp, _index(self.packed), self.method)


class Refusal(NamedTuple):
    """What was not taken: where it stood, and why in words without its values."""

    place: str
    reason: str


@dataclass(slots=True)
class Prepared:
    """What became of a part.

    Attributes:
        groups: rows to be written, each group all or none.
        wholes: (place, Bundle) for the server's own transaction.
        refused: what is not to be written.
        left: whether only definitions were prepared, which are to be in force before the rest is asked for.
    """

    groups: list[list[Row]] = field(default_factory=list)
    wholes: list[tuple[str, bytes]] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    left: bool = False


@dataclass(slots=True)
class _Turn:
    """One reading of a part: of everything, or first of its definitions and then of the rest."""

    key: str
    found: Prepared
    only: Literal["all", "definitions", "rest"]

    def takes(self, tree: Any) -> bool:
        """Whether a resource is this reading's to prepare."""
        defines = isinstance(tree, dict) and tree.get("resourceType") in DEFINING
        return self.only == "all" or defines == (self.only == "definitions")

    def refuse(self, place: str, error: Exception) -> None:
        """Note what is not taken."""
        self.found.refused.append(refusal(place, error))


class Preparer:
    """Prepares parts with one opened server; one in each worker process."""

    def __init__(self, house: House) -> None:
        """Nothing is written to `house`."""
        self._house = house
        self._context = house.own_context()

    async def prepare(self, part: Part, key: str, defined: bool = False) -> Prepared:
        """Everything in `part`, or its definitions alone when it has some: the rest follows with `defined`.

        Args:
            part: what.
            key: file digest and salt; makes the ids of resources that have none.
            defined: whether the part's definitions are in force by now.
        """
        await self._house.follow()
        found = Prepared(left=not defined and _MENTIONED.search(part.body) is not None)
        turn = _Turn(key, found, "definitions" if found.left else "rest" if defined else "all")
        together: list[Row] = []
        for place, body in _resources(part):
            try:
                tree = parse(body, self._context.settings.max_depth)
                if tree.get("resourceType") == "Bundle":
                    await self._bundle(turn, tree, body, place)
                elif turn.takes(tree):
                    together += await self._rows(tree, body, place, key)
            except Exception as error:
                # What cannot be read at all is told once, by the first reading.
                if turn.only != "rest" or not isinstance(error, Malformed):
                    turn.refuse(place, error)
        if together:
            found.groups.append(together)
        return found

    async def _bundle(self, turn: _Turn, tree: dict[str, Any], body: bytes, place: str) -> None:
        rows = tree.get("entry", [])
        if not isinstance(rows, list) or not all(isinstance(entry, dict) for entry in rows):
            raise Malformed("A Bundle's entries are objects in an array.", "Bundle.entry")
        if tree.get("type") not in REQUESTS:
            await self._collected(turn, rows, place)
        elif turn.only != "rest":
            await self._requested(turn, tree, body, place)

    async def _requested(self, turn: _Turn, tree: dict[str, Any], body: bytes, place: str) -> None:
        """A transaction or batch: all of it is judged by what was in force before it, as when it is posted."""
        rows = tree.get("entry", [])
        names = _names(rows, f"{turn.key}/{place}", True) if all(map(_plain, rows)) else {}
        places = _places(rows, names)
        if places is None or not names or links.BY_CRITERIA.search(body) or not _linked(rows, places):
            turn.found.wholes.append((place, body))
            return
        if wrong := bundle_entries.envelope(tree, self._context):
            raise Invalid(issues=wrong)
        taken, refused = await self._entries(rows, place, turn.key, names, _Turn(turn.key, turn.found, "all"))
        turn.found.refused += refused
        if tree["type"] != "transaction" or not refused:
            turn.found.groups.append(taken)
        else:
            turn.found.refused.append(Refusal(place, f"the transaction of {len(rows)} entries was not begun"))

    async def _collected(self, turn: _Turn, rows: list[dict[str, Any]], place: str) -> None:
        """Resources that a Bundle holds together: each is taken or refused for itself."""
        names = _names(rows, f"{turn.key}/{place}", False)
        places = _places(rows, names)
        if places is None:
            raise Malformed("Two entries are the same resource, or have the same fullUrl.", "Bundle.entry")
        _linked(rows, places)
        taken, refused = await self._entries(rows, place, turn.key, names, turn)
        turn.found.refused += refused
        turn.found.groups.append(taken)

    async def _entries(
        self, rows: list[dict[str, Any]], place: str, key: str, names: dict[int, str], turn: _Turn
    ) -> tuple[list[Row], list[Refusal]]:
        taken: list[Row] = []
        refused: list[Refusal] = []
        for number, entry in enumerate(rows, 1):
            resource, where = entry.get("resource"), f"{place} entry {number}"
            if resource is None or not turn.takes(resource):
                continue
            try:
                taken += await self._rows(resource, serialize(resource), where, key, names.get(number))
            except Exception as error:
                refused.append(refusal(where, error))
        return taken, refused

    async def _rows(self, tree: Any, body: bytes, place: str, key: str, name: str | None = None) -> list[Row]:
        """The write of a resource, and of what is stored beside it."""
        type, id = _identity(tree)
        own = name.rpartition("/")[2] if name else id or _made(key, place)
        method: Method = "PUT" if own == id else "POST"
        if statement.supports(type) and (type, "update" if method == "PUT" else "create") not in statement.offered():
            raise Invalid(f"This server does not offer to write a {type}.", type, code="not-supported")
        if _MAY_BE_UNLINKED(body) and (missing := next(_unlinked(tree), None)):
            raise Invalid("The reference leads to nothing: no entry is called so.", missing, code="not-found")
        await self._context.pipeline.judged(self._context, tree)
        if type == "StructureDefinition":
            self._hold(tree, body)
        change = await self._context.pipeline.arranged(self._context, Change(type, own, tree, None, method, body))
        return [await self._row(one, place) for one in (change, *change.beside)]

    async def _row(self, change: Change, place: str) -> Row:
        assert change.tree is not None and change.method in ("POST", "PUT")
        body = serialize(change.tree) if change.body is None else change.body
        put = await self._context.repository.put(change.type, change.id, change.tree, body, None, change.method)
        return Row(change.type, put.id, put.body, put.stamp, _encode(put.index), change.method, place)

    def _hold(self, tree: dict[str, Any], body: bytes) -> None:
        """Let what follows in the same part build on a profile that is not in the store yet."""
        self._house.following.profiles.hold(str(tree.get("url", "")), str(tree.get("version", "")), body)


def _resources(part: Part) -> Iterator[tuple[str, bytes]]:
    """(where, JSON) of each resource; blank lines are none."""
    if not part.lines:
        yield "document", part.body
        return
    for number, line in enumerate(part.body.split(b"\n"), part.first):
        if line.strip():
            yield f"line {number}", line


def _plain(entry: dict[str, Any]) -> bool:
    """Whether an entry is a create, or an update of the id its resource has, without conditions."""
    request, resource = entry.get("request"), entry.get("resource")
    if not isinstance(request, dict) or not isinstance(resource, dict) or CONDITIONS & request.keys():
        return False
    type, id = resource.get("resourceType"), resource.get("id")
    if request.get("method") == "POST":
        return request.get("url") == type and (not _full(entry) or _full(entry).startswith("urn:"))
    return request.get("method") == "PUT" and isinstance(id, str) and request.get("url") == f"{type}/{id}"


def _names(rows: list[dict[str, Any]], key: str, requests: bool) -> dict[int, str]:
    """Entry number, from 1 → `Type/id` it is to have, of each entry with a resource."""
    found = {}
    for number, entry in enumerate(rows, 1):
        resource = entry.get("resource")
        if isinstance(resource, dict):
            create = requests and entry["request"]["method"] == "POST"
            id = None if create else resource.get("id")
            found[number] = f"{resource.get('resourceType')}/{id or _made(key, f'entry {number}')}"
    return found


def _places(rows: list[dict[str, Any]], names: dict[int, str]) -> dict[str, str] | None:
    """What each entry is called in the Bundle → where it is kept; None when two are one, or called the same."""
    if len(set(names.values())) != len(names):
        return None
    called = [(entry["fullUrl"], names[n]) for n, entry in enumerate(rows, 1) if n in names and _full(entry)]
    places = dict(called)
    return places if len(places) == len(called) else None


def _full(entry: dict[str, Any]) -> str:
    full = entry.get("fullUrl")
    return full if isinstance(full, str) else ""


def _linked(rows: list[dict[str, Any]], places: dict[str, str]) -> bool:
    """Make links between the entries links to what they become; whether none leads to nothing."""
    resources = [(entry["resource"], _full(entry)) for entry in rows if isinstance(entry.get("resource"), dict)]
    for resource, full in resources:
        if places:
            links.rewrite(resource, places, full)
    return not any(True for resource, _ in resources for _ in _unlinked(resource))


def _unlinked(tree: dict[str, Any]) -> Iterator[str]:
    """FHIRPath of each reference by a name that only a Bundle could explain, and that no entry of it has."""
    for node, path in walk_references(tree):
        if node["reference"].startswith("urn:"):
            yield f"{path}.reference"


def _identity(tree: Any) -> tuple[str, str | None]:
    type, id = (tree.get("resourceType"), tree.get("id")) if isinstance(tree, dict) else (None, None)
    if not isinstance(type, str):
        raise Invalid("There is no resource with a resourceType.", "resourceType", code="required")
    if id is not None and not (isinstance(id, str) and _ID.fullmatch(id)):
        raise Invalid("An id is 1 to 64 letters, digits, '-' and '.'.", f"{type}.id", code="value")
    return type, id


def _made(key: str, place: str) -> str:
    return hashlib.sha256(f"{key}/{place}".encode()).hexdigest()[:24]


def refusal(place: str, error: Exception) -> Refusal:
    """What stood at `place`, and the first of the reasons why it was not taken, each with its element."""
    if not isinstance(error, FhirError):
        # A defect of ours: one resource must not keep the rest of a long load from going on.
        return Refusal(place, f"the server failed on it ({type(error).__name__}); please report this")
    return Refusal(place, "; ".join(map(_said, error.issues[:5])))


def _said(issue: Issue) -> str:
    return f"{issue.expression}: {issue.diagnostics}" if issue.expression else issue.diagnostics


class _Worker(NamedTuple):
    """What a worker process prepares with."""

    loop: asyncio.AbstractEventLoop
    preparer: Preparer


_worker: _Worker | None = None


def begin(settings: Settings, services: tuple[Service, ...]) -> None:
    """Make this process a worker over the same store and services. A Ctrl-C is the parent's to handle."""
    global _worker
    from fhir_server.app import opened

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    # What is prepared holds no cycles, and looking for them in so many new objects takes a tenth of the time.
    gc.set_threshold(200_000, 20, 100)
    loop, stack = asyncio.new_event_loop(), AsyncExitStack()
    house = loop.run_until_complete(stack.enter_async_context(opened(settings, services)))
    Finalize(None, lambda: loop.run_until_complete(stack.aclose()), exitpriority=10)
    _worker = _Worker(loop, Preparer(house))


def prepare(part: Part, key: str, defined: bool) -> Prepared:
    """`Preparer.prepare` in a worker process."""
    assert _worker is not None
    return _worker.loop.run_until_complete(_worker.preparer.prepare(part, key, defined))
