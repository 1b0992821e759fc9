"""Content that people file: what it says it is, of a kind and a length that its author may file, and clean.

CSP, applications mobiles: files of patients are pdf, txt, rtf, jpeg, png or tiff, of 5 MB at most, under a title of 50
characters at most. A Binary that an administrator's software stores by itself is content of any kind; it is scanned all
the same.
"""

from __future__ import annotations

from typing import Any

from fhir_server.access.grant import Grant
from fhir_server.access.write_rules import people
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Invalid, Issue
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change
from fhir_server.space.record.content import reading, scanning
from fhir_server.space.record.content.kinds import HEAD, agrees, plain
from fhir_server.space.record.sharing.words import attachments

#: The longest title of a patient's document, in characters.
LONGEST_TITLE = 50
_TYPE, _DATA = "Binary.contentType", "Binary.data"


async def judge(context: Context, change: Change) -> None:
    """Refuse content that is not what it says, or that its author may not file.

    Raises:
        Invalid: naming the element (422).
        Unavailable: the antivirus cannot be asked (503).
    """
    if change.tree is None or change.as_server:
        return
    if people(context.repository.grant):
        await _require_kind(context, change, change.tree)
    place = context.settings.clamd
    if place and reading.size(change):
        await scanning.scan(place, reading.pieces(context, change), _DATA)


async def judge_document(context: Context, change: Change) -> None:
    """Refuse a document whose content, where it stands in it, is not clean; and a patient's title that is too long.

    Raises:
        Invalid, Unavailable: as `judge`.
    """
    if change.tree is None or change.as_server:
        return
    for attachment, where in attachments(change.tree):
        title = attachment.get("title")
        long = isinstance(title, str) and len(title) > LONGEST_TITLE
        if long and is_patient(context.repository.grant) and not _had(change, attachment):
            words = f"A patient's document has a title of at most {LONGEST_TITLE} characters."
            raise Invalid(words, f"{where}.title", code="too-long", key="document-title")
        if context.settings.clamd and "data" in attachment:
            await scanning.scan(context.settings.clamd, reading.decoded(attachment["data"]), f"{where}.data")


def is_patient(grant: Grant) -> bool:
    """Whether a patient, or who acts for one, files: by themselves or through software."""
    return (grant.subject or "").startswith(("Patient/", "RelatedPerson/"))


async def _require_kind(context: Context, change: Change, tree: dict[str, Any]) -> None:
    settings, patient = context.settings, is_patient(context.repository.grant)
    media_type, length = str(tree.get("contentType", "")), reading.size(change)
    allowed = settings.content_types.get("patient" if patient else "professional")
    if allowed is not None and plain(media_type) not in {plain(one) for one in allowed}:
        words = f"Content is of one of these types: {', '.join(allowed)}."
        raise Invalid(words, _TYPE, code="business-rule", key="document-kind")
    if patient and length > settings.patient_content_bytes:
        words = f"A patient's document has at most {settings.patient_content_bytes} bytes."
        raise Invalid(words, _DATA, code="too-long", key="document-length")
    if length and not agrees(media_type, await reading.beginning(context, change, HEAD)):
        raise Invalid(issues=[Issue("error", "business-rule", NOT_WHAT_IT_SAYS, _TYPE, "document-kind")])


NOT_WHAT_IT_SAYS = "The content does not begin as content of this type does."


def _had(change: Change, attachment: dict[str, Any]) -> bool:
    """Whether the version before had that title already."""
    before = change.before
    if before is None or before.deleted:
        return False
    return any(one.get("title") == attachment.get("title") for one, _ in attachments(parse(before.body)))
