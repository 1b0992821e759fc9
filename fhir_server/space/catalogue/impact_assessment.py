"""The impact assessment (DPIA) that comes with a file: known by its own bytes, kept as a Binary beside the Task.

https://hl7.org/fhir/R4/binary.html#security: its `securityContext` is the Task, so that whoever may not read the file
may not read it either. The Task holds an Attachment without data: lists of files stay small.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

#: The largest assessment, in bytes.
LARGEST = 4 * 1024 * 1024
#: Media type → how a file of it begins, and where.
_BEGINNINGS: Mapping[str, tuple[int, bytes]] = {
    "application/pdf": (0, b"%PDF-"),
    "application/vnd.oasis.opendocument.text": (30, b"mimetypeapplication/vnd.oasis.opendocument.text"),
}
#: Media types that an assessment may have.
KINDS = tuple(_BEGINNINGS)
_LONGEST_TITLE = 200


@dataclass(frozen=True, slots=True)
class Attached:
    """A file as it was sent; what its sender says it is, is not asked.

    Attributes:
        title: shown to those who read it.
        data: its bytes.
    """

    title: str
    data: bytes

    @property
    def kind(self) -> str | None:
        """Its media type, by its first bytes; None when it is none of `KINDS`."""
        found = (name for name, (at, mark) in _BEGINNINGS.items() if self.data[at : at + len(mark)] == mark)
        return next(found, None)

    def attachment(self, binary: str, at: datetime) -> dict[str, Any]:
        """The Attachment that speaks of it, its bytes being in Binary/`binary`."""
        said = {"contentType": self.kind, "title": " ".join(self.title.split())[:_LONGEST_TITLE]}
        return {
            **{name: value for name, value in said.items() if value},
            "url": f"Binary/{binary}",
            "size": len(self.data),
            "hash": b64encode(hashlib.sha1(self.data, usedforsecurity=False).digest()).decode(),
            "creation": at.isoformat(timespec="seconds"),
        }

    def resource(self, task: str) -> dict[str, Any]:
        """The Binary that it is kept as."""
        return {
            "resourceType": "Binary",
            "contentType": self.kind,
            "securityContext": {"reference": f"Task/{task}"},
            "data": b64encode(self.data).decode(),
        }


def sent(attachment: Mapping[str, Any]) -> Attached | None:
    """What an Attachment carries; None when that is not base64, or nothing."""
    title, data = attachment.get("title", ""), attachment.get("data")
    if not isinstance(title, str) or not isinstance(data, str):
        return None
    try:
        # R4 datatypes.html#base64Binary: white space may stand between the characters.
        found = b64decode("".join(data.split()), validate=True)
    except (Error, ValueError):
        return None
    return Attached(title, found) if found else None
