"""A PDF/A-1b of one page or several: text in an embedded font, colours that are defined, what it is said in XMP.

ISO 19005-1 (level B), PDF Reference 1.4. Text is not compressed, so that who knows a place in it can write there. The
font is DejaVu Sans, reduced to Latin letters (its licence stands in the file itself); the colours are sRGB by the
International Color Consortium's own profile, which it gives away.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Sequence
from functools import cache
from html import escape

from fhir_server.fhir.definitions import folder

#: A4 in points, and where the first line begins.
_WIDTH, _HEIGHT, _LEFT, _TOP = 595, 842, 56, 780
#: Rows of a page, and how wide each may be, in points.
_ROWS, _ROOM = 35, _WIDTH - 2 * _LEFT
#: The instant of all of them, in both ways in which a PDF has it: what a document is about has dates of its own.
_MADE, _MADE_XMP = "D:20200101000000Z", "2020-01-01T00:00:00Z"
#: What one byte of text means, but for what only a symbol font has.
_ENCODING = "cp1252"


def page(title: str, rows: Sequence[str]) -> bytes:
    """The document, of one page.

    Args:
        title: printed on top, and what readers call it.
        rows: lines of text, about ninety letters each; "" for a blank one.
    """
    return _written(title, [_content(title, rows)])


def pages(title: str, paragraphs: Sequence[str], language: str = "fr-FR") -> bytes:
    """A document of as many pages as it takes, each with its number and the title on top.

    Args:
        title: as of `page`.
        paragraphs: of any length: each begins a line, and is broken where a line is full; "" for a blank one.
        language: in which it is written, as BCP 47 has it.
    """
    rows = [row for paragraph in paragraphs for row in wrapped(paragraph)]
    parts = [rows[n : n + _ROWS] for n in range(0, len(rows), _ROWS)] or [[]]
    numbered = [[*part, *[""] * (_ROWS + 1 - len(part)), f"{n} / {len(parts)}"] for n, part in enumerate(parts, 1)]
    return _written(title, [_content(title, part) for part in numbered], language)


def wrapped(paragraph: str) -> list[str]:
    """A paragraph as lines that fit a page; one line, "", of a blank one. A word longer than a line is broken."""
    _, widths = _font()
    lines: list[str] = []
    line, left = "", float(_ROOM)
    for word in paragraph.split():
        text = word if not line else f" {word}"
        if line and _width(text, widths) > left:
            lines.append(line)
            line, left, text = "", float(_ROOM), word
        *whole, text = _broken(text, widths)
        lines += whole
        line, left = line + text, left - _width(text, widths)
    return [*lines, line] if line or not lines else lines


def _broken(word: str, widths: Sequence[int]) -> list[str]:
    """A word in parts that fit a line. Each letter is looked at once: words are anybody's, of any length."""
    parts: list[str] = []
    begun, left = 0, float(_ROOM)
    for n, letter in enumerate(word):
        wide = _width(letter, widths)
        if wide > left and n > begun:
            parts.append(word[begun:n])
            begun, left = n, float(_ROOM)
        left -= wide
    return [*parts, word[begun:]]


def _width(text: str, widths: Sequence[int]) -> float:
    """How wide a text is printed, in points at the size of rows."""
    return sum(widths[max(one, 32) - 32] for one in text.encode(_ENCODING, "replace")) * 9 / 1000


def _content(title: str, rows: Sequence[str]) -> bytes:
    text = [f"/F 14 Tf 0 0 0 rg 1 0 0 1 {_LEFT} {_TOP} Tm {_shown(title)} Tj".encode("latin-1"), b"/F 9 Tf"]
    text += [
        b"1 0 0 1 %d %d Tm %b Tj" % (_LEFT, _TOP - 26 - 19 * n, _shown(row).encode("latin-1"))
        for n, row in enumerate(rows)
        if row
    ]
    return b"BT\n" + b"\n".join(text) + b"\nET"


def _written(title: str, contents: Sequence[bytes], language: str = "fr-FR") -> bytes:
    """The file of some pages. Those after the first stand behind what all of them share."""
    named = f"<{(chr(0xFEFF) + title).encode('utf-16-be').hex()}>".encode()
    font, widths = _font()
    places = [3, *range(10, 10 + 2 * (len(contents) - 1), 2)]
    kids = b" ".join(b"%d 0 R" % place for place in places)
    sheets = [
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Contents %d 0 R/Resources<</Font<</F 5 0 R>>>>>>"
        % (_WIDTH, _HEIGHT, place + 1)
        for place in places
    ]
    streams = [_stream(b"", content) for content in contents]
    objects = [
        b"<</Type/Catalog/Pages 2 0 R/Metadata 7 0 R/Lang(%b)/OutputIntents["
        b"<</Type/OutputIntent/S/GTS_PDFA1/OutputConditionIdentifier(sRGB)/Info(sRGB)/DestOutputProfile 8 0 R>>]>>"
        % language.encode(),
        b"<</Type/Pages/Kids[%b]/Count %d>>" % (kids, len(contents)),
        sheets[0],
        streams[0],
        b"<</Type/Font/Subtype/TrueType/BaseFont/DejaVuSans/Encoding/WinAnsiEncoding/FirstChar 32/LastChar 255"
        b"/Widths[%b]/FontDescriptor 6 0 R>>" % b" ".join(b"%d" % width for width in widths),
        b"<</Type/FontDescriptor/FontName/DejaVuSans/Flags 32/FontBBox[-1021 -463 1793 1232]/ItalicAngle 0/Ascent 928"
        b"/Descent -236/CapHeight 729/StemV 80/FontFile2 9 0 R>>",
        _stream(b"/Type/Metadata/Subtype/XML", _metadata(title)),
        _stream(b"/N 3/Filter/FlateDecode", _colours()),
        font,
        *(one for pair in zip(sheets[1:], streams[1:], strict=True) for one in pair),
        b"<</Title %b/CreationDate(%b)>>" % (named, _MADE.encode()),
    ]
    return _file(objects)


