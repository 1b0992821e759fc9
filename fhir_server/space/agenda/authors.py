"""Who makes agenda resources: said by the server in their tags, and kept from then on.

Domain file §2.8: what the software of a professional or of an app made is changed there; the patient's own entries are
the patient's. The tag says which is which (https://hl7.org/fhir/R4/resource.html#simple-tags), so that whoever reads an
entry knows, searches find by it (`_tag`), and rules judge by it.
"""

from __future__ import annotations

from typing import Any

from fhir_server.access.grant import Grant
from fhir_server.access.write_rules import administers
from fhir_server.fhir.json import parse
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change
from fhir_server.space.agenda.model import AUTHOR, EDITOR, MAKER, PATIENT, SOFTWARE, tags

#: Systems of the tags that the server alone sets.
_SAID = (AUTHOR, SOFTWARE, MAKER)
_PROFESSIONALS = ("Practitioner/", "PractitionerRole/", "Organization/")


def is_professional(grant: Grant) -> bool:
    """Whether a professional, or an organisation, acts with it."""
    return (grant.subject or "").startswith(_PROFESSIONALS)


def is_patients(grant: Grant) -> bool:
    """Whether the patient's side acts with it: a person who acts for patients, or software in a patient's context."""
    if grant.own or is_professional(grant) or administers(grant):
        return False
    return grant.subject is not None or grant.patient is not None


async def arrange(context: Context, change: Change) -> Change:
    """An agenda resource with the tags that say who made it: its first writer, whatever later ones say.

    What the server itself and administrators' commands write keeps the tags that it brings.
    """
    grant, tree = context.repository.grant, change.tree
    assert tree is not None
    before = None if change.before is None or change.before.deleted else parse(change.before.body)
    if change.as_server or (grant.own and before is None):
        return change
    said = _of(grant) if before is None else [(name, one) for name in _SAID for one in tags(before, name)]
    made = _tagged(tree, said)
    return change if made == tree else change.arranged(made)


def _of(grant: Grant) -> list[tuple[str, str]]:
    """What is said of who makes something with a token."""
    author = PATIENT if is_patients(grant) and not grant.referenced else EDITOR
    software = [(SOFTWARE, grant.client)] if grant.client is not None else []
    maker = [(MAKER, grant.subject)] if grant.subject is not None and is_professional(grant) else []
    return [(AUTHOR, author), *software, *maker]


def _tagged(tree: dict[str, Any], said: list[tuple[str, str]]) -> dict[str, Any]:
    meta = tree.get("meta") or {}
    others = [one for one in meta.get("tag", ()) if one.get("system") not in _SAID]
    wanted = [*others, *({"system": system, "code": code} for system, code in said)]
    kept = {name: one for name, one in meta.items() if name != "tag"} | ({"tag": wanted} if wanted else {})
    return tree if kept == meta else {**tree, "meta": kept}
