"""Delegations whose end is past are ended: the Consent and RelatedPerson say so, and the accounts follow.

Nobody sees more until then: who acts for whom is judged by the period, at any moment (`space.acting`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError
from fhir_server.jobs.clock import Job
from fhir_server.space.delegations import ending, news, settling
from fhir_server.space.delegations.delegation import DELEGATION, from_consent
from fhir_server.space.delegations.ending import Asker
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import Range, Token, both

#: Delegations of one run; the next takes the rest.
_MOST = 1000


def jobs(around: Surroundings) -> Sequence[Job]:
    """What is done as time passes."""
    return (Job("delegations-ended", timedelta(hours=1), Ending(around).run), *news.jobs(around))


class Ending:
    """The delegations of one store."""

    def __init__(self, around: Surroundings) -> None:
        """Over one opened server."""
        self._around = around

    async def run(self, now: datetime) -> int:
        """End those whose end is past, and finish what was interrupted; how many there were."""
        own = self._around.repository()
        past = Range("period", high_to=round(now.timestamp() * 1_000_000) - 1)
        where = both(DELEGATION, Token("status", "active"), past)
        page = await own.find({"Consent": where}, count=_MOST)
        done = await settling.left(self._around, now)
        for version in page.versions:
            one = from_consent(parse(version.body))
            if one is None:
                continue
            try:
                async with settling.settled(self._around, one.id, one.patient, now):
                    await ending.end(own, one.id, Asker(one.delegate, one.by), now)
            except FhirError:
                # Somebody was faster.
                continue
            done += 1
        return done
