"""The zone in which months, birthdays and quiet hours are counted."""

from __future__ import annotations

from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")
