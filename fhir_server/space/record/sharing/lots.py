"""A lot of documents (IHE ITI-65): one submission set, its documents, their content, folders, and what they replace.

https://profiles.ihe.net/ITI/MHD/ITI-65.html, PDSm "pdsm-comprehensive-provide-document-bundle": its entries are closed.
Everything is of one patient, each document says of its content what the content is, and a document that is replaced is
superseded in the same transaction. What is wrong is told of all entries at once; nothing is stored of a lot that is
wrong in part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fhir_server.access.write_rules import people
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Conflict, FhirError, Invalid, Issue
from fhir_server.fhir.references import parse as parse_reference
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.lots import Lot, Part
from fhir_server.interactions.pipeline import Change
from fhir_server.space.record.sharing import subjects
from fhir_server.space.record.sharing.content import Content, content_of, disagreements
from fhir_server.space.record.sharing.words import attachments, dicts, is_filed, is_lot, list_kind, replaced
from fhir_server.work.budget import spend

#: (method, type) of an entry → what it is in a lot; a List is told apart by its code.
_ENTRIES: Mapping[tuple[str, str], str] = {
    ("POST", "List"): "list",
    ("PUT", "List"): "list",
    ("POST", "DocumentReference"): "document",
    ("PATCH", "DocumentReference"): "update",
    ("POST", "Binary"): "content",
    ("POST", "Bundle"): "content",
    ("GET", "Patient"): "patient",
    ("POST", "Patient"): "patient",
    ("PUT", "Patient"): "patient",
}
#: Documents that one person or software deletes at once (the space's own rule for patients).
MOST_DELETED = 10
#: Entries of one List that are told as wrong: after so many, the rest is not looked for.
MOST_TOLD = 50
#: Steps that looking for one named resource costs.
LOOK = 50

Problem = tuple[int, FhirError]


async def together(context: Context, lot: Lot) -> list[Problem]:
    """What is wrong with a transaction in which there are documents, and with a lot of ITI-65."""
    found = [*_deletions(lot), *_replacements(context, lot), *_named_twice(lot)]
    sets = [part for part in lot.parts if _is_submission(part)]
    if not sets and not is_lot(lot.bundle):
        return found
    return [*found, *_closed(lot, sets), *await _Lot(context, lot).problems()]


def _is_submission(part: Part) -> bool:
    tree = part.request.resource
    return part.request.method == "POST" and part.request.path == ("List",) and list_kind(tree or {}) == "submissionset"


def _kind(part: Part) -> str:
    type = part.request.path[0] if part.request.path else ""
    return _ENTRIES.get((part.request.method, type), "")


def _closed(lot: Lot, sets: list[Part]) -> Iterator[Problem]:
    kinds = Counter(map(_kind, lot.parts))
    for part in lot.parts:
        tree = part.request.resource or {}
        if not _kind(part):
            yield _problem(part, "A lot has no such entry.", _request(part, "url"))
        elif _kind(part) == "list" and part not in sets and list_kind(tree) != "folder":
            yield _problem(part, "A List of a lot is a submission set or a folder.", "List.code")
    for part in sets[1:]:
        yield _problem(part, "A lot has one submission set.", "List.code")
    told = (
        (not sets, "A lot has one submission set."),
        (not kinds["document"], "A lot has one document or more."),
        (kinds["patient"] > 1, "A lot names its patient in one entry at most."),
    )
    for part in lot.parts[:1]:
        yield from (_problem(part, words, "Bundle.entry") for is_so, words in told if is_so)


@dataclass(slots=True)
class _Lot:
    """One lot, while it is looked at.

    Attributes:
        context: of the transaction.
        lot: the transaction.
        changes: what each entry writes, by `Type/id`.
        owners: whom a subject names, by how it is written: each is asked for once.
    """

    context: Context
    lot: Lot
    changes: dict[str, tuple[Part, Change]] = field(default_factory=dict)
    owners: dict[str, str | None] = field(default_factory=dict)

    async def problems(self) -> list[Problem]:
        found: list[Problem] = []
        for part in self.lot.parts:
            if part.change is not None:
                self.changes[f"{part.change.type}/{part.change.id}"] = (part, part.change)
        patient, wrong = await self._patient()
        found += wrong
        used: set[str] = set()
        for part, change, tree in self._written("DocumentReference"):
            found += await self._content(part, tree, used)
            if patient is not None and _kind(part) == "document":
                found += await self._source(part, tree, patient)
            if _kind(part) == "update":
                found += _updates(part, change)
        for part, _, tree in self._written("List"):
            found += await self._listed(part, tree, patient)
        found += self._unnamed(used)
        return found

    def _written(self, type: str) -> Iterator[tuple[Part, Change, dict[str, Any]]]:
        for part, change in self.changes.values():
            if change.type == type and change.tree is not None:
                yield part, change, change.tree

    async def _patient(self) -> tuple[str | None, list[Problem]]:
        """The one patient of the lot, and what says otherwise."""
        found: dict[str, None] = {}
        wrong: list[Problem] = []
        for type in ("List", "DocumentReference"):
            for part, _, tree in self._written(type):
                try:
                    owner = await self._owner(tree)
                except Conflict as error:
                    wrong.append((part.number, error.placed({subjects.IDENTIFIER: f"{type}.subject.identifier"})))
                    continue
                if owner is None:
                    wrong.append(_problem(part, UNKNOWN, f"{type}.subject", code="not-found"))
                elif found and owner not in found:
                    wrong.append(_problem(part, "A lot is of one patient.", f"{type}.subject"))
                else:
                    found[owner] = None
        for part in self.lot.parts:
            named = _patient_named(part)
            if named is not None and found and named not in found:
                wrong.append(_problem(part, "A lot is of one patient.", "Patient"))
        return next(iter(found), None), wrong

    async def _owner(self, tree: dict[str, Any]) -> str | None:
        key = repr(tree.get("subject"))
        if "#" in key:
            return await self._known(tree)
        if key not in self.owners:
            self.owners[key] = await self._known(tree)
        return self.owners[key]

    async def _known(self, tree: dict[str, Any]) -> str | None:
        found = await subjects.patient_of(self.context, tree)
        if found is None or found in self.changes or await subjects.is_known(self.context, found):
            return found
        return None

    async def _source(self, part: Part, tree: dict[str, Any], patient: str) -> list[Problem]:
        if patient in self.changes or await source_agrees(self.context, tree, patient):
            return []
        return [_problem(part, ANOTHER_SOURCE, SOURCE)]

    async def _content(self, part: Part, tree: dict[str, Any], used: set[str]) -> list[Problem]:
        """That a document's content is in the lot, and is what the document says."""
        found: list[Issue] = []
        for attachment, where in attachments(tree):
            url = attachment.get("url")
            named = parse_reference(url, self.context.base).target if isinstance(url, str) else ""
            used.add(named)
            held = self.changes.get(named)
            content = await self._held(held[1]) if held is not None else None
            if content is not None:
                found += disagreements(attachment, content, where)
            elif held is None and _kind(part) == "document" and str(url).startswith("urn:"):
                # By the name of an entry that there is not, nobody could ever retrieve it (ITI-68).
                found.append(Issue("error", "not-found", NO_CONTENT, f"{where}.url", "document-content"))
        return [(part.number, Invalid(issues=found))] if found else []

    async def _held(self, change: Change) -> Content | None:
        # A document that is a Bundle has no bytes of its own: how it was written is not kept.
        if change.type != "Binary" or change.tree is None:
            return None
        return await content_of(change.tree.get("contentType"), change.tree.get("data"))

    async def _listed(self, part: Part, tree: dict[str, Any], patient: str | None) -> list[Problem]:
        """That what a List of the lot names is of the lot, or is there and of the same patient."""
        found: list[Problem] = []
        named = set()
        for number, entry in enumerate(dicts(tree.get("entry"))):
            item = entry.get("item")
            said = item.get("reference") if isinstance(item, dict) else None
            target = parse_reference(said, self.context.base).target if isinstance(said, str) else ""
            named.add(target)
            if len(found) >= MOST_TOLD:
                continue
            spend(LOOK)
            if not await self._is_here(target, patient):
                words = "A List of a lot names its documents, or others of the same patient that are here."
                found.append(_problem(part, words, f"List.entry[{number}].item"))
        if _is_submission(part):
            for other, change, _ in [*self._written("DocumentReference"), *self._written("List")]:
                missing = change.method == "POST" and other is not part and f"{change.type}/{change.id}" not in named
                if missing:
                    found.append(_problem(other, "The submission set does not name it.", change.type))
        return found

    async def _is_here(self, target: str, patient: str | None) -> bool:
        type, _, id = target.partition("/")
        if type not in ("DocumentReference", "List"):
            return False
        if target in self.changes:
            return True
        if not self.context.repository.allows(type, "r"):
            return False
        version = await self.context.repository.current(type, id)
        if version is None or version.deleted:
            return False
        subject = parse(version.body).get("subject")
        return isinstance(subject, dict) and subject.get("reference") == patient

    def _unnamed(self, used: set[str]) -> Iterator[Problem]:
        for part, change in self.changes.values():
            if _kind(part) == "content" and f"{change.type}/{change.id}" not in used:
                yield _problem(part, "No document of the lot has this content.", change.type)


