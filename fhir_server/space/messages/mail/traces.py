"""The AuditEvents of mails that were refused before FHIR heard of them; what FHIR refuses leaves its own.

CSP R1111-43. Neither the patient's address nor anything of the mail is in one; the sender is named where the directory
knows them.
"""

from __future__ import annotations

from fhir_server.audit.audit_event import Event, to_audit_event
from fhir_server.audit.kinds import DCM, Code, EventKind
from fhir_server.audit.recording import record
from fhir_server.space.messages.mail.floods import Floods
from fhir_server.space.messages.mail.mailboxes import CLIENT, holder_of
from fhir_server.space.messages.mail.refusals import ANSWERS, Rule
from fhir_server.space.service import Surroundings

REFUSED = EventKind(
    Code(DCM, "110113", "Security Alert"),
    Code("https://fhir-server.example/CodeSystem/ens-access-event", "mail-refused", "Mail refused"),
    "E",
)
#: Refusals of one server that are traced within a minute: who floods does not fill the traces.
_MOST_A_MINUTE = 60


class Traces:
    """Of one opened server."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._floods = Floods(_MOST_A_MINUTE)

    async def refused(self, rule: Rule, sender: str, peer: str) -> None:
        """Note that a mail was refused.

        Args:
            rule: why; what FHIR itself refused ("rules") is traced by it.
            sender: of the envelope; "" where it is null.
            peer: address of the server that sent it.
        """
        if rule == "rules" or not self._floods.take(peer):
            return
        own = self._around.repository()
        holder = await holder_of(own, sender, self._around.cache) if sender else None
        event = Event(
            REFUSED,
            self._around.settings.base_url or "fhir-server",
            subject=holder.person if holder is not None else None,
            client=CLIENT,
            address=peer,
            outcome="4",
            described=f"{ANSWERS[rule].words} [{rule}]",
        )
        await record(own, [to_audit_event(event)])
