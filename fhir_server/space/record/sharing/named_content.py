"""The content that a document names by its URL: there, of the same patient, and what the document says it is.

https://hl7.org/fhir/R4/binary.html#security: a Binary belongs to what its `securityContext` names. What a guide's
document names on this server must be content that its writer may read, or of the same commit: absent and hidden are
refused in the same words. What R4 alone speaks of may name content that comes later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Invalid, Issue
from fhir_server.fhir.references import parse as parse_reference
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Among, Change, Extra
from fhir_server.space.record.sharing.content import content_of, content_outside, disagreements
from fhir_server.space.record.sharing.words import attachments, is_filed
from fhir_server.store.protocol import Version


async def complete(context: Context, changes: Sequence[Change], among: Among) -> Extra:
    """Nothing is added: documents whose content is not what they say are refused.

    Raises:
        Invalid: naming each element (422).
    """
    for change in changes:
        if change.tree is None or change.as_server:
            continue
        strict = is_filed(change, False)
        found = [
            issue
            for attachment, where in _new(change)
            for issue in await _issues(context, change.tree, attachment, where, among, strict)
        ]
        if found:
            raise Invalid(issues=found)
    return Extra()


def _new(change: Change) -> list[tuple[dict[str, Any], str]]:
    """The attachments that are not as they were."""
    assert change.tree is not None
    stored = change.before if change.before is not None and not change.before.deleted else None
    known = [one for one, _ in attachments(parse(stored.body))] if stored is not None else []
    return [(one, where) for one, where in attachments(change.tree) if one not in known]


async def _issues(
    context: Context, tree: dict[str, Any], attachment: dict[str, Any], where: str, among: Among, strict: bool
) -> list[Issue]:
    url = attachment.get("url")
    named = parse_reference(url, context.base) if isinstance(url, str) else None
    if named is None or not named.local or named.type != "Binary" or named.fragment or named.target in among.present:
        return []  # content of the same transaction has been held to the document with the whole of it
    version = await _readable(context, str(named.id))
    if version is None:
        absent = Issue("error", "not-found", "There is no such content here.", f"{where}.url", "document-content")
        return [absent] if strict else []
    binary = parse(version.body, max_depth=context.settings.max_depth)
    if await _is_anothers(context, binary, tree):
        words = "The content is filed under a document of another patient."
        return [Issue("error", "business-rule", words, f"{where}.url", "document-content")]
    if version.content is not None:
        outside = await content_outside(context, binary.get("contentType"), version.content)
        return disagreements(attachment, outside, where)
    content = await content_of(binary.get("contentType"), binary.get("data"))
    return [] if content is None else disagreements(attachment, content, where)


async def _readable(context: Context, id: str) -> Version | None:
    if not context.repository.allows("Binary", "r"):
        return None
    version = await context.repository.current("Binary", id, want="bare")
    return None if version is None or version.deleted else version


async def _is_anothers(context: Context, binary: dict[str, Any], tree: dict[str, Any]) -> bool:
    said = binary.get("securityContext", {}).get("reference")
    named = parse_reference(said, context.base) if isinstance(said, str) else None
    if named is None or not named.local or named.type != "DocumentReference":
        return False
    holder = await context.repository.as_server().current("DocumentReference", str(named.id))
    if holder is None or holder.deleted:
        return False
    return bool(_subject(parse(holder.body)) != _subject(tree))


def _subject(tree: dict[str, Any]) -> Any:
    subject = tree.get("subject")
    return subject.get("reference") if isinstance(subject, dict) else None
