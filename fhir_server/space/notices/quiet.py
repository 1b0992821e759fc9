"""Hours in which nobody is written to, in Paris."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from fhir_server.space.paris import PARIS


def after_quiet(at: datetime, hours: str) -> datetime:
    """The first instant from `at` on that is not in the quiet hours; aware, UTC.

    Args:
        at: aware.
        hours: "21:00-08:00", from the first up to the second, over midnight where that is earlier; "" for none.
    """
    if not hours:
        return at
    start, end = map(time.fromisoformat, hours.split("-"))
    local = at.astimezone(PARIS)
    now = local.time()
    over_midnight = start >= end
    if not (now >= start or now < end if over_midnight else start <= now < end):
        return at
    day = local.date() + timedelta(days=int(over_midnight and now >= start))
    found = datetime.combine(day, end, PARIS)
    # An hour that comes twice, when summer time ends, ends quiet hours in the second, where the first is over.
    return (found if found.astimezone(UTC) > at else found.replace(fold=1)).astimezone(UTC)
