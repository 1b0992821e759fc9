"""A mail without the middle of its long bodies in base64, and these put back: the library's reader goes by lines.

RFC 2045 §6.8. Of a file of 14 KB it takes three hundred, each looked at for a boundary, which base64 cannot be: nine
tenths of the work of reading a mail. What is taken out are lines of base64 alone, amid others that stay, so that what
is before and after them is read as it was: the first of them ends whatever headers there are.
"""

from __future__ import annotations

import re
from email.message import Message
from secrets import token_hex

#: Lines that are base64 and nothing else, as many as are worth it; a line may be long, and is gone through once.
_RUN = re.compile(rb"(?<=\n)(?:[A-Za-z0-9+/]{60,}+\r?\n){8,}+")
#: What stands for a piece, which nobody who sends a mail knows.
_MARK = token_hex(16)
_PIECE = re.compile(rf"{_MARK}\.(\d+)\r?\n")


def shortened(raw: bytes) -> tuple[bytes, list[str]]:
    """The mail with a line in the place of each piece, and the pieces, in order; none where it has no long bodies."""
    kept: list[bytes] = []
    pieces: list[str] = []
    done = 0
    for run in _RUN.finditer(raw):
        start, end = raw.index(b"\n", run.start()) + 1, raw.rindex(b"\n", 0, run.end() - 1) + 1
        kept += (raw[done:start], f"{_MARK}.{len(pieces)}\r\n".encode())
        pieces.append(raw[start:end].decode("ascii"))
        done = end
    return (b"".join((*kept, raw[done:])), pieces) if pieces else (raw, pieces)


def put_back(whole: Message, pieces: list[str]) -> None:
    """Have each part of a mail that was read without them say what it said."""
    if not pieces:
        return
    for part in whole.walk():
        # As the reader left it: `get_payload` decodes what is not ASCII, and that is done once, when it is asked for.
        payload: object = part._payload  # type: ignore[attr-defined]
        if isinstance(payload, str):
            part._payload = _with(payload, pieces)  # type: ignore[attr-defined]
        part.preamble, part.epilogue = _with(part.preamble, pieces), _with(part.epilogue, pieces)


def _with(text: str | None, pieces: list[str]) -> str | None:
    return text if text is None or _MARK not in text else _PIECE.sub(lambda found: pieces[int(found[1])], text)
