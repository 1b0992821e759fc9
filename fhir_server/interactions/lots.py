"""A transaction as a whole, as steps that judge its entries beside one another see it.

https://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fhir_server.interactions.exchange import Request

if TYPE_CHECKING:
    from fhir_server.interactions.pipeline import Change


@dataclass(frozen=True, slots=True)
class Part:
    """One entry of a transaction, links between entries settled.

    Attributes:
        number: its place in the Bundle, from 0.
        request: what it asks.
        change: what it would write; None for a read, and for a condition that was met already.
    """

    number: int
    request: Request
    change: Change | None


@dataclass(frozen=True, slots=True)
class Lot:
    """The Bundle as it was sent, and its entries in their order."""

    bundle: dict[str, Any]
    parts: Sequence[Part]
