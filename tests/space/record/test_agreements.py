"""A patient is told, once, that a professional said they agreed: CSP L1111-19."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

from fhir_server.app import opened
from fhir_server.settings import Settings
from tests.server.people import kept
from tests.space.record.test_choices import BASE, DOCTOR, HOLDER, choice, choose


async def test_the_holder_is_told_once_and_without_names(tmp_path: Path) -> None:
    async with opened(Settings(data=tmp_path, base_url=BASE, notices_quiet="")) as house:
        email = [{"system": "email", "value": "p@example.org"}]
        patient = {"resourceType": "Patient", "id": "p", "telecom": email, "name": [{"family": "DEMO"}]}
        doctors = [{"resourceType": "Practitioner", "id": id, "name": [{"family": "SECRET"}]} for id in "de"]
        await kept(house, patient, *doctors)
        sent: list[str] = []

        async def run(days: int = 0) -> int:
            await house.clock(lambda: datetime.now(UTC) + timedelta(days=days)).run()
            files = sorted((tmp_path / "outbox").glob("*.eml")) if (tmp_path / "outbox").exists() else []
            sent[:] = [str(message_from_bytes(one.read_bytes(), policy=default)) for one in files]
            return len(sent)

        # What the patient chose themself needs no telling.
        await choose(house, HOLDER, "p", choice("authorised", "Practitioner/e"), choice("btg-refused"))
        assert await run() == 0
        await choose(house, DOCTOR, "p", choice("authorised", "Practitioner/d"))
        assert await run(1) == 1
        assert await run(2) == 1
        assert "p@example.org" in sent[0] and "SECRET" not in sent[0] and "DEMO" not in sent[0]
        await choose(house, DOCTOR, "p", choice("authorised", "Practitioner/d", chosen=False))
        assert await run(3) == 1
