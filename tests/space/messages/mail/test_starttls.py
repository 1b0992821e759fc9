"""Mail servers that want it are heard under TLS (RFC 3207), and each connection makes room when it is over."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiosmtplib
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.space.messages.mail.gateway import gateway
from tests.space.messages.mail.making import DOCTOR, PATIENT, a_mail

HOST = "mail.test"


def a_certificate(folder: Path) -> Path:
    """A certificate of `HOST` by itself, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "mail.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return file


async def test_a_mail_is_taken_under_tls_and_the_connection_makes_room_again(tmp_path: Path) -> None:
    file = a_certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=str(file))
    async with gateway(tmp_path / "data", mail_certificate=file, mail_connections=1) as mail:
        for number in range(3):
            client = aiosmtplib.SMTP(hostname="127.0.0.1", port=mail.smtp, start_tls=False, timeout=60)
            await connected(client)
            assert client.supports_extension("starttls")
            await client.starttls(server_hostname=HOST, tls_context=trusting)
            # RFC 3207 §4.2: what was learnt before counts no more, and it is not offered twice.
            await client.ehlo()
            assert not client.supports_extension("starttls")
            _, said = await client.sendmail(DOCTOR, [PATIENT], a_mail(Message_ID=f"<tls-{number}@x>").as_bytes())
            assert said
            await client.quit()
        assert len(await mail.all("Communication")) == 3


async def test_without_a_certificate_it_is_not_offered(tmp_path: Path) -> None:
    async with gateway(tmp_path) as mail, mail.connection() as client:
        await client.ehlo()
        assert not client.supports_extension("starttls")
        with pytest.raises(aiosmtplib.SMTPException):
            await client.starttls()


async def connected(client: aiosmtplib.SMTP) -> None:
    """Connect, once the connection before has made room."""
    for _ in range(600):
        try:
            await client.connect()
            await client.ehlo()
        except aiosmtplib.SMTPException:
            client.close()
            await asyncio.sleep(0.1)
        else:
            return
    raise AssertionError("no connection makes room")
