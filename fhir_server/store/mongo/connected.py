"""The collections of an opened store, and what is remembered of them."""

from __future__ import annotations

from typing import Any, NamedTuple

from fhir_server.store.mongo.driving import Driving
from fhir_server.store.mongo.schema import INDEXES


class Collections(NamedTuple):
    """The collections, as `schema` says what is in each, and what was learned of conditions on resources."""

    res: Any
    hist: Any
    log: Any
    parts: Any
    claims: Any
    records: Any
    notes: Any
    state: Any
    driving: Driving


def collections(database: Any) -> Collections:
    """Those of a database of the asynchronous driver."""
    return Collections(**{name: database[name] for name in INDEXES}, driving=Driving(database.res))
