"""Long forms as browsers send them, files included: read as they come, bounded, what is too large of a file let go.

RFC 7578 (multipart/form-data), OWASP ASVS 12.1. The rest of a form whose file is too large is still read: what a person
typed is not lost with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import Request

from fhir_server.oauth.endpoints import FORM

#: The largest body that is read at all, the largest sum of its fields, in bytes, and how many fields it has.
BODY, FIELDS, MOST = 64 * 1024 * 1024, 1024 * 1024, 2000
_MULTIPART = "multipart/form-data"


@dataclass(slots=True)
class Sent:
    """A form.

    Attributes:
        fields: name → values, in order.
        files: name → (name of the file, its bytes; one byte more than is allowed of one that is larger) each, in order.
    """

    fields: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)


def is_form(request: Request) -> bool:
    """Whether the body is said to be a form."""
    return _kind(request) in (_MULTIPART, FORM)


async def sent(request: Request, largest: int) -> Sent | None:
    """The form; None when the body is none, or too large.

    Args:
        request: whose body it is.
        largest: file that is kept, in bytes.
    """
    kind = _kind(request)
    if kind == _MULTIPART:
        return await _multipart(request, request.headers["content-type"], largest)
    from urllib.parse import parse_qsl

    if kind != FORM:
        return None
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > FIELDS * 3:
            return None
    found = Sent()
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST)
    except ValueError:
        return None
    for name, value in pairs:
        found.fields.setdefault(name, []).append(_lines(value))
    return found


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _multipart(request: Request, kind: str, largest: int) -> Sent | None:
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartParser, parse_options_header

    _, options = parse_options_header(kind)
    reading = _Reading(parse_options_header, largest)
    size = 0
    try:
        parser = MultipartParser(options.get(b"boundary", b""), reading.callbacks())  # type: ignore[arg-type]
        async for part in request.stream():
            size += len(part)
            if size > BODY:
                return None
            parser.write(part)
        parser.finalize()
    except (FormParserError, _TooMuchError, UnicodeDecodeError):
        return None
    return reading.sent if reading.ended else None


class _TooMuchError(Exception):
    """More fields, or longer ones, than a form of ours has."""


class _Reading:
    """The parts of a form, taken as the parser finds them."""

    def __init__(self, options: object, largest: int) -> None:
        self.sent = Sent()
        self.ended = False
        self._options = options
        self._largest = largest
        self._header = [b"", b""]
        self._headers: dict[bytes, bytes] = {}
        self._data = bytearray()
        self._name, self._file, self._is_file = "", "", False
        self._total = self._count = 0

    def callbacks(self) -> dict[str, object]:
        """What the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_begin": self._header_begin,
            "on_header_field": lambda data, start, end: self._said(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._said(1, data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._named,
            "on_part_data": self._more,
            "on_part_end": self._part,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._headers, self._data, self._name, self._file = {}, bytearray(), "", ""
        self._count += 1
        if self._count > MOST:
            raise _TooMuchError

    def _header_begin(self) -> None:
        self._header = [b"", b""]

    def _said(self, which: int, data: bytes) -> None:
        self._header[which] += data

    def _header_end(self) -> None:
        self._headers[self._header[0].lower()] = self._header[1]

    def _named(self) -> None:
        _, options = self._options(self._headers.get(b"content-disposition", b""))  # type: ignore[operator]
        self._name = options.get(b"name", b"").decode()
        self._is_file = b"filename" in options
        self._file = options.get(b"filename", b"").decode(errors="replace")

    def _more(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._data += data[start : min(end, start + self._largest + 1 - len(self._data))]
            return
        self._total += end - start
        if self._total > FIELDS:
            raise _TooMuchError
        self._data += data[start:end]

    def _part(self) -> None:
        if self._is_file:
            if self._file or self._data:
                # Some browsers send the whole path: RFC 7578 §4.2 keeps its last part.
                name = self._file.replace("\\", "/").rpartition("/")[2]
                self.sent.files.setdefault(self._name, []).append((name, bytes(self._data)))
            return
        self.sent.fields.setdefault(self._name, []).append(_lines(self._data.decode()))

    def _end(self) -> None:
        self.ended = True


def _lines(value: str) -> str:
    """A value with line ends as we write them, and without the control characters that FHIR's string has not."""
    plain = value.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in plain if c in "\n\t" or (c.isprintable() or c == "\u00a0"))
