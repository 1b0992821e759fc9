"""What is known of one code here, whatever it is bound to: whether its system has it, how it stands, what it is called.

https://hl7.org/fhir/R4/datatypes.html#Coding, https://hl7.org/fhir/R4/codesystem.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from fhir_server.terminology.grammars import GRAMMARS

#: A code as it stands: system, version, code, display; None for what is not there.
Key = tuple[str | None, str | None, str | None, str | None]
#: Characters of a code with all that is said of it that is worth remembering: others could fill the memory.
LONGEST = 512
#: `absent`: the system is here whole, and has no such code. `supplement`, `value-set`: what is named is no code system
#: that a code could be of (https://hl7.org/fhir/R4/codesystem.html#supplements). `younger`: the copy that is here has
#: no such code, and is known to be older than the system is.
State = Literal["there", "absent", "younger", "supplement", "value-set"]
#: Systems that R4 republishes, and others keep: HL7 adds codes to the tables of v2 and the systems of v3 several times
#: a year (https://terminology.hl7.org), while R4's copies stay as they were in 2018.
KEPT_ELSEWHERE = ("http://terminology.hl7.org/CodeSystem/v2-", "http://terminology.hl7.org/CodeSystem/v3-")


@dataclass(frozen=True, slots=True)
class Known:
    """A code as it is known here.

    Attributes:
        state: whether there is such a code.
        inactive: it is not to be used any more.
        abstract: it is there to group others, and not for use itself.
        names: its display and designations, as they are and folded; empty where it has none.
    """

    state: State
    inactive: bool = False
    abstract: bool = False
    names: frozenset[str] = frozenset()

    @property
    def is_plain(self) -> bool:
        """Whether it is there, and for use."""
        return self.state == "there" and not self.inactive and not self.abstract

    def is_called(self, display: str) -> bool:
        """Whether it may be called so, whatever the case and the spaces; what has no name may be called anything."""
        return not self.names or display in self.names or folded(display) in self.names


YOUNGER = Known("younger")
ABSENT, SUPPLEMENT, VALUE_SET, THERE = Known("absent"), Known("supplement"), Known("value-set"), Known("there")


class Source(Protocol):
    """A code system, as far as one code is asked of it."""

    content: str
    is_r4_copy: bool

    def named(self, code: str) -> Known | None:
        """The code as it is known; None where the system does not list it."""


def known(source: Source | None, is_value_set: Callable[[], bool], system: str, code: str) -> Known | None:
    """What is known of a code; None where that cannot be told: no such system here, or not all of it.

    Args:
        source: the code system, None where it is not here.
        is_value_set: whether there is a value set of that URL.
        system: its URL.
        code: the code.
    """
    grammar = GRAMMARS.get(system)
    if grammar is not None:
        return THERE if grammar(code) else ABSENT
    if source is None:
        return VALUE_SET if is_value_set() else None
    if source.content == "supplement":
        return SUPPLEMENT
    return source.named(code) or (_missing(source, system) if source.content == "complete" else None)


def _missing(source: Source, system: str) -> Known:
    return YOUNGER if source.is_r4_copy and system.startswith(KEPT_ELSEWHERE) else ABSENT


def there(names: Iterable[str], *, inactive: bool, abstract: bool) -> Known:
    """A code that its system has."""
    return Known("there", inactive, abstract, frozenset(form for one in names if one for form in (one, folded(one))))


def folded(text: str) -> str:
    """A display without what does not tell displays apart: case and spaces."""
    return " ".join(text.casefold().split())
