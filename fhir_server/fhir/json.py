"""Reading and writing FHIR JSON without losing a digit, and replacing `id` and `meta` without touching the rest.

https://hl7.org/fhir/R4/json.html. Duplicate keys, NaN, lone surrogates and too deep nesting are refused here, once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from fhir_server.fhir.outcome import Malformed
from fhir_server.work.budget import BYTES, spend

#: What stands in `meta.lastUpdated` until the engine writes the instant of the commit over it.
PLACEHOLDER = "0000-00-00T00:00:00.000Z"
_META = b'"lastUpdated":"'
#: The mark some systems put before UTF-8; RFC 8259 §8.1 lets a reader pass over it.
BOM = b"\xef\xbb\xbf"

_encode = msgspec.json.Encoder(decimal_format="number").encode


class _Duplicate(ValueError):
    """A key that stands twice in one object."""


def parse(body: bytes, max_depth: int = 64) -> dict[str, Any]:
    """The JSON object in `body`, numbers with a fraction or exponent as `Decimal`.

    Raises:
        Malformed: not UTF-8, not JSON, not an object, a duplicate key, a lone surrogate, NaN, or nested deeper than
            `max_depth`.
        Exhausted: the request has read, and may judge, no more.
    """
    spend(len(body) // BYTES)
    found = _plain(body, max_depth)
    return _strict(body, max_depth) if found is None else found


def _plain(body: bytes, max_depth: int) -> dict[str, Any] | None:
    """As `parse`, of a body that `serialize` could have written; None of any other, right or wrong.

    Written again it gives the same bytes, white space between tokens apart: then no key stood twice, no number has lost
    a digit, and every character can be written. So most bodies are read by a compiled reader that looks for none of it.
    """
    if b"\\u" in body or b"\\/" in body:
        return None
    try:
        tree = _quick(body)
        written = _encode(tree)
        if written != body and written != msgspec.json.format(body, indent=-1):
            return None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if not isinstance(tree, dict):
        return None
    # Indented by one, a member stands after as many spaces as it is deep.
    nested = body.count(b"{") + body.count(b"[") > max_depth
    return None if nested and b"\n" + b" " * max_depth in msgspec.json.format(body, indent=1) else tree


def _strict(body: bytes, max_depth: int) -> dict[str, Any]:
    """As `parse`, of any body."""
    try:
        text = body.decode("utf-8-sig" if body.startswith(BOM) else "utf-8")
        tree = _decoder.decode(text.strip(" \t\r\n"))
    except UnicodeDecodeError:
        raise Malformed("The body is not UTF-8.") from None
    except _Duplicate as twice:
        raise Malformed(
            f"The key {json.dumps(str(twice))} stands twice in one object.", key="json-duplicate-key"
        ) from None
    except json.JSONDecodeError as error:
        raise Malformed(f"Not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise Malformed(f"Nested deeper than {max_depth} levels.", code="too-costly") from None
    except ValueError as error:
        raise Malformed(f"Not JSON: {error}.") from None
    return _bounded(tree, body, text, max_depth)


def serialize(tree: Mapping[str, Any]) -> bytes:
    """`tree` as compact JSON, decimals with the digits they were written with."""
    return _encode(tree)


def instant(ms: int) -> str:
    """`ms` since 1970 UTC as a FHIR instant of 24 characters."""
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z".rjust(24, "0")


def stamped(body: bytes, id: str, version: int) -> tuple[bytes, int]:
    """`body` with its `id` and `meta.versionId` set, and where its 24 bytes of `meta.lastUpdated` stand.

    `resourceType`, `id` and `meta` come first; all else keeps its bytes but for white space between tokens.

    Args:
        body: a resource that `parse` has accepted.
        id: its logical id.
        version: its new version number.
    """
    members = _members.decode(msgspec.json.format(body.removeprefix(BOM), indent=-1))
    meta = _members.decode(members["meta"]) if "meta" in members else {}
    meta.pop("versionId", None)
    meta.pop("lastUpdated", None)
    # A sibling such as `_lastUpdated` speaks of the value that is replaced.
    meta.pop("_versionId", None)
    meta.pop("_lastUpdated", None)
    head = b'{"resourceType":%s,"id":"%s","meta":{"versionId":"%d",' % (
        bytes(members.pop("resourceType")),
        id.encode(),
        version,
    )
    stamp = len(head) + len(_META)
    members.pop("id", None)
    members.pop("_id", None)
    members.pop("meta", None)
    rest = b"".join([b",%s:%s" % (_encode(k), bytes(v)) for k, v in members.items()])
    own = b"".join([b",%s:%s" % (_encode(k), bytes(v)) for k, v in meta.items()])
    return b'%s%s%s"%s}%s}' % (head, _META, PLACEHOLDER.encode(), own, rest), stamp


def begun(tree: Mapping[str, Any], id: str) -> tuple[bytes, int]:
    """As `stamped`, of the first version of a resource that was made here and has neither `id` nor `meta`."""
    type, head = tree["resourceType"], {"id": id, "meta": {"versionId": "1", "lastUpdated": PLACEHOLDER}}
    body = _encode({"resourceType": type, **head, **tree})
    return body, body.index(_META) + len(_META)


def _bounded(tree: Any, body: bytes, text: str, max_depth: int) -> dict[str, Any]:
    if not isinstance(tree, dict):
        raise Malformed("The body is not a JSON object.")
    if body.count(b"{") + body.count(b"[") > max_depth and _depth(tree) > max_depth:
        raise Malformed(f"Nested deeper than {max_depth} levels.", code="too-costly")
    if b"\\u" in body and not _encodable(text, tree):
        raise Malformed("A string holds a lone surrogate, which is not a character.")
    return tree


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        raise _Duplicate(next(k for k, _ in pairs if k in seen or seen.add(k)))  # type: ignore[func-returns-value]
    return found


def _decimal(text: str) -> Decimal:
    # decimal.Decimal reads any exponent; one beyond double range cannot be compared, converted or indexed.
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError("a number that cannot be represented") from None
    if number and not -400 < number.adjusted() < 400:
        raise ValueError("a number out of range")
    return number


def _integer(text: str) -> int:
    if len(text) > 400:
        raise ValueError("a number out of range")
    return int(text)


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is not a JSON value")


_decoder = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_float=_decimal, parse_int=_integer, parse_constant=_constant, strict=True
)
_quick = msgspec.json.Decoder(float_hook=_decimal).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _depth(tree: Any) -> int:
    level, depth = [tree], 0
    while level:
        depth += 1
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
    return depth


def _encodable(text: str, tree: Any) -> bool:
    # Only an escape can make a lone surrogate, since the text itself was valid UTF-8.
    if "\\ud" not in text and "\\uD" not in text:
        return True
    try:
        _encode(tree)
    except (UnicodeEncodeError, ValueError):
        return False
    return True
