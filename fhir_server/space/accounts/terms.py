"""The terms of use that a person accepts when they activate their space: which version is in force."""

from __future__ import annotations

#: Kept with the step by which somebody activated their space; a new version is another text.
TERMS = "2026-11"
