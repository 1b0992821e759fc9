"""A document published alone, its content inside it (IHE ITI-105): stored as any other, the content a Binary beside it.

https://profiles.ihe.net/ITI/MHD/ITI-105.html, PDSm "flux 9". Of what the sender left out the server says what follows:
size and digest of the content, the category of its type (ConceptMap ASS_X16), the label N, a master identifier, the
patient's own reference where an INS was said. What was said and is wrong was refused before.
"""

from __future__ import annotations

import uuid
from typing import Any

from fhir_server.access.write_rules import people
from fhir_server.fhir.nos import CONFIDENTIALITY
from fhir_server.fhir.outcome import Invalid
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change, is_refused
from fhir_server.space.record.sharing import subjects
from fhir_server.space.record.sharing.categories import category_of
from fhir_server.space.record.sharing.content import content_of
from fhir_server.space.record.sharing.lots import UNKNOWN
from fhir_server.space.record.sharing.words import (
    COMPREHENSIVE,
    MINIMAL,
    SIMPLE_PROFILES,
    URI,
    attachments,
    codings,
    is_filed,
    profiles,
)

NORMAL = {"coding": [{"system": CONFIDENTIALITY, "code": "N", "display": "Normal"}]}


async def arrange(context: Context, change: Change) -> Change:
    """A document with its content beside it; one of a guide's with its subject as it is kept here.

    Raises:
        Invalid: its subject is nobody who is known here, or its content cannot be read (422).
    """
    tree = change.tree
    assert tree is not None
    by_people = people(context.repository.grant)
    if (change.before is not None and not change.before.deleted) or change.as_server:
        return change
    simple = is_simple(tree, by_people)
    if not simple and not is_filed(change, by_people):
        return change
    made = {**tree, "subject": await _subject(context, tree, simple)} if "subject" in tree else tree
    if not simple:
        return change if made.get("subject") == tree.get("subject") else change.arranged(made)
    content = await _beside(context, made)
    attachment = {name: value for name, value in next(attachments(made))[0].items() if name not in ("data", "_data")}
    read = await content_of(content.tree["contentType"], content.tree["data"]) if content.tree else None
    if read is None:
        raise Invalid("The content is not base64.", "DocumentReference.content[0].attachment.data", code="value")
    attachment |= {"url": f"Binary/{content.id}", "size": read.size, "hash": read.sha1}
    made["content"] = [{**made["content"][0], "attachment": attachment}]
    return change.arranged(await claiming(context, _completed(made)), content)


def is_simple(tree: dict[str, Any], by_people: bool) -> bool:
    """Whether a document is published alone, its content inside it: it says so, or a person files it through software.

    What an administrator's software stores, and what R4 alone speaks of, keeps its `data` as it came.
    """
    found = list(attachments(tree))
    if len(found) != 1 or not isinstance(found[0][0].get("data"), str) or "url" in found[0][0]:
        return False
    return by_people or bool(SIMPLE_PROFILES & set(profiles(tree)))


async def _subject(context: Context, tree: dict[str, Any], simple: bool) -> dict[str, Any]:
    patient = await subjects.patient_of(context, tree)
    if patient is None or (simple and not await subjects.is_known(context, patient)):
        raise Invalid(UNKNOWN, "DocumentReference.subject", code="not-found", key="document-subject")
    subject: dict[str, Any] = tree["subject"]
    return subject if _names(context, subject, patient) else {**subject, "reference": patient}


def _names(context: Context, subject: dict[str, Any], patient: str) -> bool:
    said = subject.get("reference")
    return isinstance(said, str) and said in (patient, f"{context.base}/{patient}")


async def _beside(context: Context, tree: dict[str, Any]) -> Change:
    attachment, where = next(attachments(tree))
    binary = {
        "resourceType": "Binary",
        "contentType": attachment.get("contentType", "application/octet-stream"),
        "data": attachment["data"],
    }
    # The id is one that keeps together what is one patient's, where the store does that.
    sent_as = {f"Binary.{name}": f"{where}.{name}" for name in ("contentType", "data")}
    return Change("Binary", context.repository.new_id("Binary", binary), binary, None, "POST", sent_as=sent_as)


def _completed(tree: dict[str, Any]) -> dict[str, Any]:
    made = dict(tree)
    made.setdefault("masterIdentifier", {"system": URI, "value": f"urn:uuid:{uuid.uuid4()}"})
    if not made.get("securityLabel"):
        made["securityLabel"] = [NORMAL]
    if not made.get("category"):
        found = next(filter(None, map(category_of, codings(made.get("type")))), None)
        if found is not None:
            made["category"] = [{"coding": [found]}]
    return made


async def claiming(context: Context, tree: dict[str, Any]) -> dict[str, Any]:
    """The document with the profile that it now has: it is no more as it was published.

    It claims the fullest of the guides' that it conforms to, and nothing of how it came.
    """
    meta = tree["meta"] if isinstance(tree.get("meta"), dict) else {}
    said = meta.get("profile") or ()
    kept = [one for one in said if one.partition("|")[0] not in SIMPLE_PROFILES]
    others = {name: value for name, value in meta.items() if name != "profile"}
    for canonical in (COMPREHENSIVE, MINIMAL):
        made = {**tree, "meta": {**others, "profile": [*kept, canonical]}}
        if not is_refused(await context.pipeline.issues(context, made)):
            return made
    made = {**tree, "meta": others | ({"profile": kept} if kept else {})}
    return made if made["meta"] else {name: value for name, value in made.items() if name != "meta"}
