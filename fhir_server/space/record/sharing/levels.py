"""How strictly a caller is held to PDSm, by two settings: for all, and for one client's software.

Strict: ITI-66 and ITI-67 need the parameters that the guide demands, documents have codes of the DMP's value sets, and
the guide's own misspellings are errors. Lenient, as
R4 has it: documents are searched by anything, and what the guides' examples mean is done.
"""

from __future__ import annotations

from fhir_server.interactions.exchange import Context
from fhir_server.settings import Settings


def is_strict(context: Context) -> bool:
    """Whether this caller is held to the guide as it is written."""
    return strict_for(context.settings, context.repository.grant.client or "")


def strict_for(settings: Settings, client: str) -> bool:
    """As `is_strict`, for a client's software ("" for none)."""
    return settings.pdsm_clients.get(client, settings.pdsm) == "strict"
