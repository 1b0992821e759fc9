"""A mail server of Debian's (exim4) on loopback: between professionals' mailboxes and the gateway, as an operator's is.

`make test` installs it where it may; without it, or without root to run it by, tests that need it are skipped.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

EXIM = shutil.which("exim4") or "/usr/sbin/exim4"

_CONFIGURATION = """
primary_hostname = mx.medecin.mssante.fr
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/exim.pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
tls_advertise_hosts =
deliver_drop_privilege = true
acl_smtp_rcpt = accept
acl_smtp_data = accept
keep_environment =
queue_run_max = 5
smtp_accept_max = 100
smtp_accept_max_per_connection = 5000
smtp_accept_queue_per_connection = 0
message_size_limit = 50M
prdr_enable = false
begin routers
patients:
  driver = manualroute
  domains = patient.mssante.fr
  transport = gateway
  route_list = * 127.0.0.1
  self = send
boxes:
  driver = accept
  domains = medecin.mssante.fr
  local_parts = !nobody
  transport = box
begin transports
gateway:
  driver = smtp
  port = {gateway}
  allow_localhost
box:
  driver = appendfile
  directory = {folder}/box
  maildir_format
begin retry
* * F,2m,1s
"""


@dataclass(frozen=True)
class MailServer:
    """A running server: its port, and the folder in which it keeps what arrives for professionals."""

    port: int
    folder: Path

    def arrived(self) -> list[bytes]:
        """The mails of professionals' mailboxes."""
        return [one.read_bytes() for one in sorted((self.folder / "box" / "new").glob("*"))]

    def run_queue(self) -> None:
        """Try at once what waits for its time."""
        subprocess.run([EXIM, "-C", str(self.folder / "exim.conf"), "-qff"], check=False, timeout=120)


@contextmanager
def mail_server(gateway: int) -> Iterator[MailServer]:
    """A server that delivers patients' mail to the gateway's port."""
    if not Path(EXIM).exists():
        pytest.skip("No exim4 on this machine, and no way to install it here.")
    if os.geteuid():
        pytest.skip("exim4 delivers for other users: it needs root.")
    # Its own users read and write below: a folder of the tests' is closed to them.
    folder = Path(tempfile.mkdtemp(prefix="mail-server-"))
    folder.chmod(0o755)
    for name in ("spool", "log", "box"):
        (folder / name).mkdir(mode=0o777)
        (folder / name).chmod(0o777)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    configuration = folder / "exim.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder, port=port, gateway=gateway))
    log = folder / "exim.err"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [EXIM, "-C", str(configuration), "-bdf", "-q1s"], stdout=subprocess.DEVNULL, stderr=errors
        )
    try:
        _await_port(port, process, log)
        yield MailServer(port, folder)
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _await_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                pytest.skip(f"exim4 does not start here: {log.read_bytes()[:300]!r}")
            time.sleep(0.05)
