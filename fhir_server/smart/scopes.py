"""SMART scopes, as `access.scopes` has them: read, met and compiled."""

from fhir_server.access.scopes import (
    LONGEST,
    REFRESHED,
    SPECIAL,
    Level,
    Resources,
    compiled,
    meet,
    of_levels,
    read,
    split,
    understood,
)

__all__ = [
    "LONGEST",
    "REFRESHED",
    "SPECIAL",
    "Level",
    "Resources",
    "compiled",
    "meet",
    "of_levels",
    "read",
    "split",
    "understood",
]
