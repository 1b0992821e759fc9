"""Who writes a document, and what of it: filing, its labels, its status, its deletion. The table of writes.

Domain file §1.3, §2.3 to §2.6; PDSm4DMP TD3.3. Filing asks for nobody's leave (CSP R1111-47). Who wrote a document
manages it: others change of it what the table says, and a document that is not theirs is refused with 403. Nobody
deletes a document but by its status, so that what was is still known: DELETE is 405 to people and their software. What
an administrator's software does is the administrator's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from fhir_server.access import binaries
from fhir_server.access.write_rules import people
from fhir_server.fhir.json import parse
from fhir_server.fhir.nos import DOCUMENT_TYPES, NON_PROFESSIONAL
from fhir_server.fhir.outcome import Forbidden, Invalid, MethodNotAllowed
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change
from fhir_server.space.record import label_changes
from fhir_server.space.record.sharing.categories import category_of
from fhir_server.space.record.sharing.words import codings, is_filed, patient_of
from fhir_server.space.record.writers import Caller, Part, author_types, caller_of, written_by
from fhir_server.store.matching import unpack

GONE = "entered-in-error"
#: What somebody is of a document → what of it they change. Labels are judged one by one besides (`label_changes`).
CHANGES: Mapping[Part, frozenset[str]] = {
    "patient": frozenset({"securityLabel"}),
    "representative": frozenset({"securityLabel"}),
    "colleague": frozenset({"status"}),
}
#: What nobody changes of a document that is filed, not its author either: it makes another document of it.
KEPT = ("masterIdentifier", "subject", "author", "content")
#: Of `meta`, what every write changes.
_OF_VERSIONS = frozenset({"versionId", "lastUpdated"})
#: Status before → what it may become. A document that was replaced stays so.
_NEXT = {"current": frozenset({"superseded", GONE}), "superseded": frozenset({GONE})}

#: What a patient's document is of whose type nothing is said.
_UNTYPED = {"system": DOCUMENT_TYPES, "code": "EXPPAT_2", "display": "Autre document du patient"}
_NOT_DELETED = "A document is deleted by its author with PATCH: status entered-in-error."
_ALLOW = {"Allow": "GET, HEAD, PUT, PATCH"}


async def judge(context: Context, change: Change) -> None:
    """Refuse what is not this caller's to write of a document.

    Raises:
        MethodNotAllowed: people and their software delete nothing (405).
        Forbidden: only who wrote it changes this (403).
        Invalid: nobody does (422).
    """
    if change.as_server:
        return
    before = parse(change.before.body) if change.before is not None and not change.before.deleted else None
    tree = change.tree if change.tree is not None else before or {}
    # Who files for a colleague acts as the author: by which names a professional signs is asked of changes alone.
    caller = await caller_of(context.repository, patient_of(tree), named=before is not None)
    if before is None:
        _require_fileable(caller, change, context)
    elif caller.is_held:
        _require_changeable(caller.parts(before, context.base), before, change.tree, context.base)
        _require_kind(caller, tree, changes(before, tree))


async def arrange(context: Context, change: Change) -> Change:
    """A new document of the patient's side, with what its sender left out: the author, who files it, and the type.

    The type decides which professions read a document, and where its patient finds it: without a code it is one of the
    patient's other documents (EXPPAT_2), and so is its class.
    """
    tree, subject = change.tree, context.repository.grant.subject
    stored = change.before is not None and not change.before.deleted
    if tree is None or change.as_server or stored or (tree.get("author") and codings(tree.get("type"))):
        return change
    caller = await caller_of(context.repository, patient_of(tree), named=False)
    if caller.kind not in _PATIENTS_SIDE:
        return change
    made = dict(tree)
    if not made.get("author") and subject is not None and caller.kind != "app":
        made["author"] = [{"reference": subject}]
    if not codings(made.get("type")):
        made["type"] = {**(made.get("type") or {}), "coding": [dict(_UNTYPED)]}
        found = category_of(_UNTYPED)
        if found is not None and not made.get("category"):
            made["category"] = [{"coding": [found]}]
    return change if made == tree else change.arranged(made)


async def content(context: Context, change: Change) -> None:
    """Refuse that the content of a document is changed or deleted by itself.

    Raises:
        MethodNotAllowed: (405).
    """
    if change.as_server or change.before is None or change.before.deleted:
        return
    holders = {type for type, _ in binaries.contexts(unpack(change.before.packed))}
    if "DocumentReference" in holders and people(context.repository.grant):
        words = "The content of a document does not change: a new document replaces it."
        raise MethodNotAllowed(words, "Binary", headers={"Allow": "GET, HEAD"})


def _require_fileable(caller: Caller, change: Change, context: Context) -> None:
    tree = change.tree
    if tree is None or not (caller.is_held or is_filed(change, False)):
        return
    if tree.get("status") == GONE or (caller.is_held and tree.get("status") != "current"):
        raise _refused("A document is current when it is filed.", "status")
    if not caller.is_held:
        return
    _require_kind(caller, tree, frozenset(tree))
    parts = caller.parts(tree, context.base)
    if caller.kind == "professional":
        label_changes.require_allowed(parts | {"author"}, None, tree)
        return
    if "author" not in parts or not _PATIENTS_AUTHORS.issuperset(author_types(tree, context.base)):
        raise _refused("Who files for themselves is the author, and no professional is.", "author")
    label_changes.require_allowed(parts, None, tree)


#: Who files for the patient, and not as a professional.
_PATIENTS_SIDE = frozenset({"patient", "representative", "caregiver", "app"})
#: What authors of a document are that the patient's side files.
_PATIENTS_AUTHORS = frozenset({"Patient", "RelatedPerson", "Device"})
_PATIENTS_SETTING = frozenset({(NON_PROFESSIONAL, "EXP_PATIENT"), (NON_PROFESSIONAL, "SNR")})
#: Types of TRE_A05 that begin so are the patient's own; the questionnaire is LOINC's.
_PATIENTS_TYPES = ("EXPPAT_", "DOCPAT")
_QUESTIONNAIRE = ("http://loinc.org", "74465-6")
#: Types that some file alone: advance directives are the patient's (CSP L1111-11), reimbursements the insurance's.
_ALONE: Mapping[str, frozenset[str]] = {"EXPPAT_3": frozenset({"patient"}), "REMB": frozenset()}


def _require_kind(caller: Caller, tree: Mapping[str, Any], said: Collection[str]) -> None:
    """Refuse a type, or a place of care, that is not this caller's to give a document; of what is said anew alone."""
    if "type" in said:
        _require_type(caller, tree)
    if "context" not in said or caller.kind not in _PATIENTS_SIDE:
        return
    for name in ("facilityType", "practiceSetting"):
        # Every coding, with its system: a consumer may take any of them for where the document comes from.
        if not _PATIENTS_SETTING.issuperset(map(_coded, codings(_within(tree).get(name)))):
            raise _refused("It is EXP_PATIENT, or SNR for an app's.", f"context.{name}")


