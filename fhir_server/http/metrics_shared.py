"""The counts of several worker processes as one: each leaves its own in a file, and whichever is scraped adds them up.

A scrape reaches any one worker, so counts of one process would jump back and forth between scrapes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from fhir_server.store import private


class Counts(msgspec.Struct):
    """What one worker has counted.

    Attributes:
        answers: (interaction, type, status) → answers.
        seconds: interaction → seconds in all.
        buckets: interaction → answers in each latency bucket, the last one open.
    """

    answers: dict[tuple[str, str, int], int] = {}
    seconds: dict[str, float] = {}
    buckets: dict[str, list[int]] = {}

    def add(self, other: Counts) -> None:
        """Add another worker's counts to these."""
        for key, count in other.answers.items():
            self.answers[key] = self.answers.get(key, 0) + count
        for interaction, spent in other.seconds.items():
            self.seconds[interaction] = self.seconds.get(interaction, 0.0) + spent
        for interaction, counts in other.buckets.items():
            own = self.buckets.get(interaction, [0] * len(counts))
            self.buckets[interaction] = [a + b for a, b in zip(own, counts, strict=True)]


_decode = msgspec.msgpack.Decoder(Counts).decode
_encode = msgspec.msgpack.Encoder().encode


class Folder:
    """Where the workers of one server leave their counts; those of a worker that has ended stay, so that totals do."""

    def __init__(self, parent: Path, server: int, worker: int) -> None:
        """`server`: the process that started the workers; `worker`: this one. Folders of ended servers go."""
        self._folder = parent / str(server)
        self._own = self._folder / str(worker)
        for other in parent.glob("*") if parent.is_dir() else ():
            if other.name != str(server) and not _runs(other.name):
                shutil.rmtree(other, ignore_errors=True)
        private.folder(self._folder)

    def leave(self, counts: Counts) -> None:
        """Put this worker's counts where the others find them; a disk that is full loses them and nothing else."""
        fresh = self._own.with_suffix(".new")
        with suppress(OSError):
            private.file(fresh).write_bytes(_encode(counts))
            fresh.replace(self._own)

    def others(self) -> Iterator[Counts]:
        """What every other worker left last."""
        for path in self._folder.glob("*"):
            if path != self._own and not path.suffix:
                with suppress(OSError, msgspec.DecodeError):
                    yield _decode(path.read_bytes())


def _runs(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True
