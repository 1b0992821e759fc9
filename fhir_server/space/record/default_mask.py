"""New documents are masked where the patient chose that those of professionals are, or masked what they replace.

The national product's rule; R1111-49. Who files is not asked: who wrote it is, since software files for many. A mask by
the patient's will is theirs to take back: nobody else does so by a new version (domain file §1.3).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fhir_server.access.write_rules import people
from fhir_server.fhir.json import parse
from fhir_server.fhir.references import parse as reference
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change
from fhir_server.space.record.choices import choice_id, from_consent
from fhir_server.space.record.label_changes import is_by_patient, is_mask, marked
from fhir_server.space.record.labels import LABELS, MASKED, concepts, stored
from fhir_server.space.record.sharing.replacing import targets
from fhir_server.space.record.sharing.words import is_filed

#: Authors whose documents are masked.
_PROFESSIONALS = frozenset({"Practitioner", "PractitionerRole", "Organization"})


async def arrange(context: Context, change: Change) -> Change:
    """A new document with the label that its patient chose for it; what is loaded as it was keeps its labels."""
    tree, own = change.tree, context.repository.grant.own
    new = change.before is None or change.before.deleted
    if own or not new or tree is None or not (await _by_default(context, tree) or await _by_will(context, change)):
        return change
    labels = stored([*concepts(tree), {"coding": [LABELS[MASKED].coding]}])
    # It is the patient's will, and theirs to take back, also where the author masked it too.
    labels = [marked(one, True) if is_mask(one) else one for one in labels]
    return change.arranged({**tree, "securityLabel": labels})


async def _by_default(context: Context, tree: dict[str, Any]) -> bool:
    if not _is_of_professional(tree, context.base):
        return False
    patient = _target(tree.get("subject"), context.base)
    return patient.startswith("Patient/") and await _chosen(context, patient.removeprefix("Patient/"))


async def _by_will(context: Context, change: Change) -> bool:
    """Whether it replaces what the patient masked. What is not its writer's to replace is refused later."""
    grant, tree = context.repository.grant, change.tree
    if tree is None or not is_filed(change, people(grant)):
        return False
    if (grant.subject or "").startswith(("Patient/", "RelatedPerson/")):
        return False
    return any([is_by_patient(one) async for one in targets(context, tree)])


async def _chosen(context: Context, patient: str) -> bool:
    version = await context.repository.as_server().current("Consent", choice_id(patient, "masked-by-default"))
    choice = from_consent(parse(version.body)) if version is not None and not version.deleted else None
    return choice is not None and choice.holds(datetime.now(UTC))


def _is_of_professional(tree: dict[str, Any], base: str) -> bool:
    contained = {f"#{one.get('id')}": one.get("resourceType") for one in _dicts(tree.get("contained"))}
    for author in _dicts(tree.get("author")):
        target = _target(author, base)
        if contained.get(target, target.rpartition("/")[0].rpartition("/")[2] or author.get("type")) in _PROFESSIONALS:
            return True
    return False


def _target(node: Any, base: str) -> str:
    said = node.get("reference") if isinstance(node, dict) else None
    return reference(said, base).target if isinstance(said, str) else ""


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