def _shown(text: str) -> str:
    plain = text.encode(_ENCODING, "replace").decode("latin-1")
    return "(" + plain.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)") + ")"


def _stream(entries: bytes, data: bytes) -> bytes:
    return b"<<%b/Length %d>>\nstream\n%b\nendstream" % (entries, len(data), data)


def _file(objects: Sequence[bytes]) -> bytes:
    # Four bytes beyond ASCII in the second line: ISO 19005-1, 6.1.2.
    parts, places = [b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"], []
    at = len(parts[0])
    for number, one in enumerate(objects, 1):
        places.append(at)
        parts.append(b"%d 0 obj\n%b\nendobj\n" % (number, one))
        at += len(parts[-1])
    name = hashlib.sha256(b"".join(parts)).hexdigest()[:32].encode()
    rows = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    parts.append(b"xref\n0 %d\n0000000000 65535 f \n%b" % (count, rows))
    parts.append(b"trailer\n<</Size %d/Root 1 0 R/Info %d 0 R/ID[<%b><%b>]>>\n" % (count, len(objects), name, name))
    return b"".join([*parts, b"startxref\n%d\n%%%%EOF\n" % at])


def _metadata(title: str) -> bytes:
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"><pdfaid:part>1</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{escape(title, quote=False)}</rdf:li></rdf:Alt></dc:title>
<xmp:CreateDate>{_MADE_XMP}</xmp:CreateDate></rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>""".encode()


@cache
def _colours() -> bytes:
    return zlib.compress((folder("seed") / "paper" / "sRGB2014.icc").read_bytes(), 9)


@cache
def _font() -> tuple[bytes, tuple[int, ...]]:
    """The font's file as a stream, and how wide each byte from 32 to 255 is printed, in thousandths of its size."""
    data = (folder("seed") / "paper" / "DejaVuSans-latin.ttf").read_bytes()
    stream = _stream(b"/Length1 %d/Filter/FlateDecode" % len(data), zlib.compress(data, 9))
    tables = _tables(data)
    scale = 1000 / struct.unpack_from(">H", data, tables[b"head"] + 18)[0]
    many = struct.unpack_from(">H", data, tables[b"hhea"] + 34)[0]
    advances = [struct.unpack_from(">H", data, tables[b"hmtx"] + 4 * min(n, many - 1))[0] for n in range(many)]
    glyphs = _glyphs(data, tables[b"cmap"])
    letters = (bytes([n]).decode(_ENCODING, "replace") for n in range(32, 256))
    return stream, tuple(round(advances[min(glyphs.get(ord(one), 0), many - 1)] * scale) for one in letters)


def _tables(data: bytes) -> dict[bytes, int]:
    """Where each table of a TrueType font begins. https://learn.microsoft.com/typography/opentype/spec/otff."""
    count = struct.unpack_from(">H", data, 4)[0]
    rows = (struct.unpack_from(">4sLLL", data, 12 + 16 * n) for n in range(count))
    return {tag: place for tag, _, place, _ in rows}


def _glyphs(data: bytes, cmap: int) -> dict[int, int]:
    """Code point → glyph, of the font's table for Unicode (format 4)."""
    count = struct.unpack_from(">H", data, cmap + 2)[0]
    rows = (struct.unpack_from(">HHL", data, cmap + 4 + 8 * n) for n in range(count))
    at = next(cmap + place for platform, encoding, place in rows if (platform, encoding) == (3, 1))
    segments = struct.unpack_from(">H", data, at + 6)[0] // 2
    ends, starts, deltas, offsets = (
        struct.unpack_from(f">{segments}H", data, at + 14 + first)
        for first in (0, 2 * segments + 2, 4 * segments + 2, 6 * segments + 2)
    )
    found: dict[int, int] = {}
    for n, (end, start, delta, offset) in enumerate(zip(ends, starts, deltas, offsets, strict=True)):
        for code in range(start, end + 1):
            if not offset:
                found[code] = (code + delta) & 0xFFFF
                continue
            place = at + 14 + 6 * segments + 2 + 2 * n + offset + 2 * (code - start)
            glyph = struct.unpack_from(">H", data, place)[0]
            found[code] = (glyph + delta) & 0xFFFF if glyph else 0
    return found
