"""What can go wrong with a FHIRPath expression: it cannot be read, or it cannot be evaluated on this resource."""

from __future__ import annotations

from fhir_server.fhir.outcome import Invalid, Malformed


class MalformedExpression(Malformed):
    """The text is not FHIRPath; `position` is the index of the first character that is not understood, from 0."""

    code = "invalid"

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(f"Not a FHIRPath expression: {reason} at character {position + 1}.")
        self.position = position


class EvaluationError(Invalid):
    """The expression is FHIRPath and means nothing for this input: several items where one is needed, a wrong type."""

    code = "processing"
