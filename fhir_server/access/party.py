"""Who acts, as AuditEvents name them for people and for other systems: by name and national identifier too.

CSP R1111-43: a trace says which person, of which establishment. What a grant has are references of this server.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Coding of a profession: system, code, display.
Profession = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Named:
    """A person or an organization.

    Attributes:
        reference: "Practitioner/1".
        name: as people write it; "" when there is none.
        identifier: national: system and value; None when there is none.
    """

    reference: str
    name: str = ""
    identifier: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Party:
    """A professional who acts, as what, and for which organization.

    Attributes:
        person: who.
        profession: as the directory has it; None when it does not.
        organization: in the role they act in; None when none is known.
    """

    person: Named
    profession: Profession | None = None
    organization: Named | None = None