#: Where a document says whose it was at its source.
SOURCE = "DocumentReference.context.sourcePatientInfo"
UNKNOWN = "The subject is no patient that is known here."
NO_CONTENT = "The lot has no entry with this content."
ANOTHER_SOURCE = "The patient at the source has another INS than the subject."


async def source_agrees(context: Context, tree: dict[str, Any], patient: str) -> bool:
    """Whether the INS of a document's source is the subject's, where both have one."""
    said = subjects.source_identifiers(tree)
    known = await subjects.identifiers_of(context, patient) if said else frozenset()
    return not said or not known or bool(said & known)


def _patient_named(part: Part) -> str | None:
    """The Patient that an entry is about; None of another entry, and of a search."""
    if part.change is not None and part.change.type == "Patient":
        return f"Patient/{part.change.id}"
    path = part.request.path
    return "/".join(path) if len(path) == 2 and path[0] == "Patient" else None


def _updates(part: Part, change: Change) -> Iterator[Problem]:
    """An update of a lot says that a document is superseded, and nothing else."""
    was = parse(change.before.body) if change.before is not None else {}
    now = change.tree or {}
    others = {
        name for name in was.keys() | now.keys() if name not in ("meta", "status") and was.get(name) != now.get(name)
    }
    if others or now.get("status") != "superseded":
        yield _problem(
            part, "A lot changes of a document that it is superseded, and nothing else.", "DocumentReference"
        )


