"""Who was erased, told by a digest in a file beside the store: by it, a copy made before is erased again.

One line an erasure: the digest of the Patient under the file's own key, and when. It names nobody: who has the file can
try an id that they know already, and no more. It is no part of the store, since a copy that is put in the store's place
would bring back the one of its day. A copy of the store has the file beside it (`FILE.erasures`), and putting a copy
back joins all the lines there are.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from fhir_server.store import private

#: Of the data folder.
NAME = "erasures"
_LINE = re.compile(r"([0-9a-f]{64}) ([0-9]{1,15})")
_KEY = re.compile(r"key ([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Erasure:
    """A line.

    Attributes:
        digest: of the Patient, 64 hexadecimal digits.
        at: when the erasing had begun, ms since 1970 UTC. What has been made under the same id since is somebody else.
    """

    digest: str
    at: int


class Ledger:
    """The file at a place; not for the event loop."""

    def __init__(self, path: Path) -> None:
        """Nothing is read yet."""
        self.path = path

    def digest(self, patient: str) -> str:
        """The digest of a Patient (id)."""
        return hmac.digest(self._key(), f"Patient/{patient}".encode(), "sha256").hex()

    def lines(self) -> list[Erasure]:
        """All that was erased, in the order in which it was written."""
        return [Erasure(one[1], int(one[2])) for one in map(_LINE.fullmatch, self._read()) if one]

    def size(self) -> int:
        """How long the file is, in bytes; it only ever grows."""
        return self.path.stat().st_size if self.path.exists() else 0

    def add(self, patient: str) -> Erasure:
        """Write down that a Patient (id) is being erased, durably; once, however often it is begun."""
        digest = self.digest(patient)
        known = next((one for one in self.lines() if one.digest == digest), None)
        if known is not None:
            return known
        made = Erasure(digest, time.time_ns() // 1_000_000)
        self._append(f"{digest} {made.at}")
        return made

    def join(self, other: Path) -> int:
        """Take over the lines of another such file that are not here; how many they were.

        Raises:
            ValueError: it was written under another key, so that nothing it says is of this store.
        """
        theirs = Ledger(other)
        if not other.exists() or not (there := theirs.lines()):
            return 0
        if not self.path.exists():
            self._append(f"key {theirs._key().hex()}")
        if theirs._key() != self._key():
            raise ValueError("The two lists of erasures are of different stores.")
        here = {one.digest for one in self.lines()}
        new = [one for one in there if one.digest not in here]
        for one in new:
            self._append(f"{one.digest} {one.at}")
        return len(new)

    def _key(self) -> bytes:
        for line in self._read():
            if (found := _KEY.fullmatch(line)) is not None:
                return bytes.fromhex(found[1])
        self._append(f"key {secrets.token_hex(32)}")
        return self._key()

    def _read(self) -> list[str]:
        # A line that a crash cut short is none: its erasing had not begun.
        text = self.path.read_text("ascii") if self.path.exists() else ""
        return text.split("\n")[:-1]

    def _append(self, line: str) -> None:
        private.folder(self.path.parent)
        with private.file(self.path).open("r+b") as file:
            whole = file.read()
            file.seek(whole.rfind(b"\n") + 1)
            file.truncate()
            file.write(f"{line}\n".encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
