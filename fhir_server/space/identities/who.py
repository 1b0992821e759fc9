"""Who acts on identities: the operator's software, and its staff who administer. RNIV: an identity has its keepers.

Nobody else does: neither the person, who asks for a rectification, nor professionals, nor an app of the catalogue.
"""

from __future__ import annotations

from fhir_server.access.challenge import require_all
from fhir_server.access.grant import Grant
from fhir_server.access.write_rules import administers
from fhir_server.fhir.outcome import Forbidden, InvalidParameter
from fhir_server.operations.invocation import Invocation, element

#: Characters of a reason.
LONGEST = 500


def is_operator(grant: Grant) -> bool:
    """Whether a caller is the operator: its software, without a person, or an administrator of its staff."""
    # An app of the catalogue that an administrator signs in to is its publisher's software, not the operator's.
    return grant.own or administers(grant) or ("administrator" in grant.duties and not grant.referenced)


def require_operator(grant: Grant, verb: str) -> None:
    """Refuse everybody else, and who has no scope for it on every Patient.

    Raises:
        Forbidden: as said (403).
    """
    if not is_operator(grant) or grant.patient is not None:
        raise Forbidden("Identities are the operator's to keep: ask for a rectification.")
    require_all(grant, "Patient", verb)


def reason(call: Invocation) -> str:
    """The reason that was said.

    Raises:
        InvalidParameter: there is none, or it is too long (400).
    """
    said = (call.inputs.one("reason") or "").strip()
    if not 0 < len(said) <= LONGEST:
        raise InvalidParameter(f"A reason is needed, of {LONGEST} characters at most.", element("reason"))
    return said
