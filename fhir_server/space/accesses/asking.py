"""What systems that consume traces must say when they search them.

https://interop.esante.gouv.fr/ig/fhir/tde (TDE 2.0.0, flow 4: IHE ITI-81): the date of recording is compulsory; a
beginning, an end or both.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.settings import Settings
from fhir_server.validation.levels import Levels

#: The profile of TDE: whoever is held to it strictly (`FHIR_PROFILE_LEVELS`) must ask as it says.
TDE = "https://interop.esante.gouv.fr/ig/fhir/tde/StructureDefinition/tde-auditevent"


def required(settings: Settings, client: str, pairs: Sequence[tuple[str, str]]) -> None:
    """Refuse a search of traces that names no date, of a client that is held to TDE.

    Raises:
        InvalidParameter: no `date` (400).
    """
    if Levels(settings.profile_levels).for_client(client).said(TDE) != "strict":
        return
    if not any(name.partition(":")[0] == "date" and value and name != "date:missing" for name, value in pairs):
        raise InvalidParameter(
            "A search of traces says of which time: TDE makes `date` (AuditEvent.recorded) compulsory.",
            "http.date",
        )
