"""What goes with a message, as a page shows it: files, and documents of the record as far as the reader sees them.

https://hl7.org/fhir/R4/communication-definitions.html#Communication.payload.content_x_: a document that is referred to
stays the record's, and who reads the message is held to the record's rules of who sees it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fhir_server.space.messages.model import Message
from fhir_server.space.messages.pages.correspondents import Correspondent
from fhir_server.space.record.pages.documents import sheets

_DOCUMENT = "DocumentReference/"
#: Documents of one search.
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Enclosed:
    """A file or document of a message.

    Attributes:
        place: its number among the parts of the message.
        title: what it is called; "" where that is not known to the reader.
        size: in bytes; 0 where it is not said.
        is_file: whether it is a file of the message itself.
        path: of its page or content, from the root.
    """

    place: int
    title: str
    size: int
    is_file: bool
    path: str


async def enclosed(here: Correspondent, messages: Iterable[Message]) -> dict[str, list[Enclosed]]:
    """What goes with messages, by their id.

    A document that the reader does not see is none here, as one that is not there: the server leaves it out of what it
    answers. Its title is looked for on the patient's side; a professional's page leads to the record's own.
    """
    some = list(messages)
    titles = await _titles(here, some) if here.side == "patient" else {}
    return {one.id: _of(here, one, titles) for one in some}


def _of(here: Correspondent, message: Message, titles: Mapping[str, str]) -> list[Enclosed]:
    found, patient = [], message.patient.rpartition("/")[2]
    record = f"/mon-dossier/{patient}" if here.side == "patient" else f"/patients/{patient}"
    for one in message.attached:
        type, _, id = one.reference.partition("/")
        if type == "Binary":
            path = f"{here.path}/{message.first}/{message.id}/{one.place}"
            found.append(Enclosed(one.place, one.title, one.size or 0, True, path))
        elif type == "DocumentReference":
            found.append(Enclosed(one.place, titles.get(id, one.title), 0, False, f"{record}/document/{id}"))
    return found


async def _titles(here: Correspondent, messages: Iterable[Message]) -> dict[str, str]:
    named = [one.reference for message in messages for one in message.attached]
    ids = list(dict.fromkeys(one.removeprefix(_DOCUMENT) for one in named if one.startswith(_DOCUMENT)))
    found: dict[str, str] = {}
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        shown, _ = await sheets(here.asking, [("_id", ",".join(some))], len(some))
        found |= {one.id: one.title for one in shown}
    return found
