"""Masking a document and showing it again: a change of its labels by the one label that is meant, the others kept.

CSP R1111-47: the holder decides what professionals see; TRE_A07 and TRE_A08 are the national labels. Who may change
which is judged where it is written, as for software.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.responses import Response

from fhir_server.fhir.nos import CONFIDENTIALITY, VISIBILITY
from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.document import document, page
from fhir_server.space.record.pages.people import of_patient
from fhir_server.space.record.pages.refusals import refused
from fhir_server.space.service import Surroundings

MASKED = "MASQUE_PS"
_MASK = {"coding": [{"system": VISIBILITY, "code": MASKED, "display": "Masqué aux professionnels de santé"}]}
_NORMAL = {"coding": [{"system": CONFIDENTIALITY, "code": "N", "display": "Normal"}]}


async def change(guest: Guest[Surroundings]) -> Response:
    """A patient masks a document, or shows it again."""
    asking = of_patient(guest)
    one = None if asking is None else await document(asking, guest.path("document"))
    if asking is None or one is None:
        return guest.nothing()
    masked = guest.field("masked") == "yes"
    try:
        await mask(asking, one.tree, masked)
    except FhirError as error:
        return await page(guest, asking, one, tuple(refused(error)), error.status)
    path = f"/mon-dossier/{guest.path('patient')}/document/{one.id}"
    return guest.to(f"{path}?done={'masked' if masked else 'unmasked'}")


async def mask(asking: Asking, tree: Mapping[str, Any], masked: bool) -> None:
    """Mask a document from professionals, or take that label away; what is so already is left.

    Raises:
        FhirError: it is refused, or the document has changed meanwhile (412).
    """
    labels = tree.get("securityLabel", ())
    after = with_mask(labels) if masked else without_mask(labels)
    if list(labels) != after:
        operation = "replace" if labels else "add"
        await asking.patch(dict(tree), [{"op": operation, "path": "/securityLabel", "value": after}])


def with_mask(labels: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The labels with that one; "normal" says nothing beside it."""
    if any(MASKED in _codes(one) for one in labels):
        return list(labels)
    return [*(one for one in labels if "N" not in _codes(one)), _MASK]


def without_mask(labels: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The labels without that one, "normal" where none is left."""
    return [one for one in labels if MASKED not in _codes(one)] or [_NORMAL]


def _codes(label: Mapping[str, Any]) -> set[str]:
    return {str(one.get("code", "")) for one in label.get("coding", ())}
