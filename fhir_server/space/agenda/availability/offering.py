"""What the slots of a Schedule's availability say: what it is for, whose software keeps it, and whom they are for.

What the guide SAS asks of a slot that platforms are offered (https://interop.esante.gouv.fr/ig/fhir/sas,
FrSlotAgregateur) the Schedule says once for all of them: the labels of TRE_R314 in an extension of ours, since labels
of its own would hide nothing; the ways of consulting among its `serviceType` (v3-ActCode); and the address of the
agenda as its `comment`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fhir_server.fhir.json import serialize
from fhir_server.space.agenda.availability.reading import slot_minutes
from fhir_server.space.agenda.labels import CPTS
from fhir_server.space.agenda.model import AUTHOR, FREE, MAKER, SOFTWARE
from fhir_server.space.paris import PARIS

#: Tag of slots that are made of an availability; its `version` is a digest of what they were made of, so that what
#: somebody has changed by hand is theirs until the Schedule says otherwise.
ORIGIN, MADE = "https://fhir-server.example/CodeSystem/ens-slot-origin", "availability"
#: Extension of a Schedule: a label of its slots.
LABEL = "https://fhir-server.example/StructureDefinition/ens-schedule-slot-label"
#: Code system of the ways of consulting: AMB, HH, VR.
WAYS = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
#: What slots with labels claim to conform to; those of a community of practices, the other.
PROFILE = "http://sas.fr/fhir/StructureDefinition/FrSlotAgregateur"
CPTS_PROFILE = "https://interop.esante.gouv.fr/ig/fhir/sas/StructureDefinition/sas-cpts-slot-aggregator"
#: With an appointment, as opposed to WALKIN: of an availability slots are booked.
_ROUTINE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0276", "code": "ROUTINE"}]}
Tree = dict[str, Any]


def offered(tree: Mapping[str, Any]) -> tuple[Tree, str]:
    """What all slots of a Schedule say alike, and the digest of it."""
    tags = [one for one in (tree.get("meta") or {}).get("tag", ()) if one.get("system") in (AUTHOR, SOFTWARE, MAKER)]
    labels = [one["valueCoding"] for one in tree.get("extension", ()) if one.get("url") == LABEL]
    services = [*_ways(tree), *slot_minutes(tree)[1]]
    address = tree.get("comment")
    profile = CPTS_PROFILE if any(one.get("code") == CPTS for one in labels) else PROFILE
    said = {
        "meta": {"tag": tags, **({"security": labels, "profile": [profile]} if labels else {})},
        **({"serviceType": services} if services else {}),
        **{name: tree[name] for name in ("serviceCategory", "specialty") if name in tree},
        **({"appointmentType": _ROUTINE} if labels else {}),
        **({"comment": address} if labels and _is_address(address) else {}),
    }
    digest = hashlib.sha256(serialize(said)).hexdigest()[:16]
    made = {"system": ORIGIN, "version": digest, "code": MADE}
    return said | {"meta": {**said["meta"], "tag": [*tags, made]}}, digest


def slot(common: Mapping[str, Any], schedule: str, id: str, start: int, end: int) -> Tree:
    """A free slot of a Schedule (id), which says what all of it do; instants in µs since 1970."""
    return {
        "resourceType": "Slot",
        "id": id,
        **common,
        "schedule": {"reference": f"Schedule/{schedule}"},
        "status": FREE,
        "start": _written_out(start),
        "end": _written_out(end),
    }


def made_of(tree: Mapping[str, Any]) -> str | None:
    """The digest of what a slot was made of; None where no availability made it."""
    tags = (tree.get("meta") or {}).get("tag", ())
    return next((str(one.get("version", "")) for one in tags if one.get("system") == ORIGIN), None)


def _ways(tree: Mapping[str, Any]) -> list[Any]:
    concepts = tree.get("serviceType", ())
    return [one for one in concepts if any(coding.get("system") == WAYS for coding in one.get("coding", ()))]


def _is_address(said: Any) -> bool:
    return isinstance(said, str) and said.startswith("https://") and not set(said) & set(" \n\t")


def _written_out(instant: int) -> str:
    return datetime.fromtimestamp(instant // 1_000_000, UTC).astimezone(PARIS).isoformat()
