"""Following the references of resources to what they name, as far as the caller may see.

https://hl7.org/fhir/R4/references.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import TooCostly
from fhir_server.fhir.references import parse as parse_reference
from fhir_server.fhir.references import walk_references
from fhir_server.interactions import statement
from fhir_server.interactions.exchange import Context
from fhir_server.store.filters import Id
from fhir_server.store.protocol import Version

Key = tuple[str, str]

#: Ids asked of the engine at once.
_TOGETHER = 200


def named(version: Version, context: Context) -> Iterator[Key]:
    """(type, id) of each local resource that a version refers to, its attachments' Binary among them; some twice."""
    tree = parse(version.body, context.settings.max_depth)
    for node, _ in walk_references(tree):
        reference = parse_reference(node["reference"], context.base)
        if reference.local and reference.type and reference.id and statement.supports(reference.type):
            yield reference.type, reference.id
    yield from _attached(tree, context.base)


async def fetched(keys: Iterable[Key], context: Context) -> dict[Key, Version]:
    """The current versions of `keys` that are there and that the caller may see.

    Raises:
        TooCostly: they are longer than an answer may be.
    """
    left = context.settings.max_answer_bytes
    by_type: dict[str, dict[str, None]] = {}
    for type, id in keys:
        by_type.setdefault(type, {})[id] = None
    wanted = [(type, id) for type, ids in by_type.items() for id in ids]
    found: dict[str, list[Version]] = {type: [] for type in by_type}
    for n in range(0, len(wanted), _TOGETHER):
        some = wanted[n : n + _TOGETHER]
        scope = {type: Id(tuple(id for one, id in some if one == type)) for type in dict(some)}
        page = await context.repository.find(scope, count=len(some), most_bytes=left)
        left -= sum(len(version.body) for version in page.versions)
        if page.next is not None or left < 0:
            raise TooCostly("What the resources refer to is longer than an answer may be; ask for less at once.")
        for version in page.versions:
            found[version.type].append(version)
    return {(version.type, version.id): version for versions in found.values() for version in versions}


async def closure(
    versions: Iterable[Version],
    context: Context,
    known: Collection[Key],
    depth: int,
    most: int,
    without: Collection[str] = (),
) -> dict[Key, Version]:
    """What `versions` refer to, and what that refers to in turn, `depth` steps far and `most` resources at most.

    Args:
        versions: where to start.
        context: whose repository is asked.
        known: what is not to be found again.
        depth: steps.
        most: resources.
        without: types that are not followed to.
    """
    found: dict[Key, Version] = {}
    edge = list(versions)
    for _ in range(depth):
        keys = {key: None for version in edge for key in named(version, context)}
        wanted = [key for key in keys if key not in known and key not in found and key[0] not in without]
        new = await fetched(wanted[: most - len(found)], context)
        found.update(new)
        edge = list(new.values())
        if not edge or len(found) >= most:
            break
    return found


def _attached(node: object, base: str) -> Iterator[Key]:
    """`Attachment.url` of each attachment kept here as a Binary."""
    waiting = [node]
    while waiting:
        at = waiting.pop()
        if isinstance(at, list):
            waiting.extend(at)
        elif isinstance(at, dict):
            url = at.get("url")
            if isinstance(url, str) and "Binary/" in url:
                reference = parse_reference(url, base)
                if reference.local and reference.type == "Binary" and reference.id:
                    yield "Binary", reference.id
            waiting.extend(value for value in at.values() if isinstance(value, dict | list))
