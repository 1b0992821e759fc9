"""Reads a mail out of bytes that nobody vouches for: bounded before it is taken apart, refused where it is malformed.

RFC 5322, RFC 2045 to 2047, RFC 2231. All of it is work of milliseconds to a second, for a thread.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import errors, policy
from email.message import Message
from email.parser import BytesFeedParser
from email.utils import getaddresses, parsedate_to_datetime

from lxml import etree, html

from fhir_server.space.messages.mail.headers import MSS, charset, message_ids, words
from fhir_server.space.messages.mail.long_bodies import put_back, shortened
from fhir_server.space.messages.mail.refusals import Refused

#: Bytes of all headers, of one of them; how many of them; of each part likewise.
LONGEST_HEADERS, LONGEST_HEADER, MOST_HEADERS = 131_072, 16_384, 500
#: Parts of a mail, and parts inside one another.
MOST_PARTS, DEEPEST = 100, 8
#: Characters of text that are kept; a message of FHIR has fewer, which its own rule says.
LONGEST_TEXT = 200_000
#: Bytes of HTML that are made into text.
LONGEST_HTML = 2_000_000
#: Servers that a mail went through (RFC 5321 §6.3).
MOST_HOPS = 50
#: What says that a part has others inside it; a boundary may itself come in parts ("boundary*0=", RFC 2231).
_BOUNDARY, _MESSAGE = re.compile(rb"boundary[\s*0-9]*="), b"message/"
#: Characters of a line without its CR LF (RFC 5322 §2.1.1), with two more for who counts otherwise.
_LONGEST_LINE = 1_000
#: Bytes that the library's reader is given at once: given all, it holds four copies.
_PIECE = 65_536
_MALFORMED = (
    errors.NoBoundaryInMultipartDefect,
    errors.StartBoundaryNotFoundDefect,
    errors.CloseBoundaryNotFoundDefect,
    errors.MultipartInvariantViolationDefect,
    errors.InvalidMultipartContentTransferEncodingDefect,
    errors.FirstHeaderLineIsContinuationDefect,
    errors.MissingHeaderBodySeparatorDefect,
)
#: Headers of which there is one at most (RFC 5322 §3.6): of two, each reader takes another.
_ONCE = ("From", "Sender", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "References", *MSS)
_WHITE = b" \t\r\n"
_ATOMS = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*"
#: One address as nearly all are written, with what its holder is called or without; else the library's reader is asked.
_PLAIN = re.compile(rf"(?:[ \w.'=?-]*<({_ATOMS})>|({_ATOMS})) *", re.ASCII).fullmatch
_ENCODINGS = frozenset({"", "7bit", "8bit", "binary", "base64", "quoted-printable"})


@dataclass(frozen=True, slots=True)
class File:
    """A file of a mail.

    Attributes:
        name: as it is written, without a folder; "" without one.
        kind: media type, lower case.
        content: the bytes.
    """

    name: str
    kind: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it was read.

    Attributes:
        message_id: without angle brackets; "" without one.
        answers: Message-IDs of `In-Reply-To`, then of `References` from the latest, each once.
        sender: address of `From`, lower case; "" where there is none, or several.
        recipients: addresses of `To` and `Cc`, lower case.
        subject: as it is written, decoded.
        date: of `Date`; None where it is missing or none.
        text: for people.
        files: attached.
        mss: headers X-MSS-… by their name as `MSS` has it.
        report: report-type of a multipart/report, lower case; "" of any other mail.
        report_parts: the machine-readable parts of it, as bytes.
        wants_receipt: addresses of `Disposition-Notification-To`.
        is_automatic: whether a machine sent it by itself, so that none answers it (RFC 3834).
        hops: servers it went through.
    """

    message_id: str
    answers: tuple[str, ...]
    sender: str
    recipients: tuple[str, ...]
    subject: str
    date: datetime | None
    text: str
    files: tuple[File, ...]
    mss: dict[str, str]
    report: str
    report_parts: tuple[tuple[str, bytes], ...]
    wants_receipt: tuple[str, ...]
    is_automatic: bool
    hops: int


def read(raw: bytes) -> Mail:
    """What a mail says.

    Raises:
        Refused: it is no mail, or more than a mail may be.
    """
    _require_small(raw)
    try:
        whole = _parsed(raw)
    except (RecursionError, ValueError, LookupError, AttributeError):
        # Content-Type of two kinds at once and the like, which the library's reader does not survive.
        raise Refused("mime", "Its structure could not be read.") from None
    parts = list(_parts(whole))
    if parts[0][0] is whole and not whole.keys():
        raise Refused("mime", "It has no headers.")
    many = Counter(name.lower() for name in whole)
    for name in _ONCE:
        if many[name.lower()] > 1:
            raise Refused("headers", f"{name} stands there more than once.")
    return _mail(whole, parts)