def _deletions(lot: Lot) -> Iterator[Problem]:
    gone = [part for part in lot.parts if part.change is not None and _is_deleted(part.change)]
    for part in gone[MOST_DELETED:]:
        yield _problem(part, f"At most {MOST_DELETED} documents are deleted at once.", "DocumentReference.status")


def _is_deleted(change: Change) -> bool:
    is_document = change.type == "DocumentReference" and change.tree is not None and change.before is not None
    return is_document and (change.tree or {}).get("status") == "entered-in-error"


def _replacements(context: Context, lot: Lot) -> Iterator[Problem]:
    """What is replaced is no document of the same transaction, unless that supersedes it."""
    changes = {f"DocumentReference/{p.change.id}": p.change for p in lot.parts if p.change is not None}
    for part in lot.parts:
        if part.change is None or part.change.type != "DocumentReference" or part.change.tree is None:
            continue
        if not is_filed(part.change, people(context.repository.grant)):
            continue
        was = parse(part.change.before.body) if part.change.before and not part.change.before.deleted else {}
        before = {said for said, _ in replaced(was)}
        for said, where in replaced(part.change.tree):
            target = changes.get(parse_reference(said, context.base).target)
            if said in before or target is None or target.type != "DocumentReference":
                continue
            if target.before is None or (target.tree or {}).get("status") != "superseded":
                yield _problem(part, "What is replaced is stored already, and superseded with it.", where)


def _named_twice(lot: Lot) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    for part in lot.parts:
        tree = part.change.tree if part.change is not None and part.change.type == "DocumentReference" else None
        master = tree.get("masterIdentifier") if tree is not None else None
        if not isinstance(master, dict) or not isinstance(master.get("value"), str):
            continue  # which validation says
        name = (str(master.get("system")), master["value"])
        if name in seen:
            yield _problem(part, "Another entry has the same identifier.", "DocumentReference.masterIdentifier")
        seen.add(name)


def _request(part: Part, name: str) -> str:
    return f"Bundle.entry[{part.number}].request.{name}"


def _problem(part: Part, words: str, where: str, code: str = "business-rule") -> Problem:
    return part.number, Invalid(words, where, code=code, key="document-lot")
