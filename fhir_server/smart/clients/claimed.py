"""Which client a request says it is from, nothing of it believed: for the AuditEvent of one that was refused.

RFC 6749 §2.3.1, RFC 7523 §2.2
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import unquote

import msgspec

from fhir_server.smart.bearer import credentials

#: The longest assertion that is looked into, in characters.
LONGEST = 8_000


def claimed(form: Mapping[str, str], header: str) -> str:
    """The client id of a form, of a Basic header, or the issuer of an assertion; "" without any."""
    if form.get("client_id"):
        return form["client_id"]
    if (pair := credentials(header, "basic")) is not None:
        return unquote(_decoded(pair).partition(":")[0])
    parts = form.get("client_assertion", "")[:LONGEST].split(".")
    try:
        return msgspec.json.decode(_decoded(parts[1]), type=_Claims).iss if len(parts) == 3 else ""
    except msgspec.MsgspecError:
        return ""


class _Claims(msgspec.Struct):
    iss: str


def _decoded(text: str) -> str:
    try:
        padded = text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4)
        return base64.b64decode(padded, validate=True).decode()
    except ValueError:
        return ""
