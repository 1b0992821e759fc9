"""Index rows as MongoDB keeps them: words as strings that an index finds whole or by their beginning, spans as rows.

A word is `param, value, qualifier` with a NUL between. One with a qualifier has two more strings, one without it and
one of parameter and qualifier alone; each parameter has one that says it is there. So whatever a filter leaves open,
what it names is one string to look up. Strings are compared octet by octet, which in UTF-8 is the order of Python's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from fhir_server.store.filters import Index, Span, Word

#: Between the parts of a word.
SEPARATOR = "\0"
_ESCAPED = str.maketrans({"\0": "\1\1", "\1": "\1\2"})
_UNESCAPED = {"\1\1": "\0", "\1\2": "\1"}
#: Texts by what they are of.
TEXTS = {"narrative": "n", "content": "c"}
#: What BSON takes for a whole number.
_LARGEST = 2**63 - 1


def escaped(text: str) -> str:
    """`text` without NUL; what begins it, and the order of two, stay as they are."""
    return text.translate(_ESCAPED) if "\0" in text or "\1" in text else text


def unescaped(text: str) -> str:
    """What `escaped` was given."""
    return re.sub("\1[\1\2]", lambda found: _UNESCAPED[found[0]], text) if "\1" in text else text


def whole(param: str, value: str, qualifier: str) -> str:
    """The string of a word."""
    return f"{param}\0{escaped(value)}\0{escaped(qualifier)}"


def valued(param: str, value: str) -> tuple[str, str]:
    """The strings of which a word of this value has one, whatever its qualifier."""
    known = f"{param}\0{escaped(value)}\0"
    return known, known + SEPARATOR


def qualified(param: str, qualifier: str) -> str:
    """The string that each word of this qualifier has, which is not empty."""
    return f"\0{param}\0{escaped(qualifier)}"


def present(param: str) -> str:
    """The string that says that there is a row of `param`."""
    return f"\0\0{param}"


def strings(index: Index) -> list[str]:
    """All strings of an index, each once."""
    found: dict[str, None] = {}
    for word in index.words:
        known, qualifier = f"{word.param}\0{escaped(word.value)}\0", escaped(word.qualifier)
        found[known + qualifier] = None
        if qualifier:
            found[known + SEPARATOR] = None
            found[f"\0{word.param}\0{qualifier}"] = None
        found[f"\0\0{word.param}"] = None
    for span in index.spans:
        found[f"\0\0{span.param}"] = None
    return list(found)


def spans(rows: Iterable[Span]) -> list[dict[str, Any]]:
    """Span rows as documents; what is empty is not written, as a filter that asks for it knows."""
    return [
        {"p": one.param, "l": number(one.low), "h": number(one.high), "c": one.code, "y": one.system} for one in rows
    ]


def words_of_texts(index: Index) -> list[str]:
    """Each word of the narrative and of the content, once."""
    return [
        *dict.fromkeys(
            letter + word
            for letter, text in (("n", index.narrative), ("c", index.content))
            for word in text.split(" ")
            if word
        )
    ]


def with_texts(index: Index, texts: Sequence[str]) -> Index:
    """An index with the texts that `words_of_texts` gave."""
    return Index(
        index.words,
        index.spans,
        " ".join(one[1:] for one in texts if one[0] == "n"),
        " ".join(one[1:] for one in texts if one[0] == "c"),
    )


def number(value: int | float) -> int | float:
    """A number that BSON takes; one larger than its whole numbers is as good as the nearest it has."""
    return value if isinstance(value, float) or -_LARGEST <= value <= _LARGEST else float(value)


def plain(value: Any) -> Any:
    """A value as Python has it: what MongoDB calls long is a kind of integer of its own, which no encoder knows."""
    return int(value) if isinstance(value, int) else value


def after_all(prefix: str) -> str | None:
    """The least string that is greater than all that begin with `prefix`; None: there is none."""
    while prefix:
        last = ord(prefix[-1]) + 1
        if last <= 0x10FFFF:
            # No text has surrogates.
            return prefix[:-1] + chr(0xE000 if last == 0xD800 else last)
        prefix = prefix[:-1]
    return None


def referred(words: Iterable[Word], param: str, type: str) -> list[str]:
    """The ids of resources of `type` that words of `param` refer to."""
    prefix = type + "/"
    return [one.value[len(prefix) :] for one in words if one.param == param and one.value.startswith(prefix)]