def _parsed(raw: bytes) -> Message:
    reader = BytesFeedParser(policy=policy.compat32)
    short, pieces = shortened(raw)
    for start in range(0, len(short), _PIECE):
        reader.feed(short[start : start + _PIECE])
    whole: Message = reader.close()
    put_back(whole, pieces)
    return whole


def _mail(whole: Message, parts: Sequence[tuple[Message, bool]]) -> Mail:
    heads, senders = _headers(whole), addresses(whole, "From")
    report = str(whole.get_param("report-type") or "").lower() if whole.get_content_type() == "multipart/report" else ""
    text, files = _content(parts)
    own = message_ids(heads.get("message-id", ""))
    return Mail(
        message_id=own[0] if len(own) == 1 else "",
        answers=_answers(heads),
        sender=senders[0] if len(senders) == 1 else "",
        recipients=(*addresses(whole, "To"), *(addresses(whole, "Cc") if "cc" in heads else ())),
        subject=words(heads.get("subject", "")),
        date=_date(heads.get("date", "")),
        text=text,
        files=tuple(files),
        mss={name: words(heads[name.lower()]) for name in MSS if name.lower() in heads},
        report=report,
        report_parts=tuple(_report_parts(parts)) if report else (),
        wants_receipt=addresses(whole, "Disposition-Notification-To"),
        is_automatic=_is_automatic(heads, report),
        hops=len(whole.get_all("Received", [])),
    )


def require_lines(raw: bytes) -> None:
    """Refuse a mail as it came whose lines do not all end in CR LF (RFC 5321 §2.3.8), or are too long.

    Readers disagree about what a single CR or LF ends, which is how one mail is passed off as two.

    Raises:
        Refused: it has such a line.
    """
    if not raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r"):
        raise Refused("lines", "It holds a CR or LF by itself.")
    start = 0
    while len(raw) - start > _LONGEST_LINE:
        end = raw.rfind(b"\n", start, start + _LONGEST_LINE + 2)
        if end < 0:
            raise Refused("lines", f"One has more than {_LONGEST_LINE} characters.")
        start = end + 1


def _require_small(raw: bytes) -> None:
    """Refuse what would be long to take apart, before it is."""
    end = min((at for at in (raw.find(b"\r\n\r\n"), raw.find(b"\n\n")) if at >= 0), default=len(raw))
    _require_headers(raw[: min(end, LONGEST_HEADERS + 1)])
    # Counted without looking closer first: that alone is long for a mail of 5 MB, whose content has none.
    lower = raw.lower()
    inside = lower.count(_MESSAGE)
    if inside + lower.count(b"boundary") > MOST_PARTS and inside + len(_BOUNDARY.findall(lower)) > MOST_PARTS:
        raise Refused("parts")
    if b"\0" in raw:
        raise Refused("mime", "It holds a NUL (RFC 5322 section 4.1).")


def _require_headers(block: bytes) -> None:
    if len(block) > LONGEST_HEADERS:
        raise Refused("headers", f"They have more than {LONGEST_HEADERS} bytes.")
    length = count = 0
    for line in block.splitlines():
        if line[:1] in (b" ", b"\t"):
            length += len(line)
        else:
            length, count = len(line), count + 1
        if length > LONGEST_HEADER or count > MOST_HEADERS:
            raise Refused("headers", f"One has more than {LONGEST_HEADER} bytes, or there are over {MOST_HEADERS}.")


def _parts(whole: Message) -> Iterator[tuple[Message, bool]]:
    """The parts that hold no others, in order, and whether each is a message that is sent along whole."""
    waiting: list[tuple[Message, int]] = [(whole, 1)]
    count = 0
    while waiting:
        part, depth = waiting.pop()
        count += 1
        if depth > DEEPEST or count > MOST_PARTS:
            raise Refused("parts")
        if any(isinstance(one, _MALFORMED) for one in part.defects):
            raise Refused("mime", f"Part {count} does not end, or holds no part, as it says.")
        _require_headers(b"\n".join(f"{name}: {value}".encode(errors="replace") for name, value in part.items()))
        inside = part.get_payload()
        kind = part.get_content_type()
        is_message = kind.startswith("message/") or kind == "text/rfc822-headers"
        if part.is_multipart() and not is_message and isinstance(inside, list):
            waiting.extend((one, depth + 1) for one in reversed(inside) if isinstance(one, Message))
        else:
            yield part, is_message


