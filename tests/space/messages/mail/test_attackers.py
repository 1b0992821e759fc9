"""What is sent to harm: refused with a code and the rule, or read as what it is; nothing half stored, and it goes on.

RFC 5321 §4.2 (codes), §6.3 (loops), RFC 5322 §3.6 (headers), RFC 6531 (SMTPUTF8), RFC 6152 (8BITMIME), RFC 3834.
Over a real connection: what the libraries would not send is written to the socket.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from tests.space.messages.mail.gateway import Gateway, gateway
from tests.space.messages.mail.making import DOCTOR, PATIENT, a_mail
from tests.space.messages.mail.test_wire import ENVELOPE, spoken

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mail(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path_factory.mktemp("attackers"), mail_sender_minute=0) as found:
        yield found


def whole(name: str, more: bytes = b"", text: bytes = b"a\r\n", **headers: str) -> bytes:
    """A mail as it travels, with more headers and another text."""
    head = a_mail(Message_ID=f"<{name.replace(' ', '-')}@x>", **headers).as_bytes().partition(b"\n\n")[0]
    if b"Content-Type" in more:
        head = b"\n".join(one for one in head.splitlines() if not one.startswith(b"Content-"))
    return head.replace(b"\n", b"\r\n") + b"\r\n" + more + b"\r\n" + text


def nested(deep: int) -> bytes:
    kinds = b"".join(b"--B%d\r\nContent-Type: multipart/mixed; boundary=B%d\r\n\r\n" % (n, n + 1) for n in range(deep))
    return kinds + b"--B%d\r\n\r\nx\r\n" % deep


def forwarded(deep: int) -> bytes:
    return b"Content-Type: message/rfc822\r\n\r\n" * deep + b"x\r\n"


MIXED = b"Content-Type: multipart/mixed; boundary=B0\r\n"
FILE = b"--B0\r\nContent-Disposition: attachment; filename=%b\r\nContent-Type: image/x-a\r\n\r\nx\r\n--B0--\r\n"
#: What → makes the mail of a name; the rule that refuses it.
REFUSED: dict[str, tuple[Callable[[str], bytes], str]] = {
    "a thousand parts inside one another": (lambda n: whole(n, MIXED, nested(1_000)), "parts"),
    "a thousand mails inside one another": (lambda n: whole(n, text=forwarded(1_000)), "parts"),
    "a thousand parts": (lambda n: whole(n, MIXED, b"--B0\r\n\r\nx\r\n" * 1_000 + b"--B0--\r\n"), "parts"),
    "a boundary in parts a thousand times": (
        lambda n: whole(
            n, MIXED, b"--B0\r\nContent-Type: multipart/mixed; boundary*0=a;\r\n boundary*1=b\r\n\r\n" * 500
        ),
        "parts",
    ),
    "a part that does not end": (lambda n: whole(n, MIXED, b"--B0\r\n\r\nx\r\n"), "mime"),
    "no part at all": (lambda n: whole(n, MIXED, b"x\r\n"), "mime"),
    "base64 that is none": (
        lambda n: whole(n, b"Content-Transfer-Encoding: base64\r\nContent-Type: a/b\r\n", b"@\r\n"),
        "mime",
    ),
    "an encoding that is none": (lambda n: whole(n, b"Content-Transfer-Encoding: x\r\nContent-Type: a/b\r\n"), "mime"),
    "text as punycode": (
        lambda n: whole(n, b"Content-Type: text/plain; charset=punycode\r\n", b"a" * 900 + b"\r\n"),
        "mime",
    ),
    "text that is not as it says": (
        lambda n: whole(n, b"Content-Type: text/plain; charset=utf-8\r\n", b"\xff\r\n"),
        "mime",
    ),
    "a header of 1 MB": (
        lambda n: whole(n, b"X-A: b\r\n" + b" " + b"y" * 70 + b"\r\n y" * 20_000 + b"\r\n"),
        "headers",
    ),
    "a thousand headers": (lambda n: whole(n, b"X-A: b\r\n" * 1_000), "headers"),
    "two Message-IDs": (lambda n: whole(n, b"Message-ID: <other@x>\r\n"), "headers"),
    "two senders in two headers": (lambda n: whole(n, f"From: {DOCTOR}\r\n".encode()), "headers"),
    "two ends": (lambda n: whole(n, b"X-MSS-MES: FIN\r\nx-mss-mes: FIN\r\n"), "headers"),
    "a loop": (lambda n: whole(n, b"Received: from a by b; Mon, 30 Nov 2026 10:00:00 +0000\r\n" * 51), "loop"),
    "two Message-IDs in one": (lambda n: whole(n).replace(b"@x>", b"@x> <b@x>"), "message-id"),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_is_sent_to_harm_is_refused_with_the_rule_and_traced(mail: Gateway, what: str) -> None:
    make, rule = REFUSED[what]
    stored = [len(await mail.all(one)) for one in ("Communication", "Binary", "AuditEvent")]
    [said] = await spoken(mail.smtp, ENVELOPE, make(what) + b".\r\n")
    assert said.startswith("5") and f"[{rule}]" in said
    stored[-1] += 1
    assert [len(await mail.all(one)) for one in ("Communication", "Binary", "AuditEvent")] == stored


#: What → makes the mail of a name; title of the file that it has, or None.
TAKEN: dict[str, tuple[Callable[[str], bytes], str | None]] = {
    "a file that would lie elsewhere": (lambda n: whole(n, MIXED, FILE % b'"../../etc/passwd"'), "passwd"),
    "a file with the other slash": (lambda n: whole(n, MIXED, FILE % b'"C:\\\\x\\\\a.txt"'), "a.txt"),
    "eight bits and UTF-8 in headers": (lambda n: whole(n, "Comments: é\r\n".encode(), "é\r\n".encode()), None),
    "an answer of a machine": (lambda n: whole(n, b"Auto-Submitted: auto-replied\r\n"), None),
    "a text that speaks of boundaries": (lambda n: whole(n, text=b"the boundary of it\r\n" * 200), None),
}


@pytest.mark.parametrize("what", TAKEN)
async def test_what_only_looks_like_it_is_taken(mail: Gateway, what: str) -> None:
    make, title = TAKEN[what]
    [said] = await spoken(mail.smtp, ENVELOPE, make(what) + b".\r\n")
    assert said.startswith("250 ")
    message = (await mail.all("Communication"))[-1]
    assert [one["contentAttachment"]["title"] for one in message["payload"] if "contentAttachment" in one] == (
        [title] if title else []
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("MAIL FROM:<é@medecin.mssante.fr> SMTPUTF8", "[sender]"),
        (f"MAIL FROM:<{DOCTOR}> SIZE=99999999999", "552"),
        (f"MAIL FROM:<{DOCTOR}> BODY=BINARYMIME", "501"),
        (f"MAIL FROM:<{DOCTOR}> RET=FULL", "555"),
        (f"MAIL FROM:<@a,@b:{DOCTOR}>", "250"),
        ("MAIL FROM:<" + "a" * 400 + "@x>", "[sender]"),
        ("MAIL FROM:<" + "(" * 200 + ">", "553"),
        ("MAIL FROM:<a\0b@x>", "5"),
        ("MAIL FROM:" + "x" * 100_000, "500"),
        (f"MAIL FROM:<{DOCTOR}>\r\nRCPT TO:<é{PATIENT}>", "5"),
        (f"MAIL FROM:<{DOCTOR}>\r\nRCPT TO:<{PATIENT}> NOTIFY=NEVER", "555"),
        (f"MAIL FROM:<{DOCTOR}>\r\nRCPT TO:<{PATIENT}>,<{PATIENT}>", "5"),
        (f"MAIL FROM:<{DOCTOR}>\r\nDATA", "503"),
        ("DATA", "503"),
        ("VRFY " + PATIENT, "5"),
        ("EXPN x", "5"),
        ("AUTH PLAIN AGEAYg==", "5"),
        ("BDAT 1 LAST", "500"),
    ],
)
async def test_commands_that_are_sent_to_harm_have_their_answer(mail: Gateway, line: str, said: str) -> None:
    stored = len(await mail.all("Communication"))
    answers = [one for one in await spoken(mail.smtp, f"{line}\r\n".encode()) if said in one]
    assert answers or said == "250"
    assert len(await mail.all("Communication")) == stored
    [taken] = await spoken(mail.smtp, ENVELOPE, whole(f"after{abs(hash(line))}") + b".\r\n")
    assert taken.startswith("250 ")
