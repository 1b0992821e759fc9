"""Content is held to an antivirus before it is stored: Debian's clamd where it is installed, and what answers as it does.

https://docs.clamav.net/manual/Usage/Scanning.html#clamd, clamd(8) INSTREAM; https://www.eicar.org/download-anti-malware-testfile/.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

import pytest

from fhir_server.access.grant import OPEN
from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.store.outside import INSIDE
from tests.server.people import kept
from tests.space.record import making
from tests.space.record.callers import Caller

LONG = b"%PDF-1.7 " + bytes(range(256)) * (INSIDE // 128)
#: In two parts, so that nothing takes this file for what it is.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD" + b"-ANTIVIRUS-TEST-FILE!$H+H*"


class Daemon:
    """Answers as clamd does, and has what it was sent.

    Attributes:
        place: where it listens.
        seen: each content.
    """

    def __init__(self, place: str, says: Callable[[bytes], bytes]) -> None:
        self.place, self.says, self.seen = place, says, list[bytes]()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(10) == b"zINSTREAM\0"
        content = b""
        while length := int.from_bytes(await reader.readexactly(4)):
            content += await reader.readexactly(length)
        self.seen.append(content)
        writer.write(self.says(content))
        await writer.drain()
        writer.close()


@asynccontextmanager
async def listening(folder: Path, says: Callable[[bytes], bytes], tcp: bool = False) -> AsyncIterator[Daemon]:
    daemon = Daemon(str(folder / "clamd.sock"), says)
    if tcp:
        server = await asyncio.start_server(daemon.answer, "127.0.0.1", 0)
        daemon.place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    else:
        server = await asyncio.start_unix_server(daemon.answer, daemon.place)
    async with server:
        yield daemon


@asynccontextmanager
async def held_to(folder: Path, place: str) -> AsyncIterator[House]:
    async with opened(Settings(data=folder / "data", open=True, clamd=place)) as house:
        await kept(house, making.PATIENT)
        yield house


def clean(_: bytes) -> bytes:
    return b"stream: OK\0"


def found(content: bytes) -> bytes:
    return b"stream: Eicar-Test-Signature FOUND\0" if EICAR in content else clean(content)


async def sent(house: House, content: bytes, way: str) -> Any:
    ask, said = Caller(house, OPEN), b64encode(content).decode()
    tree: dict[str, Any] = {"resourceType": "Binary", "contentType": "application/pdf", "data": said}
    if way == "raw":
        return await ask("POST", "Binary", content, "application/pdf")
    if way == "resource":
        return await ask("POST", "Binary", tree)
    if way == "document":
        document = making.a_simple()
        document["content"][0]["attachment"]["data"] = said
        return await ask("POST", "DocumentReference", document)
    if way == "plain document":
        attachment = {"contentType": "application/pdf", "data": said}
        document = {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": attachment}]}
        return await ask("POST", "DocumentReference", document)
    return await ask("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [making.an_entry(tree)]})


@pytest.mark.parametrize("tcp", [False, True], ids=["socket", "port"])
@pytest.mark.parametrize("way", ["raw", "resource", "document", "plain document", "transaction"])
async def test_all_content_is_looked_through_and_what_is_known_is_refused(tmp_path: Path, way: str, tcp: bool) -> None:
    async with listening(tmp_path, found, tcp) as daemon, held_to(tmp_path, daemon.place) as house:
        good, bad = await sent(house, LONG, way), await sent(house, LONG + EICAR, way)
        assert good.status in (200, 201), good.json
        assert bad.status == 422, bad.json
        assert "Eicar-Test-Signature" in bad.json["issue"][0]["diagnostics"]
        assert {LONG, LONG + EICAR} == set(daemon.seen)
        assert (await Caller(house)("GET", "Binary?_summary=count")).json["total"] == (way != "plain document")


@pytest.mark.parametrize(
    ("says", "status"),
    [
        (lambda _: b"INSTREAM size limit exceeded. ERROR\0", 422),
        (lambda _: b"stream: Can't allocate memory ERROR\0", 503),
        (lambda _: b"UNKNOWN COMMAND\0", 503),
        (lambda _: b"", 503),
        (lambda _: b"stream: OK", 503),
        (lambda _: b"a" * 200_000, 503),
    ],
    ids=["too long", "failed", "another daemon", "hangs up", "half an answer", "endless"],
)
async def test_what_was_not_looked_through_is_not_stored(
    tmp_path: Path, says: Callable[[bytes], bytes], status: int
) -> None:
    async with listening(tmp_path, says) as daemon, held_to(tmp_path, daemon.place) as house:
        answer = await sent(house, LONG, "raw")
        assert answer.status == status, answer.json
        assert (await Caller(house)("GET", "Binary?_summary=count")).json["total"] == 0


async def test_without_the_daemon_nothing_is_stored_and_it_may_be_tried_again(tmp_path: Path) -> None:
    async with held_to(tmp_path, str(tmp_path / "nobody.sock")) as house:
        answer = await sent(house, LONG, "raw")
        assert (answer.status, answer.headers.get("Retry-After")) == (503, "30")
        assert (await Caller(house)("POST", "Basic", {"resourceType": "Basic", "code": {"text": "a"}})).status == 201


@pytest.fixture
def clamd(tmp_path: Path) -> Iterator[str]:
    """The socket of Debian's clamd, which knows the one signature it is given."""
    program = os.environ.get("FHIR_TEST_CLAMD") or shutil.which("clamd")
    if program is None:
        pytest.skip("clamd is not installed (Debian: clamav-daemon); FHIR_TEST_CLAMD names one elsewhere")
    known, place = tmp_path / "known", tmp_path / "real.sock"
    known.mkdir()
    (known / "test.ndb").write_text(f"Eicar-Test-Signature:0:*:{EICAR.hex()}\n")
    settings = {"LocalSocket": place, "DatabaseDirectory": known, "Foreground": "yes", "StreamMaxLength": "2M"}
    configuration = tmp_path / "clamd.conf"
    configuration.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    with Popen([program, "--config-file", configuration], stdout=DEVNULL, stderr=DEVNULL) as process:
        ends = time.monotonic() + 60
        while not place.exists() and process.poll() is None and time.monotonic() < ends:
            time.sleep(0.05)
        yield str(place)
        process.terminate()


async def test_debians_daemon_refuses_the_test_file_and_takes_what_is_clean(tmp_path: Path, clamd: str) -> None:
    async with held_to(tmp_path, clamd) as house:
        assert (await sent(house, LONG, "raw")).status == 201
        for way in ("raw", "resource"):
            refused = await sent(house, LONG + EICAR, way)
            assert refused.status == 422
            assert "Eicar-Test-Signature" in refused.json["issue"][0]["diagnostics"]
        too_long = await sent(house, b"%PDF" + bytes(3_000_000), "raw")
        # It hangs up on what is too long; whether what it said before that still comes through is the network's.
        assert (too_long.status, too_long.json["issue"][0]["code"]) in {(422, "too-long"), (503, "transient")}
