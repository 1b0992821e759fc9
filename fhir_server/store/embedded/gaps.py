"""Wiping what SQLite leaves between the cells of its pages, which hold copies of rows that once stood there.

https://sqlite.org/fileformat2.html#b_tree_pages. A page has an array of pointers at its start and its cells at its end.
Where pages are split and joined, what lay between the two is not overwritten, whatever `secure_delete` says. Nobody
reads it, so it may be overwritten under whoever reads the page: by whoever has the write lock while the log is empty,
since then what the file has is what is stored. The commit that follows has every connection forget its copies.
"""

from __future__ import annotations

from pathlib import Path

import apsw

#: Pages that are looked at in one go, while nobody else may write: a few milliseconds.
_PAGES = 1_000
_PAGE = 4_096
#: Inner and leaf pages of indexes and of tables → how long their header is.
_HEADERS = {2: 12, 5: 12, 10: 8, 13: 8}
#: The file's own header stands in front of the first page's.
_FIRST = 100


def wiped(path: Path, connection: apsw.Connection, first: int) -> int | None:
    """Wipe the next pages from number `first` (from 1) on; where to go on, None after the last.

    Args:
        path: the file.
        connection: has the write lock, and the log is empty.
        first: the page to begin with.
    """
    pages: int = connection.pragma("page_count")
    last = min(first + _PAGES, pages + 1)
    # By way of SQLite: a file that is closed behind its back loses this process the locks on it.
    file = apsw.VFSFile("", str(path), [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READWRITE, 0])
    try:
        changed = False
        read = file.xRead((last - first) * _PAGE, (first - 1) * _PAGE) if last > first else b""
        for number in range(first, last):
            page = read[(number - first) * _PAGE : (number - first + 1) * _PAGE]
            start, end = _gap(page, _FIRST if number == 1 else 0)
            if start < end and page[start:end].strip(b"\0"):
                file.xWrite(bytes(end - start), (number - 1) * _PAGE + start)
                changed = True
        if changed:
            file.xSync(apsw.SQLITE_SYNC_FULL)
    finally:
        file.xClose()
    return last if last <= pages else None


def _gap(page: bytes, begin: int) -> tuple[int, int]:
    """From where to where nothing stands in a page; of one that has no cells, such as an overflow, nowhere."""
    header = _HEADERS.get(page[begin])
    if header is None:
        return 0, 0
    start = begin + header + 2 * int.from_bytes(page[begin + 3 : begin + 5])
    end = int.from_bytes(page[begin + 5 : begin + 7]) or 65_536
    return (start, end) if start <= end <= _PAGE else (0, 0)
