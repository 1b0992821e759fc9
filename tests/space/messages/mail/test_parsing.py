"""What is read of a mail, and what is refused of it before anything is stored. RFC 5322, RFC 2045, RFC 2047, RFC 3834."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fhir_server.space.messages.mail.headers import shown_subject, words
from fhir_server.space.messages.mail.naming import ins_of, pdf_name, subject
from fhir_server.space.messages.mail.parsing import read
from fhir_server.space.messages.mail.refusals import ANSWERS, Refused
from tests.space.messages.mail.making import DOCTOR, INS, PATIENT, a_mail, with_file

HEAD = b"From: a@x.mssante.fr\r\nMessage-ID: <m@x>\r\nMIME-Version: 1.0\r\n"
MIXED = HEAD + b"Content-Type: multipart/mixed; boundary=B\r\n\r\n"


def test_a_mail_is_read_with_its_words_files_and_thread() -> None:
    made = with_file(a_mail(In_Reply_To="<b@x>", References="<a@x> <b@x>"), b"%PDF-1.4 \xff", "résultat.pdf")
    mail = read(made.as_bytes())
    assert (mail.message_id, mail.sender, mail.recipients) == ("first@medecin.mssante.fr", DOCTOR, (PATIENT,))
    assert mail.subject == "Votre résultat" and mail.text.startswith("Bonjour,\nvoici")
    assert mail.answers == ("b@x", "a@x")
    [file] = mail.files
    assert (file.name, file.kind, file.content) == ("résultat.pdf", "application/pdf", b"%PDF-1.4 \xff")


def test_html_alone_is_read_as_its_words_and_nothing_runs() -> None:
    made = a_mail()
    made.set_content("<p>Un<br>deux</p><script>alert(1)</script><style>p{}</style><!-- non -->", subtype="html")
    assert read(made.as_bytes()).text == "Un\ndeux"


def test_of_two_forms_of_one_text_the_plain_one_is_read() -> None:
    made = a_mail("Le texte")
    made.add_alternative("<b>Autre</b>", subtype="html")
    assert read(made.as_bytes()).text == "Le texte"


@pytest.mark.parametrize(
    ("name", "value", "automatic"),
    [
        ("Auto-Submitted", "auto-replied", True),
        ("Auto-Submitted", "auto-generated; x=1", True),
        ("Auto-Submitted", "no", False),
        ("Precedence", "bulk", True),
        ("Precedence", "first-class", False),
        ("List-Id", "<x.y>", True),
        ("X-Auto-Response-Suppress", "All", True),
        ("X-Other", "auto", False),
    ],
)
def test_what_a_machine_sent_by_itself_is_told_by_its_headers(name: str, value: str, automatic: bool) -> None:
    assert read(a_mail(**{name.replace("-", "_"): value}).as_bytes()).is_automatic is automatic


def test_headers_of_secure_messaging_are_kept_whatever_their_case() -> None:
    mail = read(a_mail(x_mss_mes="FIN", X_MSS_CODECDA="11502-2").as_bytes())
    assert mail.mss == {"X-MSS-MES": "FIN", "X-MSS-CODECDA": "11502-2", "X-MSS-NIL": "TESTS"}


def nested(depth: int) -> bytes:
    inside = b"Content-Type: text/plain\r\n\r\nx\r\n"
    for level in range(depth):
        b = b"b%d" % level
        inside = b"Content-Type: multipart/mixed; boundary=%s\r\n\r\n--%s\r\n%s\r\n--%s--\r\n" % (b, b, inside, b)
    return HEAD + inside


#: What → the mail, the rule that refuses it.
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "mime"),
    "no headers": (lambda: b"\r\nhello", "mime"),
    "only noise": (lambda: bytes(range(1, 256)) * 40, "mime"),
    "a NUL": (lambda: HEAD + b"\r\na\0b", "mime"),
    "a multipart without a boundary": (lambda: HEAD + b"Content-Type: multipart/mixed\r\n\r\nx", "mime"),
    "a multipart that never begins": (lambda: MIXED + b"x", "mime"),
    "a multipart that never ends": (lambda: MIXED + b"--B\r\nContent-Type: text/plain\r\n\r\nx\r\n", "mime"),
    "base64 that is none": (lambda: HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n@@@@", "mime"),
    "an unknown encoding": (lambda: HEAD + b"Content-Transfer-Encoding: x-uu\r\n\r\nx", "mime"),
    "text not of its character set": (lambda: HEAD + b"Content-Type: text/plain; charset=utf-8\r\n\r\n\xff\xfe", "mime"),
    "an unknown character set": (lambda: HEAD + b"Content-Type: text/plain; charset=klingon\r\n\r\nx", "mime"),
    "two senders' headers": (lambda: b"From: b@x\r\n" + HEAD + b"\r\nx", "headers"),
    "two subjects": (lambda: b"Subject: a\r\nSubject: b\r\n" + HEAD + b"\r\nx", "headers"),
    "X-MSS-MES twice": (lambda: b"X-MSS-MES: FIN\r\nx-mss-mes: NON\r\n" + HEAD + b"\r\nx", "headers"),
    "a header of 100 KB": (lambda: b"X: " + b"a" * 100_000 + b"\r\n" + HEAD + b"\r\nx", "headers"),
    "a header folded 10,000 times": (lambda: b"X: a\r\n" + b" aaaaaaaaa\r\n" * 10_000 + HEAD + b"\r\nx", "headers"),
    "1,000 headers": (lambda: b"X: a\r\n" * 1_000 + HEAD + b"\r\nx", "headers"),
    "50 levels": (lambda: nested(50), "parts"),
    "2,000 levels": (lambda: nested(2_000), "parts"),
    "200 parts that hold parts": (lambda: MIXED + b"--B\r\nContent-Type: message/rfc822\r\n\r\n" * 200 + b"--B--", "parts"),
    "1,000 parts": (lambda: MIXED + b"--B\r\n\r\nx\r\n" * 1_000 + b"--B--\r\n", "parts"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_malformed_mail_is_refused_with_the_rule(what: str) -> None:
    make, rule = BAD[what]
    with pytest.raises(Refused) as refused:
        read(make())
    assert refused.value.rule == rule
    assert refused.value.line.startswith(f"{ANSWERS[refused.value.rule].code} 5.")


def test_a_reply_is_one_line_of_ascii_whatever_it_tells() -> None:
    line = Refused("rules", "é\r\n250 OK " + "x" * 900).line
    assert line.isascii() and "\n" not in line and len(line) < 510


def test_a_file_name_leads_nowhere() -> None:
    assert read(with_file(a_mail(), b"x", "../../etc/passwd").as_bytes()).files[0].name == "passwd"
    assert read(with_file(a_mail(), b"x", "C:\\temp\\a.pdf").as_bytes()).files[0].name == "a.pdf"


@pytest.mark.parametrize(
    ("address", "ins"),
    [
        (PATIENT, INS),
        (PATIENT.upper(), INS),
        (f"{INS}@medecin.mssante.fr", ""),
        (f"{INS[:-1]}@patient.mssante.fr", ""),
        (f"x{INS}@patient.mssante.fr", ""),
        (f"{INS}@evil@patient.mssante.fr", ""),
        ("190012a05815780@patient.mssante.fr", "190012A05815780"),
        ("postmaster@patient.mssante.fr", ""),
        ("", ""),
    ],
)
def test_a_patients_address_is_an_ins_at_the_domain(address: str, ins: str) -> None:
    assert ins_of(address, "patient.mssante.fr") == ins


def test_subjects_and_files_are_named_as_the_network_has_them() -> None:
    from datetime import date

    day = date(1969, 5, 2)
    assert subject(["CR d'examens"], "Dœuf-Éloi", "Zoé", day) == "XDM/1.0/DDM+CR d'examens DOEUF-ELOI ZOE 02/05/1969"
    assert subject(["a", "b"], "X", "Y", None) == "XDM/1.0/DDM+2 documents X Y"
    assert subject(["a" * 60], "X", "Y", None) == f"XDM/1.0/DDM+{'a' * 40} X Y"
    assert pdf_name(day, "CR d'examens", "Dœuf", "Zoé", 2) == "19690502_CR-d-examens_DOEUF_ZOE_2.pdf"
    assert shown_subject("[Annule et remplace] XDM/1.0/DDM+CR X Y") == "[Annule et remplace] CR X Y"


@pytest.mark.parametrize("name", ["punycode", "idna", "unicode_escape", "raw-unicode-escape", "undefined", "zlib", "x"])
def test_a_codec_that_is_no_character_set_is_none(name: str) -> None:
    # Some of them take hours for a few MB.
    with pytest.raises(Refused) as refused:
        read(HEAD + f"Content-Type: text/plain; charset={name}\r\n\r\nabc-def\r\n".encode())
    assert refused.value.rule == "mime"
    assert words(f"=?{name}?q?abc-def?=") == f"=?{name}?q?abc-def?="


@pytest.mark.parametrize("name", ["utf-8", "ISO-8859-1", "windows-1252", "utf-7", "iso-2022-jp", "us-ascii", "cp850"])
def test_character_sets_of_mails_are_read(name: str) -> None:
    assert read(HEAD + f"Content-Type: text/plain; charset={name}\r\n\r\nabc\r\n".encode()).text == "abc"


@pytest.mark.parametrize("said", ["Fri, 31 Dec 9999 23:59:59 -1200", "yesterday", "", "1", "Mon, 99 Foo"])
def test_a_date_that_is_none_in_utc_is_none(said: str) -> None:
    # RFC 5322 §3.3: a year has four digits or more.
    assert read(a_mail(Date=said).as_bytes()).date is None
