"""What a consumer of documents must say when it asks: ITI-66 (lists) and ITI-67 (documents) of PDSm.

https://interop.esante.gouv.fr/ig/fhir/pdsm (flows 5 and 6): the patient and the status, and of lists their kind; 400
without them. R4's own search demands nothing: consumers are held to it where the settings say so (`FHIR_PDSM`,
`FHIR_PDSM_CLIENTS`).
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.fhir.outcome import InvalidParameter, Issue
from fhir_server.settings import Settings
from fhir_server.space.record.sharing.levels import strict_for

#: Names by which a parameter is asked, of which one must be there → what is said where none is.
_PATIENT = (frozenset({"patient", "patient.identifier", "subject", "subject.identifier"}), "patient")
_STATUS = (frozenset({"status"}), "status")
_CODE = (frozenset({"code"}), "code")
#: Parameters of a page that is gone on with, and of the answer's form: a search of those alone is no new search.
_GONE_ON = frozenset({"_cursor"})


def documents(settings: Settings, client: str, pairs: Sequence[tuple[str, str]]) -> None:
    """Refuse an ITI-67 without patient and status.

    Raises:
        InvalidParameter: naming each (400).
    """
    _require(settings, client, pairs, (_PATIENT, _STATUS))


def lists(settings: Settings, client: str, pairs: Sequence[tuple[str, str]]) -> None:
    """Refuse an ITI-66 without patient, code and status.

    Raises:
        InvalidParameter: naming each (400).
    """
    _require(settings, client, pairs, (_PATIENT, _CODE, _STATUS))


def _require(
    settings: Settings, client: str, pairs: Sequence[tuple[str, str]], demanded: Sequence[tuple[frozenset[str], str]]
) -> None:
    if not strict_for(settings, client):
        return
    # `patient:Patient.identifier` asks of the same as `patient.identifier`.
    said = {name.replace(":Patient", "").partition(":")[0] for name, value in pairs if value}
    missing = [name for names, name in demanded if not said & names and not said & _GONE_ON]
    if missing:
        issues = [
            Issue("error", "required", f"PDSm demands the parameter {name} of this search.", f"http.{name}")
            for name in missing
        ]
        raise InvalidParameter(issues=issues)
