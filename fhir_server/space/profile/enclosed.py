"""What a summary must bring with it: whoever and whatever its resources refer to, and no reference that leads outside.

https://hl7.org/fhir/R4/documents.html: a document has what its composition refers to, and may have what this refers to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from fhir_server.access.record_owner import owner, rows
from fhir_server.fhir.json import parse
from fhir_server.fhir.references import parse as parse_reference
from fhir_server.fhir.references import walk_references
from fhir_server.interactions.exchange import Context
from fhir_server.operations.references import Key, fetched, named
from fhir_server.store.protocol import Version

#: Types that are followed to: who and where, what is taken and made of, and what a finding rests on. Not relatives, nor
#: documents and encounters, which would bring the record after them.
FOLLOWED = frozenset(
    """Practitioner PractitionerRole Organization Location Medication Substance Device Specimen Condition Observation
    Procedure AllergyIntolerance""".split()
)
#: From a result to the role of who performed it, to its organization, to that organization's own.
STEPS = 4
_UNKNOWN = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
Tree = dict[str, Any]


async def enclosed(versions: Iterable[Version], patient: str, context: Context) -> list[tuple[Version, Tree]]:
    """What the caller sees of what `versions` refer to, in turn; of records, of the one patient (id) alone.

    At most `settings.max_includes`: references to what is beyond stay without their target.
    """
    edge = list(versions)
    known = {(version.type, version.id) for version in edge}
    found: list[tuple[Version, Tree]] = []
    for _ in range(STEPS):
        wanted = dict.fromkeys(key for version in edge for key in named(version, context) if key[0] in FOLLOWED)
        keys = [key for key in wanted if key not in known][: context.settings.max_includes - len(found)]
        known |= set(keys)
        new = await fetched(keys, context)
        read = [(version, parse(version.body, context.settings.max_depth)) for version in new.values()]
        kept = [(version, tree) for version, tree in read if _fits(version.type, tree, patient, context.base)]
        found += kept
        edge = [version for version, _ in kept]
        if not edge:
            break
    return found


def _fits(type: str, tree: Tree, patient: str, base: str) -> bool:
    """Whether a resource is nobody's record, or the patient's."""
    row = rows()[type]
    unsaid = not any(path.partition(".")[0] in tree for path in (*row.whose, *row.among))
    return row.kind != "record" or unsaid or owner(type, tree, base).patient == f"Patient/{patient}"


def closed(tree: Tree, inside: Collection[Key], base: str) -> bool:
    """Whether `tree` was changed: its references to what of this server is not inside name nothing any more.

    A reference keeps what it says beside: a name, an identifier. What is hidden is so like what was never there.
    """
    changed = False
    for node, _ in list(walk_references(tree)):
        found = parse_reference(node["reference"], base)
        if not found.local or found.type is None or found.id is None:
            continue
        if (found.type, found.id) not in inside:
            del node["reference"]
            node.pop("_reference", None)
            if not node.keys() & {"display", "identifier"}:
                node["extension"] = [*node.get("extension", ()), _UNKNOWN]
            changed = True
        elif found.version:
            # The document has the current version under its own name.
            node["reference"] = f"{found.target}#{found.fragment}" if found.fragment else found.target
            changed = True
    return changed
