"""What the driver sends to MongoDB, held to `fhir_server/store/mongo/schema.py`: it names the shard key, or is declared.

Every test on that engine (`FHIR_TEST_STORE=mongo`) is held to it, whatever it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fhir_server.store.mongo.schema import SCATTERED, SHARD_KEYS

#: A command, and where its conditions stand in it.
CONDITIONS: dict[str, Callable[[dict[str, Any]], list[Any]]] = {
    "find": lambda one: [one["filter"]],
    "update": lambda one: [each["q"] for each in one["updates"]],
    "delete": lambda one: [each["q"] for each in one["deletes"]],
    "findAndModify": lambda one: [one["query"]],
    "insert": lambda one: one["documents"],
}
#: What is not of any one collection's documents.
OTHERS = {"explain", "commitTransaction", "abortTransaction", "endSessions", "hello", "ping", "getMore", "killCursors"}


def asked(command: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each (collection, condition) of a command; of an insert, what is inserted."""
    name = next(iter(command))
    if name in OTHERS:
        return
    collection = str(command[name])
    if name == "aggregate":
        yield from in_pipeline(collection, command["pipeline"])
    else:
        yield from ((collection, one) for one in CONDITIONS[name](command))


def in_pipeline(collection: str, pipeline: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    yield collection, {"$and": [stage["$match"] for stage in pipeline if "$match" in stage]}
    for stage in pipeline:
        if "$unionWith" in stage:
            yield from in_pipeline(stage["$unionWith"]["coll"], stage["$unionWith"]["pipeline"])


def branches(condition: dict[str, Any]) -> list[dict[str, list[Any]]]:
    """What is asked of fields, in each of the alternatives of a condition."""
    found: list[dict[str, list[Any]]] = [{}]
    for field, value in condition.items():
        if field == "$and":
            alternatives = [branches(part) for part in value]
        elif field == "$or":
            alternatives = [[one for part in value for one in branches(part)]]
        else:
            alternatives = [[{field: [value]}]]
        for some in alternatives:
            found = [
                {name: [*one.get(name, []), *other.get(name, [])] for name in {**one, **other}}
                for one in found
                for other in some
            ]
    return found


def equal(value: Any) -> bool:
    """Whether a field must be one of some values."""
    return not isinstance(value, dict) or not any(name.startswith("$") for name in value) or "$in" in value


def scattered(collection: str, condition: Any) -> set[tuple[str, str]]:
    """The row of `SCATTERED`, or what would be one, for each alternative that does not name the first of the shard key."""
    shard_key = SHARD_KEYS[collection]
    if shard_key is None:
        return set()
    first = next(iter(shard_key))
    found = set()
    for one in branches(condition):
        if not any(map(equal, one.get(first, ()))):
            rows = [field for name, field in SCATTERED if name == collection and field in one]
            found.add((collection, rows[0] if rows else ",".join(sorted(one))))
    return found


def of(commands: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [one for command in commands for one in asked(command)]


def listened(patch: pytest.MonkeyPatch, tell: Callable[[dict[str, Any]], None]) -> None:
    """Have `tell` told of each command that engines send which are opened while `patch` is in force."""
    from pymongo import monitoring

    from fhir_server.store.mongo import opening as own

    class Listener(monitoring.CommandListener):
        def started(self, event: Any) -> None:
            tell(dict(event.command))

        def succeeded(self, event: Any) -> None:
            return

        failed = succeeded

    connect = own.AsyncMongoClient
    patch.setattr(
        own,
        "AsyncMongoClient",
        lambda *a, event_listeners=(), **k: connect(*a, event_listeners=[Listener(), *event_listeners], **k),
    )


def undeclared(command: dict[str, Any]) -> list[tuple[str, str]]:
    """What a command asks of a divided collection that neither names its shard key nor is declared; its name at least
    where it cannot be told."""
    try:
        asks = [one for one in asked(command) if one[0] in SHARD_KEYS]
    except KeyError:
        return [(next(iter(command)), "?")]
    return [row for one in asks for row in scattered(*one) if row not in SCATTERED]
