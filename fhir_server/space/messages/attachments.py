"""The files of a message: content that is sent inside it is stored beside it, and is what the message says that it is.

https://hl7.org/fhir/R4/datatypes.html#Attachment, https://hl7.org/fhir/R4/binary.html#security: the Binary is filed
under the message, so that whoever reads one opens the other. `size` is the server's to say where the content is inside;
where a Binary is named it is demanded, since the limit on files is held by it, and held to the content.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fhir_server.access.write_rules import people
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError, Invalid, Issue
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.lots import Lot
from fhir_server.interactions.pipeline import Among, Change, Extra
from fhir_server.space.messages.model import local
from fhir_server.space.record.sharing.content import content_of, content_outside, disagreements

#: Parts of one message.
MOST_PARTS = 100
_KEY = "message-attachment"
_NODES = (dict, list)
#: Values of extensions that are content, or name it.
_CONTENT = ("valueAttachment", "valueBase64Binary", "valueSignature")


def files(tree: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """The attachments of a Communication, and where each stands."""
    payload = tree.get("payload")
    for n, part in enumerate(payload if isinstance(payload, list) else ()):
        found = part.get("contentAttachment") if isinstance(part, dict) else None
        if isinstance(found, dict):
            yield found, f"Communication.payload[{n}].contentAttachment"


async def stored(context: Context, change: Change) -> Change:
    """A message whose files stand beside it.

    Raises:
        Invalid: a file is no base64, or not what it says of itself; there are too many (422).
    """
    assert change.tree is not None
    if not any("data" in one for one, _ in files(change.tree)):
        return change
    beside, payload = [], []
    for n, part in enumerate(change.tree["payload"]):
        attachment = part.get("contentAttachment")
        if isinstance(attachment, dict) and "data" in attachment:
            where = f"Communication.payload[{n}].contentAttachment"
            made, binary = await _beside(context, attachment, where)
            beside.append(binary)
            part = {**part, "contentAttachment": made}
        payload.append(part)
    return change.arranged({**change.tree, "payload": payload}, *beside)


async def _beside(context: Context, attachment: dict[str, Any], where: str) -> tuple[dict[str, Any], Change]:
    content = await content_of(attachment.get("contentType"), attachment["data"])
    if content is None:
        raise Invalid("The content is not base64.", f"{where}.data", code="value", key=_KEY)
    if wrong := disagreements(attachment, content, where):
        raise Invalid(issues=wrong)
    kind = attachment.get("contentType", "application/octet-stream")
    binary = {"resourceType": "Binary", "contentType": kind, "data": attachment["data"]}
    id = context.repository.new_id("Binary", binary)
    kept = {name: value for name, value in attachment.items() if name not in ("data", "_data")}
    made = kept | {"url": f"Binary/{id}", "size": content.size, "hash": content.sha1}
    return made, Change("Binary", id, binary, None, "POST")


def misnamed(tree: Mapping[str, Any], base: str) -> Iterator[Issue]:
    """Files of a message that are not here, or do not say how long they are."""
    payload = tree.get("payload")
    if isinstance(payload, list) and len(payload) > MOST_PARTS:
        words = f"A message has {MOST_PARTS} parts at most."
        yield Issue("error", "too-long", words, "Communication.payload", _KEY)
    yield from _elsewhere(tree, base)
    for attachment, where in files(tree):
        if "data" in attachment:
            continue
        if not local({"reference": attachment.get("url")}, base).startswith("Binary/"):
            words = "A file of a message is a Binary of this server, or inside it."
            yield Issue("error", "business-rule", words, f"{where}.url", _KEY)
        elif not isinstance(attachment.get("size"), int):
            words = "A file of a message says its size in bytes."
            yield Issue("error", "required", words, f"{where}.size", _KEY)


def _elsewhere(tree: Mapping[str, Any], base: str) -> Iterator[Issue]:
    """Files that would not be looked at as files."""
    payload = tree.get("payload")
    for where in _beside_the_payload(tree):
        yield Issue("error", "business-rule", "Files stand in the payload of a message alone.", where, _KEY)
    for n, part in enumerate(payload if isinstance(payload, list) else ()):
        if local(part.get("contentReference"), base).startswith("Binary/"):
            words = "A file is a contentAttachment; what a message refers to is a document."
            yield Issue("error", "business-rule", words, f"Communication.payload[{n}].contentReference", _KEY)


def _beside_the_payload(tree: Mapping[str, Any]) -> Iterator[str]:
    """Where content would pass by the limit and the looks at files: contained resources, extensions at any depth."""
    if "contained" in tree:
        yield "Communication.contained"
    left: list[tuple[Any, str]] = [(tree, "Communication")]
    while left:
        node, where = left.pop()
        if isinstance(node, list):
            left += [(one, f"{where}[{n}]") for n, one in enumerate(node)]
        elif isinstance(node, dict):
            yield from (f"{where}.{name}" for name in _CONTENT if name in node)
            inside = ((name, one) for name, one in node.items() if isinstance(one, _NODES) and name != "contained")
            left += [(one, f"{where}.{name}") for name, one in inside]


async def together(context: Context, lot: Lot) -> list[tuple[int, FhirError]]:
    """What is wrong with files that are written in the same transaction as their message."""
    changes = {f"{one.change.type}/{one.change.id}": one.change for one in lot.parts if one.change is not None}
    found: list[tuple[int, FhirError]] = []
    for part in lot.parts:
        if part.change is None or part.change.type != "Communication" or part.change.tree is None:
            continue
        for attachment, where in files(part.change.tree):
            binary = changes.get(local({"reference": attachment.get("url")}, context.base))
            if binary is not None and binary.tree is not None:
                issues = await _disagreements(context, attachment, binary, where)
                found += [(part.number, Invalid(issues=issues))] if issues else []
    return found


async def _disagreements(context: Context, attachment: dict[str, Any], binary: Change, where: str) -> list[Issue]:
    assert binary.tree is not None
    kind = binary.tree.get("contentType")
    if binary.content is not None:
        return disagreements(attachment, await content_outside(context, kind, binary.content), where)
    content = await content_of(kind, binary.tree.get("data"))
    return [] if content is None else disagreements(attachment, content, where)


async def complete(context: Context, changes: Sequence[Change], among: Among) -> Extra:
    """Nothing is added: messages whose files are not here, or not what they say, are refused.

    Raises:
        Invalid: naming each file (422).
    """
    for change in changes:
        if change.tree is None or change.as_server or not people(context.repository.grant):
            continue
        before = change.before
        known = [one for one, _ in files(parse(before.body))] if before is not None and not before.deleted else []
        issues: list[Issue] = []
        for attachment, where in files(change.tree):
            target = local({"reference": attachment.get("url")}, context.base)
            if target and attachment not in known and target not in among.present:
                issues += await _named(context, attachment, target, where)
        if issues:
            raise Invalid(issues=issues)
    return Extra()


async def _named(context: Context, attachment: dict[str, Any], target: str, where: str) -> list[Issue]:
    repository = context.repository
    may = repository.allows("Binary", "r")
    version = await repository.current("Binary", target.partition("/")[2], want="bare") if may else None
    if version is None or version.deleted:
        return [Issue("error", "not-found", "There is no such content here.", f"{where}.url", _KEY)]
    tree = parse(version.body, max_depth=context.settings.max_depth)
    binary = Change("Binary", version.id, tree, None, "PUT", content=version.content)
    return await _disagreements(context, attachment, binary, where)
