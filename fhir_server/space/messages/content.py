"""Files of messages stay what was sent: none changes by itself, and none is put under a message that was sent.

https://hl7.org/fhir/R4/binary.html#security: whoever writes a Binary may say under what it is read. By that anybody of
an exchange would put a file of their own under what another sent.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.access import binaries
from fhir_server.access.write_rules import people
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Invalid, MethodNotAllowed
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Among, Change, Extra
from fhir_server.space.messages.model import DRAFT, local
from fhir_server.store.matching import unpack

_SENT = "A message that was sent has the files that it was sent with."


async def kept(context: Context, change: Change) -> None:
    """Refuse that a file of a message is changed or deleted by itself.

    Raises:
        MethodNotAllowed: (405).
    """
    if change.as_server or change.before is None or change.before.deleted:
        return
    holders = {type for type, _ in binaries.contexts(unpack(change.before.packed))}
    if "Communication" in holders and people(context.repository.grant):
        raise MethodNotAllowed("A file of a message does not change.", "Binary", headers={"Allow": "GET, HEAD"})


async def complete(context: Context, changes: Sequence[Change], among: Among) -> Extra:
    """Nothing is added: files that are put under a message which was sent are refused.

    Of a message that their writer does not see nothing is said here: they are refused as under one that is not there.

    Raises:
        Invalid: naming what the file would be under (422).
    """
    if not people(context.repository.grant):
        return Extra()
    for change in changes:
        if change.tree is None or change.as_server:
            continue
        type, _, id = local(change.tree.get("securityContext"), context.base).partition("/")
        if type == "Communication" and await _was_sent(context, id):
            raise Invalid(_SENT, "Binary.securityContext", code="business-rule", key="message-final")
    return Extra()


async def _was_sent(context: Context, id: str) -> bool:
    """Whether a message is no draft, and the caller may write it: as it is stored, whatever the same commit says."""
    repository = context.repository
    version = await repository.as_server().current("Communication", id)
    if version is None or version.deleted or not await repository.sees(version, binaries.asked("c")):
        return False
    return parse(version.body).get("status") != DRAFT
