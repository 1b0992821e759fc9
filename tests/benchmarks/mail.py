"""The mail gateway: mails of 20 KB a second, durable, beside the same SMTP server into a Maildir; memory with large ones.

Each mail is from a doctor to a patient, with a file; one process of the gateway for each core, sharing the port.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fhir_server.app import opened
from fhir_server.settings import Settings
from tests.benchmarks.servers import QUIET, ROOT, free_port, resident, worked
from tests.benchmarks.timing import table
from tests.server.people import kept
from tests.space.messages.mail.gateway import BASE, a_doctor, a_patient
from tests.space.messages.mail.making import DOCTOR, PATIENT, a_mail, with_file

#: Connections of mail servers, and mails that each sends before it comes again.
CONNECTIONS = 16
_HEAD = (
    "Mails",
    "connections",
    "target",
    "/s",
    "CPU ms a mail",
    "the same SMTP server, into a Maildir (fsync of file and folder) /s",
    "ratio",
    "ratio CPU",
)
#: Bytes of a file that make a mail of 20 KB, and of 5 MB.
_SMALL, _LARGE = 14_000, 3_800_000
_LIMITS = {"FHIR_MAIL_SENDER_MINUTE": "0", "FHIR_MAIL_PEER_MINUTE": "0", "FHIR_BASE_URL": BASE, "FHIR_AUDIT": "on"}


def mail(base: Path, seconds: float, large: int) -> Iterator[str]:
    """The tables; `large` mails of 5 MB."""
    processes = os.cpu_count() or 1
    folder, files = base / "mail", base / "mail-files"
    files.mkdir(parents=True)
    asyncio.run(_filled(folder))
    command = (sys.executable, "-m", "fhir_server.cli.main", "mail", "--data", str(folder), "--lmtp-port", "0")
    port = free_port()
    with _running([*command, "--port", str(port)], port, processes) as found:
        ours, spent = _measured(port, _mail(_SMALL), seconds, found)
        before = sum(map(resident, found))
        sent = _sent(port, _mail(_LARGE), large // 10)
        middle = sum(map(resident, found))
        sent += _sent(port, _mail(_LARGE), large - large // 10)
        after = sum(map(resident, found))
    port = free_port()
    with _running(
        [sys.executable, "-m", "tests.benchmarks.bare_mail", str(files), str(port)], port, processes
    ) as found:
        bare, spent_bare = _measured(port, _mail(_SMALL), seconds, found)
    row = (
        "20 KB, traced, durable",
        str(CONNECTIONS),
        "≥ 200/s, ≥ 0.3",
        f"{ours:,.0f}",
        f"{spent * 1000:.1f}",
        f"{bare:,.0f}",
        f"{ours / bare:.2f}",
        f"{spent_bare / spent:.2f}",
    )
    yield table(_HEAD, [row])
    yield (
        f"Memory of {processes} processes: {before:,.0f} MB before, {middle:,.0f} MB after {large // 10:,} mails of 5 MB, "
        f"{after:,.0f} MB after {sent:,}."
    )


async def _filled(folder: Path) -> None:
    async with opened(Settings(data=folder, base_url=BASE)) as house:
        await kept(house, a_patient(), a_doctor(), base=BASE)


def _mail(length: int) -> bytes:
    raw = with_file(a_mail(Message_ID="<NUMBER@medecin.mssante.fr>"), os.urandom(length), "a.bin", _BINARY).as_bytes()
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


_BINARY = "application/octet-stream"


@contextmanager
def _running(command: list[str], port: int, processes: int) -> Iterator[list[int]]:
    with ExitStack() as stack:
        found = []
        for _ in range(processes):
            process = subprocess.Popen(command, cwd=ROOT, env=os.environ | QUIET | _LIMITS, stdout=subprocess.DEVNULL)
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)
            found.append(process.pid)
            _await(port, process, len(found))
        yield found


def _await(port: int, process: subprocess.Popen[bytes], number: int) -> None:
    """Wait until a process listens: the kernel lists a socket for each."""
    end = time.monotonic() + 60
    while _listening(port) < number:
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit("The gateway does not start.")
        time.sleep(0.05)


def _listening(port: int) -> int:
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(1 for row in rows if row.split()[1].endswith(f":{port:04X}") and row.split()[3] == "0A")


def _measured(port: int, raw: bytes, seconds: float, processes: list[int]) -> tuple[float, float]:
    """Mails a second, and the servers' processor time for each, in seconds."""
    _sent(port, raw, CONNECTIONS)
    spent, began = sum(map(worked, processes)), time.perf_counter()
    count = 0
    while time.perf_counter() - began < seconds:
        count += _sent(port, raw, CONNECTIONS * 10)
    took = time.perf_counter() - began
    return count / took, (sum(map(worked, processes)) - spent) / count


_numbers = iter(range(1, 1_000_000_000))


def _sent(port: int, raw: bytes, count: int) -> int:
    """Send mails over several connections at once; how many were taken."""
    return asyncio.run(_all(port, raw, count))


async def _all(port: int, raw: bytes, count: int) -> int:
    connections = min(CONNECTIONS, count)
    each = [count // connections + (n < count % connections) for n in range(connections)]
    return sum(await asyncio.gather(*(_one(port, raw, n) for n in each)))


async def _one(port: int, raw: bytes, count: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    wire = writer.get_extra_info("socket")
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def ask(lines: bytes) -> bytes:
        writer.write(lines)
        await writer.drain()
        answer = await reader.readline()
        while answer[3:4] == b"-":
            answer = await reader.readline()
        return answer

    await ask(b"")
    await ask(b"EHLO bench\r\n")
    for _ in range(count):
        await ask(f"MAIL FROM:<{DOCTOR}>\r\n".encode())
        await ask(f"RCPT TO:<{PATIENT}>\r\n".encode())
        await ask(b"DATA\r\n")
        answer = await ask(raw.replace(b"NUMBER", b"n%d" % next(_numbers)) + b"\r\n.\r\n")
        if not answer.startswith(b"250"):
            raise SystemExit(f"A mail was refused: {answer!r}")
    await ask(b"QUIT\r\n")
    writer.close()
    return count
