"""Content in files beside an embedded store: one a blob, in a folder that is its owner's alone.

    part/…          what is on its way in
    new/HANDLE      durable; perhaps about to be named by a commit
    kept/abc/HANDLE named by a commit, for good

Files, not rows of a second database: a row is written twice (log and table) and read through pages, which from 200 KB
on is slower both ways; and files can be copied by any tool, each once, since none ever changes. Several processes share
the folder; what arrives and what is removed keep out of each other's way by a lock of the kernel's.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import hmac
import logging
import os
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path
from typing import TypeVar

from fhir_server.fhir.outcome import Damaged, InsufficientStorage, Unavailable
from fhir_server.store import private
from fhir_server.store.blobs.chunks import Reading, Writing, damaged
from fhir_server.store.blobs.copying import brought_up_to_date
from fhir_server.store.blobs.opened import OpenedFile
from fhir_server.store.blobs.protocol import CHUNK, Blob
from fhir_server.store.content import Content

T = TypeVar("T")

#: Threads that read and write: what several make durable at once, a disk does in one go.
_THREADS = 8
#: Digits of a handle that its folder is called by: 4,096 folders, each with thousands of a hundred million files.
_DIGITS = 3
#: Handles listed, moved or removed in one go.
_PART = 1_000
#: Seconds for which content counts as just arrived, a small part of what the collector waits; and how much is known so.
_JUST_NOW, _MOST_CAME = 300.0, 1_000
_log = logging.getLogger(__name__)


class FileBlobs:
    """`Blobs` in a folder."""

    def __init__(self, folder: Path, key: bytes) -> None:
        """`folder` is made when something is put there; `key` is the store's secret, which handles are made with."""
        self.folder = folder
        self._key = key
        self._pool = ThreadPoolExecutor(_THREADS, "blobs")
        # What came a moment ago, and when: of that nobody has to say again that it is about to be named.
        self._came: dict[str, float] = {}

    def upload(self, owner: str | None) -> FileUpload:
        """As `Blobs.upload`."""
        return FileUpload(self, owner)

    async def put(self, pieces: Iterable[bytes], owner: str | None) -> Content:
        """As `Blobs.put`."""
        return await self.apart(lambda: self._put(pieces, owner))

    async def open(self, content: Content, first: int = 0, end: int | None = None) -> OpenedFile:
        """As `Blobs.open`."""
        last = content.size if end is None else min(end, content.size)
        try:
            return await self.apart(lambda: OpenedFile(self.apart, self.file(content), content, first, last))
        except Damaged:
            _log.error("Content %s is damaged or lost; fhir-server check says whose it is.", content.handle[:12])
            raise

    async def keep(self, contents: Sequence[Content]) -> None:
        """As `Blobs.keep`."""
        since = time.monotonic() - _JUST_NOW
        if any(self._came.get(one.handle, -inf) < since for one in contents):
            await self.apart(lambda: self._keep(contents))

    def settle(self, contents: Sequence[Content]) -> None:
        """As `Blobs.settle`."""
        with suppress(RuntimeError):  # The pool is closed: the collector does it.
            self._pool.submit(self._settle, [one.handle for one in contents])

    async def settled(self, contents: Sequence[Content]) -> None:
        """As `Blobs.settled`."""
        await self.apart(lambda: self._settle([one.handle for one in contents], durably=True))

    async def release(self, handles: Sequence[str]) -> None:
        """As `Blobs.release`."""
        if handles:
            await self.apart(lambda: self._release(handles))

    async def listed(self) -> AsyncIterator[Blob]:
        """As `Blobs.listed`."""
        found = self._listed()
        while part := await self.apart(lambda: [blob for _, blob in zip(range(_PART), found, strict=False)]):
            for blob in part:
                yield blob

    async def remove(self, handles: Sequence[str], before: float) -> int:
        """As `Blobs.remove`."""
        return await self.apart(lambda: self._remove(handles, before))

    async def examine(self, content: Content) -> str | None:
        """As `Blobs.examine`."""
        return await self.apart(lambda: self._examine(content))

    async def copy(self, target: Path) -> int:
        """As `Blobs.copy`."""
        return await self.apart(lambda: brought_up_to_date(self.folder, target))

    async def close(self) -> None:
        """As `Blobs.close`."""
        await asyncio.to_thread(self._pool.shutdown)

    async def apart(self, work: Callable[[], T]) -> T:
        """What `work` gives, done in a thread."""
        try:
            done = asyncio.get_running_loop().run_in_executor(self._pool, work)
        except RuntimeError:  # The pool is closed.
            raise Unavailable("The server is stopping.", headers={"Retry-After": "5"}) from None
        try:
            return await done
        except OSError as error:
            raise told(error) from error

    def begun(self) -> tuple[int, str]:
        """An empty file for content on its way in, open, and where it is."""
        # Paths as strings where each document passes: pathlib would take as long as the digest.
        part = f"{self.folder}/part/{secrets.token_hex(16)}"
        how = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            return os.open(part, how, 0o600), part
        except FileNotFoundError:
            for name in ("part", "new", "kept"):
                private.folder(self.folder / name)
            private.file(self.folder / "lock")
            return os.open(part, how, 0o600), part

    def arrived(self, part: str, writing: Writing, owner: str | None) -> Content:
        """What was written to `part`, under its handle; it is durable there."""
        digest, checked = writing.end()
        handle = self._handle(digest, owner)
        with self._locked(fcntl.LOCK_SH):
            # A handle that nobody else has been given cannot lie here yet.
            if owner is not None and self._touched(handle):
                os.unlink(part)
            else:
                os.replace(part, f"{self.folder}/new/{handle}")
        _sync_folder(f"{self.folder}/new")
        self._came[handle] = time.monotonic()
        if len(self._came) > _MOST_CAME:
            # The first that came: another thread may have taken it out meanwhile.
            self._came.pop(next(iter(list(self._came))), None)
        return Content(handle, writing.size, digest.hex(), checked)

    def file(self, content: Content) -> int:
        """The file that content lies in, open.

        Raises:
            Damaged: it lies nowhere.
        """
        # It may be moved between the two looks, and then is where the first one was.
        kept, new = self._kept(content.handle), f"{self.folder}/new/{content.handle}"
        for path in (kept, new, kept):
            with suppress(FileNotFoundError):
                return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        raise damaged()

    def _put(self, pieces: Iterable[bytes], owner: str | None) -> Content:
        file, part = self.begun()
        try:
            writing = Writing(file)
            for piece in pieces:
                writing.take(piece)
            return self.arrived(part, writing, owner)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(part)
            raise
        finally:
            os.close(file)

    def _handle(self, digest: bytes, owner: str | None) -> str:
        if owner is None:
            return secrets.token_hex(32)
        return hmac.new(self._key, owner.encode() + b"\n" + digest, hashlib.sha256).hexdigest()

    def _kept(self, handle: str) -> str:
        return f"{self.folder}/kept/{handle[:_DIGITS]}/{handle}"

    def _touched(self, handle: str) -> bool:
        """Whether it lies here; it counts as having just come, whatever becomes of those who name it by now."""
        for path in (f"{self.folder}/new/{handle}", self._kept(handle)):
            with suppress(FileNotFoundError):
                os.utime(path)
                return True
        return False

    def _keep(self, contents: Sequence[Content]) -> None:
        with self._locked(fcntl.LOCK_SH):
            if not all([self._touched(one.handle) for one in contents]):
                words = "The content that was sent has been here for too long without its resource; send it again."
                raise Unavailable(words, headers={"Retry-After": "1"})

    def _settle(self, handles: Sequence[str], durably: bool = False) -> None:
        for handle in handles:
            with suppress(FileNotFoundError):
                new, kept = f"{self.folder}/new/{handle}", self._kept(handle)
                try:
                    os.rename(new, kept)
                except FileNotFoundError:
                    # Settled before, or the first whose folder it is.
                    if not os.path.isdir(os.path.dirname(kept)):
                        private.folder(Path(kept).parent)
                        os.rename(new, kept)
        if durably and handles:
            folders = {os.path.dirname(self._kept(handle)) for handle in handles}
            for folder in (*folders, f"{self.folder}/kept", f"{self.folder}/new"):
                with suppress(FileNotFoundError):
                    _sync_folder(folder)

    def _release(self, handles: Sequence[str]) -> None:
        with self._locked(fcntl.LOCK_EX):
            for handle in handles:
                self._came.pop(handle, None)
                kept, new = self._kept(handle), f"{self.folder}/new/{handle}"
                with suppress(FileNotFoundError):
                    os.rename(kept, new)

    def _listed(self) -> Iterator[Blob]:
        folders = [self.folder / "new"]
        if (self.folder / "kept").is_dir():
            folders += sorted((self.folder / "kept").iterdir())
        for folder in folders:
            for path in folder.iterdir() if folder.is_dir() else ():
                with suppress(FileNotFoundError):
                    yield Blob(path.name, folder.name != "new", path.stat().st_mtime)

    def _remove(self, handles: Sequence[str], before: float) -> int:
        removed = 0
        for start in range(0, len(handles), _PART):
            with self._locked(fcntl.LOCK_EX):
                for handle in handles[start : start + _PART]:
                    removed += _removed(self.folder / "new" / handle, before)
        for part in (self.folder / "part").iterdir() if (self.folder / "part").is_dir() else ():
            removed += _removed(part, before)
        return removed

    def _examine(self, content: Content) -> str | None:
        try:
            file = self.file(content)
        except Damaged:
            return "its content is lost"
        try:
            whole = hashlib.sha256()
            for chunk in Reading(file, content).chunks():
                whole.update(chunk)
        except Damaged:
            return "its content is damaged"
        finally:
            os.close(file)
        return None if whole.hexdigest() == content.sha256 else "its content is another"

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        """Hold the folder's lock: shared for what arrives, alone for what is removed."""
        try:
            lock = os.open(f"{self.folder}/lock", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            lock = os.open(private.file(self.folder / "lock"), os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, how)
            yield
        finally:
            os.close(lock)


class FileUpload:
    """`Upload` to a file."""

    def __init__(self, blobs: FileBlobs, owner: str | None) -> None:
        """Nothing is written yet."""
        self._blobs = blobs
        self._owner = owner
        self._writing: Writing | None = None
        self._file = -1
        self._part = ""
        # Whoever gives up may have been waiting for a thread that still writes.
        self._turn = threading.Lock()
        self._waiting: list[bytes] = []
        self._size = 0

    async def write(self, piece: bytes) -> None:
        """As `Upload.write`: a journey to a thread for each chunk, however it comes."""
        self._waiting.append(piece)
        self._size += len(piece)
        if self._size >= CHUNK:
            pieces, self._waiting, self._size = self._waiting, [], 0
            await self._blobs.apart(lambda: self._taken(pieces))

    async def finish(self) -> Content:
        """As `Upload.finish`."""
        return await self._blobs.apart(self._finished)

    async def give_up(self) -> None:
        """As `Upload.give_up`."""
        self._waiting.clear()
        if self._writing is not None:
            await self._blobs.apart(self._ended)

    def _taken(self, pieces: Sequence[bytes]) -> None:
        with self._turn:
            self._written(pieces)

    def _finished(self) -> Content:
        with self._turn:
            writing = self._written(self._waiting)
            found = self._blobs.arrived(self._part, writing, self._owner)
            self._closed()
        return found

    def _ended(self) -> None:
        with self._turn:
            self._closed()

    def _written(self, pieces: Sequence[bytes]) -> Writing:
        if self._writing is None:
            self._file, self._part = self._blobs.begun()
            self._writing = Writing(self._file)
        for piece in pieces:
            self._writing.take(piece)
        return self._writing

    def _closed(self) -> None:
        if self._writing is not None:
            self._writing = None
            os.close(self._file)
            with suppress(FileNotFoundError):
                os.unlink(self._part)


def told(error: OSError) -> InsufficientStorage | Unavailable:
    """What is to be said of a folder that cannot be written or read."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InsufficientStorage("The disk of the store is full.")
    _log.error("The folder of content cannot be used: %s.", error.strerror)
    return Unavailable("The content cannot be reached.", headers={"Retry-After": "5"})


def _removed(path: Path, before: float) -> bool:
    with suppress(FileNotFoundError):
        if path.stat().st_mtime < min(before, time.time()):
            path.unlink()
            return True
    return False


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
