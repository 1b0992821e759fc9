"""What can go wrong, as FHIR says it: an HTTP status, an issue code, and which element it is about.

https://hl7.org/fhir/R4/operationoutcome.html, https://hl7.org/fhir/R4/valueset-issue-type.html,
https://hl7.org/fhir/R4/http.html#2.21.0.4. A kind of error is a subclass here: its two class attributes are its row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import msgspec

Severity = Literal["fatal", "error", "warning", "information"]


@dataclass(frozen=True, slots=True)
class Issue:
    """One row of an OperationOutcome.

    Attributes:
        severity: of http://hl7.org/fhir/ValueSet/issue-severity.
        code: of http://hl7.org/fhir/ValueSet/issue-type, e.g. "invalid".
        diagnostics: what is wrong in words, with no value of a patient's resource in it.
        expression: FHIRPath of the element (`Patient.name[0].family`), or `http.name` for a header or parameter.
        key: the rule that was broken (`pat-1`, `cardinality-min`), shown as `details.coding.code`.
        profile: canonical URL of the profile whose rule it is, where it is not the base type's.
        line: line in the XML or JSON source, from 1, where it is known; `column` likewise.
    """

    severity: Severity
    code: str
    diagnostics: str
    expression: str | None = None
    key: str | None = None
    profile: str | None = None
    line: int | None = None
    column: int | None = None

    def as_fhir(self) -> dict[str, Any]:
        """The issue as an element of `OperationOutcome.issue`."""
        issue: dict[str, Any] = {"severity": self.severity, "code": self.code}
        if self.profile or self.line is not None:
            issue = {"extension": list(self._extensions()), **issue}
        if self.key:
            issue["details"] = {"coding": [{"system": RULES, "code": self.key}], "text": self.diagnostics}
        issue["diagnostics"] = self.diagnostics
        if self.line is not None:
            issue["location"] = [f"line {self.line}, column {self.column or 1}"]
        if self.expression:
            issue["expression"] = [self.expression]
        return issue

    def _extensions(self) -> Iterable[dict[str, Any]]:
        # The extensions of the specification that carry a position and a source in a validator's answer.
        if self.line is not None:
            yield {"url": f"{STRUCTURE}operationoutcome-issue-line", "valueInteger": self.line}
            yield {"url": f"{STRUCTURE}operationoutcome-issue-col", "valueInteger": self.column or 1}
        if self.profile:
            yield {"url": f"{STRUCTURE}operationoutcome-issue-source", "valueString": self.profile}


STRUCTURE = "http://hl7.org/fhir/StructureDefinition/"
#: The code system of `Issue.key`: the invariants' own keys and this server's names for structural rules.
RULES = "https://fhir-server.example/CodeSystem/validation-rules"


def outcome(issues: Iterable[Issue]) -> dict[str, Any]:
    """An OperationOutcome resource holding `issues`, or one that says all is well when there are none."""
    rows = [issue.as_fhir() for issue in issues]
    return {"resourceType": "OperationOutcome", "issue": rows or [ALL_OK.as_fhir()]}


ALL_OK = Issue("information", "informational", "All OK")


class FhirError(Exception):
    """The only exception that crosses a room: it becomes an HTTP status and an OperationOutcome.

    Attributes:
        status: HTTP status code.
        code: issue code of http://hl7.org/fhir/ValueSet/issue-type.
        issues: at least one.
        headers: further response headers, e.g. `Allow` or `Retry-After`.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "exception"

    def __init__(
        self,
        diagnostics: str = "",
        expression: str | None = None,
        *,
        issues: Iterable[Issue] = (),
        code: str | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """One issue from `diagnostics` and `expression`, or all of `issues` at once."""
        self.issues = tuple(issues) or (Issue("error", code or self.code, diagnostics, expression, key),)
        self.headers = dict(headers or {})
        super().__init__(self.issues[0].diagnostics)

    def __reduce__(self) -> tuple[Any, ...]:
        """As it crosses to another process: the constructor's arguments are by name."""
        return _again, (type(self), self.args, self.__dict__)

    def placed(self, places: Mapping[str, str]) -> Self:
        """The same error, told at other elements.

        Args:
            places: FHIRPath of an element → of the one that is told in its stead.
        """
        if not any(issue.expression in places for issue in self.issues):
            return self
        made = copy(self)
        made.issues = tuple(
            replace(one, expression=places.get(one.expression or "", one.expression)) for one in self.issues
        )
        return made

    def body(self) -> bytes:
        """The OperationOutcome of its issues, as JSON in UTF-8."""
        return msgspec.json.encode(outcome(self.issues))


def _again(kind: type[FhirError], args: tuple[Any, ...], attributes: Mapping[str, Any]) -> FhirError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


class Malformed(FhirError):
    """The body or URL cannot be read as FHIR at all: not JSON, a bad id, a bad parameter value."""

    status = 400
    code = "structure"


class InvalidParameter(FhirError):
    """A search or operation parameter that is not understood, or whose value is not of its type."""

    status = 400
    code = "invalid"


class NotSupported(FhirError):
    """Understood, and not done by this server (strict handling of an unknown parameter included)."""

    status = 400
    code = "not-supported"


class Unauthorized(FhirError):
    """No token, or one that is not valid."""

    status = 401
    code = "login"


class Forbidden(FhirError):
    """The caller's token does not carry the scope; the caller knows their token, so this says so."""

    status = 403
    code = "forbidden"


class NotFound(FhirError):
    """Absent, or hidden from this caller: the two answer alike."""

    status = 404
    code = "not-found"


class MethodNotAllowed(FhirError):
    """The interaction is not offered for this type; `Allow` names those that are."""

    status = 405
    code = "not-supported"


class NotAcceptable(FhirError):
    """No representation the client accepts."""

    status = 406
    code = "not-supported"


class Conflict(FhirError):
    """The write collides with another, or with references that would dangle."""

    status = 409
    code = "conflict"


class Gone(FhirError):
    """The resource was here and is deleted."""

    status = 410
    code = "deleted"


class PreconditionFailed(FhirError):
    """`If-Match`, `If-None-Match: *` or a condition with several matches."""

    status = 412
    code = "conflict"


class MultipleMatches(PreconditionFailed):
    """A conditional interaction matched more than one resource."""

    code = "multiple-matches"


class TooLarge(FhirError):
    """The body or bundle is over the limit in the settings."""

    status = 413
    code = "too-long"


class UnsupportedMediaType(FhirError):
    """The body's Content-Type is not one this interaction reads."""

    status = 415
    code = "not-supported"


class Invalid(FhirError):
    """Well formed, and against the rules of its type, a profile or the space."""

    status = 422
    code = "invalid"


class TooManyRequests(FhirError):
    """The caller or the server is over its rate; `Retry-After` says when to come back (seconds)."""

    status = 429
    code = "throttled"


class TooCostly(FhirError):
    """A query that would touch more than the settings allow."""

    status = 400
    code = "too-costly"


class Damaged(FhirError):
    """What was stored is not there any more as it was stored: the disk has lost or changed it. None of it is given."""

    status = 500
    code = "exception"


class Unavailable(FhirError):
    """The store is busy, locked or read-only for now; `Retry-After` in seconds."""

    status = 503
    code = "transient"


class InsufficientStorage(FhirError):
    """The disk is full."""

    status = 507
    code = "no-store"
