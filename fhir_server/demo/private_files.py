"""What the demonstration keeps beside the store for its owner alone: the password of its accounts, a private key.

Both are random and made at the first start. A password that everyone knows would open these accounts wherever the
folder is served from later; one that each start of the demonstration prints opens them to whoever sees that terminal.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

#: Letters and digits that nobody mistakes for one another; twelve of them are 59 random bits.
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"


def password(folder: Path) -> tuple[str, bool]:
    """The password, and whether it was made just now."""
    text, made = _text(folder / "demo-password", _password)
    return text.strip(), made


def kept_password(folder: Path) -> str | None:
    """The password of a demonstration that was started before; None where there was none."""
    try:
        return (folder / "demo-password").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None


def key(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The file of the establishment's private key (JWK, ES384), and its public JWK Set (RFC 7517 §5)."""
    from joserfc.jwk import ECKey

    file = folder / "demo-key.json"
    text, _ = _text(file, _key)
    found = ECKey.import_key(msgspec.json.decode(text))
    public = {**found.as_dict(private=False), "kid": found.thumbprint(), "alg": "ES384", "use": "sig"}
    return file, {"keys": [public]}


def _text(file: Path, make: Callable[[], str]) -> tuple[str, bool]:
    """What the file holds; made, and readable by its owner only, when there is none."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text(encoding="ascii"), False
    text = make()
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(f"{text}\n")
    return text, True


def _password() -> str:
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(3))


def _key() -> str:
    from joserfc.jwk import ECKey

    made = ECKey.generate_key("P-384")
    return msgspec.json.encode({**made.as_dict(private=True), "kid": made.thumbprint()}).decode()
