"""The catalogue of one opened server: what its pages, operations and jobs work with."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.space.catalogue.consents import Consents
from fhir_server.space.catalogue.referencing import Referencing
from fhir_server.space.catalogue.registry import Catalogue


@dataclass(frozen=True, slots=True)
class Apps:
    """The referenced apps of one opened store, what patients accept of them, and how they get referenced."""

    catalogue: Catalogue
    consents: Consents
    referencing: Referencing
