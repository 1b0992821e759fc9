"""Invariants that most elements are seen to satisfy at once, without asking FHIRPath; what is not seen so is asked.

https://hl7.org/fhir/R4/bundle.html#invs, https://hl7.org/fhir/R4/codesystem.html#invs,
https://hl7.org/fhir/R4/list.html#invs, https://hl7.org/fhir/R4/organization.html#invs. A look says True only where the
expression would; False says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Tree = dict[str, Any]
_ASKED = frozenset({"batch", "transaction", "history"})
_ANSWERED = frozenset({"batch-response", "transaction-response", "history"})


def is_plain(expression: str, value: Any) -> bool:
    """Whether an element is seen to satisfy the invariant of a FHIRPath expression."""
    look = _PLAINLY.get(expression)
    return look is not None and (isinstance(value, dict) or look is _to_the_day) and look(value)


def in_order(period: Tree) -> bool:
    """Whether a Period's ends, written alike and with the same zone, are in order as they are read: most are."""
    start, end = period.get("start"), period.get("end")
    if not isinstance(start, str) or not isinstance(end, str) or len(start) != len(end):
        return False
    return start <= end and (len(start) <= 10 or start[19:] == end[19:])


def _distinct(system: Tree) -> bool:
    """Whether a CodeSystem's codes all differ, as far as that is seen at once; there may be a hundred thousand."""
    if "contained" in system:
        return False
    codes: list[Any] = []
    waiting = [system]
    while waiting:
        rows = waiting.pop().get("concept", [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            return False
        codes += [row.get("code") for row in rows]
        waiting += [row for row in rows if "concept" in row]
    return all(isinstance(code, str) for code in codes) and len(set(codes)) == len(codes)


def _to_the_day(date: Any) -> bool:
    """Whether a date says its day, as vs-1 asks."""
    return isinstance(date, str) and len(date) >= 10


def _is_no(kind: str) -> Callable[[Any], bool]:
    """Whether a Bundle says that it is of another type than one."""
    return lambda bundle: isinstance(said := bundle.get("type"), str) and said != kind


def _has_where(member: str, kinds: frozenset[str]) -> Callable[[Any], bool]:
    """Whether all entries of a Bundle of some types have a member, and of other types none."""

    def look(bundle: Tree) -> bool:
        kind = bundle.get("type")
        is_one = kind in kinds if isinstance(kind, str) else None
        return all((bool(row[member]) if member in row else False) is is_one for row in _entries(bundle))

    return look


def _unsearched(bundle: Tree) -> bool:
    return bundle.get("type") == "searchset" or not any("search" in row for row in _entries(bundle))


def _called_otherwise(bundle: Tree) -> bool:
    """Whether the entries of a Bundle, none of which says its version, are called otherwise each."""
    urls: list[Any] = []
    for row in _entries(bundle):
        resource = row.get("resource", {})
        if "_fullUrl" in row or not isinstance(resource, dict) or "versionId" in (resource.get("meta") or ()):
            return False
        urls += [row["fullUrl"]] if "fullUrl" in row else []
    return all(isinstance(url, str) for url in urls) and len(set(urls)) == len(urls)


def _removes_nothing(listed: Tree) -> bool:
    """Whether no entry of a List says that it was removed, as lst-2 lets those of other than changes."""
    return listed.get("mode") == "changes" or not any("deleted" in row or "_deleted" in row for row in _entries(listed))


def _dates_nothing(listed: Tree) -> bool:
    """Whether no entry of a List says since when, as lst-3 lets those of other than working lists."""
    return listed.get("mode") == "working" or not any("date" in row or "_date" in row for row in _entries(listed))


def _has_identity(organization: Tree) -> bool:
    """Whether an Organization has a name or an identifier, as org-1 asks."""
    listed = organization.get("identifier")
    return isinstance(organization.get("name"), str) or (
        isinstance(listed, list) and any(isinstance(one, dict) for one in listed)
    )


def _of_no_version(entry: Tree) -> bool:
    url = entry.get("fullUrl")
    return isinstance(url, str) and "/_history/" not in url


def _entries(bundle: Tree) -> Iterator[Tree]:
    rows = bundle.get("entry", ())
    return (row if isinstance(row, dict) else {} for row in (rows if isinstance(rows, list) else ()))


#: FHIRPath of an invariant → what sees at once that it holds.
_PLAINLY: Mapping[str, Callable[[Any], bool]] = {
    "start.hasValue().not() or end.hasValue().not() or (start <= end)": in_order,
    "concept.code.combine($this.descendants().concept.code).isDistinct()": _distinct,
    "($this as dateTime).toString().length() >= 8": _to_the_day,
    "entry.search.empty() or (type = 'searchset')": _unsearched,
    "entry.all(request.exists() = (%resource.type = 'batch' or %resource.type = 'transaction'"
    " or %resource.type = 'history'))": _has_where("request", _ASKED),
    "entry.all(response.exists() = (%resource.type = 'batch-response' or %resource.type = 'transaction-response'"
    " or %resource.type = 'history'))": _has_where("response", _ANSWERED),
    "(type = 'history') or entry.where(fullUrl.exists()).select(fullUrl&resource.meta.versionId).isDistinct()": (
        _called_otherwise
    ),
    "fullUrl.contains('/_history/').not()": _of_no_version,
    "type = 'document' implies (identifier.system.exists() and identifier.value.exists())": _is_no("document"),
    "type = 'document' implies (timestamp.hasValue())": _is_no("document"),
    "type = 'document' implies entry.first().resource.is(Composition)": _is_no("document"),
    "mode = 'changes' or entry.deleted.empty()": _removes_nothing,
    "mode = 'working' or entry.date.empty()": _dates_nothing,
    "(identifier.count() + name.count()) > 0": _has_identity,
    "type = 'message' implies entry.first().resource.is(MessageHeader)": _is_no("message"),
}
