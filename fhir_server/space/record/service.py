"""The medical record: documents that arrive, are found, hidden and shown as the law says.

https://interop.esante.gouv.fr/ig/fhir/pdsm (a profile of IHE MHD); CSP R1111-26 to R1111-53.
"""

from __future__ import annotations

from fhir_server.space.service import Service

RECORD = Service("record")
