"""What was filed in the record of somebody else is moved to whom it is about, by the operator, with a reason.

RNIV: a mistake of identity is put right where it is found; RGPD art. 16 and 33. What was read meanwhile stays in the
traces of the record that it was read in; both people are told that something was put right, and neither of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_server.access.binaries import SECURITY_CONTEXT
from fhir_server.access.record_owner import owner, rows
from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Conflict, Invalid, NotFound
from fhir_server.fhir.references import parse as parse_reference
from fhir_server.space.accounts.moving import found
from fhir_server.space.identities import steps
from fhir_server.space.identities.merging.moving import redirected
from fhir_server.space.identities.merging.writing import put
from fhir_server.space.identities.steps import Step
from fhir_server.space.record import choosing
from fhir_server.space.record.clinical import CLINICAL, DOCUMENTS
from fhir_server.space.record.label_changes import is_mask, marked
from fhir_server.space.record.labels import LABELS, MASKED, concepts, stored
from fhir_server.space.record.standing import CLOSED
from fhir_server.store.filters import Id, Refers, both
from fhir_server.store.protocol import Guard, Stale, Version

#: Resources of one call, those that go with them included.
MOST = 100
#: What is of a record and filed about somebody; choices, lives and the like are not.
FILED = CLINICAL | DOCUMENTS
_ATTEMPTS = 20
_USED = frozenset({"open", "activated"})
#: Elements that say where the document comes from, beside whose it is.
_SOURCE = "sourcePatientInfo"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be moved: from and to which patient (ids), which resources, why, and by whom."""

    source: str
    target: str
    references: tuple[str, ...]
    reason: str
    by: str


async def refile(repository: Repository, wanted: Wanted, now: datetime) -> list[str]:
    """Move what was misfiled; the references of all that was moved.

    Raises:
        NotFound: one of the two patients is not there (404).
        Invalid: something is not of the record, or is of its patient's own hand, or the other is not in use (422).
        Conflict: others kept changing the same (409).
    """
    own = repository.as_server()
    for _ in range(_ATTEMPTS):
        source, target = await found(own, [wanted.source, wanted.target])
        if source is None or target is None:
            raise NotFound("There is no such Patient.", "to" if source is not None else None)
        if wanted.source == wanted.target or source.state in ("merged", "erased") or target.state not in _USED:
            raise _refused("Something is moved from one record to another, which is in use.", "to")
        versions = await _together(own, wanted)
        masked = any(
            one.kind == "masked-by-default" and one.holds(now) for one in await choosing.of(own, wanted.target)
        )
        puts = [await put(own, _moved(one, wanted, own.base, masked), one) for one in versions]
        for one in await _contents(own, versions, wanted.source):
            puts.append(await put(own, redirected(parse(one.body), wanted.source, wanted.target, own.base), one))
        puts.append(await steps.put(own, Step(wanted.source, "moved-away", now, wanted.reason, wanted.by)))
        puts.append(await steps.put(own, Step(wanted.target, "moved-here", now, wanted.reason, wanted.by)))
        guard = Guard("Patient", both(Id((wanted.target,)), CLOSED), frozenset())
        try:
            await repository.transact(puts, [guard])
        except Stale:
            continue
        return [f"{one.type}/{one.id}" for one in versions]
    raise Conflict("Others keep changing the same records; try again.", headers={"Retry-After": "1"})


async def _together(own: Repository, wanted: Wanted) -> list[Version]:
    """What is named, and the documents that these replace, or that replace them: a series is one person's."""
    known: dict[str, Version] = {}
    left = list(dict.fromkeys(wanted.references))
    while left:
        if len(known) + len(left) > MOST:
            raise _refused(f"At most {MOST} resources are moved at once, with what goes with them.", "resource")
        page = await own.find_each([{one.partition("/")[0]: Id((one.partition("/")[2],))} for one in left], count=1)
        versions = [one for part in page for one in part.versions]
        if len(versions) < len(left):
            raise _refused("This is nothing that was filed in the record.", "resource")
        known |= {f"{one.type}/{one.id}": one for one in versions}
        further = {name for one in versions for name in await _related(own, one)}
        left = sorted(further - known.keys())
    return list(known.values())


async def _related(own: Repository, version: Version) -> list[str]:
    if version.type != "DocumentReference":
        return []
    said = [str(one.get("target", {}).get("reference", "")) for one in parse(version.body).get("relatesTo", ())]
    where = Refers("relatesto", f"DocumentReference/{version.id}")
    page = await own.find({"DocumentReference": where}, count=MOST, want="head")
    named = [one for one in said if one.startswith("DocumentReference/") and one.count("/") == 1]
    keys = [("DocumentReference", one.partition("/")[2]) for one in named]
    here = await own.there(keys) if keys else set()
    return [*(f"{type}/{id}" for type, id in here), *(f"DocumentReference/{one.id}" for one in page.versions)]


async def _contents(own: Repository, versions: Sequence[Version], source: str) -> list[Version]:
    """The Binaries that are the content of documents, and are read as a patient's (id): with what it says, it goes."""
    ids: set[str] = set()
    for one in versions:
        for content in parse(one.body).get("content", ()) if one.type == "DocumentReference" else ():
            found = parse_reference(str(content.get("attachment", {}).get("url", "")), own.base)
            ids |= {found.target.partition("/")[2]} if found.local and found.type == "Binary" else set()
    if not ids:
        return []
    where = both(Id(tuple(sorted(ids))), Refers(SECURITY_CONTEXT, f"Patient/{source}"))
    return [*(await own.find({"Binary": where}, count=len(ids), want="bare")).versions]


def _moved(version: Version, wanted: Wanted, base: str, masked: bool) -> dict[str, Any]:
    tree: dict[str, Any] = parse(version.body)
    if version.type not in FILED or owner(version.type, tree, base).patient != f"Patient/{wanted.source}":
        raise _refused("This is nothing that was filed in the record.", "resource")
    after: dict[str, Any] = dict(tree)
    for name in rows()[version.type].whose:
        after[name] = {"reference": f"Patient/{wanted.target}"}
    if isinstance(after.get("context"), dict) and _SOURCE in after["context"]:
        after["context"] = _source(after["context"], wanted, base)
    if redirected(after, wanted.source, wanted.target, base) != after:
        # Of the patient's own hand, or about them otherwise: what somebody wrote of themself is no mistake of identity.
        raise _refused("This names the patient of the record beside whose it is: they wrote it, or did it.", "resource")
    if masked and version.type == "DocumentReference":
        labels = stored([*concepts(after), {"coding": [LABELS[MASKED].coding]}])
        after["securityLabel"] = [marked(one, True) if is_mask(one) else one for one in labels]
    return after


def _source(context: dict[str, Any], wanted: Wanted, base: str) -> dict[str, Any]:
    """The context without the literal Patient that it came from, who is another; contained, it stays as it was sent."""
    if redirected(context[_SOURCE], wanted.source, wanted.target, base) is context[_SOURCE]:
        return context
    return {**context, _SOURCE: {"reference": f"Patient/{wanted.target}"}}


def _refused(words: str, part: str) -> Invalid:
    where = f"Parameters.parameter.where(name='{part}')"
    return Invalid(words, where, code="business-rule", key="refile")


def named(references: Sequence[str]) -> list[dict[str, Any]]:
    """References as parameters of an answer."""
    return [{"name": "resource", "valueReference": {"reference": one}} for one in references]