def _content(parts: Sequence[tuple[Message, bool]]) -> tuple[str, list[File]]:
    """The text for people and the attached files, of all parts."""
    plain: list[str] = []
    formatted: list[str] = []
    files: list[File] = []
    for number, (part, is_message) in enumerate(parts, 1):
        name, kind = _name(part), part.get_content_type()
        if is_message:
            continue
        if not name and part.get_content_disposition() != "attachment" and kind in ("text/plain", "text/html"):
            (plain if kind == "text/plain" else formatted).append(_text(part, number))
        else:
            files.append(File(name, kind, _bytes(part, number)))
    text = "\n\n".join(plain) if any(one.strip() for one in plain) else "\n\n".join(map(_unformatted, formatted))
    return text.replace("\r\n", "\n").strip()[:LONGEST_TEXT], files


def _text(part: Message, number: int) -> str:
    content = _bytes(part, number)
    try:
        return content.decode(charset(str(part.get_content_charset() or "utf-8")))
    except (LookupError, UnicodeDecodeError):
        raise Refused("mime", f"The text of part {number} is not in the character set that it says.") from None


def _bytes(part: Message, number: int) -> bytes:
    encoding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    if encoding not in _ENCODINGS:
        raise Refused("mime", f"Part {number} has a Content-Transfer-Encoding that is none.")
    if encoding == "base64":
        said = part.get_payload()
        try:
            # What is not of the alphabet is no content (RFC 2045 §6.8); blanks and line ends are.
            return b64decode(str(said).encode("ascii").translate(None, _WHITE), validate=True)
        except (binascii.Error, ValueError):
            raise Refused("mime", f"Part {number} is not base64, as it says.") from None
    found = part.get_payload(decode=True)
    return found if isinstance(found, bytes) else b""


def _unformatted(markup: str) -> str:
    """The words of HTML, without scripts, styles and pictures; nothing is fetched."""
    try:
        tree = html.fromstring(markup[:LONGEST_HTML].encode(errors="replace"), parser=html.HTMLParser(encoding="utf-8"))
    except (ValueError, etree.ParserError):
        return ""
    for one in list(tree.iter("script", "style", "head", "template", etree.Comment)):
        one.text = None
        del one[:]
    for one in tree.iter("br", "p", "div", "li", "tr", "h1", "h2", "h3"):
        one.tail = f"\n{one.tail or ''}"
    lines = (" ".join(line.split()) for line in "".join(map(str, tree.itertext())).splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _name(part: Message) -> str:
    try:
        name = words(part.get_filename() or "")
    except (LookupError, ValueError, TypeError):
        raise Refused("mime", "The name of a file could not be read.") from None
    # A path in it is the sender's, and leads nowhere here (RFC 2183 §2.3).
    return re.split(r"[/\\]", name)[-1].strip()[:200]


def _report_parts(parts: Sequence[tuple[Message, bool]]) -> Iterator[tuple[str, bytes]]:
    for part, is_message in parts:
        if not is_message:
            continue
        inside = part.get_payload()
        texts = [one.as_bytes() for one in inside if isinstance(one, Message)] if isinstance(inside, list) else []
        if not texts:
            content = part.get_payload(decode=True)
            texts = [content] if isinstance(content, bytes) else []
        yield part.get_content_type(), b"\n".join(texts)


def _headers(whole: Message) -> dict[str, str]:
    """The headers of a mail by their names in lower case; of several of one name the first, as readers take it."""
    found: dict[str, str] = {}
    for name, value in whole.items():
        found.setdefault(name.lower(), str(value))
    return found


def addresses(whole: Message, name: str) -> tuple[str, ...]:
    """The addresses of a header, lower case; none where it cannot be told which they are."""
    said = [str(one) for one in whole.get_all(name, [])]
    if all(plain := [_PLAIN(one) for one in said]):
        return tuple((one[1] or one[2]).lower() for one in plain if one is not None)
    found = getaddresses(said)
    return tuple(address.lower() for _, address in found if address.count("@") == 1)


def _answers(heads: Mapping[str, str]) -> tuple[str, ...]:
    said = (*message_ids(heads.get("in-reply-to", "")), *reversed(message_ids(heads.get("references", ""))))
    return tuple(dict.fromkeys(said))


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
        return found.astimezone(UTC) if found.tzinfo is not None else found.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        # Also a day of the first year or the last, which is none in UTC.
        return None


def _is_automatic(heads: Mapping[str, str], report: str) -> bool:
    submitted = heads.get("auto-submitted", "").partition(";")[0].strip().lower()
    bulk = heads.get("precedence", "").strip().lower() in ("bulk", "junk", "list", "auto_reply")
    suppressed = bool(heads.get("x-auto-response-suppress")) or bool(heads.get("list-id"))
    return submitted not in ("", "no") or bulk or suppressed or bool(report)


def head(raw: bytes) -> bytes:
    """The headers of a mail as they came, as far as they are read (`LONGEST_HEADERS`)."""
    end = min((at for at in (raw.find(b"\r\n\r\n"), raw.find(b"\n\n")) if at >= 0), default=len(raw))
    return raw[: min(end, LONGEST_HEADERS)]
