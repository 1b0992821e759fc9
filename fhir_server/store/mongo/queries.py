"""A filter as a query of MongoDB: exactly what it means where a query can say that, else more, to be judged afterwards.

`store/matching.py` says what each filter means. What a link leads to was looked up before (`links.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import ceil, degrees, floor
from typing import NamedTuple

from fhir_server.store.filters import (
    And,
    Filter,
    Id,
    Linked,
    LinkedFrom,
    Missing,
    Near,
    Not,
    Or,
    Range,
    Refers,
    String,
    Text,
    Together,
    Token,
    Uri,
)
from fhir_server.store.matching import EARTH, OWN
from fhir_server.store.mongo import rows
from fhir_server.store.mongo.documents import Document

#: Alternatives that are no equality: more of them are judged one by one, since a plan has a part for each.
_ALTERNATIVES = 100
#: The longest text that a regular expression is made of.
_LONGEST = 1_000

#: What the links of a filter lead to, by identity of the link: values of `_links`; None where they are too many.
Resolved = Mapping[int, frozenset[str] | None]


class Query(NamedTuple):
    """A query, and whether what it finds satisfies the filter; if not, all that satisfies it is among what it finds."""

    text: Document
    exact: bool = True


ALL = Query({})
#: Everything, to be judged.
UNKNOWN = Query({}, False)
NONE = Query({"_id": {"$in": []}})


def query(where: Filter, types: Sequence[str], resolved: Resolved, grouped: bool = False) -> Query:
    """What finds the resources of `types` that satisfy `where`.

    Args:
        where: the filter.
        types: the query is asked of these alone.
        resolved: what the links of the filter lead to.
        grouped: whether it is asked of the rows of one group: what it excludes may be in another.
    """
    match where:
        case And():
            return _all([query(part, types, resolved, grouped) for part in dict.fromkeys(where.parts)])
        case Or():
            return _any([query(part, types, resolved, grouped) for part in dict.fromkeys(where.parts)])
        case Not():
            part = query(where.part, types, resolved)
            return UNKNOWN if grouped or not part.exact else _none(part)
        case Together():
            return _all([query(part, types, resolved, True) for part in where.parts])._replace(exact=False)
        case Linked() | LinkedFrom():
            return _link(where, types, resolved)
        case Missing():
            return (
                NONE if where.param in OWN else UNKNOWN if grouped else Query({"s": {"$ne": rows.present(where.param)}})
            )
        case Text():
            return ALL if not where.words else NONE if grouped else _text(where)
        case _:
            return _leaf(where, types)


def equals(found: Sequence[str]) -> Query:
    """That one of these strings is there."""
    return Query({"s": found[0] if len(found) == 1 else {"$in": list(found)}})


def _leaf(where: Id | Token | String | Refers | Uri | Range | Near, types: Sequence[str]) -> Query:
    match where:
        case Id():
            return Query({"_id": {"$in": [f"{type}/{id}" for type in types for id in where.ids]}})
        case Range(param="_lastUpdated"):
            return _instant(where)
        case Range():
            return _span(where)
        case Near():
            reach = degrees(where.radius_metres / EARTH) * 1.000001 + 1e-9
            near = {"$gte": where.latitude - reach, "$lte": where.latitude + reach}
            return Query({"d": {"$elemMatch": {"p": where.param, "l": near}}}, False)
        case _:
            return _word(where)


def _word(where: Token | String | Refers | Uri) -> Query:
    match where:
        case Token():
            return _token(where)
        case String():
            return _string(where)
        case Refers(param, target, None):
            return equals(rows.valued(param, target))
        case Refers(param, target, version):
            return equals([rows.whole(param, target, version or "")])
        case Uri():
            same = equals(rows.valued(where.param, where.value))
            below = _between(f"{where.param}\0{rows.escaped(where.value)}/")
            return same if where.how == "equal" else _any([same, below])


def _token(where: Token) -> Query:
    match where:
        case Token(param, None, None):
            return _between(f"{param}\0")
        case Token(param, None, ""):
            return _expressed(param, r"\x00\z", exact=True)
        case Token(param, None, system):
            return equals([rows.qualified(param, system or "")])
        case Token(param, code, None):
            return equals(rows.valued(param, code or ""))
        case Token(param, code, system):
            return equals([rows.whole(param, code or "", system or "")])


def _string(where: String) -> Query:
    value, start = rows.escaped(where.value), f"{where.param}\0"
    if where.how == "starts":
        return _between(start + value)
    if where.how == "exact":
        return _token(Token(where.param, None, where.value))
    if not where.value:
        return _between(start)
    plain = value == where.value and "\2" not in value and len(value) <= _LONGEST
    if not plain:
        return _between(start)._replace(exact=False)
    return _expressed(where.param, re.escape(value) + (r"\x00" if where.how == "ends" else ""), exact=True)


def _expressed(param: str, text: str, exact: bool) -> Query:
    """A word of `param` in whose value, and what follows it, this expression is found."""
    between = _between(f"{param}\0").text["s"]["$elemMatch"]
    return Query({"s": {"$elemMatch": {**between, "$regex": rf"^{re.escape(param)}\x00[^\x00]*{text}"}}}, exact)


def _between(prefix: str) -> Query:
    """A string that begins with `prefix`: one and the same is not less than that and less than what comes after."""
    end = rows.after_all(prefix)
    return Query({"s": {"$elemMatch": {"$gte": prefix, **({} if end is None else {"$lt": end})}}})


def _text(where: Text) -> Query:
    if any(not word or " " in word for word in where.words):
        return NONE
    letter = rows.TEXTS[where.where]
    return Query({"w": {"$all": [letter + word for word in dict.fromkeys(where.words)]}})


def _instant(where: Range) -> Query:
    """Instants are of milliseconds, and asked for in microseconds."""
    if where.code not in (None, "") or where.system not in (None, ""):
        return NONE
    lows = [one for one in (where.low_from, where.high_from) if one is not None]
    highs = [one for one in (where.low_to, where.high_to) if one is not None]
    bounds: Document = {}
    if lows:
        bounds["$gte"] = ceil(max(lows) / 1000) if isinstance(max(lows), float) else -(-int(max(lows)) // 1000)
    if highs:
        bounds["$lte"] = floor(min(highs) / 1000) if isinstance(min(highs), float) else int(min(highs)) // 1000
    return Query({"at": {name: rows.number(value) for name, value in bounds.items()}}) if bounds else ALL


def _span(where: Range) -> Query:
    row: Document = {"p": where.param}
    for name, least, most in (("l", where.low_from, where.low_to), ("h", where.high_from, where.high_to)):
        bounds = {sign: rows.number(one) for sign, one in (("$gte", least), ("$lte", most)) if one is not None}
        if bounds:
            row[name] = bounds
    # The end of a span is never before its beginning: a bound of the one is one of the other, by which an index goes.
    if where.high_to is not None and where.low_to is None:
        row.setdefault("l", {})["$lte"] = rows.number(where.high_to)
    if where.code is not None:
        row["c"] = where.code
    if where.system is not None:
        row["y"] = where.system
    return Query({"d": {"$elemMatch": row}})


def _link(where: Linked | LinkedFrom, types: Sequence[str], resolved: Resolved) -> Query:
    found = resolved.get(id(where))
    if isinstance(where, LinkedFrom):
        return UNKNOWN if found is None else Query({"_id": {"$in": sorted(found)}})
    if found is None:
        return _between(f"{where.param}\0{where.type}/")._replace(exact=False)
    return equals([text for one in sorted(found) for text in rows.valued(where.param, one)]) if found else NONE


def _all(parts: Sequence[Query]) -> Query:
    exact = all(part.exact for part in parts)
    if any(part.text == NONE.text for part in parts):
        return NONE
    texts = [part.text for part in parts if part.text]
    return Query({} if not texts else texts[0] if len(texts) == 1 else {"$and": texts}, exact)


def _any(parts: Sequence[Query]) -> Query:
    if any(part == ALL for part in parts):
        return ALL
    exact = all(part.exact for part in parts)
    if any(not part.text for part in parts):
        return UNKNOWN
    named: dict[str, list[str]] = {"s": [], "_id": []}
    others: list[Document] = []
    for part in parts:
        field, values = _equality(part.text)
        if values is None:
            others.append(part.text)
        else:
            named[field] += values
    if len(others) > _ALTERNATIVES:
        # Whoever has a row of one of the parameters, where all ask for rows of some.
        widened = _widened(others)
        if widened is None:
            return UNKNOWN
        named["s"], others, exact = named["s"] + widened, [], False
    others += [{field: {"$in": [*dict.fromkeys(values)]}} for field, values in named.items() if values]
    return Query(NONE.text if not others else others[0] if len(others) == 1 else {"$or": others}, exact)


def _equality(text: Document) -> tuple[str, Sequence[str] | None]:
    """The field, and what it must be one of, if that is all a query asks."""
    field = next(iter(text))
    if len(text) != 1 or field not in ("s", "_id"):
        return field, None
    asked = text[field]
    if isinstance(asked, str):
        return field, [asked]
    return field, asked["$in"] if len(asked) == 1 and "$in" in asked else None


def _widened(texts: Sequence[Document]) -> list[str] | None:
    params: set[str] = set()
    for text in texts:
        row = text.get("d", {}).get("$elemMatch") if len(text) == 1 else None
        if row is None:
            return None
        params.add(rows.present(row["p"]))
    return sorted(params)


def _none(part: Query) -> Query:
    return NONE if not part.text else ALL if part.text == NONE.text else Query({"$nor": [part.text]})
