"""Profiles, tags and security labels: those of a resource, those in use, and adding or taking away some.

https://hl7.org/fhir/R4/resource-operation-meta.html, and likewise meta-add and meta-delete.
Adding and taking away make a new version, like any change of what is stored; when nothing changes, nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import msgspec

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Gone, InvalidParameter, NotFound, TooCostly
from fhir_server.interactions import statement
from fhir_server.interactions.exchange import Context, Response
from fhir_server.interactions.pipeline import Change
from fhir_server.interactions.preconditions import require_match
from fhir_server.interactions.writing import retried
from fhir_server.operations.invocation import Invocation, returned
from fhir_server.store.filters import Id, Missing, Not, Word, either
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Version

#: The most resources that are looked through for what is in use.
MOST = 50_000
_PAGE = 1000

#: Element of Meta → (its search parameter, what makes two of them the same).
_SETS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "profile": ("_profile", lambda url: url),
    "security": ("_security", lambda coding: (coding.get("system"), coding.get("code"))),
    "tag": ("_tag", lambda coding: (coding.get("system"), coding.get("code"))),
}


async def meta(call: Invocation, context: Context) -> Response:
    """The `meta` of a resource or of one version; or what is in use in a type or the whole system."""
    if call.type is None or call.id is None:
        return returned("return", "valueMeta", await _in_use(call.type, context))
    found = await call.stored(context)
    return returned("return", "valueMeta", parse(found.body, context.settings.max_depth).get("meta", {}))


async def meta_add(call: Invocation, context: Context) -> Response:
    """The `meta` after adding what the parameter `meta` holds; what is there already is not added again."""
    return await _changed(call, context, _added)


async def meta_delete(call: Invocation, context: Context) -> Response:
    """The `meta` after taking away what the parameter `meta` holds; what is not there is no error."""
    return await _changed(call, context, _without)


async def _in_use(type: str | None, context: Context) -> dict[str, Any]:
    if type is not None:
        context.repository.require(type, "s")
    labelled = either([Not(Missing(param)) for param, _ in _SETS.values()])
    scope = dict.fromkeys([type] if type else statement.resources(), labelled)
    seen: dict[str, dict[Any, Any]] = {name: {} for name in _SETS}
    met: set[Word] = set()
    after, looked = None, 0
    while True:
        page = await context.repository.find(scope, after=after, count=_PAGE, want="index")
        for version in await _read(_first_to_say(page.versions, met), context):
            _note(_labelled(version.body).meta, seen)
        looked += len(page.versions)
        if page.next is None:
            # An engine's order is that of the last change; one by name is the same at every call.
            return {name: [found[key] for key in sorted(found, key=repr)] for name, found in seen.items() if found}
        if looked >= MOST:
            raise TooCostly(f"More than {MOST} resources carry labels; ask for a type.")
        after = page.next


def _first_to_say(versions: Sequence[Version], met: set[Word]) -> dict[str, list[str]]:
    """Ids by type of those that have a label which none before had: only there bodies say something new."""
    found: dict[str, list[str]] = {}
    for version in versions:
        labels = {word for word in unpack(version.packed).words if word.param in _ROWS}
        if not labels <= met:
            met |= labels
            found.setdefault(version.type, []).append(version.id)
    return found


async def _read(ids: Mapping[str, Sequence[str]], context: Context) -> tuple[Version, ...]:
    """The current versions of these resources that the caller may see, newest first."""
    if not ids:
        return ()
    scope = {type: Id(tuple(some)) for type, some in ids.items()}
    return (await context.repository.find(scope, count=sum(map(len, ids.values())))).versions


#: The rows of the index that tell labels apart.
_ROWS = frozenset({"_profile", "_security", "_tag", "_security:text", "_tag:text"})


class _Labelled(msgspec.Struct):
    """As much of a resource as is looked at."""

    meta: dict[str, Any] = {}


_labelled = msgspec.json.Decoder(_Labelled).decode


def _note(meta: dict[str, Any], seen: dict[str, dict[Any, Any]]) -> None:
    for name, (_, identity) in _SETS.items():
        for item in meta.get(name, ()):
            seen[name].setdefault(identity(item), item)


async def _changed(
    call: Invocation, context: Context, change: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]
) -> Response:
    type, id = call.type, call.id
    assert type is not None and id is not None
    given = call.inputs.complex["meta"]
    _require_sets(given)

    async def attempt() -> Response:
        before = await context.repository.current(type, id, "u")
        # The answer is all of its meta.
        if before is None or not await context.repository.shows(before):
            raise NotFound(f"There is no such {type}.")
        if before.deleted:
            raise Gone(f"This {type} was deleted.")
        require_match(call.request, before)
        tree = parse(before.body, context.settings.max_depth)
        current = tree.get("meta", {})
        wanted = change(deepcopy(current), given)
        if wanted == current:
            return returned("return", "valueMeta", current)
        tree["meta"] = wanted
        context.pipeline.receive(tree, before)
        await context.pipeline.judged(context, tree, before)
        made = await context.pipeline.prepared(context, Change(type, id, tree, before, "PUT"))
        [version] = await context.pipeline.commit(context, made)
        current = parse(version.body, context.settings.max_depth)["meta"]
        answer = returned("return", "valueMeta", current)
        return Response(200, answer.body, version=version.version, at=version.at)

    return await retried(context, attempt)


def _require_sets(given: dict[str, Any]) -> None:
    for name, (_, _) in _SETS.items():
        items, kind = given.get(name, []), str if name == "profile" else dict
        if not isinstance(items, list) or not all(isinstance(item, kind) for item in items):
            raise InvalidParameter(f"meta.{name} is not a list of its type.", f"Parameters.parameter.value.{name}")


def _added(meta: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    for name, (_, identity) in _SETS.items():
        for item in given.get(name, ()):
            if identity(item) not in [identity(own) for own in meta.get(name, ())]:
                meta.setdefault(name, []).append(item)
    return meta


def _without(meta: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    for name, (_, identity) in _SETS.items():
        gone = [identity(item) for item in given.get(name, ())]
        kept = [item for item in meta.get(name, ()) if identity(item) not in gone]
        if kept:
            meta[name] = kept
        else:
            meta.pop(name, None)
    return meta
