"""The ZIP of an IHE_XDM.ZIP: opened without trusting it, and packed.

IHE ITI TF-2 3.32.4.1.2 (INDEX.HTM, README.TXT, IHE_XDM/SUBSET01/METADATA.XML and the documents beside it). Nothing is
written to a disk; names lead nowhere; what unpacks to more than it may is never unpacked.
"""

from __future__ import annotations

import io
import posixpath
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping

from fhir_server.space.messages.mail.refusals import Refused

#: Files of an archive, bytes of all of them unpacked, and how much longer than packed they may be together.
MOST_FILES, LONGEST_TOTAL, MOST_RATIO = 200, 100_000_000, 200
#: Bytes of the metadata.
LONGEST_METADATA = 5_000_000
METADATA = "METADATA.XML"
_ROOT = "IHE_XDM"
SUBSET = f"{_ROOT}/SUBSET01"
#: Packed with one of these; others are a risk without a use.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
#: A fixed day: the same documents make the same archive.
_DAY = (1980, 1, 1, 0, 0, 0)


class Archive:
    """An archive that was found sound; its files are read when they are asked for."""

    def __init__(self, content: bytes) -> None:
        """Open `content`.

        Raises:
            Refused: not a ZIP, or one that is damaged, encrypted, too large, or whose names lead elsewhere.
        """
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
            self._files = {_folded(one.filename): one for one in _sound(self._zip.infolist(), len(content))}
        except (zipfile.BadZipFile, zipfile.LargeZipFile, ValueError, NotImplementedError, EOFError):
            raise Refused("xdm-archive", "It is no ZIP archive.") from None

    @property
    def submissions(self) -> list[str]:
        """The folders with metadata, in order of their names."""
        ends = f"/{METADATA}"
        inside = (name for name in self._files if name.startswith(f"{_ROOT}/") and name.endswith(ends))
        return sorted(name.removesuffix(ends) for name in inside if name.count("/") == 2)

    def read(self, folder: str, name: str, most: int = LONGEST_TOTAL) -> bytes:
        """The bytes of a file beside the metadata of a folder.

        Raises:
            Refused: it is not there, is longer than `most` bytes, or than the archive says, or is damaged.
        """
        path = _folded(posixpath.normpath(f"{folder}/{name}"))
        found = self._files.get(path)
        if found is None or not path.startswith(f"{folder}/"):
            raise Refused("xdm-archive", "A file that METADATA.XML names is not in it.")
        if found.file_size > most:
            raise Refused("xdm-archive", "A file in it is too long.")
        try:
            with self._zip.open(found) as file:
                content = file.read(found.file_size)
                # The checksum is compared at the end of the file, which only reading on finds.
                if file.read(1):
                    raise Refused("xdm-archive", "A file in it is longer than it says.")
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError):
            raise Refused("xdm-archive", "A file in it is damaged.") from None
        if len(content) != found.file_size:
            raise Refused("xdm-archive", "A file in it is damaged.")
        return content


def _sound(entries: list[zipfile.ZipInfo], length: int) -> Iterator[zipfile.ZipInfo]:
    """The files of an archive, when all of them may be in one."""
    if len(entries) > MOST_FILES:
        raise Refused("xdm-archive", f"It has more than {MOST_FILES} files.")
    total = sum(one.file_size for one in entries)
    if total > LONGEST_TOTAL or total > MOST_RATIO * max(length, 1):
        raise Refused("xdm-archive", "It unpacks to more than an archive of documents may.")
    _require_apart(entries, length)
    names: set[str] = set()
    for one in entries:
        _require_plain(one)
        folded = _folded(one.filename)
        if folded in names:
            raise Refused("xdm-archive", "Two of its files have one name.")
        names.add(folded)
        if not one.is_dir():
            yield one


def _require_apart(entries: list[zipfile.ZipInfo], length: int) -> None:
    """Refuse files that lie over one another: each would be unpacked out of the same bytes."""
    end = 0
    for one in sorted(entries, key=lambda each: each.header_offset):
        if one.header_offset < end or one.header_offset + one.compress_size > length:
            raise Refused("xdm-archive", "Its files lie over one another.")
        end = one.header_offset + one.compress_size + len(one.filename.encode())


def _require_plain(one: zipfile.ZipInfo) -> None:
    name = one.orig_filename
    parts = name.split("/")
    mode = one.external_attr >> 16
    if name.startswith("/") or ".." in parts or any(bad in name for bad in ("\\", "\0", ":")):
        raise Refused("xdm-archive", "The name of a file leads out of it.")
    if stat.S_ISLNK(mode) or (stat.S_IFMT(mode) and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))):
        raise Refused("xdm-archive", "It holds a link or a device.")
    if one.flag_bits & _ENCRYPTED or one.compress_type not in _METHODS:
        raise Refused("xdm-archive", "It is encrypted, or packed in a way that is not read here.")


def _folded(name: str) -> str:
    """A name in one case: ISO 9660, which XDM media follow, has capitals alone, and mail has both."""
    return name.upper().rstrip("/")


def pack(metadata: bytes, documents: Mapping[str, bytes], index: str) -> bytes:
    """An archive of one submission.

    Args:
        metadata: METADATA.XML.
        documents: file name ("DOC00001.XML") → its bytes.
        index: HTML for people, INDEX.HTM.
    """
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (
            ("INDEX.HTM", index.encode()),
            ("README.TXT", _README.encode("ascii")),
            (f"{SUBSET}/{METADATA}", metadata),
            *((f"{SUBSET}/{name}", content) for name, content in documents.items()),
        ):
            archive.writestr(zipfile.ZipInfo(name, _DAY), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()


_README = (
    "Documents de sante au format IHE XDM. Les documents et leurs metadonnees sont dans IHE_XDM/SUBSET01.\r\n"
    "Un logiciel de sante les range ; INDEX.HTM les montre.\r\n"
)
