"""Text as search compares it: without case, accents, punctuation or extra white space.

https://hl7.org/fhir/R4/search.html#string. The same folding is applied to what is indexed and to what is asked.
"""

from __future__ import annotations

import re
import unicodedata
from html import unescape

#: Letters that Unicode does not decompose, and how they are typed where they are not on the keyboard.
_LETTERS = {
    "œ": "oe", "æ": "ae", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ħ": "h", "ı": "i", "ŋ": "n", "ŧ": "t",
    "ĸ": "k", "ə": "e", "ß": "ss",
}  # fmt: skip
_tags = re.compile(r"<[^<>]*>").sub
_LONGEST_TEXT = 1_000_000
#: Characters of a string that are indexed: an index of whole chapters would serve nobody.
LONGEST_STRING = 4_000


def fold(text: str) -> str:
    """`text` in small letters without accents; runs of punctuation and white space are one space, none at the ends.

    "Jean-Pierre d'Artagnan" and "JEAN PIERRE D’ARTAGNAN" are both "jean pierre d artagnan"; "Cœur" is "coeur". Text of
    punctuation alone folds to "".
    """
    return text.lower() if text.isascii() and text.isalnum() else " ".join(text.translate(_table).split())


def spellings(text: str) -> tuple[str, ...]:
    """The foldings under which `text` is indexed: `fold(text)`, and the one with words joined where only an apostrophe,
    a hyphen or a dot parts them ("obrien" for "O'Brien"), so that it is found written either way.
    """  # fmt: skip
    folded = fold(text)
    if text.isalnum() or " " not in folded:
        return (folded,)
    joined = fold(_inner("", text))
    return (folded,) if joined == folded else (folded, joined)


def words(text: str) -> list[str]:
    """The folded words of `text`, each once; what follows the first million characters is not read."""
    text = text[:_LONGEST_TEXT]
    if text.isascii():
        return list(dict.fromkeys(fold(text).split()))
    # Folding takes ASCII many times faster: one accent should not slow all the rest.
    chunks = dict.fromkeys(text.split())
    plain = " ".join([chunk for chunk in chunks if chunk.isascii()])
    rest = " ".join([chunk for chunk in chunks if not chunk.isascii()])
    return list(dict.fromkeys(f"{fold(plain)} {fold(rest)}".split()))


def without_markup(xhtml: str) -> str:
    """The text of a narrative: tags replaced by spaces, entities by their characters."""
    text = _tags(" ", xhtml)
    return unescape(text) if "&" in text else text


class _Table(dict[int, str]):
    """What each character is folded to, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", chr(code)).casefold())
        found = self[code] = "".join(_LETTERS.get(char) or _plain(char) for char in apart)
        return found


def _plain(char: str) -> str:
    if char.isalnum():
        return char
    # A combining mark belongs to the letter before it; anything else parts words.
    return "" if unicodedata.category(char) == "Mn" else " "


_table = _Table()
_inner = re.compile(r"(?<=\w)['’‘ʼ`´.‐‑-](?=\w)").sub
