"""The operations on identities: their change, `$merge` as R5 publishes it, and what takes it back."""

from __future__ import annotations

from typing import Any


def _in(name: str, type: str, min: int = 0, max: str = "1") -> dict[str, Any]:
    return {"name": name, "use": "in", "min": min, "max": max, "type": type}


def _out(name: str, type: str, min: int = 0, max: str = "1") -> dict[str, Any]:
    return {**_in(name, type, min, max), "use": "out"}


def _on(id: str, name: str, code: str, changes: bool, *parameter: dict[str, Any], **more: Any) -> dict[str, Any]:
    said = {"id": id, "name": name, "code": code, "affectsState": changes, "resource": ["Patient"]}
    return {**said, "instance": True, **more, "parameter": list(parameter)}


_STEP = {
    "name": "step",
    "use": "out",
    "min": 0,
    "max": "*",
    "part": [
        _out("event", "code", 1),
        _out("at", "dateTime", 1),
        _out("reason", "string", 1),
        _out("performer", "Reference"),
    ],
}

_REQUEST = {
    "name": "request",
    "use": "out",
    "min": 0,
    "max": "*",
    "part": [
        _out("id", "id", 1),
        _out("patient", "Reference", 1),
        _out("about", "code", 1),
        _out("words", "string", 1),
        _out("asked", "dateTime", 1),
        _out("due", "dateTime", 1),
        _out("late", "boolean", 1),
        _out("state", "code", 1),
        _out("at", "dateTime", 1),
        _out("document", "Reference"),
        _out("answer", "string"),
    ],
}
_OTHER = {
    "name": "other",
    "use": "out",
    "min": 0,
    "max": "*",
    "part": [_out("patient", "Reference", 1), _out("kind", "code", 1)],
}
_PAIR = (
    _in("source-patient", "Reference"),
    _in("source-patient-identifier", "Identifier", max="*"),
    _in("target-patient", "Reference"),
    _in("target-patient-identifier", "Identifier", max="*"),
    _in("preview", "boolean"),
    _in("reason", "string"),
)
_OUTCOME = (
    _out("input", "Parameters", 1),
    _out("outcome", "OperationOutcome", 1),
    _out("result", "Patient"),
)

IDENTITIES: tuple[dict[str, Any], ...] = (
    _on(
        "Patient-change-identity",
        "ChangeIdentity",
        "change-identity",
        True,
        _in("how", "code", 1),
        _in("identity", "Patient"),
        _in("reason", "string", 1),
        _out("return", "Patient", 1),
    ),
    _on("Patient-identity-history", "IdentityHistory", "identity-history", False, _STEP),
    _on(
        "Patient-refile",
        "Refile",
        "refile",
        True,
        _in("to", "Reference", 1),
        _in("resource", "Reference", 1, "*"),
        _in("reason", "string", 1),
        _out("resource", "Reference", 1, "*"),
    ),
    _on("Patient-homonyms", "Homonyms", "homonyms", False, _out("count", "unsignedInt", 1), _OTHER),
    _on(
        "Patient-rectify",
        "Rectify",
        "rectify",
        True,
        _in("about", "code", 1),
        _in("words", "string", 1),
        _in("document", "Reference"),
        _REQUEST,
    ),
    _on("Patient-rectifications", "Rectifications", "rectifications", False, _REQUEST, type=True),
    _on(
        "Patient-rectification-answer",
        "RectificationAnswer",
        "rectification-answer",
        True,
        _in("request", "id", 1),
        _in("event", "code", 1),
        _in("answer", "string"),
        _REQUEST,
    ),
    _on(
        "Patient-merge",
        "Merge",
        "merge",
        True,
        *_PAIR,
        _in("result-patient", "Patient"),
        *_OUTCOME,
        type=True,
        instance=False,
        base="http://hl7.org/fhir/OperationDefinition/Patient-merge",
    ),
    _on(
        "Patient-unmerge",
        "Unmerge",
        "unmerge",
        True,
        *_PAIR,
        _in("later", "code"),
        _in("also", "Reference", max="*"),
        *_OUTCOME,
        type=True,
        instance=False,
    ),
)
