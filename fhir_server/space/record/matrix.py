"""Which profession reads which type of document: the matrix, as data that an administrator may replace.

Arrêté of 26 October 2023, CSP R1111-46. `matrix.csv` has what is known of it; `FHIR_RECORD_MATRIX` names another file
of the same form, which is read when the server starts.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path

from fhir_server.fhir.definitions import folder
from fhir_server.fhir.nos import nos
from fhir_server.search.parameters.codes import spelling
from fhir_server.space.record.professionals import Profession
from fhir_server.store.filters import EVERYTHING, NOTHING, Filter, Not, Token, either

#: Code systems that say what profession somebody is of: health, social, other, and titles of users.
SYSTEMS = frozenset(
    nos(name)
    for name in (
        "TRE_G15-ProfessionSante",
        "TRE_R94-ProfessionSocial",
        "TRE_R291-AutreProfession",
        "TRE_R95-UsagerTitre",
    )
)
ANY = "*"
_HEAD = ["profession", "type", "read"]
_VERSION = re.compile(r"#\s*version:\s*(\S+)\s*")
_READ = {"yes": True, "no": False}
#: More lines than all professions and types make together.
_LONGEST = 100_000


class BadMatrix(ValueError):
    """A matrix that cannot be used: which line, and why."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row, as it decides of somebody: `line` is its number in the file."""

    profession: str
    type: str
    read: bool
    line: int

    @property
    def text(self) -> str:
        """As the file has it, with its line."""
        return f"{self.profession},{self.type},{'yes' if self.read else 'no'} (line {self.line})"


@dataclass(frozen=True, eq=False)
class Matrix:
    """A matrix.

    Attributes:
        version: as the file says.
        rows: by (profession, type) as the file writes them.
    """

    version: str
    rows: Mapping[tuple[str, str], Row]

    def row(self, professions: frozenset[Profession], type: str) -> Row:
        """The row that decides whether somebody of these professions reads a type ("system|code").

        Of several professions, one that gives it decides.
        """
        named = sorted(f"{system}|{code}" for system, code in professions if system in SYSTEMS)
        found = [self._row(profession, type) for profession in named or [""]]
        return next((row for row in found if row.read), found[0])

    def refused(self, roles: tuple[frozenset[Profession], ...]) -> Filter:
        """Documents of a type that somebody does not read, whichever of these roles they act in."""
        return _refused(self, tuple(frozenset(one for one in role if one[0] in SYSTEMS) for role in roles))

    @cached_property
    def types(self) -> tuple[str, ...]:
        """The types that rows name."""
        return tuple(sorted({type for _, type in self.rows} - {ANY}))

    def of_role(self, professions: frozenset[Profession]) -> Filter:
        """As `refused`, of one role."""
        otherwise = self.row(professions, "").read
        other = [type for type in self.types if self.row(professions, type).read != otherwise]
        named = either([_token(type) for type in other])
        if otherwise:
            return named
        return Not(named) if named != NOTHING else EVERYTHING

    def _row(self, profession: str, type: str) -> Row:
        system = profession.rpartition("|")[0]
        for of_type in (type, ANY):
            for who in (profession, f"{system}|{ANY}", ANY):
                if (found := self.rows.get((who, of_type))) is not None:
                    return found
        raise AssertionError("A matrix has a row for anybody and any type.")


@lru_cache(maxsize=1024)
def _refused(matrix: Matrix, roles: tuple[frozenset[Profession], ...]) -> Filter:
    return either([matrix.of_role(role) for role in roles])


@lru_cache(maxsize=8)
def held(path: Path | None = None) -> Matrix:
    """As `read`, and the same again: a matrix is read when the server starts."""
    return read(path)


def read(path: Path | None = None) -> Matrix:
    """The matrix of a file; the server's own without one.

    Raises:
        BadMatrix: it cannot be read, or a line of it is wrong.
    """
    try:
        text = (path or Path(__file__).with_name("matrix.csv")).read_text("utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise BadMatrix(f"the matrix cannot be read ({type(error).__name__})") from None
    lines = text.splitlines()
    version = next((found[1] for line in lines if (found := _VERSION.fullmatch(line))), "")
    if not version:
        raise BadMatrix("line 1: a matrix says its version: # version: 2023-10-26")
    rows: dict[tuple[str, str], Row] = {}
    for row in _rows(lines):
        if (row.profession, row.type) in rows:
            raise BadMatrix(f"line {row.line}: the same as line {rows[row.profession, row.type].line}")
        rows[row.profession, row.type] = row
    if (ANY, ANY) not in rows:
        raise BadMatrix("the row *,* is missing: what holds where no other row does")
    return Matrix(version, rows)


def _rows(lines: list[str]) -> Iterator[Row]:
    if len(lines) > _LONGEST:
        raise BadMatrix(f"line {_LONGEST + 1}: a matrix has at most {_LONGEST} lines")
    numbered = [(n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    for number, line in numbered:
        cells = _cells(line, number)
        if (number, cells) == (numbered[0][0], _HEAD):
            continue
        if number == numbered[0][0] or len(cells) != len(_HEAD):
            raise BadMatrix(f"line {number}: the columns are {','.join(_HEAD)}")
        profession, type, given = (cell.strip() for cell in cells)
        if given not in _READ:
            raise BadMatrix(f"line {number}: read is yes or no")
        _require(profession, _professions(), f"line {number}: there is no such profession", wild=True)
        _require(type, _types(), f"line {number}: there is no such type of document", wild=False)
        yield Row(profession, type, _READ[given], number)


def _cells(line: str, number: int) -> list[str]:
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error as error:
        raise BadMatrix(f"line {number}: {error}") from None


def _require(said: str, known: Mapping[str, frozenset[str] | None], words: str, wild: bool) -> None:
    """That a code is one of its system; None is a system whose codes are not here."""
    if said == ANY:
        return
    system, _, code = said.rpartition("|")
    if system not in known:
        raise BadMatrix(words)
    codes = known[system]
    if not code or (code == ANY and not wild) or (code != ANY and codes is not None and code not in codes):
        raise BadMatrix(words)


@cache
def _professions() -> dict[str, frozenset[str] | None]:
    found: dict[str, frozenset[str] | None] = {}
    for system in SYSTEMS:
        tree = json.loads((folder("profiles") / f"national/CodeSystem-{system.rpartition('/')[2]}.json").read_bytes())
        found[system] = frozenset(_codes(tree.get("concept", ()))) or None
    return found


@cache
def _types() -> dict[str, frozenset[str] | None]:
    """The types of the DMP: those that a class is said of."""
    name = "national/ConceptMap-ASS-X16-CorrespondanceType-Classe-DMP.json"
    tree = json.loads((folder("profiles") / name).read_bytes())
    return {group["source"]: frozenset(_codes(group["element"])) for group in tree["group"]}


def _codes(concepts: Iterable[Mapping[str, str]]) -> Iterator[str]:
    return (one["code"] for one in concepts)


def _token(type: str) -> Token:
    system, _, code = type.rpartition("|")
    return Token("type", spelling(code, system), system)
