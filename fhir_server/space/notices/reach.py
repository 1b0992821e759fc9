"""By which address, number and language somebody is reached, as their resource says.

https://hl7.org/fhir/R4/datatypes.html#ContactPoint, https://hl7.org/fhir/R4/patient.html (telecom, communication)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_server.fhir.dates import interval
from fhir_server.jobs.outbox import Channel
from fhir_server.jobs.sms import number
from fhir_server.space.notices.occasions import Language
from fhir_server.space.paris import PARIS

#: Of points of one system, without a rank.
_LAST = 1_000
_MOBILE = "mobile"
#: What may be an address at all: RFC 5321 §4.1.2 without quoted strings, which nobody has.
_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[^\s@<>,;:\"()\[\]\\]{1,255}")


@dataclass(frozen=True, slots=True)
class Reach:
    """How somebody is reached.

    Attributes:
        email: address; "" without one in use.
        number: as `sms.number` gives it; "" likewise.
        language: that they prefer, of those that notices are written in.
    """

    email: str
    number: str
    language: Language

    def by(self, channel: Channel) -> str:
        """Where a channel leads; "" for nowhere."""
        return self.email if channel == "email" else self.number


def reach(tree: Mapping[str, Any], now: datetime) -> Reach:
    """How the person of a Patient, RelatedPerson or Practitioner is reached."""
    written = (str(one["value"]).strip() for one in _points(tree, "email", now))
    emails = filter(_ADDRESS.fullmatch, written)
    numbers = (number(str(one["value"])) for system in ("sms", "phone") for one in _points(tree, system, now))
    return Reach(next(emails, ""), next(filter(None, numbers), ""), _language(tree))


def is_gone(tree: Mapping[str, Any]) -> bool:
    """Whether nobody is to be told by this resource: of the dead, and of what was closed."""
    return tree.get("deceasedBoolean") is True or "deceasedDateTime" in tree or tree.get("active") is False


def _points(tree: Mapping[str, Any], system: str, now: datetime) -> Iterator[Mapping[str, Any]]:
    """Those of a system that are in use, the preferred first; of numbers, the one that is carried around."""
    found = [one for one in tree.get("telecom", ()) if one.get("system") == system and one.get("value")]
    usable = [one for one in found if one.get("use") != "old" and _holds(one.get("period", {}), now)]
    yield from sorted(usable, key=lambda one: (int(one.get("rank", _LAST)), one.get("use") != _MOBILE))


def _holds(period: Mapping[str, Any], now: datetime) -> bool:
    end = period.get("end")
    return not isinstance(end, str) or interval(end, PARIS)[1] >= now.timestamp() * 1_000_000


def _language(tree: Mapping[str, Any]) -> Language:
    spoken = [one for one in tree.get("communication", ()) if one.get("preferred")]
    # A Practitioner's communication is the language itself.
    codes = [c.get("code", "") for one in spoken for c in one.get("language", {}).get("coding", ())]
    return "en" if any(code.partition("-")[0] == "en" for code in codes) else "fr"
