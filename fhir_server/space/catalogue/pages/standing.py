"""What the catalogue's pages stand on."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.space.catalogue.consents import Consents
from fhir_server.space.catalogue.registry import Catalogue


@dataclass(frozen=True, slots=True)
class Apps:
    """The referenced apps of one opened store, and what patients accept of them."""

    catalogue: Catalogue
    consents: Consents
