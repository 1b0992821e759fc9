"""What a Subscription's criteria choose: a search of one type, as https://hl7.org/fhir/R4/subscription.html has it."""

from __future__ import annotations

from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.outcome import InvalidParameter, NotSupported
from fhir_server.search.asking.query import Place, condition
from fhir_server.store.filters import EVERYTHING, Filter

#: Types that nobody is told of: telling makes them, and would go round in circles.
UNTOLD = frozenset({"AuditEvent", "Subscription"})


def compiled(criteria: str, place: Place) -> tuple[str, Filter]:
    """The type that is searched, and its filter.

    Args:
        criteria: `Type`, or `Type?` and a query.
        place: whose base and search parameters count, and whose caller must be allowed to search what it links to.

    Raises:
        InvalidParameter, NotSupported: not understood, or of a type that nobody is told of.
        Forbidden: of a type that the caller may not search.
    """
    type, mark, query = criteria.partition("?")
    if type not in resource_types():
        raise InvalidParameter("The criteria are a resource type, a question mark and a search of it.")
    if type in UNTOLD:
        raise NotSupported(f"Subscriptions are not told of {type} resources.")
    if not mark or not query:
        return type, EVERYTHING
    return type, condition(type, query, place)
