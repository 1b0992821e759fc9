"""The provisional code of a space: sent to its holder, by which they activate it or object, once.

CSP R1111-28: it comes with the notice. OWASP ASVS 2.3.1 (random, short-lived, used once), 2.2.1 (attempts are limited):
an INS that nobody has is answered as a wrong code is, and its attempts are counted alike. Of a code its digest is kept.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse
from fhir_server.smart.people.attempts import admitted, give_back, network
from fhir_server.smart.secret import digest
from fhir_server.space.national_identity import with_ins
from fhir_server.store.protocol import Keep, Records

#: Kind of the records: key = patient, value = digest of the code that was sent last.
CODE = "space-code"
#: How long a code may be used: longer than the six weeks in which somebody may object.
LIFE = timedelta(days=90)
#: Without what is taken for another: no I, L, O, U, 0 or 1. Twelve of them are 59 bits.
_LETTERS, _LENGTH = "ABCDEFGHJKMNPQRSTVWXYZ23456789", 12
#: Attempts for one INS from one network, until they are forgotten together: of an INS alone, anybody could keep its
#: holder out.
_ATTEMPTS, _FORGOTTEN = 20, 24 * 3600


@dataclass(frozen=True, slots=True)
class Claimed:
    """Who somebody says they are.

    Attributes:
        ins: number of their national identity.
        born: "1980-01-31".
        code: that they were sent.
        source: network address they come from.
    """

    ins: str
    born: str
    code: str
    source: str


def change(patient: str) -> tuple[str, Keep]:
    """A new code for a patient (id), as it is sent, and the change that keeps it instead of any before."""
    drawn = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    kept = Keep(CODE, patient, digest(drawn).encode(), LIFE.total_seconds())
    return "-".join(drawn[at : at + 4] for at in range(0, _LENGTH, 4)), kept


async def holder(records: Records, own: Repository, claimed: Claimed) -> str | None:
    """The patient (id) whose code this is; None where anything of it is wrong, or was tried too often.

    The code stays valid: `used` ends it, when something came of it.
    """
    ins = "".join(claimed.ins.split()).upper()
    tried = digest(f"space:{ins}\n{network(claimed.source)}")
    if not ins or not await admitted(records, "failures", tried, _ATTEMPTS, _FORGOTTEN):
        return None
    page = await own.find({"Patient": with_ins(ins)}, count=2)
    found = page.versions[0] if len(page.versions) == 1 else None
    kept = await records.get(CODE, found.id if found is not None else "")
    given = digest("".join(one for one in claimed.code.upper() if one.isalnum()))
    right = hmac.compare_digest(kept or b"", given.encode())
    if found is None or not right or parse(found.body).get("birthDate") != claimed.born:
        return None
    await give_back(records, "failures", tried)
    return found.id


async def used(records: Records, patient: str) -> bool:
    """Take the code away; False where somebody was faster."""
    return await records.take(CODE, patient) is not None
