"""What names somebody in a record, and the list of who was erased, which names nobody.

`fhir_server/space/accounts/erasing/naming.py`, `ledger.py`; GDPR art. 17.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_server.space.accounts.erasing import naming
from fhir_server.space.accounts.erasing.ledger import Ledger
from tests.space.accounts.erasing_scene import P, Q

#: What a record says → whether it names somebody with the id, the address or the identifier.
NAMED = {
    b"{}": False,
    b'{"patient":"p4kd82hs01"}': True,
    b"export Patient/p4kd82hs01 p4kd82hs01": True,
    b"Patient/p4kd82hs012": False,
    b"Patient/p4kd82hs01/_history/2": True,
    b"xp4kd82hs01": False,
    b"\xaap4kd82hs01\xa3abc": True,
    b"Patient/1": True,
    b"Patient/12": False,
    b'{"count":1}': False,
    b"ins: 279035121518989": True,
}


@pytest.mark.parametrize("said", NAMED)
def test_what_names_somebody(said: bytes) -> None:
    names = naming.Names(["Patient/p4kd82hs01", "p4kd82hs01", "Patient/1", "1", "279035121518989"])
    assert names.are_in(said) is NAMED[said]


def test_the_list_of_who_was_erased_names_nobody_and_is_joined(tmp_path: Path) -> None:
    here = Ledger(tmp_path / "here" / "erasures")
    first = here.add(P)
    assert here.add(P) == first
    copy = tmp_path / "copy"
    copy.write_bytes(here.path.read_bytes())
    here.add(Q)
    assert P not in here.path.read_text() and len(here.lines()) == 2
    elsewhere = Ledger(tmp_path / "other" / "erasures")
    assert [elsewhere.join(one) for one in (copy, here.path, copy, tmp_path / "none")] == [1, 1, 0, 0]
    assert elsewhere.lines() == here.lines() and elsewhere.digest(P) == first.digest
    # A line that was cut short is none, and what follows stands by itself.
    with copy.open("a") as file:
        file.write("0123")
    Ledger(copy).add("another")
    assert len(Ledger(copy).lines()) == 2
    strange = Ledger(tmp_path / "strange")
    strange.add(P)
    with pytest.raises(ValueError, match="different stores"):
        strange.join(here.path)
