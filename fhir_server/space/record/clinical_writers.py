"""Who writes the clinical part of a record: a patient's side is marked, and changes nothing of a professional's.

Domain file §2.3 and §2.6 for documents (others change nothing of them but what a table says); the same here of what is
no document. Each version says by a tag which of the patient's side wrote it (https://hl7.org/fhir/R4/resource.html#simple-tags),
so that whoever reads an allergy knows that no professional established it. The tag is the server's alone: what a
professional writes has none, though a patient wrote the version before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fhir_server.access.record_owner import owner
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Forbidden, Invalid
from fhir_server.fhir.references import parse as parse_reference
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change
from fhir_server.space.record.clinical import AUTHORS, CLINICAL, values
from fhir_server.space.record.sharing.words import dicts
from fhir_server.space.record.writers import caller_of

#: System of the tag; its codes are kinds of `writers.Caller`.
WRITER = "https://fhir-server.example/CodeSystem/ens-record-writer"
PATIENTS_SIDE = frozenset({"patient", "representative", "caregiver", "app"})
#: Who a resource says wrote it down: of what the patient's side sends, nobody of another side.
_RECORDER = "recorder"
_THEIRS = frozenset({"Patient", "RelatedPerson", "Device"})
NOT_THEIRS = "What a professional wrote is not the patient's to change."
NO_RECORDER = "Who writes for themselves is the recorder, and no professional is."

#: Of the record's clinical part; but for teams, whose table says who changes them.
WRITTEN = CLINICAL - {"CareTeam"}

Tree = Mapping[str, Any]


async def arrange(context: Context, change: Change) -> Change:
    """What people write, with the tag that says whether it is the patient's side's."""
    tree = change.tree
    if tree is None or change.as_server:
        return change
    caller = await caller_of(context.repository, _patient(tree, context), named=False)
    if not caller.is_held:
        return change
    made = _tagged(tree, caller.kind if caller.kind in PATIENTS_SIDE else None)
    return change if made == tree else change.arranged(made)


async def judge(context: Context, change: Change) -> None:
    """Refuse what the patient's side would change of a professional's, or write in a professional's name.

    Raises:
        Forbidden: a professional, or nobody who is known, wrote it (403).
        Invalid: it names a professional as who recorded it (422).
    """
    if change.as_server:
        return
    before = parse(change.before.body) if change.before is not None and not change.before.deleted else {}
    caller = await caller_of(context.repository, _patient(change.tree or before, context), named=False)
    if caller.kind not in PATIENTS_SIDE:
        return
    if before and not is_patients(before, context.base):
        raise Forbidden(NOT_THEIRS, change.type, key="clinical-author")
    for said in _named(change.tree or {}, _RECORDER):
        if said and said not in _THEIRS and (change.tree or {}).get(_RECORDER) != before.get(_RECORDER):
            raise Invalid(NO_RECORDER, f"{change.type}.{_RECORDER}", code="business-rule", key="clinical-recorder")


def writer(tree: Tree) -> str:
    """Which of the patient's side wrote a version: "patient", "representative", "caregiver", "app"; "" for none."""
    codes = (one.get("code") for one in dicts((tree.get("meta") or {}).get("tag")) if one.get("system") == WRITER)
    return next((str(one) for one in codes if one in PATIENTS_SIDE), "")


def is_patients(tree: Tree, base: str = "") -> bool:
    """Whether the patient's side wrote a version: the server says so, or of one from before, the version itself."""
    if writer(tree):
        return True
    named = [one for path in AUTHORS.get(tree["resourceType"], ()) for one in _named(tree, path, base)]
    return bool(named) and _THEIRS.issuperset(named)


def _patient(tree: Tree, context: Context) -> str | None:
    return owner(str(tree["resourceType"]), dict(tree), context.base).patient if tree else None


def _named(tree: Tree, path: str, base: str = "") -> Iterator[str]:
    """The type of each who stands in an element; "" where it is not said."""
    contained = {str(one.get("id")): str(one.get("resourceType")) for one in dicts(tree.get("contained"))}
    for one in values(tree, path.split(".")):
        said = one.get("reference")
        found = parse_reference(said, base) if isinstance(said, str) else None
        if found is not None and found.contained:
            yield contained.get(found.fragment, "")
        else:
            yield str((found.type if found is not None else None) or one.get("type") or "")


def _tagged(tree: dict[str, Any], kind: str | None) -> dict[str, Any]:
    meta = tree.get("meta") or {}
    others = [one for one in meta.get("tag", ()) if one.get("system") != WRITER]
    wanted = [*others, {"system": WRITER, "code": kind}] if kind else others
    kept = {name: one for name, one in meta.items() if name != "tag"} | ({"tag": wanted} if wanted else {})
    if kept == meta:
        return tree
    rest = {name: one for name, one in tree.items() if name != "meta"}
    return {"resourceType": tree["resourceType"], **({"meta": kept} if kept else {}), **rest}
