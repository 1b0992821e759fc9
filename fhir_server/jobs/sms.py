"""How an SMS leaves: through a provider, each a class here and a row of `PROVIDERS`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fhir_server.jobs.mail import written

_SEPARATORS = re.compile(r"[\s.\-()/]")
#: ITU-T E.164: a country code, and 15 digits at most.
_INTERNATIONAL = re.compile(r"\+[1-9][0-9]{6,14}")
#: A French number as it is dialled in France: ten digits, of which the second is no zero.
_FRENCH = re.compile(r"0([1-9][0-9]{8})")


@dataclass(frozen=True, slots=True)
class Sms:
    """One SMS.

    Attributes:
        id: the same each time it is tried, so that a provider sends it once.
        to: number, as `number` gives it.
        text: what it says.
    """

    id: str
    to: str
    text: str


class SmsProvider(Protocol):
    """Who sends SMS for this server."""

    def send(self, sms: Sms) -> None:
        """Hand an SMS over; from a thread.

        Raises:
            OSError: not now; it is tried again.
            ValueError: never, by this number.
        """


@dataclass(frozen=True, slots=True)
class SmsFolder:
    """Each SMS becomes a file, for trials and for a gateway that picks files up."""

    path: Path

    def send(self, sms: Sms) -> None:
        """As `SmsProvider.send`; whole or not at all, readable by its owner only."""
        said = json.dumps({"to": sms.to, "text": sms.text}, ensure_ascii=False)
        written(self.path, f"{sms.id[:32]}.sms", said.encode())


#: Name in the setting → the provider, given the folder of what is sent.
PROVIDERS: Mapping[str, Callable[[Path], SmsProvider]] = {"folder": SmsFolder}


def provider(name: str, folder: Path) -> SmsProvider | None:
    """The provider that a setting names; None where it is empty, and no SMS is sent."""
    return PROVIDERS[name](folder) if name else None


def number(written: str) -> str:
    """A number in the international form (E.164), of how people write it; "" where it is none."""
    plain = _SEPARATORS.sub("", written)
    plain = f"+{plain[2:]}" if plain.startswith("00") else plain
    if french := _FRENCH.fullmatch(plain):
        return f"+33{french[1]}"
    return plain if _INTERNATIONAL.fullmatch(plain) else ""
