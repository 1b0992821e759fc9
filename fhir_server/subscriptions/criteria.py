"""What a Subscription's criteria choose: a search of one type, as https://hl7.org/fhir/R4/subscription.html has it."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.outcome import InvalidParameter, NotSupported
from fhir_server.search.asking.query import Place, condition, decoded
from fhir_server.store.filters import EVERYTHING, Filter, both
from fhir_server.subscriptions.topics import Topic, names_topic, topic

#: Types that nobody is told of: telling makes them, and would go round in circles.
UNTOLD = frozenset({"AuditEvent", "Subscription"})


ANY = frozenset({"create", "update"})


def compiled(criteria: str, filters: Sequence[str], place: Place) -> tuple[str, Filter]:
    """The type that is told of, and the filter of its resources.

    Args:
        criteria: `Type`, `Type?` and a query, or the canonical of a topic.
        filters: searches that narrow the topic: all are to be met.
        place: whose base and search parameters count, and whose caller must be allowed to search what it links to.

    Raises:
        InvalidParameter, NotSupported: not understood, or of a type that nobody is told of.
        Forbidden: of a type that the caller may not search.
    """
    if names_topic(criteria):
        found = topic(criteria)
        if found is None:
            raise NotSupported("This server has no such topic: its CapabilityStatement lists those that it has.")
        return found.type, both(*(_narrowed(found, one, place) for one in filters))
    if filters:
        raise InvalidParameter("Criteria that are a search have no further filters: they are of topics.")
    return _searched(criteria, place)


def interactions(criteria: str) -> frozenset[str]:
    """What makes an event: "create", "update"."""
    found = topic(criteria)
    return ANY if found is None else found.interactions


def type_of(criteria: str) -> str:
    """The type that is told of."""
    found = topic(criteria)
    return criteria.partition("?")[0] if found is None else found.type


def _searched(criteria: str, place: Place) -> tuple[str, Filter]:
    type, mark, query = criteria.partition("?")
    if type not in resource_types():
        raise InvalidParameter("The criteria are a resource type, a question mark and a search of it.")
    if type in UNTOLD:
        raise NotSupported(f"Subscriptions are not told of {type} resources.")
    if not mark or not query:
        return type, EVERYTHING
    return type, condition(type, query, place)


def _narrowed(of: Topic, said: str, place: Place) -> Filter:
    type, mark, query = said.partition("?")
    if not mark:
        type, query = of.type, said
    if type != of.type:
        raise InvalidParameter(f"The topic is about {of.type} resources: a filter searches them.")
    try:
        names = [name.partition(":")[0].partition(".")[0] for name, _ in decoded(query)]
    except ValueError:
        raise InvalidParameter("The filter is not a query in UTF-8.") from None
    if not names or not set(names) <= of.filters:
        raise NotSupported(f"The topic is narrowed by {', '.join(sorted(of.filters))}.")
    return condition(type, query, place)
