"""The address at which calendar programs ask: its row, and how often it may be asked."""

from __future__ import annotations

from pathlib import Path

from fhir_server.site.service_pages import Page, ServicePages
from fhir_server.smart.people.attempts import network
from fhir_server.space.messages.mail.floods import Floods
from fhir_server.space.service import Surroundings

#: Times within a minute that one address is answered, and that one network may ask for any.
OFTEN, MANY = 30, 300
ROWS = (Page("GET", "/calendar/{secret}.ics", "subscribing:answer", None),)


class Subscribing:
    """The address over one opened server, and how often it is asked here."""

    def __init__(self, around: Surroundings, often: int = OFTEN, many: int = MANY) -> None:
        """Limits are a minute's, of this process."""
        self.around = around
        self._often, self._many = Floods(often), Floods(many)

    def admits(self, secret: str, source: str) -> bool:
        """Whether one more request is within the limits."""
        return self._many.take(network(source)) and self._often.take(secret)


def pages(around: Surroundings) -> ServicePages:
    """The address over one opened server."""
    return ServicePages("agenda/calendar", __package__, Path(__file__).parent, ROWS, Subscribing(around))
