"""Operations of this server's own on who acts for whom."""

from __future__ import annotations

from typing import Any

#: Somebody who acts for the patient, or for whom they act.
DELEGATION: dict[str, Any] = {
    "name": "delegation",
    "use": "out",
    "min": 0,
    "max": "*",
    "part": [
        {"name": "id", "use": "out", "min": 1, "max": "1", "type": "id"},
        {"name": "kind", "use": "out", "min": 1, "max": "1", "type": "code"},
        {"name": "direction", "use": "out", "min": 1, "max": "1", "type": "code"},
        {"name": "status", "use": "out", "min": 1, "max": "1", "type": "code"},
        {"name": "person", "use": "out", "min": 1, "max": "1", "type": "string"},
        {"name": "created", "use": "out", "min": 0, "max": "1", "type": "dateTime"},
        {"name": "expires", "use": "out", "min": 0, "max": "1", "type": "dateTime"},
        {"name": "start", "use": "out", "min": 0, "max": "1", "type": "dateTime"},
        {"name": "end", "use": "out", "min": 0, "max": "1", "type": "dateTime"},
    ],
}
_WHICH: dict[str, Any] = {"name": "delegation", "use": "in", "min": 1, "max": "1", "type": "id"}


_KIND: dict[str, Any] = {"name": "kind", "use": "in", "min": 0, "max": "1", "type": "code"}
_REASON: dict[str, Any] = {"name": "reason", "use": "in", "min": 0, "max": "1", "type": "string"}
#: Who somebody is.
_IDENTITY: tuple[dict[str, Any], ...] = (
    {"name": "ins", "use": "in", "min": 1, "max": "1", "type": "string"},
    {"name": "given", "use": "in", "min": 1, "max": "1", "type": "string"},
    {"name": "family", "use": "in", "min": 1, "max": "1", "type": "string"},
    {"name": "birthDate", "use": "in", "min": 1, "max": "1", "type": "date"},
)


def _operation(code: str, name: str, *parameters: dict[str, Any], affects: bool = True) -> dict[str, Any]:
    return {
        "id": f"Patient-{code}",
        "name": name,
        "code": code,
        "affectsState": affects,
        "resource": ["Patient"],
        "instance": True,
        "parameter": list(parameters),
    }


DELEGATIONS: tuple[dict[str, Any], ...] = (
    _operation("delegations", "Delegations", DELEGATION, affects=False),
    _operation(
        "delegation-match",
        "DelegationMatch",
        *_IDENTITY,
        _KIND,
        {"name": "transaction", "use": "out", "min": 1, "max": "1", "type": "string"},
        {"name": "expires", "use": "out", "min": 1, "max": "1", "type": "dateTime"},
    ),
    _operation(
        "delegation-invite",
        "DelegationInvite",
        {"name": "transaction", "use": "in", "min": 1, "max": "1", "type": "string"},
        {"name": "end", "use": "in", "min": 0, "max": "1", "type": "date"},
        _KIND,
        {"name": "declaration", "use": "in", "min": 0, "max": "1", "type": "boolean"},
        DELEGATION,
    ),
    _operation(
        "delegation-answer",
        "DelegationAnswer",
        _WHICH,
        {"name": "accept", "use": "in", "min": 1, "max": "1", "type": "boolean"},
        DELEGATION,
    ),
    _operation("delegation-end", "DelegationEnd", _WHICH, _REASON, DELEGATION),
    _operation("delegation-attach", "DelegationAttach", *_IDENTITY, DELEGATION),
)
