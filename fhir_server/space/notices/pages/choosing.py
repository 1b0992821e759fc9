"""What somebody wants to be written of, and how: a box for each kind and channel."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi.responses import Response

from fhir_server.jobs.outbox import Channel
from fhir_server.site.service_pages import Words
from fhir_server.site.signed_in import Guest
from fhir_server.space.notices.occasions import KINDS, Kind
from fhir_server.space.notices.preferences import prefer, preferences
from fhir_server.space.service import Surroundings

#: Kind → what it is called.
WORDS: Mapping[Kind, Words] = {
    "message": ("Un nouveau message", "A new message"),
    "document": ("Un nouveau document", "A new document"),
    "appointment": ("Un rendez-vous ajouté ou modifié", "An appointment added or changed"),
    "service": ("Les services synchronisés", "Synchronised apps"),
    "screening": ("La prévention et les dépistages", "Prevention and screening"),
    "access": ("Qui consulte le dossier", "Who looks at the record"),
}


async def show(guest: Guest[Surroundings]) -> Response:
    """The page of what this person wants to hear of, and by which channel."""
    chosen = await preferences(guest.service.records, guest.account.subject)
    channels = guest.service.outbox.channels
    values = {
        "kinds": WORDS,
        "ticked": {channel: [kind for kind in KINDS if chosen.wants(kind, channel)] for channel in channels},
        "quiet": guest.service.settings.notices_quiet.split("-"),
        "done": guest.query("done") == "kept",
    }
    return guest.page("notices/choosing", values)


async def choose(guest: Guest[Surroundings]) -> Response:
    """What is ticked, kept."""
    wanted: dict[tuple[Kind, Channel], bool] = {}
    for channel in guest.service.outbox.channels:
        ticked = set(guest.given.get(channel, ()))
        wanted |= {(kind, channel): kind in ticked for kind in KINDS}
    await prefer(guest.service.records, guest.account.subject, wanted)
    return guest.to("/mes-notifications/preferences?done=kept")
