"""What loading asks of the processor: from bytes to stamped, validated, indexed writes. Runs in worker processes.

A Bundle of plain creates and updates is prepared here; one whose entries have conditions, deletions or the like is
handed back whole, for the server's own transaction to run. https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import gc
import hashlib
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, cast

import msgspec

from fhir_server.access.grant import OPEN
from fhir_server.access.repository import Repository
from fhir_server.cli.sources import Part
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import FhirError, Invalid, Issue, Malformed
from fhir_server.search.declared import check
from fhir_server.search.parameters import Registry
from fhir_server.settings import Settings
from fhir_server.store.filters import Index
from fhir_server.store.protocol import Put
from fhir_server.validation.validator import validate

Method = Literal["POST", "PUT"]
#: Bundles whose entries have requests; all others hold plain resources.
REQUESTS = ("transaction", "batch")
#: Conditions that only the server's own transaction can judge.
CONDITIONS = {"ifNoneMatch", "ifModifiedSince", "ifMatch", "ifNoneExist"}
#: Elements whose value is a link, by name; a link under any other name makes the Bundle go the server's own way.
LINKS = {"reference", "url", "valueUri", "valueUrl", "valueUuid", "valueOid", "valueCanonical"}

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
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
    """

    groups: list[list[Row]] = field(default_factory=list)
    wholes: list[tuple[str, bytes]] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


