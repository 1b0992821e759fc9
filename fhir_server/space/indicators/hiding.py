"""What of the counts is told: nothing by which a number from 1 to 10 could be found, however it is put together.

Statistical secrecy is fewer than 11 persons or things. Three rules; nothing that is told depends on what is hidden:

- *Cells*, which tell of a population first (documents by month and sector): none and 11 or more are told, and sums are
  of what is told alone. Sums of all would tell what is hidden in them, over rows, columns or time.
- *Shares* of a population that cells tell of (the same documents by type): the sum of the cells told, divided as the
  true counts are. The true sum would tell what is hidden among the cells. Of small shares only the sum can be known,
  which has a great one in it (`pooled`).
- *Persons* counted once, who cannot be more than some things that are told: told where there are no more of them.

What was told before stays as it is until it is wrong by 11 or more (`steady`): two days' tables differ by nothing, or
by 11 at least, whoever was added, corrected, moved or erased.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: Counts from this on are told, and none at all is.
SHOWN_FROM = 11
#: Name of the row and of the column of sums.
TOTAL = "total"
#: Row and column.
Place = tuple[str, str]


def small(value: int) -> bool:
    """Whether a count is not to be told."""
    return 0 < value < SHOWN_FROM


def steady(value: int, before: int | None) -> int | None:
    """What is told of a count of which `before` was told (None: nothing was); None: it is hidden."""
    if small(value):
        return None
    if before is not None and value and before >= SHOWN_FROM and abs(value - before) < SHOWN_FROM:
        return before
    return value


def with_sums(rows: Sequence[str], columns: Sequence[str], told: Mapping[Place, int | None]) -> dict[Place, int | None]:
    """The cells, absent ones as 0, and sums of what is told; None where all that there is in a sum is hidden."""
    found: dict[Place, int | None] = {(row, column): told.get((row, column), 0) for row in rows for column in columns}
    found |= {(row, TOTAL): _sum([found[row, column] for column in columns]) for row in rows}
    return found | {(TOTAL, column): _sum([found[row, column] for row in rows]) for column in (*columns, TOTAL)}


def _sum(parts: Sequence[int | None]) -> int | None:
    total = sum(part or 0 for part in parts)
    return None if not total and None in parts else total


def shared(counts: Mapping[str, int], whole: int) -> dict[str, int]:
    """`whole` divided as the counts are, in whole numbers: the greatest remainders are rounded up."""
    there = sum(counts.values())
    if not there:
        return dict.fromkeys(counts, 0)
    parts = {name: divmod(count * whole, there) for name, count in counts.items()}
    left = whole - sum(part for part, _ in parts.values())
    up = sorted(parts, key=lambda name: (-parts[name][1], name))[:left]
    return {name: part + (name in up) for name, (part, _) in parts.items()}


def pooled(parts: Mapping[str, int], closed: bool) -> frozenset[str]:
    """The shares that are not told: those of 1 to 10, and as many others that the sum of them all tells of none.

    It is so where there is one of 11 or more among them, nobody knows which, and any of the others could be 10: the
    rest of the whole, which can be found by taking away what is told, is then 19 and one for each, or more.

    Args:
        parts: name → share, in the order in which they are told.
        closed: whether everybody knows which names there are. The great one is then the next in order, whatever its
            size, since the smallest would tell that it is no greater than others; else it is the smallest.
    """
    names = [name for name, part in parts.items() if part]
    found = [name for name in names if small(parts[name])]
    if not found:
        return frozenset()
    at = names.index(found[-1])
    others = [name for name in (*names[at:], *reversed(names[:at])) if not small(parts[name])]
    if not closed:
        others.sort(key=lambda name: (parts[name], name))
    great = 0
    while others and not (great and sum(parts[name] for name in found) >= 19 + len(found)):
        found.append(others.pop(0))
        great += 1
    return frozenset(found)
