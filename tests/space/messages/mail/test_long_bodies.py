"""A mail that is read without the middle of its long bodies says what the library's reader says of the whole.

RFC 2045 §6.8 (base64), RFC 2046 §5.1 (multipart), RFC 3462 (reports); whatever the mail is, malformed ones too.
"""

from __future__ import annotations

import base64
import random
import re
from email import message_from_bytes, policy
from email.message import Message
from email.utils import getaddresses

import pytest

from fhir_server.space.messages.mail import parsing
from fhir_server.space.messages.mail.long_bodies import put_back, shortened
from tests.space.messages.mail.making import a_mail, with_file


def by_the_library(raw: bytes) -> Message:
    return message_from_bytes(raw, policy=policy.compat32)


def told(whole: Message) -> list[object]:
    """All that a reader learns of a mail, its parts inside included."""
    return [
        (part.items(), type(part.get_payload()), part.get_payload() if not part.is_multipart() else "",
         part.get_payload(decode=True), part.preamble, part.epilogue, [type(one) for one in part.defects])
        for part in whole.walk()
    ]  # fmt: skip


def lines(length: int, width: int = 76) -> bytes:
    encoded = base64.b64encode(random.Random(length).randbytes(length))
    return b"\r\n".join(encoded[at : at + width] for at in range(0, len(encoded), width)) + b"\r\n"


LONG = lines(3_000)
HEAD = b"From: a@b\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n"
PART = b"--B\r\nContent-Transfer-Encoding: base64\r\n\r\n"
#: Mails in which long runs of base64 stand where they are a file, and where they are not.
MAILS: dict[str, bytes] = {
    "a file": HEAD + PART + LONG + b"--B--\r\n",
    "two files": HEAD + PART + LONG + PART + lines(4_000) + b"--B--\r\n",
    "lines of 998": HEAD + PART + lines(20_000, 996) + b"--B--\r\n",
    "short lines": HEAD + PART + lines(3_000, 40) + b"--B--\r\n",
    "no part": b"From: a@b\r\nContent-Transfer-Encoding: base64\r\n\r\n" + LONG,
    "a text": b"From: a@b\r\n\r\n" + LONG + b"caf\xc3\xa9\r\n" + LONG,
    "no headers": LONG,
    "headers that do not end": b"From: a@b\r\n" + LONG + b"Subject: x\r\n\r\ny",
    "before the first part": HEAD + LONG + PART + b"eA==\r\n--B--\r\n",
    "after the last": HEAD + PART + b"eA==\r\n--B--\r\n" + LONG,
    "no end": HEAD + PART + LONG,
    "no start": HEAD + LONG,
    "a header that goes on": b"From: a@b\r\nSubject: x\r\n " + LONG.replace(b"\r\n", b"\r\n ") + b"\r\n\r\ny",
    "a part without headers": HEAD + b"--B\r\n" + LONG + b"--B--\r\n",
    "a mail inside": HEAD + b"--B\r\nContent-Type: message/rfc822\r\n\r\n" + HEAD.replace(b"=B", b"=C")
    + PART.replace(b"--B", b"--C") + LONG + b"--C--\r\n--B--\r\n",
    "a report": HEAD + b"--B\r\nContent-Type: message/delivery-status\r\n\r\nA: b\r\n\r\n" + LONG + b"\r\nC: d\r\n" + LONG + b"--B--\r\n",
    "line feeds alone": (HEAD + PART + LONG + b"--B--\r\n").replace(b"\r\n", b"\n"),
    "a boundary of base64": HEAD.replace(b"=B", b"=AAAA") + PART.replace(b"--B", b"--AAAA") + LONG + b"--AAAA--\r\n",
    "not padded": HEAD + PART + LONG[:-5] + b"\r\n" + b"--B--\r\n",
    "8-bit beside": HEAD + b"--B\r\n\r\n\xe9t\xe9\r\n" + PART + LONG + b"--B--\r\n",
}  # fmt: skip


@pytest.mark.parametrize("name", MAILS)
def test_it_is_read_as_the_whole_is(name: str) -> None:
    raw = MAILS[name]
    short, pieces = shortened(raw)
    assert bool(pieces) == (name not in ("short lines", "a header that goes on")), "the case is one of those it is for"
    found = by_the_library(short)
    put_back(found, pieces)
    assert told(found) == told(by_the_library(raw))


@pytest.mark.parametrize("seed", range(150))
def test_any_order_of_lines_is_read_as_the_whole_is(seed: int) -> None:
    lot = random.Random(seed)
    some = (b"--B\r\n", b"--B--\r\n", b"--C\r\n", b"--C--\r\n", b"\r\n", LONG, LONG[:156], b"A: b\r\n", b" x\r\n", b"x y\r\n",
            b"Content-Type: multipart/mixed; boundary=C\r\n", b"Content-Type: message/rfc822\r\n",
            b"Content-Type: message/delivery-status\r\n", b"Content-Transfer-Encoding: base64\r\n", b"\xff\r\n")  # fmt: skip
    raw = HEAD + b"".join(lot.choices(some, k=lot.randint(1, 30)))
    short, pieces = shortened(raw)
    found = by_the_library(short)
    put_back(found, pieces)
    assert told(found) == told(by_the_library(raw))


def test_most_of_a_file_is_not_gone_through_by_lines() -> None:
    raw = with_file(a_mail(), bytes(14_000), "a.bin", "application/octet-stream").as_bytes()
    short, pieces = shortened(raw)
    assert len(short) < 2_000 < len(pieces[0]) < len(raw)
    assert parsing.read(raw).files[0].content == bytes(14_000)


def test_what_stands_for_a_piece_is_known_to_nobody() -> None:
    raw = MAILS["a file"]
    [mark] = re.findall(rb"[0-9a-f]{32}\.0\r\n", shortened(raw)[0])
    # Even so, one who guessed it is given no piece that is not there.
    forged = HEAD + b"--B\r\n\r\n" + mark + b"--B--\r\n"
    short, pieces = shortened(forged)
    found = by_the_library(short)
    put_back(found, pieces)
    assert told(found) == told(by_the_library(forged))


@pytest.mark.parametrize(
    "said",
    [
        "a@b", "<a@b>", "A B <a@b.fr>", '"A, B" <a@b>', "a@b, c@d", "A <a@b>, B <c@d>", "=?utf-8?q?=C3=A9?= <A.B@C.fr>",
        "(x) a@b", "a@b (x)", "group: a@b;", "a b@c", "<a@b", "a@b>", "", " ", "a@@b", "a@b@c", "<>", "A <a@b> c", "Dr. A <a@b>",
        "a @b", "<a@b> ", "A\t<a@b>", "<@c:a@b>", "A' B <o'a@b>", "a@[1.2.3.4]", "é <a@b>", "A <a@b>,", "a.@b", ".a@b", "A.B <a@b>",
    ],
)  # fmt: skip
def test_an_address_is_the_one_that_the_library_reads(said: str) -> None:
    whole = Message(policy.compat32)
    whole["From"] = said
    expected = tuple(one.lower() for _, one in getaddresses([str(whole["From"])]) if one.count("@") == 1)
    assert parsing.addresses(whole, "From") == expected