class Preparer:
    """Prepares parts under one configuration; one in each worker process."""

    def __init__(self, settings: Settings, registry: Registry | None = None) -> None:
        """With the server's settings and the search parameters in force (default: the standard's)."""
        self._settings = settings
        # Only its `put` is used, which indexes and stamps; nothing is read or written here.
        self._repository = Repository(None, OPEN, registry or Registry(), settings.base_url)  # type: ignore[arg-type]

    def prepare(self, part: Part, key: str) -> Prepared:
        """Everything in `part`; `key` (file digest and salt) makes the ids of resources that have none."""
        # Nothing is awaited that is not there at once: the store is never asked.
        step = self._prepare(part, key)
        try:
            step.send(None)
        except StopIteration as done:
            return cast(Prepared, done.value)
        raise RuntimeError("preparing waited for something")

    async def _prepare(self, part: Part, key: str) -> Prepared:
        found = Prepared()
        together: list[Row] = []
        for place, body in _resources(part):
            try:
                tree = parse(body, self._settings.max_depth)
                if tree.get("resourceType") == "Bundle":
                    await self._bundle(found, tree, body, place, key)
                else:
                    together.append(await self._row(tree, body, place, key))
            except Exception as error:
                found.refused.append(_refusal(place, error))
        if together:
            found.groups.append(together)
        return found

    async def _bundle(self, found: Prepared, tree: dict[str, Any], body: bytes, place: str, key: str) -> None:
        entries = tree.get("entry", [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise Malformed("A Bundle's entries are objects in an array.", "Bundle.entry")
        if tree.get("type") in REQUESTS and not all(map(_plain, entries)):
            found.wholes.append((place, body))
            return
        names = dict(_names(entries, f"{key}/{place}", tree.get("type") in REQUESTS))
        if len(set(names.values())) != len(names) or not _rewritten(entries, names):
            found.wholes.append((place, body))
            return
        rows, refused = await self._entries(entries, place, key, names)
        found.refused += refused
        if tree.get("type") != "transaction" or not refused:
            found.groups.append(rows)
        else:
            found.refused.append(Refusal(place, f"the transaction of {len(entries)} entries was not begun"))

    async def _entries(
        self, entries: list[dict[str, Any]], place: str, key: str, names: dict[int, str]
    ) -> tuple[list[Row], list[Refusal]]:
        rows: list[Row] = []
        refused: list[Refusal] = []
        for number, entry in enumerate(entries, 1):
            if "resource" not in entry:
                continue
            resource, where = entry["resource"], f"{place} entry {number}"
            try:
                rows.append(await self._row(resource, serialize(resource), where, key, names.get(number)))
            except Exception as error:
                refused.append(_refusal(where, error))
        return rows, refused

    async def _row(self, tree: Any, body: bytes, place: str, key: str, name: str | None = None) -> Row:
        type, id = _identity(tree)
        issues = [issue for issue in validate(tree) if issue.severity in ("error", "fatal")]
        if issues:
            raise Invalid(issues=issues)
        if type == "SearchParameter":
            check(tree, self._repository.registry)
        own = name.rpartition("/")[2] if name else id or _made(key, place)
        method: Method = "PUT" if own == id else "POST"
        put = await self._repository.put(type, own, tree, body, None, method)
        return Row(type, put.id, put.body, put.stamp, _encode(put.index), method, place)


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
    full = entry.get("fullUrl", "urn:")
    if request.get("method") == "POST":
        return request.get("url") == type and isinstance(full, str) and full.startswith("urn:")
    return request.get("method") == "PUT" and isinstance(id, str) and request.get("url") == f"{type}/{id}"


def _names(entries: list[dict[str, Any]], key: str, requests: bool) -> Iterator[tuple[int, str]]:
    """(entry number from 1, `Type/id` it is to have) of each entry with a resource."""
    for number, entry in enumerate(entries, 1):
        resource = entry.get("resource")
        if isinstance(resource, dict):
            create = requests and entry["request"]["method"] == "POST"
            id = None if create else resource.get("id")
            yield number, f"{resource.get('resourceType')}/{id or _made(key, f'entry {number}')}"


def _rewritten(entries: list[dict[str, Any]], names: dict[int, str]) -> bool:
    """Make links to entries' fullUrls links to what they become; False when that is not this module's to do."""
    links: dict[str, str] = {}
    for number, entry in enumerate(entries, 1):
        full = entry.get("fullUrl")
        if isinstance(full, str) and number in names:
            if full in links:
                return False
            links[full] = names[number]
    return all(_relinked(entry.get("resource"), links) for entry in entries)


def _relinked(node: Any, links: dict[str, str]) -> bool:
    if isinstance(node, list):
        return all(_relinked(child, links) for child in node)
    if not isinstance(node, dict):
        return True
    for key, value in node.items():
        if isinstance(value, str):
            if value in links and key in LINKS:
                node[key] = links[value]
            elif not _left(key, value, links):
                return False
        elif not _relinked(value, links):
            return False
    return True


def _left(key: str, value: str, links: dict[str, str]) -> bool:
    """Whether a string may stay as it is: not a conditional reference, not a link where none is expected."""
    if key == "reference":
        return "?" not in value and not value.startswith("urn:")
    if key == "div":
        return "urn:" not in value
    # An identifier may be the very urn of its entry (MHD does so); it names, it does not link.
    return key in ("value", "id") or value not in links


def _identity(tree: Any) -> tuple[str, str | None]:
    type, id = (tree.get("resourceType"), tree.get("id")) if isinstance(tree, dict) else (None, None)
    if not isinstance(type, str):
        raise Malformed("There is no resource with a resourceType.", "resourceType", code="required")
    if id is not None and not (isinstance(id, str) and _ID.fullmatch(id)):
        raise Malformed("An id is 1 to 64 letters, digits, '-' and '.'.", f"{type}.id", code="value")
    return type, id


def _made(key: str, place: str) -> str:
    return hashlib.sha256(f"{key}/{place}".encode()).hexdigest()[:24]


def _refusal(place: str, error: Exception) -> Refusal:
    if not isinstance(error, FhirError):
        # A defect of ours: one resource must not keep the rest of a long load from going on.
        return Refusal(place, f"the server failed on it ({type(error).__name__}); please report this")
    return Refusal(place, "; ".join(map(_said, error.issues[:5])))


def _said(issue: Issue) -> str:
    return f"{issue.expression}: {issue.diagnostics}" if issue.expression else issue.diagnostics


_preparer: Preparer | None = None


def begin(settings: Settings, registry: Registry) -> None:
    """Make this process a worker. A Ctrl-C is the parent's to handle."""
    global _preparer
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What is prepared holds no cycles, and looking for them in so many new objects takes a tenth of the time.
    gc.set_threshold(200_000, 20, 100)
    _preparer = Preparer(settings, registry)


def prepare(part: Part, key: str) -> Prepared:
    """`Preparer.prepare` in a worker process."""
    assert _preparer is not None
    return _preparer.prepare(part, key)
