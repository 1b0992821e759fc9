"""What a value set says, as SQL over the tables of concepts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import apsw

from fhir_server.store.concepts import Above, Artifact, Below, Carries, Condition, Has, Matches, Not, Part
from fhir_server.store.embedded.concept_loading import loaded, system

Test = Callable[[str], bool]
_START = "WITH RECURSIVE w(x) AS (SELECT cid FROM concept WHERE aid=? AND code=? UNION SELECT"
_DOWN = f"{_START} p.cid FROM w CROSS JOIN parent p ON p.pcid=w.x) SELECT x FROM w"
_UP = f"{_START} p.pcid FROM w CROSS JOIN parent p ON p.cid=w.x) SELECT x FROM w"
_OWN_UP = """WITH RECURSIVE w(x) AS (VALUES(c.cid) UNION SELECT p.pcid FROM w CROSS JOIN parent p ON p.cid=w.x)
SELECT 1 FROM w CROSS JOIN concept k ON k.cid=w.x WHERE k.aid=? AND k.code=?"""


class Testing:
    """The function `tested(number, text)` of SQL: tests in Python, each known only while its question is asked."""

    def __init__(self) -> None:
        """No test is known."""
        self._tests: dict[int, Test] = {}
        self._numbers = count(1)

    def __call__(self, *given: Any) -> int:
        """What SQLite calls for a row: the number of a test, and the text to judge."""
        number, text = given
        return self._tests[number](text)

    @contextmanager
    def asked(self) -> Iterator[Callable[[Test], int]]:
        """Gives a function that numbers tests; they are forgotten at the end."""
        mine: list[int] = []

        def number(test: Test) -> int:
            mine.append(next(self._numbers))
            self._tests[mine[-1]] = test
            return mine[-1]

        try:
            yield number
        finally:
            for one in mine:
                del self._tests[one]


def taking(db: apsw.Connection, eid: int, part: Part, tests: Any) -> None:
    """Add what `part` includes to an expansion, after what is there and without repeating it."""
    if part.listed is not None:
        _list(db, eid, part, tests)
        return
    bound: list[Any] = []
    where = _where(part, bound, tests)
    start = db.execute("SELECT coalesce(max(n), 0) FROM member WHERE eid=?", (eid,)).get
    # Without a system the concepts are those of the first import.
    source = "concept c" if part.system else "member i CROSS JOIN concept c ON c.cid=i.cid"
    order = "c.cid" if part.system else "i.n"
    if not part.system:
        where, bound = f"i.eid=? AND {where}", [part.imports[0], *bound]
    extra = ("NULL", "NULL") if part.system else ("i.display", "i.extra")
    db.execute(
        f"INSERT OR IGNORE INTO member SELECT ?, ? + row_number() OVER (ORDER BY {order}), c.cid, "
        f"{extra[0]}, {extra[1]} FROM {source} WHERE {where} ORDER BY {order}",
        (eid, start, *bound),
    )


def excluding(db: apsw.Connection, eid: int, part: Part, tests: Any) -> None:
    """Take what `part` excludes out of an expansion."""
    bound: list[Any] = []
    wheres = []
    if part.listed is not None:
        wheres.append(f"c.code IN ({_marks(part.listed)})")
        bound += [one.code for one in part.listed]
    where = " AND ".join([*wheres, _where(part, bound, tests, loose=True)])
    text = f"SELECT m.n FROM member m CROSS JOIN concept c ON c.cid=m.cid WHERE m.eid=? AND {where}"
    db.execute(f"DELETE FROM member WHERE eid=? AND n IN ({text})", (eid, eid, *bound))


def condition(one: Condition, part: Part, bound: list[Any], tests: Any, *, single: bool = False) -> str:
    """SQL over `concept c` that holds when the condition does; what it binds is added to `bound`."""
    match one:
        case Not():
            return f"NOT ({condition(one.condition, part, bound, tests, single=single)})"
        case Below() if single:
            bound += [part.artifact[0], one.code]
            return _itself(one, f"EXISTS ({_OWN_UP})", bound)
        case Below():
            bound += [part.artifact[0], one.code]
            return _itself(one, f"c.cid IN ({_DOWN})", bound)
        case Above():
            bound += [part.artifact[0], one.code]
            return f"c.cid IN ({_UP})"
        case Has() | Carries() | Matches():
            return _property(one, part, bound, tests)


def _itself(one: Below, text: str, bound: list[Any]) -> str:
    if one.itself:
        return text
    bound.append(one.code)
    return f"{text} AND c.code<>?"


#: Property → the column of a concept that holds what it means.
_FLAGS = {"inactive": "inactive", "notSelectable": "abstract"}


def _property(one: Has | Carries | Matches, part: Part, bound: list[Any], tests: Any) -> str:
    name = one.property
    if name in ("code", "display"):
        return _compared(one, f"c.{name}", bound, tests)
    if name in ("parent", "child"):
        near, far = ("cid", "pcid") if name == "parent" else ("pcid", "cid")
        rows = f"parent p CROSS JOIN concept o ON o.cid=p.{far} WHERE p.{near}=c.cid"
        return f"EXISTS (SELECT 1 FROM {rows} AND {_compared(one, 'o.code', bound, tests)})"
    if isinstance(one, Has) and name in _FLAGS:
        # Said by a property of that name, or by one that means it, such as `status`.
        return _compared(one, f"CASE c.{_FLAGS[name]} WHEN 1 THEN 'true' ELSE 'false' END", bound, tests)
    bound += [*part.artifact, name]
    rows = f"concept s CROSS JOIN property p ON p.cid=s.cid WHERE s.aid IN ({_marks(part.artifact)}) AND s.code=c.code"
    return f"EXISTS (SELECT 1 FROM {rows} AND p.code=? AND {_compared(one, 'p.value', bound, tests)})"


def _compared(one: Has | Carries | Matches, column: str, bound: list[Any], tests: Any) -> str:
    match one:
        case Has():
            bound += one.values
            return f"{column} IN ({_marks(one.values)})"
        case Carries():
            return f"{column}<>''"
        case Matches():
            bound.append(tests(one.test))
            return f"tested(?, {column})"


def _where(part: Part, bound: list[Any], tests: Any, *, loose: bool = False) -> str:
    """`loose`: whichever version of the system the concept comes from, as an exclusion means it."""
    wheres = []
    if part.system and (loose or not part.artifact):
        wheres.append("c.sys=(SELECT sys FROM uri WHERE url=?)")
        bound.append(part.system)
    elif part.system:
        wheres.append("c.aid=?")
        bound.append(part.artifact[0])
    if part.system and not part.artifact and part.listed is None and not loose:
        return "0"
    wheres += [f"({condition(one, part, bound, tests)})" for one in part.conditions]
    for eid in part.imports:
        wheres.append(
            "EXISTS (SELECT 1 FROM uri u CROSS JOIN artifact a CROSS JOIN concept k ON k.aid=a.aid AND k.code=c.code "
            "CROSS JOIN member q ON q.eid=? AND q.cid=k.cid WHERE u.sys=c.sys AND a.url=u.url)"
        )
        bound.append(eid)
    return " AND ".join(wheres) or "1"


def _list(db: apsw.Connection, eid: int, part: Part, tests: Any) -> None:
    """The concepts a value set names: of a known code system only those it has, of any other all of them."""
    n = db.execute("SELECT coalesce(max(n), 0) FROM member WHERE eid=?", (eid,)).get
    loose = 0
    for one in part.listed or ():
        bound: list[Any] = [part.artifact[0] if part.artifact else 0, one.code]
        text = "SELECT c.cid FROM concept c WHERE c.aid=? AND c.code=? AND " + _where(part, bound, tests)
        cid = db.execute(text, bound).get
        if cid is None and (part.partial or not part.artifact):
            loose = loose or _loose(db, part.system)
            cid = _loosely(db, loose, part, one.code, one.display)
        if cid is not None:
            n += 1
            row = (eid, n, cid, one.display or None, one.extra or None)
            db.execute("INSERT OR IGNORE INTO member VALUES(?,?,?,?,?)", row)


def _loosely(db: apsw.Connection, aid: int, part: Part, code: str, display: str) -> int | None:
    row = (aid, system(db, part.system), code, display)
    db.execute("INSERT OR IGNORE INTO concept(aid, sys, code, display, inactive, abstract) VALUES(?,?,?,?,0,0)", row)
    if db.changes():
        db.execute("INSERT INTO words(rowid, spoken) VALUES(?,?)", (db.last_insert_rowid(), f"{code} {display}"))
    bound: list[Any] = [aid, code]
    imports = Part(part.system, imports=part.imports, listed=())
    found: int | None = db.execute(
        "SELECT c.cid FROM concept c WHERE c.aid=? AND c.code=? AND " + _where(imports, bound, None), bound
    ).get
    return found


def _loose(db: apsw.Connection, url: str) -> int:
    aid = db.execute("SELECT aid FROM artifact WHERE url=? AND kind='CodeSystem' AND source=''", (url,)).get
    return aid if aid is not None else loaded(db, Artifact(0, "CodeSystem", url, "", "", "", "", b""), ())


def _marks(values: Any) -> str:
    return ",".join("?" * len(values))
