"""What a message refers to beside who takes part and what it answers: is here, of its patient, and seen by who writes.

https://hl7.org/fhir/R4/references.html. What is not there, what is of another patient and what its writer may not see
are answered alike; else a message would be a way to ask what there is, and to show others what they are not to see.
A reference by an identifier or in words names nothing here, and stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fhir_server.access.record_owner import owner
from fhir_server.access.write_rules import people
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Invalid, Issue
from fhir_server.fhir.references import walk_references
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Among, Change, Extra
from fhir_server.space.messages.model import SENT, WRITTEN_BY, local

#: Each is looked up.
MOST = 50
#: Judged as whom they name, as what is answered, or as a document that is sent along: by rules of their own.
_JUDGED = ("subject", "sender", "recipient", "partOf", "inResponseTo", "payload")
_WORDS = "What a message refers to is here, of its patient, and seen by who writes it."
_KEY = "message-reference"


async def complete(context: Context, changes: Sequence[Change], among: Among) -> Extra:
    """Nothing is added: messages that refer to what is not their patient's, or their writer's to see, are refused.

    Raises:
        Invalid: naming each reference (422).
    """
    for change in changes:
        if change.tree is None or change.as_server or not people(context.repository.grant) or _was_sent(change):
            continue
        named = list(_named(change.tree))
        if len(named) > MOST:
            words = f"A message refers to {MOST} resources at most."
            raise Invalid(words, named[MOST][1], code="too-costly", key=_KEY)
        patient = local(change.tree.get("subject"), context.base)
        said = [(local(node, context.base), where) for node, where in named]
        issues = [
            Issue("error", "business-rule", _WORDS, f"{where}.reference", _KEY)
            for target, where in said
            if target not in among.present and not await _is_seen(context, target, patient)
        ]
        if issues:
            raise Invalid(issues=issues)
    return Extra()


def _named(tree: dict[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    # Who wrote it in the patient's place the server says itself, and may be a parent whose own record is another.
    others = [one for one in tree.get("extension", ()) if one.get("url") != WRITTEN_BY]
    for node, where in walk_references({**tree, "extension": others}):
        element = where.split(".")[1].partition("[")[0]
        # What an extension of these says is no more judged by their rules than any other.
        if element not in _JUDGED or ".extension[" in where:
            yield node, where


async def _is_seen(context: Context, target: str, patient: str) -> bool:
    """Whether the caller sees a resource that is nobody's record, or this patient's."""
    type, _, id = target.partition("/")
    repository = context.repository
    version = await repository.current(type, id) if id and repository.allows(type, "r") else None
    if version is None or version.deleted:
        return False
    return _whose(target, parse(version.body, context.settings.max_depth), context.base) in ("", patient)


def _whose(target: str, tree: dict[str, Any], base: str) -> str:
    """The patient whom a resource is of, or is; "" where it is nobody's."""
    type = str(tree["resourceType"])
    if type == "Patient":
        return target
    return local(tree.get("patient"), base) if type == "RelatedPerson" else owner(type, tree, base).patient or ""


def _was_sent(change: Change) -> bool:
    before = change.before
    return before is not None and not before.deleted and parse(before.body).get("status") == SENT
