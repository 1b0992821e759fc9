"""The day it is in the invented population: documents are before it, appointments around it."""

from __future__ import annotations

from datetime import date

#: Today, when none is given: so that the same command gives the same bytes on any day.
REFERENCE_DAY = date(2026, 6, 30)
