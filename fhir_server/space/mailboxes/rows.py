"""The rows a mailbox is found by beside those of search parameters: by the server itself, and as the guide asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_server.space.mailboxes.model import MAIL_TYPES, mailboxes
from fhir_server.store.filters import Word

#: By the address, also of the red list: no search of a caller asks for it.
MAILBOX = "_mailbox"
#: The guide's examples look for a type (TRE_R257) under the system of kinds of mail (TRE_R256).
_TYPE = "mailbox-mss-type"


def rows(tree: dict[str, Any], base: str) -> Iterator[Word]:
    """The rows of a resource's mailboxes."""
    red = {one.name for one in mailboxes(tree) if one.red}
    for one in mailboxes(tree):
        if one.name:
            yield Word(MAILBOX, one.name)
        if one.type and one.name not in red:
            yield Word(_TYPE, one.type.casefold(), MAIL_TYPES)
