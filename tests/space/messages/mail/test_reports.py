"""Reports that are read and written: both forms of the national guide's errors, receipts, and mails that came back.

RFC 8098 (MDN), RFC 3464 (DSN), RFC 6522; guide for documents by mail 1.1.3.
"""

from __future__ import annotations

import email
from datetime import UTC, datetime
from email import policy

import pytest

from fhir_server.space.messages.mail.parsing import read
from fhir_server.space.messages.mail.refusals import Refused
from fhir_server.space.messages.mail.reports import Report, receipt, report_of
from tests.space.messages.mail.making import DOCTOR, PATIENT, a_mail


def a_report(kind: str, fields: str, original: str = "Message-ID: <sent@patient.mssante.fr>\n\nx") -> bytes:
    third = f"--R\nContent-Type: message/rfc822\n\n{original}\n" if original else ""
    return (
        f"From: {DOCTOR}\nMessage-ID: <report@x>\nMIME-Version: 1.0\n"
        f"Content-Type: multipart/report; report-type={kind}; boundary=R\n\n"
        f"--R\nContent-Type: text/plain\n\nlu\n--R\nContent-Type: message/{kind}\n\n{fields}\n{third}--R--\n"
    ).encode()


MDN = "disposition-notification"
SENT = "sent@patient.mssante.fr"
OWN = "Final-Recipient: rfc822; Dr@x.mssante.fr\nOriginal-Message-ID: <sent@patient.mssante.fr>\n"


@pytest.mark.parametrize(
    ("disposition", "outcome", "code"),
    [
        ("Disposition: manual-action/MDN-sent-manually; displayed", "received", ""),
        ("Disposition: automatic-action/MDN-sent-automatically; processed", "received", ""),
        ("Disposition: automatic-action/MDN-sent-automatically; dispatched", "received", ""),
        ("Disposition: manual-action/MDN-sent-manually; deleted", "deleted", ""),
        ("Disposition: MANUAL-ACTION/MDN-Sent-Manually ; Displayed", "received", ""),
        ("Disposition: manual-action/MDN-sent-manually; displayed/x-forwarded,x-other", "received", ""),
        ("Disposition: automatic-action/MDN-sent-automatically; processed/warning,error", "error", "906"),
        # Of RFC 2298: they say nothing of the mail.
        ("Disposition: manual-action/MDN-sent-manually; denied", None, ""),
        ("Disposition: automatic-action/MDN-sent-automatically; failed", None, ""),
        # The form until 1.1.3, and the one since.
        ("Disposition: automatic-action/MDN-sent-automatically; processed/Error: 902^Patient inconnu", "error", "902"),
        ("Disposition: automatic-action/MDN-sent-automatically; processed/error\nError: 904^INS^x", "error", "904"),
        ("Disposition: automatic-action/MDN-sent-automatically; processed/error", "error", "906"),
        ("Disposition: automatic-action/MDN-sent-automatically;\n processed/error\nError: 9021^x", "error", "906"),
        ("X-Nothing: said", None, ""),
    ],
)
def test_a_receipt_says_what_became_of_a_mail(disposition: str, outcome: str | None, code: str) -> None:
    report = report_of(read(a_report(MDN, OWN + disposition + "\n")))
    assert report == Report(SENT, outcome, code, "dr@x.mssante.fr")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("action", "outcome"), [("failed", "failed"), ("delayed", "delayed"), ("delivered", None), ("relayed", None)]
)
def test_a_delivery_report_says_whether_a_mail_came_back(action: str, outcome: str | None) -> None:
    fields = f"Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; dr@x\nAction: {action}\nStatus: 5.1.1 (no)\n"
    report = report_of(read(a_report("delivery-status", fields)))
    assert report == Report(SENT, outcome, "5.1.1", "dr@x")  # type: ignore[arg-type]


def test_of_several_recipients_the_one_that_failed_counts() -> None:
    fields = "Reporting-MTA: dns; x\n\nAction: delivered\nStatus: 2.0.0\n\nAction: failed\nStatus: 5.2.2\n"
    report = report_of(read(a_report("delivery-status", fields)))
    assert report is not None and (report.outcome, report.code) == ("failed", "5.2.2")


@pytest.mark.parametrize("kind", [MDN, "delivery-status"])
def test_a_report_about_no_mail_is_refused(kind: str) -> None:
    with pytest.raises(Refused) as refused:
        report_of(read(a_report(kind, "Disposition: x; displayed\n", original="")))
    assert refused.value.rule == "report"


def test_any_other_mail_is_no_report() -> None:
    assert report_of(read(a_mail().as_bytes())) is None


@pytest.mark.parametrize("error", ["", "902"])
def test_a_receipt_has_three_parts_and_is_read_again(error: str) -> None:
    raw = a_mail(Disposition_Notification_To=DOCTOR).as_bytes()
    about = read(raw)
    made = receipt(raw, about, PATIENT, DOCTOR, datetime.now(UTC), error=error, nil="TESTS")
    assert report_of(read(made)) == Report(about.message_id, "error" if error else "received", error, PATIENT)
    parts = email.message_from_bytes(made, policy=policy.default)
    kinds = [part.get_content_type() for part in parts.iter_parts()]
    assert raw in made
    assert kinds == ["text/plain", f"message/{MDN}", "message/rfc822"]
    assert parts["Auto-Submitted"] == "auto-replied" and parts["X-MSS-NIL"] == "TESTS"
    assert str(parts["Subject"]).startswith("[KO Intégration système !][902] ") is bool(error)
    assert read(made).is_automatic
