"""The medical record: documents that arrive, are found, hidden and shown as the law says.

https://interop.esante.gouv.fr/ig/fhir/pdsm (a profile of IHE MHD); CSP R1111-26 to R1111-53.
"""

from __future__ import annotations

from fhir_server.interactions.pipeline import Step
from fhir_server.space.record import label_step
from fhir_server.space.service import Service

_HERE = "fhir_server.space.record"
_DOCUMENTS = frozenset({"DocumentReference"})

RECORD = Service(
    "record",
    steps=(Step("labels", _DOCUMENTS, validate=label_step.validate, arrange=label_step.arrange),),
    rows={"DocumentReference": f"{_HERE}.rows:documents", "Consent": f"{_HERE}.rows:consents"},
)