def _coded(coding: Mapping[str, Any]) -> tuple[Any, Any]:
    return coding.get("system"), coding.get("code")


def _require_type(caller: Caller, tree: Mapping[str, Any]) -> None:
    said = [(one.get("system"), str(one.get("code", ""))) for one in codings(tree.get("type"))]
    for system, code in said:
        if system == DOCUMENT_TYPES and code in _ALONE and caller.kind not in _ALONE[code]:
            raise _refused(f"{code} is not this caller's to file.", "type")
    if caller.kind == "professional":
        if any(_is_patients(*one) and one != _QUESTIONNAIRE for one in said):
            raise _refused("Documents of that type are filed by patients.", "type")
    elif not said or not all(_is_patients(*one) for one in said):
        raise _refused("A patient files documents of the types EXPPAT_… and DOCPAT….", "type")


def _is_patients(system: Any, code: str) -> bool:
    return (system, code) == _QUESTIONNAIRE or (system == DOCUMENT_TYPES and code.startswith(_PATIENTS_TYPES))


def _require_changeable(
    parts: frozenset[Part], before: Mapping[str, Any], after: Mapping[str, Any] | None, base: str
) -> None:
    if after is None:
        raise MethodNotAllowed(_NOT_DELETED, "DocumentReference", headers=_ALLOW)
    changed = changes(before, after)
    if "author" not in parts:
        mine = frozenset().union(*(CHANGES.get(part, frozenset()) for part in parts))
        others = sorted(changed - mine)
        if others or not mine or ("status" in changed and after.get("status") != "superseded"):
            element = f"DocumentReference.{(others or sorted(changed) or ['status'])[0]}"
            raise Forbidden("Only who wrote a document changes this of it.", element, key="document-author")
    # An author may be contained: who that is stands beside the reference.
    wrote = "contained" in changed and written_by(before, base) != written_by(after, base)
    for name in KEPT:
        if name in changed or (name == "author" and wrote):
            raise _refused("This does not change: a new document replaces this one.", name)
    if "status" in changed and after.get("status") not in _NEXT.get(str(before.get("status")), ()):
        raise _refused("The status of a document does not become that.", "status")
    label_changes.require_allowed(parts, before, after)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> frozenset[str]:
    """The elements of a document that differ; a primitive's extensions count with it, what every write changes not."""
    was, now = _plain(before), _plain(after)
    return frozenset(name.removeprefix("_") for name in was.keys() | now.keys() if was.get(name) != now.get(name))


def _plain(tree: Mapping[str, Any]) -> dict[str, Any]:
    said = tree.get("meta")
    meta = {name: one for name, one in said.items() if name not in _OF_VERSIONS} if isinstance(said, dict) else {}
    return {
        **{name: one for name, one in tree.items() if name not in ("id", "meta")},
        **({"meta": meta} if meta else {}),
    }


def _within(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    found = tree.get("context")
    return found if isinstance(found, dict) else {}


def _refused(words: str, element: str) -> Invalid:
    return Invalid(words, f"DocumentReference.{element}", code="business-rule", key="document-write")
