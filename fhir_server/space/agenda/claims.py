"""Profiles that only free slots conform to: a filled slot claims them no longer, and again once it is let go of.

The profiles of the guide SAS are about slots that a platform is offered, and fix their status to `free`:
https://interop.esante.gouv.fr/ig/fhir/sas.
"""

from __future__ import annotations

from typing import Any

from fhir_server.space.agenda.model import FREE

#: Profiles with `Slot.status` "free".
FREE_ALONE = frozenset(
    {
        "http://sas.fr/fhir/StructureDefinition/FrSlotAgregateur",
        "https://interop.esante.gouv.fr/ig/fhir/sas/StructureDefinition/sas-cpts-slot-aggregator",
        "https://interop.esante.gouv.fr/ig/fhir/sas/StructureDefinition/sas-sos-slot-aggregator",
    }
)
#: Extension of `meta`: a profile that the slot claims while it is free.
WHEN_FREE = "https://fhir-server.example/StructureDefinition/ens-slot-profile-when-free"


def become(tree: dict[str, Any], status: str) -> dict[str, Any]:
    """A slot with another status, and with the claims to profiles that go with it."""
    meta = tree.get("meta") or {}
    others = [one for one in meta.get("extension", ()) if one.get("url") != WHEN_FREE]
    kept = [one["valueCanonical"] for one in meta.get("extension", ()) if one.get("url") == WHEN_FREE]
    claimed = [*meta.get("profile", ()), *kept]
    put_off = [] if status == FREE else [one for one in claimed if one.partition("|")[0] in FREE_ALONE]
    said = {
        "profile": [one for one in dict.fromkeys(claimed) if one not in put_off],
        "extension": [*others, *({"url": WHEN_FREE, "valueCanonical": one} for one in dict.fromkeys(put_off))],
    }
    made = {name: one for name, one in meta.items() if name not in said} | {k: v for k, v in said.items() if v}
    return {**tree, **({"meta": made} if made else {}), "status": status}
