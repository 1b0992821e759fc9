"""The topics that may be subscribed to, as data: http://hl7.org/fhir/uv/subscriptions-backport, R5's SubscriptionTopic.

A Subscription names one in its `criteria`, and narrows it by filters: searches of the topic's resource, of one that was
deleted as it last was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_CANONICAL = "https://fhir-server.example/SubscriptionTopic"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic.

    Attributes:
        url: its canonical.
        title: in words.
        type: the resource type that it is about.
        interactions: "create", "update", "delete": those that make an event.
        filters: search parameters that it may be narrowed by.
    """

    url: str
    title: str
    type: str
    interactions: frozenset[str]
    filters: frozenset[str]


#: name, type, interactions, filters.
_TABLE = """
document            DocumentReference    create,update  patient,subject,type,category,author,date,status,identifier
new-document        DocumentReference    create         patient,subject,type,category,author,date,status,identifier
appointment         Appointment          create,update  patient,actor,practitioner,location,date,status,service-type
slot                Slot                 create,update  schedule,status,start,service-type
message             Communication        create,update  patient,subject,sender,recipient,status,category,part-of
message-request     CommunicationRequest create,update  patient,subject,sender,recipient,requester,status,category
observation         Observation          create,update  patient,subject,code,category,status,date
condition           Condition            create,update  patient,subject,code,category,clinical-status
allergy             AllergyIntolerance   create,update  patient,code,clinical-status
immunization        Immunization         create,update  patient,vaccine-code,status,date
medication          MedicationStatement  create,update  patient,subject,code,status
encounter           Encounter            create,update  patient,subject,status,class,type,date
consent             Consent              create,update  patient,category,status
patient             Patient              create,update  _id,identifier
task                Task                 create,update  patient,owner,requester,status,code
document-deleted    DocumentReference    delete         patient,subject,type,category,author,date,status,identifier
appointment-deleted Appointment          delete         patient,actor,practitioner,location,date,status,service-type
slot-deleted        Slot                 delete         schedule,status,start,service-type
message-deleted     Communication        delete         patient,subject,sender,recipient,status,category,part-of
observation-deleted Observation          delete         patient,subject,code,category,status,date
consent-deleted     Consent              delete         patient,category,status
"""


def _rows() -> Iterator[Topic]:
    for name, type, interactions, filters in (line.split() for line in _TABLE.strip().splitlines()):
        made = frozenset(interactions.split(","))
        title = f"{type}: {' and '.join(sorted(made))}"
        yield Topic(f"{_CANONICAL}/{name}", title, type, made, frozenset(filters.split(",")))


#: Canonical → topic.
TOPICS: Mapping[str, Topic] = {one.url: one for one in _rows()}


def topic(criteria: str) -> Topic | None:
    """The topic that criteria name, with a version or without; None where they are no canonical of one."""
    return TOPICS.get(criteria.partition("|")[0])


def names_topic(criteria: str) -> bool:
    """Whether criteria are a canonical, of whatever topic, rather than a search."""
    return "://" in criteria.partition("?")[0]


def listed() -> list[dict[str, Any]]:
    """The extension by which a CapabilityStatement lists topics."""
    url = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/capabilitystatement-subscriptiontopic-canonical"
    return [{"url": url, "valueCanonical": one} for one in TOPICS]
