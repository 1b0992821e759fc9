"""What an Attachment says of its data: how long it is, and its digest.

https://hl7.org/fhir/R4/datatypes.html#Attachment: `size` counts the bytes before they are written as base64, and `hash`
is the SHA-1 of them, itself in base64.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from fhir_server.validation.rules import ruled

Schema = dict[str, Any]
KEYWORD = "x-data"


def _size(data: bytes, size: Any) -> bool:
    return bool(len(data) == size)


def _hash(data: bytes, digest: Any) -> bool:
    said = _decoded(digest)
    # Another digest than SHA-1 cannot be told from a wrong one by its length alone, and is as wrong.
    return said is None or said == hashlib.sha1(data, usedforsecurity=False).digest()


#: Property → whether it agrees with the data.
_CHECKS: Mapping[str, Callable[[bytes, Any], bool]] = {"size": _size, "hash": _hash}


def _agreeing(name: str, text: str) -> Schema:
    rule = ruled({KEYWORD: name}, f"attachment-{name}", text, name)
    # Few have data: of all others one property is asked for.
    return {"dependentSchemas": {"data": {"dependentSchemas": {name: rule}}}}


#: What is asked of an Attachment with data.
CONTENT: tuple[Schema, ...] = (
    _agreeing("size", "Not the size of the data"),
    _agreeing("hash", "Not the SHA-1 digest of the data"),
)


class OfData:
    """The custom keyword `x-data`, in the shape jsonschema-rs asks for; its value is `size` or `hash`."""

    def __init__(self, parent_schema: dict[str, Any], value: Any, schema_path: list[str | int]) -> None:
        """Hold the property's name."""
        self.name: str = value

    def validate(self, instance: Any) -> None:
        """Raise ValueError when it does not agree with the data; what is no base64 is another rule's."""
        data = _decoded(instance.get("data")) if isinstance(instance, dict) else None
        if data is not None and not _CHECKS[self.name](data, instance.get(self.name)):
            raise ValueError(self.name)


def _decoded(text: Any) -> bytes | None:
    try:
        return binascii.a2b_base64(text) if isinstance(text, str) else None
    except (binascii.Error, ValueError):
        return None
