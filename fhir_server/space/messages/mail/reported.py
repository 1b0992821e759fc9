"""What other servers and readers report of messages that went out as mail: read, not filed, not arrived.

A receipt of the professional is the message's `received`, said as the professional would; what failed is a note on it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from fhir_server.access.grant import OPEN, Grant
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import FhirError
from fhir_server.interactions.exchange import Request
from fhir_server.space.messages.mail.mailboxes import Holder
from fhir_server.space.messages.mail.names import named
from fhir_server.space.messages.mail.refusals import Refused
from fhir_server.space.messages.mail.reports import ERRORS, Report
from fhir_server.space.messages.model import Message, message_of
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import Refers, both

_JSON = "application/fhir+json"
#: What is told on the message, for people; the code stands behind it.
_WORDS = {
    "failed": "Ce message n'a pas pu être remis à son destinataire",
    "deleted": "Le destinataire a supprimé ce message, peut-être sans l'avoir lu",
    "error": "Le logiciel du destinataire n'a pas pu ranger ce message",
    "delayed": "La remise de ce message prend plus de temps que prévu",
}


class Reported:
    """What reports change, over one opened server."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    async def take(self, report: Report, patient: str, holder: Holder | None) -> None:
        """Write what a report says of a message of a patient's (id); one about no message here says nothing.

        Args:
            report: as it was read.
            patient: to whose address it came.
            holder: whose mailbox it comes from; None for a mail server's.

        Raises:
            Refused: not now.
        """
        found = await self._message(report.message_id, patient)
        if found is None or report.outcome is None:
            return
        try:
            if report.outcome != "received":
                await self.note(found, report.outcome, report.code)
            elif holder is not None and found.received is None:
                await self._received(found, holder.grant(patient))
        except FhirError as error:
            # That it was received already, or not by this professional, is nobody's to mend by coming again.
            if error.status >= 500:
                raise Refused("busy") from None

    async def note(self, message: Message, outcome: str, code: str) -> None:
        """Tell on a message what became of it; once for each outcome and code."""
        words = f"{_WORDS[outcome]}{f' ({code} : {ERRORS[code]})' if code in ERRORS else f' ({code})' if code else ''}."
        own = self._around.repository()
        version = await own.current("Communication", message.id)
        if version is None or version.deleted:
            return
        tree = parse(version.body)
        if any(one.get("text") == words for one in tree.get("note", ())):
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        tree["note"] = [*tree.get("note", ()), {"time": now, "text": words}]
        await self._write(tree, version.version, OPEN)

    async def _received(self, message: Message, grant: Grant) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        patch = msgspec.json.encode([{"op": "add", "path": "/received", "value": now}])
        request = Request(
            "PATCH", ("Communication", message.id), body=patch, content_type="application/json-patch+json"
        )
        await self._around.exchange(request, grant)

    async def _write(self, tree: dict[str, Any], version: int, grant: Grant) -> None:
        headers = {"if-match": f'W/"{version}"'}
        path = ("Communication", str(tree["id"]))
        await self._around.exchange(
            Request("PUT", path, body=serialize(tree), content_type=_JSON, headers=headers), grant
        )

    async def _message(self, name: str, patient: str) -> Message | None:
        own = self._around.repository()
        domain = self._around.settings.mail_domain
        where = both(named([name], domain), Refers("subject", f"Patient/{patient}"))
        page = await own.find({"Communication": where}, count=1)
        return next((message_of(parse(one.body), own.base) for one in page.versions), None)
