"""What a Subscription's criteria choose: a search of one type, as https://hl7.org/fhir/R4/subscription.html has it."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.outcome import InvalidParameter, NotSupported, TooCostly
from fhir_server.search.asking.query import Place, condition, decoded
from fhir_server.store.filters import EVERYTHING, And, Filter, Id, Linked, LinkedFrom, Not, Or, both
from fhir_server.subscriptions.topics import Topic, names_topic, topic

#: Types that nobody is told of: telling makes them, and would go round in circles.
UNTOLD = frozenset({"AuditEvent", "Subscription"})


ANY = frozenset({"create", "update"})
#: Conditions of the criteria, each value of an "or" counted: they are judged of every version that anybody
#: writes of the type, where those of a search are looked up once.
MOST_CONDITIONS = 200


def compiled(criteria: str, filters: Sequence[str], place: Place) -> tuple[str, Filter]:
    """The type that is told of, and the filter of its resources.

    Args:
        criteria: `Type`, `Type?` and a query, or the canonical of a topic.
        filters: searches that narrow the topic: all are to be met.
        place: whose base and search parameters count, and whose caller must be allowed to search what it links to.

    Raises:
        InvalidParameter, NotSupported: not understood, or of a type that nobody is told of.
        Forbidden: of a type that the caller may not search.
        TooCostly: more than `MOST_CONDITIONS`.
    """
    type, found = _read(criteria, filters, place)
    if _conditions(found) > MOST_CONDITIONS:
        raise TooCostly(f"Criteria have {MOST_CONDITIONS} conditions at most, each value counted.")
    return type, found


def _read(criteria: str, filters: Sequence[str], place: Place) -> tuple[str, Filter]:
    if names_topic(criteria):
        found = topic(criteria)
        if found is None:
            raise NotSupported("This server has no such topic: its CapabilityStatement lists those that it has.")
        return found.type, both(*(_narrowed(found, one, place) for one in filters))
    if filters:
        raise InvalidParameter("Criteria that are a search have no further filters: they are of topics.")
    return _searched(criteria, place)


def _conditions(where: Filter) -> int:
    """How many conditions a filter has, those of what it links to among them."""
    match where:
        case And(parts) | Or(parts):
            return sum(map(_conditions, parts))
        case Not(part):
            return _conditions(part)
        case Id(ids):
            return len(ids)
        case Linked() | LinkedFrom():
            # What is linked to is read for each version.
            return 10 + _conditions(where.where)
    return 1


def interactions(criteria: str) -> frozenset[str]:
    """What makes an event: "create", "update", "delete". Of R4's own criteria a deletion is none."""
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
