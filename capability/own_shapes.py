"""What several operations of this server's own take and give, as the standard writes parameters."""

from __future__ import annotations

from typing import Any

#: A patient's choice of the record, as operations take and give it.
CHOICE: dict[str, Any] = {
    "name": "choice",
    "use": "out",
    "min": 0,
    "max": "*",
    "part": [
        {"name": "kind", "use": "out", "min": 1, "max": "1", "type": "code"},
        {"name": "practitioner", "use": "out", "min": 0, "max": "1", "type": "Reference"},
        {"name": "chosen", "use": "out", "min": 0, "max": "1", "type": "boolean"},
        {"name": "since", "use": "out", "min": 0, "max": "1", "type": "dateTime"},
        {"name": "until", "use": "out", "min": 0, "max": "1", "type": "dateTime"},
        {"name": "by", "use": "out", "min": 0, "max": "1", "type": "Reference"},
    ],
}


#: Whether somebody is written to of one kind of thing by one channel.
PREFERENCE: dict[str, Any] = {
    "name": "preference",
    "use": "out",
    "min": 1,
    "max": "*",
    "part": [
        {"name": "kind", "use": "out", "min": 1, "max": "1", "type": "code"},
        {"name": "channel", "use": "out", "min": 1, "max": "1", "type": "code"},
        {"name": "on", "use": "out", "min": 1, "max": "1", "type": "boolean"},
    ],
}


#: Where somebody's space stands, and what the caller may have happen to it.
SPACE: list[dict[str, Any]] = [
    {"name": "state", "use": "out", "min": 1, "max": "1", "type": "code"},
    {"name": "since", "use": "out", "min": 0, "max": "1", "type": "dateTime"},
    {"name": "next", "use": "out", "min": 0, "max": "1", "type": "dateTime"},
    {"name": "deletionAsked", "use": "out", "min": 0, "max": "1", "type": "boolean"},
    {"name": "may", "use": "out", "min": 0, "max": "*", "type": "code"},
]


#: An emergency, as those who look through them are told.
EMERGENCY: dict[str, Any] = {
    "name": "emergency",
    "use": "out",
    "min": 0,
    "max": "*",
    "part": [
        {"name": "id", "use": "out", "min": 1, "max": "1", "type": "id"},
        {"name": "practitioner", "use": "out", "min": 1, "max": "1", "type": "Reference"},
        {"name": "patient", "use": "out", "min": 1, "max": "1", "type": "Reference"},
        {"name": "purpose", "use": "out", "min": 1, "max": "1", "type": "code"},
        {"name": "reason", "use": "out", "min": 0, "max": "1", "type": "string"},
        {"name": "first", "use": "out", "min": 1, "max": "1", "type": "instant"},
        {"name": "last", "use": "out", "min": 1, "max": "1", "type": "instant"},
        {"name": "count", "use": "out", "min": 1, "max": "1", "type": "integer"},
        {"name": "opened", "use": "out", "min": 1, "max": "1", "type": "boolean"},
        {"name": "reviewedBy", "use": "out", "min": 0, "max": "1", "type": "string"},
        {"name": "reviewedAt", "use": "out", "min": 0, "max": "1", "type": "instant"},
        {"name": "note", "use": "out", "min": 0, "max": "1", "type": "string"},
    ],
}


#: Something of prevention that is due at a patient's age, and what they say of it.
PREVENTION: dict[str, Any] = {
    "name": "item",
    "use": "out",
    "min": 0,
    "max": "*",
    "part": [
        {"name": "code", "use": "out", "min": 1, "max": "1", "type": "code"},
        {"name": "kind", "use": "out", "min": 1, "max": "1", "type": "code"},
        {"name": "title", "use": "out", "min": 1, "max": "1", "type": "string"},
        {"name": "reason", "use": "out", "min": 1, "max": "1", "type": "string"},
        {"name": "requirement", "use": "out", "min": 1, "max": "1", "type": "code"},
        {"name": "source", "use": "out", "min": 1, "max": "1", "type": "string"},
        {"name": "start", "use": "out", "min": 1, "max": "1", "type": "date"},
        {"name": "end", "use": "out", "min": 1, "max": "1", "type": "date"},
        {"name": "status", "use": "out", "min": 1, "max": "1", "type": "code"},
        {"name": "executed", "use": "out", "min": 0, "max": "1", "type": "date"},
        {"name": "refused", "use": "out", "min": 1, "max": "1", "type": "boolean"},
        {"name": "certificate", "use": "out", "min": 0, "max": "1", "type": "positiveInt"},
    ],
}
