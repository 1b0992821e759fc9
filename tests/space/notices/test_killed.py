"""A process that is killed while it tells and sends loses no notice, and another that goes on sends none anew.

A mail that was on its way when the process died may reach the mail server again, under the same Message-ID (RFC 5322
§3.6.4), by which mail systems know that it is one.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from fhir_server.app import opened
from tests.space.notices.killed import settings, tell_and_send
from tests.space.notices.mailbox import Mailbox
from tests.space.notices.space import NOON, Space, a_patient, hours

PEOPLE = 30


@pytest.mark.parametrize("after", [3, 31])
async def test_whoever_is_killed_loses_nothing_and_nothing_is_sent_anew(tmp_path: Path, after: int) -> None:
    post = Mailbox()
    async with post.listening() as url:
        async with opened(settings(tmp_path, url)) as house:
            await Space(house).keep(*(a_patient(f"p{number}") for number in range(PEOPLE)))
        command = [sys.executable, "-m", "tests.space.notices.killed", str(tmp_path), url, str(PEOPLE)]
        with subprocess.Popen(command) as worker:  # noqa: ASYNC220
            async with asyncio.timeout(240):
                while len(post.taken) < after and worker.poll() is None:  # noqa: ASYNC110 - it tells nothing
                    await asyncio.sleep(0.002)
            worker.kill()
        async with opened(settings(tmp_path, url)) as house:
            # What the dead process was at is another's once its lease has ended.
            for key, _ in await house.engine.records.list("outbox-lease"):
                await house.engine.records.take("outbox-lease", key)
            await tell_and_send(Space(house), PEOPLE)
            await Space(house).look(NOON + hours(3))
    taken = [(to, str(one["Subject"]), str(one["Message-ID"])) for to, one in post.taken]
    messages = set(taken)
    assert len(taken) - len(messages) <= 1, "but for the one that was on its way"
    assert len({id for _, _, id in messages}) == len(messages)
    told = Counter(address for address, _, _ in messages)
    assert set(told) == {f"p{number}@example.org" for number in range(PEOPLE)}
    # Each of both things once: in a message of its own, or both in one.
    for address in told:
        subjects = sorted(subject for to, subject, _ in messages if to == address)
        assert subjects in (
            ["Vous avez un nouveau document", "Vous avez un nouveau message"],
            ["Des nouvelles de votre espace santé"],
        )
