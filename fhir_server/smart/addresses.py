"""Where the authorization server answers, seen from a FHIR base.

RFC 8414 §2: the issuer is the server's root, so that clients find everything from one URL.
"""

from __future__ import annotations

from dataclasses import dataclass

FHIR = "/fhir"


@dataclass(frozen=True, slots=True)
class Addresses:
    """The absolute URLs of one public base.

    Attributes:
        base: the FHIR base, without a final slash: the audience of every token.
    """

    base: str

    @property
    def issuer(self) -> str:
        """The issuer, in tokens, discovery and `iss` of authorization responses (RFC 9207)."""
        return self.base.removesuffix(FHIR)

    def at(self, name: str) -> str:
        """The URL of an endpoint, e.g. "token"."""
        return f"{self.issuer}/auth/{name}"
